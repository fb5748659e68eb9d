// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <poll.h>

// However a loop waits, and whoever turns it, peers work the same.

namespace hawser::peer_test {
namespace {

class peer_wait_policy : public ::testing::TestWithParam<wait_policy> {};

TEST_P(peer_wait_policy, serves_messages_requests_and_deadlines_alike) {
  loop on({.wait = GetParam()});
  peer server(on, {.name = "server", .listen = "127.0.0.1:0"}), client(on, {.name = "client"});
  server.on("echo", echo);
  server.on("hold", [&](request& rq) -> task<> {
    while (!rq.cancelled()) co_await sleep(on, 1ms);
  });
  std::size_t messages = 0;
  server.on_message([&](connection&, byte_view) { ++messages; });
  const auto all = [&]() -> task<bool> {
    const auto to = co_await client.connect(server.local_endpoint());
    if (!to) co_return false;
    for (int i = 0; i < 100; ++i) {
      if (!to->send("message")) co_return false;
      const result<chunk> answer = co_await client.call(*to, "echo", as_bytes("request"));
      if (!answer || as_text(*answer) != "request") co_return false;
    }
    const result<chunk> late = co_await client.call(*to, "hold", {}, {.deadline = 5ms});
    co_return !late && late.error() == errc::deadline;
  };
  EXPECT_TRUE(on.run(all()));
  EXPECT_EQ(messages, 100u);
}

INSTANTIATE_TEST_SUITE_P(each, peer_wait_policy, ::testing::Values(wait_policy::block, wait_policy::spin_then_block, wait_policy::busy),
                         [](const auto& one) {
                           switch (one.param) {
                             case wait_policy::block: return "block";
                             case wait_policy::spin_then_block: return "spin_then_block";
                             case wait_policy::busy: return "busy";
                           }
                           return "none";
                         });

// A game: one bounded turn that never waits in each frame; the frame's own clock decides when the next one comes.
TEST(peer_frame_loop, sixty_frames_a_second_with_one_poll_each_exchange_state_in_every_frame) {
  loop on({.wait = wait_policy::block});
  peer server(on, {.name = "server", .listen = "127.0.0.1:0"}), player(on, {.name = "player"});
  std::uint32_t inputs = 0, snapshots = 0;
  server.on_message([&](connection& from, byte_view input) {
    ++inputs;
    EXPECT_TRUE(succeeded(from.send(input)));
  });
  player.on_message([&](connection&, byte_view) { ++snapshots; });
  connection to = connect(player, server);

  constexpr std::uint32_t frames = 60;
  auto next_frame = std::chrono::steady_clock::now();
  for (std::uint32_t frame = 0; frame < frames; ++frame) {
    std::byte input[32]{};
    store_le(input, frame);
    EXPECT_TRUE(succeeded(to.send(input)));
    const auto before = on.turns();
    on.poll();
    EXPECT_EQ(on.turns(), before + 1) << "a poll is one turn";
    next_frame += std::chrono::microseconds(16'667) / 4;      // the tests have no hour to spare
    while (std::chrono::steady_clock::now() < next_frame) on.poll();
  }
  ASSERT_TRUE(drive(on, [&] { return snapshots == frames; }));
  EXPECT_EQ(inputs, frames);
}

TEST(peer_foreign_loop, a_descriptor_and_a_timeout_are_all_that_somebody_elses_loop_needs) {
  loop on({.wait = wait_policy::block});
  peer server(on, {.name = "server", .listen = "127.0.0.1:0"}), client(on, {.name = "client"});
  server.on("nap", [&](request& rq) -> task<> {
    co_await sleep(on, 15ms);
    static_cast<void>(co_await rq.write("rested"));
  });
  std::string answer;
  scope work(on);
  const auto ask = [&]() -> task<> {
    const auto to = co_await client.connect(server.local_endpoint());
    HAWSER_CO_ASSERT(succeeded(to));
    const result<chunk> got = co_await client.call(*to, "nap");
    HAWSER_CO_ASSERT(succeeded(got));
    answer = as_text(*got);
  };
  work.spawn(ask());
  int waits = 0;
  for (; waits < 10'000 && answer.empty(); ++waits) {
    pollfd watched{on.descriptor(), POLLIN, 0};
    const duration left = on.next_timeout();
    const int timeout_ms = left == duration::max() ? 10'000 : static_cast<int>((left + 999us) / 1ms);
    ::poll(&watched, 1, timeout_ms);
    while (on.poll()) {
    }
  }
  EXPECT_EQ(answer, "rested");
  EXPECT_LT(waits, 1'000) << "it was turned in a hot loop instead of waiting";
}

}  // namespace
}  // namespace hawser::peer_test
