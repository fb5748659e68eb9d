// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

// Channels that either side opens, without a round trip: raw bytes, or messages.

namespace hawser::peer_test {
namespace {

using peer_channels = pair_of_peers;

task<> echo_channel(channel& opened) {
  for (;;) {
    auto piece = co_await opened.read();
    if (!piece || piece->empty()) co_return;
    if (!co_await opened.write(std::move(*piece))) co_return;
  }
}

TEST_F(peer_channels, of_bytes_are_opened_by_either_side) {
  std::vector<std::string> labels;
  const auto serve = [&](channel& opened) -> task<> {
    labels.push_back(std::string(opened.with().name()) + "/" + std::string(opened.operation()));
    co_await echo_channel(opened);
  };
  server.on_stream(serve);
  client.on_stream(serve);
  there();
  const auto talk = [&](peer& from, std::string_view to, std::string_view label) -> task<> {
    auto strand = from.open_stream(to, label);
    HAWSER_CO_ASSERT(succeeded(strand));
    EXPECT_EQ(strand->operation(), label);
    HAWSER_CO_ASSERT(succeeded(co_await strand->write("there and back")));
    strand->finish();
    const auto back = co_await strand->read_all(100);
    HAWSER_CO_ASSERT(succeeded(back));
    EXPECT_EQ(as_text(*back), "there and back");
  };
  run(talk(client, "server", "by the client"));
  run(talk(server, "client", "by the server"));
  run(talk(server, "client", ""));
  EXPECT_EQ(labels, (std::vector<std::string>{"client/by the client", "server/by the server", "server/"}));
}

TEST_F(peer_channels, of_messages_keep_every_boundary) {
  const std::vector<std::size_t> sizes{1, 64, 0, 4'095, 100'000, 2, 300'000, 0};
  std::size_t right = 0;
  bool ended = false;
  server.on_messages([&](channel& opened) -> task<> {
    for (std::size_t size : sizes) {
      const auto message = co_await opened.read();
      HAWSER_CO_ASSERT(succeeded(message));
      if (message->size() == size && follows_pattern(*message, size)) ++right;
    }
    const auto end = co_await opened.read();
    ended = end && end->empty() && opened.ended();
  });
  there();
  const auto talk = [&]() -> task<> {
    auto strand = client.open_messages("server", "sizes");
    HAWSER_CO_ASSERT(succeeded(strand));
    for (std::size_t size : sizes) {
      const std::string body = pattern(size, size);
      HAWSER_CO_ASSERT(succeeded(co_await strand->write(body)));
    }
    strand->finish();
    const auto end = co_await strand->read();
    HAWSER_CO_ASSERT(succeeded(end));
  };
  run(talk());
  ASSERT_TRUE(until([&] { return ended; }));
  EXPECT_EQ(right, sizes.size());
}

TEST_F(peer_channels, nobody_serves_are_refused) {
  there();
  const auto talk = [&](result<channel> strand) -> task<result<>> {
    if (!strand) co_return failure(strand.error());
    const auto answer = co_await strand->read();
    if (!answer) co_return failure(answer.error());
    co_return result<>();
  };
  EXPECT_TRUE(failed_with(run(talk(client.open_stream("server"))), errc::refused));
  EXPECT_TRUE(failed_with(run(talk(client.open_messages("server"))), errc::refused));
  EXPECT_TRUE(there().is_open());
}

TEST_F(peer_channels, of_both_sides_at_once_never_collide) {
  server.on_stream(echo_channel);
  client.on_stream(echo_channel);
  there();
  std::size_t right = 0;
  scope talks(loop_);
  const auto talk = [&](peer& from, std::string_view to, std::uint64_t seed) -> task<> {
    auto strand = from.open_stream(to);
    HAWSER_CO_ASSERT(succeeded(strand));
    const std::string body = pattern(seed * 4'096, 1'000 + seed);
    HAWSER_CO_ASSERT(succeeded(co_await strand->write(body)));
    strand->finish();
    const auto back = co_await strand->read_all(10'000);
    HAWSER_CO_ASSERT(succeeded(back));
    if (as_text(*back) == body) ++right;
  };
  for (std::uint64_t i = 0; i < 100; ++i) {
    talks.spawn(talk(client, "server", i));
    talks.spawn(talk(server, "client", 1'000 + i));
  }
  ASSERT_TRUE(until([&] { return talks.count() == 0; }));
  EXPECT_EQ(right, 200u);
}

TEST_F(peer_channels, can_be_opened_and_ended_by_the_thousand_one_after_the_other) {
  std::size_t served = 0;
  server.on_stream([&](channel& opened) -> task<> {
    co_await echo_channel(opened);
    ++served;
  });
  there();
  const std::size_t count = scaled(3'000);
  const auto talk = [&]() -> task<> {
    for (std::size_t i = 0; i < count; ++i) {
      auto strand = client.open_stream("server", "short lived");
      HAWSER_CO_ASSERT(succeeded(strand));
      HAWSER_CO_ASSERT(succeeded(co_await strand->write("x")));
      strand->finish();
      const auto back = co_await strand->read_all(10);
      HAWSER_CO_ASSERT(succeeded(back));
      HAWSER_CO_ASSERT(as_text(*back) == "x");
    }
  };
  run(talk());
  EXPECT_TRUE(until([&] { return served == count; }));
}

TEST_F(peer_channels, that_are_dropped_tell_the_other_side) {
  std::optional<std::error_code> told;
  server.on_stream([&](channel& opened) -> task<> {
    for (;;) {
      const auto piece = co_await opened.read();
      if (!piece) {
        told = piece.error();
        co_return;
      }
      if (piece->empty()) co_return;
    }
  });
  there();
  {
    auto strand = client.open_stream("server");
    ASSERT_TRUE(succeeded(strand));
    ASSERT_TRUE(succeeded(strand->try_write(as_bytes("x"))));
    settle(loop_);
  }
  ASSERT_TRUE(until([&] { return told.has_value(); }));
  EXPECT_TRUE(is(*told, errc::cancelled));
}

TEST_F(peer_channels, reset_with_an_application_code_arrive_as_that_code) {
  std::optional<std::error_code> told;
  server.on_messages([&](channel& opened) -> task<> {
    const auto first = co_await opened.read();
    EXPECT_TRUE(first.has_value());
    opened.reset(0x1abcd, "my own reason");
    co_return;
  });
  there();
  const auto talk = [&]() -> task<> {
    auto strand = client.open_messages("server");
    HAWSER_CO_ASSERT(succeeded(strand));
    HAWSER_CO_ASSERT(succeeded(co_await strand->write("x")));
    const auto answer = co_await strand->read();
    if (!answer) told = answer.error();
    EXPECT_TRUE(is(strand->error(), make_application_error(0x1abcd)));
  };
  run(talk());
  ASSERT_TRUE(told.has_value());
  EXPECT_TRUE(is(*told, make_application_error(0x1abcd)));
}

TEST_F(peer_channels, of_messages_refuse_one_that_is_too_large_and_go_on) {
  std::string got;
  server.on_messages([&](channel& opened) -> task<> {
    const auto message = co_await opened.read();
    if (message) got = as_text(*message);
  });
  there();
  const auto talk = [&]() -> task<> {
    auto strand = client.open_messages("server");
    HAWSER_CO_ASSERT(succeeded(strand));
    const std::string large((std::size_t{1} << 20) + 1, 'x');
    EXPECT_TRUE(failed_with(co_await strand->write(large), errc::message_too_big));
    HAWSER_CO_ASSERT(succeeded(co_await strand->write("this fits")));
    strand->finish();
    static_cast<void>(co_await strand->read());
  };
  run(talk());
  EXPECT_EQ(got, "this fits");
}

TEST_F(peer_channels, carry_the_users_state_to_their_end) {
  struct held { int number; };
  auto state = std::make_shared<held>(held{7});
  std::weak_ptr<held> watch = state;
  there();
  {
    auto strand = client.open_stream("server");
    ASSERT_TRUE(succeeded(strand));
    strand->set_user_state(std::move(state));
    ASSERT_NE(strand->user_state<held>(), nullptr);
    EXPECT_EQ(strand->user_state<held>()->number, 7);
  }
  settle(loop_);
  EXPECT_TRUE(watch.expired());
}

// A stalled channel bounds its writer and takes nothing from the others.
TEST_F(peer_channels, that_nobody_reads_do_not_stop_the_others) {
  hawser::event gate(loop_);
  server.on("echo", echo);
  server.on_stream([&](channel& opened) -> task<> {
    co_await gate.wait();
    const auto all = co_await opened.read_all(std::size_t{64} << 20);
    EXPECT_TRUE(succeeded(all));
  });
  there();
  std::vector<channel> stalled;
  for (int i = 0; i < 20; ++i) {
    auto strand = client.open_stream("server");
    ASSERT_TRUE(succeeded(strand));
    stalled.push_back(std::move(*strand));
  }
  const std::string piece(16'384, 'x');
  for (int round = 0; round < 30; ++round) {
    for (channel& one : stalled) static_cast<void>(one.try_write(as_bytes(piece)));
    settle(loop_, 1ms);
  }
  for (int i = 0; i < 50; ++i) ASSERT_EQ(ask("echo", "beside them").value_or("failed"), "beside them");
  EXPECT_LT(loop_.buffers().bytes_in_use(), 16u << 20);
  gate.set();
  for (channel& one : stalled) one.finish();
  settle(loop_);
}

}  // namespace
}  // namespace hawser::peer_test
