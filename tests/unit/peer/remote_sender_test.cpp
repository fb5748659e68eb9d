// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <semaphore>
#include <thread>

// Messages that other threads send.

namespace hawser::peer_test {
namespace {

using peer_remote_sender = pair_of_peers;

struct numbered {
  std::uint32_t producer, number;
};
std::string text_of(numbered one, std::size_t size) {
  std::string text(size, 'r');
  store_le(reinterpret_cast<std::byte*>(text.data()), one.producer);
  store_le(reinterpret_cast<std::byte*>(text.data()) + 4, one.number);
  return text;
}

TEST_F(peer_remote_sender, from_four_threads_keeps_each_producers_order_and_loses_nothing) {
  constexpr std::uint32_t producers = 4;
  const auto each = static_cast<std::uint32_t>(scaled(50'000));
  std::array<std::uint32_t, producers> next{};
  bool in_order = true;
  std::size_t received = 0;
  server.on_message([&](connection&, byte_view message) {
    const auto producer = load_le<std::uint32_t>(message.data());
    if (producer >= producers || load_le<std::uint32_t>(message.data() + 4) != next[producer]++) in_order = false;
    ++received;
  });
  auto sender = client.sender(there(), 64 * 1024);
  ASSERT_TRUE(succeeded(sender));
  std::atomic<std::uint64_t> blocked{0};
  std::atomic<std::uint32_t> failed{0};
  std::vector<std::jthread> threads;
  for (std::uint32_t producer = 0; producer < producers; ++producer) {
    threads.emplace_back([&, mine = *sender, producer]() mutable {
      std::binary_semaphore room(0);
      for (std::uint32_t i = 0; i < each;) {
        const result<> sent = mine.send(text_of({producer, i}, 64));
        if (sent) {
          ++i;
        } else if (sent.error() == errc::would_block) {
          ++blocked;
          if (!mine.on_writable([&] { room.release(); })) break;
          room.acquire();
        } else {
          ++failed;
          break;
        }
      }
    });
  }
  ASSERT_TRUE(until([&] { return received == std::size_t{each} * producers || failed != 0; })) << received;
  threads.clear();
  EXPECT_TRUE(in_order);
  EXPECT_EQ(received, std::size_t{each} * producers);
  EXPECT_EQ(failed, 0u);
}

TEST_F(peer_remote_sender, over_its_limit_is_told_would_block_and_called_when_there_is_room) {
  std::size_t received = 0;
  server.on_message([&](connection&, byte_view) { ++received; });
  auto sender = client.sender(there(), 10'000);
  ASSERT_TRUE(succeeded(sender));
  // The loop does not turn: nothing drains.
  std::size_t taken = 0;
  result<> last;
  std::thread([&] {
    for (; taken < 1'000; ++taken) {
      last = sender->send(std::string(1'000, 'x'));
      if (!last) break;
    }
  }).join();
  EXPECT_TRUE(failed_with(last, errc::would_block));
  EXPECT_GE(taken, 5u);
  EXPECT_LE(taken, 11u);
  bool writable = false;
  std::thread::id ran_on;
  ASSERT_TRUE(succeeded(sender->on_writable([&] {
    writable = true;
    ran_on = std::this_thread::get_id();
  })));
  EXPECT_FALSE(writable);
  ASSERT_TRUE(until([&] { return writable && received == taken; }));
  EXPECT_EQ(ran_on, std::this_thread::get_id()) << "on the loop's thread";
  EXPECT_TRUE(succeeded(sender->send("room again")));
  EXPECT_TRUE(until([&] { return received == taken + 1; }));
}

TEST_F(peer_remote_sender, wakes_a_loop_that_sleeps) {
  loop sleeper({.wait = wait_policy::block});
  peer listening_one(sleeper, {.name = "s", .listen = "127.0.0.1:0"}), sending_one(sleeper, {.name = "c"});
  std::atomic<bool> got{false};
  listening_one.on_message([&](connection&, byte_view) {
    got = true;
    sleeper.stop();
  });
  connection to = connect(sending_one, listening_one);
  auto sender = sending_one.sender(to);
  ASSERT_TRUE(succeeded(sender));
  std::jthread waker([&] {
    // Whether the loop sleeps already or is about to: it must see the message either way.
    EXPECT_TRUE(succeeded(sender->send("wake up")));
  });
  sleeper.run();
  EXPECT_TRUE(got);
}

TEST_F(peer_remote_sender, to_a_peer_that_departed_is_not_connected) {
  auto mine = client.sender(there());
  ASSERT_TRUE(succeeded(mine));
  ASSERT_TRUE(succeeded(mine->send("here")));
  connection leaving = there();
  leaving.close();
  ASSERT_TRUE(until([&] { return !mine->send("going").has_value(); }));
  result<> late;
  std::thread([&] { late = mine->send("gone"); }).join();
  EXPECT_TRUE(failed_with(late, errc::not_connected));
}

TEST_F(peer_remote_sender, outlives_its_peer_and_its_loop) {
  std::optional<remote_sender> orphan;
  {
    loop brief;
    peer listening_one(brief, {.name = "s", .listen = "127.0.0.1:0"});
    {
      peer sending_one(brief, {.name = "c"});
      orphan = *sending_one.sender(connect(sending_one, listening_one));
      ASSERT_TRUE(succeeded(orphan->send("while it lives")));
    }
    EXPECT_TRUE(failed_with(orphan->send("peer is gone"), errc::not_connected));
  }
  const result<> late = orphan->send("loop is gone");
  EXPECT_TRUE(!late && (late.error() == errc::loop_stopped || late.error() == errc::not_connected));
}

TEST_F(peer_remote_sender, refuses_what_the_other_side_would_not_take) {
  auto sender = client.sender(there(), std::size_t{8} << 20);
  ASSERT_TRUE(succeeded(sender));
  EXPECT_TRUE(failed_with(sender->send(std::string((std::size_t{1} << 20) + 1, 'x')), errc::message_too_big));
}

// The other side reads nothing: what threads push stays within their limit and the connection's watermark.
TEST(peer_remote_sender_memory, stays_within_its_limit_while_the_other_side_stands_still) {
  loop on, still;
  peer server(still, {.name = "server", .listen = "127.0.0.1:0"}), client(on, {.name = "client"});
  std::size_t received = 0;
  server.on_message([&](connection&, byte_view) { ++received; });
  std::optional<connection> to;
  scope work(on);
  const auto dial = [&]() -> task<> {
    const auto with = co_await client.connect(server.local_endpoint());
    if (with) to = *with;
  };
  work.spawn(dial());
  ASSERT_TRUE(drive_both(on, still, [&] { return to.has_value(); }));
  auto sender = client.sender(*to, 256 * 1024);
  ASSERT_TRUE(succeeded(sender));
  std::atomic<std::size_t> taken{0};
  std::atomic<bool> stop{false};
  std::jthread producer([&] {
    const std::string body(10'000, 'x');
    const auto room = std::make_shared<std::binary_semaphore>(0);     // shared: the loop may hold the work longer than this thread lives
    while (!stop) {
      if (sender->send(body)) {
        ++taken;
      } else {
        if (!sender->on_writable([room] { room->release(); })) return;
        while (!stop && !room->try_acquire_for(1ms)) {
        }
      }
    }
  });
  std::size_t before = 1;
  while (before != taken) {
    before = taken;
    settle(on, 50ms);
    EXPECT_LT(on.buffers().bytes_in_use(), 6u << 20);
  }
  stop = true;
  EXPECT_GT(taken, 0u);
  ASSERT_TRUE(drive_both(on, still, [&] { return received == taken; })) << received << " of " << taken;
  producer.join();
  EXPECT_TRUE(drive_both(on, still, [&] { return received == taken; })) << received << " of " << taken;
}

}  // namespace
}  // namespace hawser::peer_test
