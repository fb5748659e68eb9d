// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"
#include "wire.hpp"

#include <csignal>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

// What a peer tells its owner: order, and exactly once, whichever way a connection ends.

namespace hawser::peer_test {
namespace {

using lines = std::vector<std::string>;

class peer_hooks_of_a_connection : public ::testing::Test {
 protected:
  bool until_gone() {
    return drive(loop_, [&] { return at_server.count("disconnected") == at_server.count("connected") && at_client.count("disconnected") == at_client.count("connected"); });
  }

  loop loop_;
  diary at_server, at_client;
  peer server{loop_, {.name = "server", .listen = "127.0.0.1:0", .hooks = &at_server}};
  peer client{loop_, {.name = "client", .hooks = &at_client}};
};

TEST_F(peer_hooks_of_a_connection, come_in_their_stated_order_and_exactly_once_for_a_local_close) {
  connection with = connect(client, server);
  ASSERT_TRUE(drive(loop_, [&] { return at_server.seen.size() == 1; }));
  with.close();
  ASSERT_TRUE(until_gone());
  settle(loop_);
  EXPECT_EQ(at_server.lines, (lines{"accept_socket", "admit client", "connected client", "disconnected client"}));
  EXPECT_EQ(at_client.lines, (lines{"connected server", "disconnected server"}));
  EXPECT_FALSE(at_server.reasons[0]) << at_server.reasons[0].message();
  EXPECT_FALSE(at_client.reasons[0]) << at_client.reasons[0].message();
}

TEST_F(peer_hooks_of_a_connection, are_the_same_when_the_listening_side_closes) {
  connect(client, server);
  ASSERT_TRUE(drive(loop_, [&] { return at_server.seen.size() == 1; }));
  at_server.seen[0].close();
  ASSERT_TRUE(until_gone());
  settle(loop_);
  EXPECT_EQ(at_server.lines, (lines{"accept_socket", "admit client", "connected client", "disconnected client"}));
  EXPECT_EQ(at_client.lines, (lines{"connected server", "disconnected server"}));
  EXPECT_FALSE(at_client.reasons[0]) << at_client.reasons[0].message();
}

TEST_F(peer_hooks_of_a_connection, tell_the_other_side_the_reason_that_was_given) {
  connection with = connect(client, server);
  with.close(errc::calm, "that is enough");
  ASSERT_TRUE(drive(loop_, [&] { return at_server.reasons.size() == 1 && at_client.reasons.size() == 1; }));
  EXPECT_TRUE(is(at_server.reasons[0], errc::calm));
}

TEST_F(peer_hooks_of_a_connection, tell_an_abort_on_both_sides_once) {
  connection with = connect(client, server);
  ASSERT_TRUE(drive(loop_, [&] { return at_server.seen.size() == 1; }));
  with.abort();
  with.abort();
  ASSERT_TRUE(until_gone());
  settle(loop_);
  EXPECT_EQ(at_server.lines, (lines{"accept_socket", "admit client", "connected client", "disconnected client"}));
  EXPECT_EQ(at_client.lines, (lines{"connected server", "disconnected server"}));
  EXPECT_TRUE(at_server.reasons[0]);
}

TEST_F(peer_hooks_of_a_connection, tell_a_stop_of_the_whole_peer_to_each_connection) {
  peer second(loop_, {.name = "second"});
  connect(client, server);
  connect(second, server);
  ASSERT_TRUE(drive(loop_, [&] { return at_server.seen.size() == 2; }));
  finish(loop_, server.stop(1s));
  ASSERT_TRUE(until_gone());
  settle(loop_);
  // Which of the two ends first is for the sockets to say.
  ASSERT_EQ(at_server.lines.size(), 8u);
  std::sort(at_server.lines.begin() + 6, at_server.lines.end());
  EXPECT_EQ(at_server.lines, (lines{"accept_socket", "admit client", "connected client", "accept_socket", "admit second", "connected second",
                                    "disconnected client", "disconnected second"}));
  EXPECT_EQ(at_client.lines, (lines{"connected server", "disconnected server"}));
  EXPECT_FALSE(at_client.reasons[0]) << at_client.reasons[0].message();
}

TEST_F(peer_hooks_of_a_connection, of_a_refused_socket_end_with_accept_socket) {
  at_server.let_in = false;
  EXPECT_FALSE(finish(loop_, client.connect(server.local_endpoint())).has_value());
  settle(loop_);
  EXPECT_EQ(at_server.lines, (lines{"accept_socket"}));
  EXPECT_TRUE(at_client.lines.empty());
}

TEST_F(peer_hooks_of_a_connection, of_a_vetoed_dialer_end_with_admit) {
  at_server.verdict = failure(errc::veto);
  EXPECT_TRUE(failed_with(finish(loop_, client.connect(server.local_endpoint())), errc::veto));
  settle(loop_);
  EXPECT_EQ(at_server.lines, (lines{"accept_socket", "admit client"}));
  EXPECT_TRUE(at_client.lines.empty());
}

TEST_F(peer_hooks_of_a_connection, never_tell_of_a_stranger_that_leaves_before_its_handshake) {
  { raw_socket silent(server.local_endpoint()); }
  { raw_socket half(server.local_endpoint()); half.send(wire::preface().substr(0, 5)); }
  { raw_socket rude(server.local_endpoint()); rude.send("GET / HTTP/1.1\r\n\r\n"); rude.abort(); }
  ASSERT_TRUE(drive(loop_, [&] { return at_server.lines.size() == 3; }));
  settle(loop_);
  EXPECT_EQ(at_server.lines, (lines{"accept_socket", "accept_socket", "accept_socket"}));
}

TEST_F(peer_hooks_of_a_connection, tell_traffic_between_connected_and_disconnected) {
  at_server.with_traffic = at_client.with_traffic = true;
  server.on("echo", echo);
  server.on_message([](connection&, byte_view) {});
  connection with = connect(client, server);
  const auto talk = [&]() -> task<> {
    EXPECT_TRUE(succeeded(with.send("12345")));
    const auto answer = co_await client.call(with, "echo", as_bytes("hi"));
    EXPECT_TRUE(answer.has_value());
  };
  finish(loop_, talk());
  with.close();
  ASSERT_TRUE(until_gone());
  EXPECT_EQ(at_client.lines, (lines{"connected server", "sending message of 5", "sending request echo", "disconnected server"}));
  EXPECT_EQ(at_server.lines, (lines{"accept_socket", "admit client", "connected client", "received message of 5", "received request echo", "disconnected client"}));
}

TEST_F(peer_hooks_of_a_connection, that_was_received_before_the_end_is_delivered_before_disconnected) {
  std::size_t messages = 0, before_end = 0;
  server.on_message([&](connection&, byte_view) {
    ++messages;
    if (at_server.count("disconnected") == 0) ++before_end;
  });
  connection with = connect(client, server);
  for (int i = 0; i < 1000; ++i) ASSERT_TRUE(succeeded(with.send("last words")));
  with.close();
  ASSERT_TRUE(until_gone());
  EXPECT_EQ(messages, 1000u);
  EXPECT_EQ(before_end, 1000u);
}

TEST_F(peer_hooks_of_a_connection, may_send_and_close_from_inside) {
  struct busy : diary {
    void connected(connection& with) override {
      diary::connected(with);
      EXPECT_TRUE(succeeded(with.send("greetings")));
      with.close();
    }
  };
  busy at_third;
  std::string got;
  server.on_message([&](connection&, byte_view message) { got = as_text(message); });
  peer third(loop_, {.name = "third", .hooks = &at_third});
  static_cast<void>(finish(loop_, third.connect(server.local_endpoint())));
  ASSERT_TRUE(drive(loop_, [&] { return at_third.count("disconnected") == 1 && at_server.count("disconnected") == 1; }));
  EXPECT_EQ(got, "greetings");
}

TEST_F(peer_hooks_of_a_connection, see_the_users_state_of_the_connection_to_its_last_moment) {
  struct held { int number; };
  auto state = std::make_shared<held>(held{42});
  std::weak_ptr<held> watch = state;
  connection with = connect(client, server);
  with.set_user_state(std::move(state));
  connection copy = with;
  ASSERT_NE(copy.user_state<held>(), nullptr);
  EXPECT_EQ(copy.user_state<held>()->number, 42);
  with.close();
  ASSERT_TRUE(until_gone());
  at_client.seen.clear();
  with = connection();
  EXPECT_FALSE(watch.expired()) << "a handle still holds it";
  EXPECT_EQ(copy.user_state<held>()->number, 42);
  copy = connection();
  settle(loop_);
  EXPECT_TRUE(watch.expired());
}

// A client in a process of its own: connects, says its name, and then waits for ever.
pid_t start_client_process(int port_pipe) {
  const pid_t child = ::fork();
  if (child != 0) return child;
  std::uint16_t port = 0;
  if (::read(port_pipe, &port, sizeof port) != sizeof port) ::_exit(2);
  loop on;
  peer client(on, {.name = "doomed"});
  client.on("never", [&](request&) -> task<> { co_await sleep_until(on, never); });
  const auto live = [&]() -> task<int> {
    const auto with = co_await client.connect("127.0.0.1:" + std::to_string(port));
    if (!with) ::_exit(3);
    co_await sleep_until(on, never);
    co_return 0;
  };
  ::_exit(on.run(live()));
}

TEST(peer_hooks_and_death, of_a_process_killed_in_mid_request_come_once_and_the_call_is_lost) {
  int port_pipe[2];
  ASSERT_EQ(::pipe(port_pipe), 0);
  const pid_t child = start_client_process(port_pipe[0]);
  ASSERT_GT(child, 0);
  ::close(port_pipe[0]);

  loop on;
  diary hooks;
  peer server(on, {.name = "server", .listen = "127.0.0.1:0", .hooks = &hooks});
  const std::uint16_t port = server.local_endpoint().port();
  ASSERT_EQ(::write(port_pipe[1], &port, sizeof port), static_cast<ssize_t>(sizeof port));
  ::close(port_pipe[1]);
  ASSERT_TRUE(drive(on, [&] { return hooks.seen.size() == 1; }));

  std::optional<result<chunk>> outcome;
  scope calls(on);
  const auto ask = [&]() -> task<> { outcome = co_await server.call("doomed", "never", as_bytes("x")); };
  calls.spawn(ask());
  settle(on);
  EXPECT_FALSE(outcome.has_value());
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status));

  ASSERT_TRUE(drive(on, [&] { return hooks.count("disconnected") != 0 && outcome.has_value(); }));
  settle(on);
  EXPECT_EQ(hooks.lines, (lines{"accept_socket", "admit doomed", "connected doomed", "disconnected doomed"}));
  EXPECT_TRUE(hooks.reasons[0] == errc::connection_lost || hooks.reasons[0] == errc::connection_reset) << hooks.reasons[0].message();
  EXPECT_TRUE(failed_with(*outcome, errc::connection_lost));
  EXPECT_TRUE(failed_with(server.send("doomed", "x"), errc::not_connected));
}

}  // namespace
}  // namespace hawser::peer_test
