// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <sys/socket.h>
#include <netinet/in.h>
#include <unistd.h>

#include <cstdio>

// Symmetric peers: where they listen and what they connect to.

namespace hawser::peer_test {
namespace {

bool has_ipv6() {
  const int fd = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = in6addr_loopback;
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&loopback), sizeof loopback) == 0;
  ::close(fd);
  return bound;
}

std::string socket_path(std::string_view what) { return "unix:" + ::testing::TempDir() + "hawser_" + std::to_string(::getpid()) + "_" + std::string(what); }

class peer_listening : public ::testing::Test {
 protected:
  result<connection> dial(peer& from, const endpoint& where) { return finish(loop_, from.connect(where)); }
  // A round trip over the only connection to that endpoint.
  void expect_echo(const endpoint& where) {
    peer dialer(loop_);
    const auto with = dial(dialer, where);
    ASSERT_TRUE(succeeded(with)) << where.text();
    const auto ask = [&]() -> task<result<std::string>> {
      const result<chunk> answer = co_await dialer.call(*with, "echo", as_bytes("hello"));
      if (!answer) co_return failure(answer.error());
      co_return std::string(as_text(*answer));
    };
    const auto answer = finish(loop_, ask());
    ASSERT_TRUE(succeeded(answer)) << where.text();
    EXPECT_EQ(*answer, "hello");
  }

  loop loop_;
};

TEST_F(peer_listening, on_several_endpoints_at_once_serves_the_same_operations_on_each) {
  const std::string path = socket_path("several");
  peer server(loop_, {.name = "server", .listen = {"127.0.0.1:0", "127.0.0.1:0", endpoint(path)}});
  ASSERT_FALSE(server.listen_error()) << server.listen_error().message();
  server.on("echo", echo);
  const std::vector<endpoint> where = server.local_endpoints();
  ASSERT_EQ(where.size(), 3u);
  EXPECT_NE(where[0].port(), where[1].port());
  EXPECT_EQ(where[0], server.local_endpoint());
  for (const endpoint& one : where) expect_echo(one);
}

TEST_F(peer_listening, on_ipv6_loopback) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6 loopback";
  peer server(loop_, {.name = "server", .listen = "[::1]:0"});
  ASSERT_FALSE(server.listen_error()) << server.listen_error().message();
  server.on("echo", echo);
  EXPECT_EQ(server.local_endpoint().kind(), endpoint::family::ipv6);
  expect_echo(server.local_endpoint());
}

TEST_F(peer_listening, on_every_address_takes_ipv4_and_ipv6_alike) {
  if (!has_ipv6()) GTEST_SKIP() << "this machine has no IPv6 loopback";
  peer server(loop_, {.name = "server", .listen = ":0"});
  ASSERT_FALSE(server.listen_error()) << server.listen_error().message();
  server.on("echo", echo);
  const std::string port = std::to_string(server.local_endpoint().port());
  expect_echo("127.0.0.1:" + port);
  expect_echo("[::1]:" + port);
}

TEST_F(peer_listening, on_unix_sockets_with_and_without_a_file) {
  peer server(loop_, {.name = "server", .listen = {endpoint(socket_path("file")), endpoint("unix:@hawser_test_" + std::to_string(::getpid()))}});
  ASSERT_FALSE(server.listen_error()) << server.listen_error().message();
  server.on("echo", echo);
  for (const endpoint& one : server.local_endpoints()) {
    EXPECT_EQ(one.kind(), endpoint::family::unix_path);
    expect_echo(one);
  }
}

TEST_F(peer_listening, is_reached_by_host_name) {
  peer server(loop_, {.name = "server", .listen = "127.0.0.1:0"});
  server.on("echo", echo);
  expect_echo("localhost:" + std::to_string(server.local_endpoint().port()));
}

TEST_F(peer_listening, stops_and_restarts_while_connections_survive) {
  peer server(loop_, {.name = "server", .listen = "127.0.0.1:0"}), early(loop_, {.name = "early"}), late(loop_, {.name = "late"});
  std::size_t messages = 0;
  server.on_message([&](connection&, byte_view) { ++messages; });
  const endpoint where = server.local_endpoint();
  connection survivor = connect(loop_, early, where);

  server.stop_listening();
  EXPECT_FALSE(server.local_endpoint().valid());
  EXPECT_TRUE(server.local_endpoints().empty());
  EXPECT_TRUE(failed_with(dial(late, where), errc::connection_refused));
  EXPECT_TRUE(survivor.is_open());
  EXPECT_TRUE(succeeded(survivor.send("still here")));
  EXPECT_TRUE(drive(loop_, [&] { return messages == 1; }));

  const auto again = server.listen(where);
  ASSERT_TRUE(succeeded(again));
  EXPECT_EQ(*again, where);
  EXPECT_TRUE(succeeded(dial(late, where)));
  EXPECT_TRUE(succeeded(survivor.send("and after")));
  EXPECT_TRUE(drive(loop_, [&] { return messages == 2; }));
}

TEST_F(peer_listening, stops_on_one_endpoint_and_goes_on_on_the_others) {
  peer server(loop_, {.name = "server", .listen = {"127.0.0.1:0", "127.0.0.1:0"}}), dialer(loop_);
  const auto where = server.local_endpoints();
  ASSERT_EQ(where.size(), 2u);
  server.stop_listening(where[0]);
  EXPECT_TRUE(failed_with(dial(dialer, where[0]), errc::connection_refused));
  EXPECT_TRUE(succeeded(dial(dialer, where[1])));
  EXPECT_EQ(server.local_endpoints().size(), 1u);
}

TEST_F(peer_listening, where_somebody_else_does_is_an_error_and_the_peer_is_usable_all_the_same) {
  peer first(loop_, {.name = "first", .listen = "127.0.0.1:0"});
  peer second(loop_, {.name = "second", .listen = first.local_endpoint()});
  EXPECT_TRUE(is(second.listen_error(), errc::address_in_use));
  EXPECT_FALSE(second.local_endpoint().valid());
  EXPECT_TRUE(succeeded(dial(second, first.local_endpoint())));
  EXPECT_TRUE(failed_with(second.listen("this is no endpoint"), errc::address_invalid));
  EXPECT_TRUE(succeeded(second.listen("127.0.0.1:0")));
}

TEST_F(peer_listening, connects_to_many_at_once) {
  constexpr std::size_t many = 20;
  std::vector<std::unique_ptr<peer>> servers;
  for (std::size_t i = 0; i < many; ++i) {
    servers.push_back(std::make_unique<peer>(loop_, peer_options{.name = "server" + std::to_string(i), .listen = "127.0.0.1:0"}));
  }
  peer hub(loop_, {.name = "hub"});
  std::size_t connected = 0;
  scope dials(loop_);
  const auto one = [&](endpoint where) -> task<> {
    const auto with = co_await hub.connect(where);
    if (with) ++connected;
  };
  for (auto& server : servers) dials.spawn(one(server->local_endpoint()));
  ASSERT_TRUE(drive(loop_, [&] { return dials.count() == 0; }));
  EXPECT_EQ(connected, many);
  EXPECT_EQ(hub.connections().size(), many);
  for (std::size_t i = 0; i < many; ++i) EXPECT_TRUE(hub.find("server" + std::to_string(i)).has_value());
}

TEST_F(peer_listening, refuses_connections_beyond_its_limit_with_a_typed_error) {
  peer server(loop_, {.name = "server", .listen = "127.0.0.1:0", .connections_max = 2});
  peer first(loop_), second(loop_), third(loop_);
  connection leaving = connect(first, server);
  connect(second, server);
  EXPECT_TRUE(failed_with(dial(third, server.local_endpoint()), errc::refused));
  leaving.close();
  ASSERT_TRUE(drive(loop_, [&] { return server.connections().size() == 1; }));
  settle(loop_);
  EXPECT_TRUE(succeeded(dial(third, server.local_endpoint())));
}

TEST_F(peer_listening, answers_each_failed_dial_with_its_own_error) {
  peer dialer(loop_);
  EXPECT_TRUE(failed_with(dial(dialer, "127.0.0.1:1"), errc::connection_refused));
  EXPECT_TRUE(failed_with(dial(dialer, "no endpoint at all"), errc::address_invalid));
  EXPECT_TRUE(failed_with(dial(dialer, endpoint()), errc::address_invalid));
  const auto absent = dial(dialer, socket_path("absent"));
  EXPECT_FALSE(absent.has_value());
}

TEST_F(peer_listening, finds_itself_at_the_other_end_and_says_so) {
  diary hooks;
  peer lonely(loop_, {.name = "lonely", .listen = "127.0.0.1:0", .hooks = &hooks});
  EXPECT_TRUE(failed_with(dial(lonely, lonely.local_endpoint()), errc::self_connect));
  settle(loop_);
  EXPECT_TRUE(lonely.connections().empty());
  EXPECT_EQ(hooks.count("connected"), hooks.count("disconnected"));
}

TEST_F(peer_listening, of_two_that_dial_each_other_at_once_keeps_one_connection_the_same_at_both_ends) {
  for (int round = 0; round < 10; ++round) {
    diary at_left, at_right;
    peer left(loop_, {.name = "left", .listen = "127.0.0.1:0", .hooks = &at_left, .parallel = peer_options::parallel_connections::one});
    peer right(loop_, {.name = "right", .listen = "127.0.0.1:0", .hooks = &at_right, .parallel = peer_options::parallel_connections::one});
    std::size_t ended = 0, good = 0;
    scope dials(loop_);
    const auto one = [&](peer& from, endpoint where) -> task<> {
      const auto with = co_await from.connect(where);
      ++ended;
      if (with) ++good;
    };
    dials.spawn(one(left, right.local_endpoint()));
    dials.spawn(one(right, left.local_endpoint()));
    ASSERT_TRUE(drive(loop_, [&] { return ended == 2; }));
    settle(loop_);
    ASSERT_EQ(left.connections().size(), 1u);
    ASSERT_EQ(right.connections().size(), 1u);
    EXPECT_EQ(left.connections()[0].local_endpoint(), right.connections()[0].remote_endpoint()) << "not the same connection";
    EXPECT_GE(good, 1u);
    std::string got;
    right.on_message([&](connection&, byte_view message) { got = as_text(message); });
    EXPECT_TRUE(succeeded(left.send("right", "over the one that stayed")));
    EXPECT_TRUE(drive(loop_, [&] { return !got.empty(); }));
    EXPECT_EQ(at_left.count("connected"), at_left.count("disconnected") + 1);
    EXPECT_EQ(at_right.count("connected"), at_right.count("disconnected") + 1);
  }
}

TEST_F(peer_listening, keeps_parallel_connections_of_the_same_two_where_that_is_wanted) {
  peer server(loop_, {.name = "server", .listen = "127.0.0.1:0"}), dialer(loop_);
  connection first = connect(dialer, server), second = connect(dialer, server);
  EXPECT_FALSE(first == second);
  EXPECT_TRUE(drive(loop_, [&] { return server.connections().size() == 2; }));
}

TEST_F(peer_listening, dropping_a_dial_gives_it_up) {
  peer server(loop_, {.name = "server", .listen = "127.0.0.1:0"}), dialer(loop_);
  {
    task<result<connection>> dialling = dialer.connect(server.local_endpoint());
    dialling.start();
  }
  settle(loop_);
  EXPECT_TRUE(dialer.connections().empty());
  EXPECT_TRUE(drive(loop_, [&] { return server.connections().empty(); }));
}

}  // namespace
}  // namespace hawser::peer_test
