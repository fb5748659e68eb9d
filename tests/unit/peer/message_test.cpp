// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"
#include "counting_engine.hpp"

#include <memory>

// Plain messages between peers over real sockets.

namespace hawser::peer_test {
namespace {

using peer_messages = pair_of_peers;

TEST_F(peer_messages, a_server_on_an_ephemeral_port_gets_what_a_client_sends) {
  std::vector<std::string> got;
  server.on_message([&](connection& from, byte_view message) { got.push_back(std::string(from.name()) + ": " + std::string(as_text(message))); });
  EXPECT_NE(server.local_endpoint().port(), 0);
  EXPECT_TRUE(succeeded(there().send("ahoy")));
  EXPECT_TRUE(succeeded(client.send(there(), "again")));
  ASSERT_TRUE(until([&] { return got.size() == 2; }));
  EXPECT_EQ(got[0], "client: ahoy");
  EXPECT_EQ(got[1], "client: again");
}

TEST_F(peer_messages, both_sides_send_whoever_dialled) {
  std::string at_server, at_client;
  server.on_message([&](connection& from, byte_view message) {
    at_server = as_text(message);
    EXPECT_TRUE(succeeded(from.send("pong")));
  });
  client.on_message([&](connection&, byte_view message) { at_client = as_text(message); });
  ASSERT_TRUE(succeeded(there().send("ping")));
  ASSERT_TRUE(until([&] { return !at_client.empty(); }));
  EXPECT_EQ(at_server, "ping");
  EXPECT_EQ(at_client, "pong");
}

TEST_F(peer_messages, keep_their_boundaries_order_and_bytes_from_empty_to_the_largest) {
  const std::vector<std::size_t> sizes{0, 1, 2, 64, 4'095, 4'096, 16'384, 65'536, 262'144, 262'145, 1 << 20, 0, 3};
  std::size_t received = 0;
  server.on_message([&](connection&, byte_view message) {
    ASSERT_LT(received, sizes.size());
    EXPECT_EQ(message.size(), sizes[received]);
    EXPECT_TRUE(follows_pattern(message, received * 1000));
    ++received;
  });
  connection to = there();
  const auto send_all = [&]() -> task<bool> {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const std::string body = pattern(i * 1000, sizes[i]);
      for (;;) {
        const result<> sent = to.send(body);
        if (sent) break;
        if (sent.error() != errc::would_block) co_return false;
        if (!co_await client.writable(to)) co_return false;
      }
    }
    co_return true;
  };
  EXPECT_TRUE(run(send_all()));
  EXPECT_TRUE(until([&] { return received == sizes.size(); })) << received;
}

// What a message does not get rid of at once is in the way of the next ones; and each side receives while it sends.
TEST_F(peer_messages, that_are_large_go_both_ways_at_once_and_keep_their_order_and_bytes) {
  const std::size_t count = scaled(200);
  const auto size_of = [](std::size_t i) { return i % 4 == 3 ? i : i * 37'117 % (std::size_t{1} << 20); };
  std::size_t at_server = 0, at_client = 0;
  const auto check = [&](std::size_t& received, byte_view message) {
    EXPECT_EQ(message.size(), size_of(received));
    EXPECT_TRUE(follows_pattern(message, received * 1000)) << received;
    ++received;
  };
  connection back;
  server.on_message([&](connection& from, byte_view message) {
    back = from;
    check(at_server, message);
  });
  client.on_message([&](connection&, byte_view message) { check(at_client, message); });
  const auto send_all = [&](peer& from, connection to) -> task<bool> {
    for (std::size_t i = from.name() == client.name() ? 1 : 0; i < count; ++i) {
      const std::string body = pattern(i * 1000, size_of(i));
      for (;;) {
        const result<> sent = to.send(body);
        if (sent) break;
        if (sent.error() != errc::would_block) co_return false;
        const auto writable = co_await from.writable(to);
        if (!writable) co_return false;
      }
    }
    co_return true;
  };
  ASSERT_TRUE(succeeded(there().send(pattern(0, size_of(0)))));
  ASSERT_TRUE(until([&] { return at_server == 1; }));
  task<bool> there_sent = send_all(client, there()), back_sent = send_all(server, back);
  there_sent.start();
  back_sent.start();
  EXPECT_TRUE(until([&] { return at_server == count && at_client == count; })) << at_server << ' ' << at_client;
  EXPECT_TRUE(there_sent.done() && there_sent.take());
  EXPECT_TRUE(back_sent.done() && back_sent.take());
  EXPECT_EQ(there().statistics().messages_received, count);
}

TEST_F(peer_messages, one_byte_over_the_other_sides_limit_is_refused_here_and_harms_nothing) {
  std::size_t received = 0;
  server.on_message([&](connection&, byte_view message) { received += message.size(); });
  const std::string too_big((std::size_t{1} << 20) + 1, 'x');
  EXPECT_TRUE(failed_with(there().send(too_big), errc::message_too_big));
  EXPECT_TRUE(succeeded(there().send("fits")));
  EXPECT_TRUE(until([&] { return received != 0; }));
  EXPECT_EQ(received, 4u);
  EXPECT_TRUE(there().is_open());
}

TEST_F(peer_messages, are_copied_before_send_returns) {
  std::string got;
  server.on_message([&](connection&, byte_view message) { got = as_text(message); });
  std::string mine = "before";
  ASSERT_TRUE(succeeded(there().send(mine)));
  mine = "after!";
  ASSERT_TRUE(until([&] { return !got.empty(); }));
  EXPECT_EQ(got, "before");
}

TEST_F(peer_messages, without_a_handler_are_dropped_and_the_connection_stays) {
  server.on("echo", echo);
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(succeeded(there().send("nobody listens")));
  const auto answer = ask("echo", "still here");
  ASSERT_TRUE(succeeded(answer));
  EXPECT_EQ(*answer, "still here");
}

TEST_F(peer_messages, a_flood_is_told_would_block_then_writable_and_all_of_it_arrives_in_order) {
  const std::uint32_t count = static_cast<std::uint32_t>(scaled(400'000));
  std::uint32_t expected = 0, blocked = 0;
  bool in_order = true;
  server.on_message([&](connection&, byte_view message) {
    in_order = in_order && message.size() == 64 && load_le<std::uint32_t>(message.data()) == expected;
    ++expected;
  });
  connection to = there();
  const auto flood = [&]() -> task<> {
    std::byte message[64]{};
    for (std::uint32_t i = 0; i < count; ++i) {
      store_le(message, i);
      result<> sent = to.send(message);
      while (!sent && sent.error() == errc::would_block) {
        ++blocked;
        HAWSER_CO_ASSERT(succeeded(co_await client.writable(to)));
        sent = to.send(message);
      }
      HAWSER_CO_ASSERT(succeeded(sent));
    }
  };
  run(flood());
  ASSERT_TRUE(until([&] { return expected == count; })) << expected;
  EXPECT_TRUE(in_order);
  EXPECT_GT(blocked, 0u);
  EXPECT_EQ(there().statistics().messages_sent, count);
}

TEST_F(peer_messages, waiting_for_writable_ends_with_the_connection) {
  connection to = there();
  server.on_message([](connection& from, byte_view) { from.abort(); });
  const auto flood = [&]() -> task<result<>> {
    const std::string body(64 * 1024, 'x');
    for (;;) {
      const result<> sent = to.send(body);
      if (sent) continue;
      if (sent.error() != errc::would_block) co_return sent;
      const result<> room = co_await client.writable(to);
      if (!room) co_return room;
    }
  };
  const result<> outcome = run(flood());
  EXPECT_FALSE(outcome.has_value());
  EXPECT_TRUE(failed_with(to.send("late"), errc::not_connected));
}

TEST_F(peer_messages, whose_handler_throws_cost_their_own_connection_and_no_other) {
  peer other(loop_, {.name = "other"});
  std::size_t received = 0;
  server.on_message([&](connection& from, byte_view) {
    if (from.name() == "client") throw std::runtime_error("the handler's own trouble");
    ++received;
  });
  connection thrown_at = there(), untouched = connect(other, server);
  ASSERT_TRUE(succeeded(thrown_at.send("x")));
  ASSERT_TRUE(until([&] { return !thrown_at.is_open(); }));
  ASSERT_TRUE(succeeded(untouched.send("x")));
  ASSERT_TRUE(until([&] { return received == 1; }));
  EXPECT_EQ(server.connections().size(), 1u);
}

TEST(peer_coalescing, a_thousand_messages_of_one_turn_leave_in_few_sends) {
  auto counting = std::make_unique<counting_engine>();
  counting_engine& engine = *counting;
  loop on(std::move(counting));
  peer server(on, {.name = "server", .listen = "127.0.0.1:0"});
  peer client(on, {.name = "client"});
  std::size_t received = 0;
  server.on_message([&](connection&, byte_view) { ++received; });
  connection to = connect(client, server);
  settle(on);

  const std::uint64_t sends_before = engine.sends();
  const auto burst = [&]() -> task<> {
    for (int i = 0; i < 1000; ++i) EXPECT_TRUE(succeeded(to.send("sixty-four bytes, or nearly so: it does not matter for this test")));
    co_return;
  };
  finish(on, burst());
  ASSERT_TRUE(drive(on, [&] { return received == 1000; }));
  EXPECT_LE(engine.sends() - sends_before, 5u);
}

}  // namespace
}  // namespace hawser::peer_test
