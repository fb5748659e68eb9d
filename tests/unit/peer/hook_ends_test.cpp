// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <functional>
#include <memory>

// Hooks that end what they are told of, from inside the command that told them: the books still add up, nothing waits for ever.

namespace hawser::peer_test {
namespace {

// Does something when the first request or message is sent.
struct meddler : peer_hooks {
  std::move_only_function<void(connection&)> on_request, on_message;
  std::move_only_function<void(connection&)> on_end;
  int ends = 0;
  virtual ~meddler() = default;

  void sending(connection& to, traffic what, std::string_view, std::size_t) override {
    auto& work = what == traffic::request ? on_request : on_message;
    if (auto once = std::exchange(work, nullptr)) once(to);
  }
  void disconnected(connection& with, std::error_code) override {
    ++ends;
    if (on_end) on_end(with);
  }
};

class peer_ended_by_a_hook : public ::testing::Test {
 protected:
  peer_ended_by_a_hook() : server(loop_, listening("server")), client(std::make_unique<peer>(loop_, peer_options{.name = "client", .hooks = &hooks})) {
    server.on("echo", echo);
    there = connect(*client, server);
  }
  task<std::error_code> asked(std::string_view body) {
    const result<chunk> answer = co_await client->call(there, "echo", as_bytes(body));
    co_return answer ? std::error_code() : answer.error();
  }

  loop loop_;
  meddler hooks;
  peer server;
  std::unique_ptr<peer> client;
  connection there;
};

TEST_F(peer_ended_by_a_hook, that_is_told_of_a_call_completes_that_call) {
  hooks.on_request = [&](connection&) { client.reset(); };
  EXPECT_TRUE(is(finish(loop_, asked("x"), 5s), errc::closed));
  EXPECT_EQ(hooks.ends, 1);
}

TEST_F(peer_ended_by_a_hook, that_is_told_of_a_started_request_leaves_the_handle_with_its_reason) {
  outgoing_request rq = client->prepare(there, "echo", {.deadline = 1ms});
  hooks.on_request = [&](connection&) { client.reset(); };
  EXPECT_TRUE(failed_with(rq.start(), errc::closed));
  settle(loop_);      // its deadline passes over a request that has ended
  EXPECT_TRUE(is(rq.error(), errc::closed));
}

TEST_F(peer_ended_by_a_hook, that_cancels_the_request_it_is_told_of_keeps_the_sums_right) {
  outgoing_request rq = client->prepare(there, "echo");
  hooks.on_request = [&](connection&) { rq.cancel(); };
  EXPECT_TRUE(failed_with(rq.start(), errc::cancelled));
  settle(loop_);
  const call_statistics books = client->calls();
  EXPECT_EQ(books.started, 1u);
  EXPECT_EQ(books.cancelled, 1u);
  EXPECT_EQ(books.running, 0u);
  finish(loop_, client->stop(1s), 5s);
}

TEST_F(peer_ended_by_a_hook, that_drops_the_request_it_is_told_of_keeps_the_sums_right) {
  auto rq = std::make_unique<outgoing_request>(client->prepare(there, "echo"));
  outgoing_request* const started = rq.get();
  hooks.on_request = [&](connection&) { *started = outgoing_request(); };
  static_cast<void>(started->start());
  settle(loop_);
  EXPECT_EQ(client->calls().running, 0u);
  EXPECT_EQ(client->calls().cancelled, 1u);
}

// What a lane still has goes out when its connection is closed, and a hook is told of it.
TEST_F(peer_ended_by_a_hook, that_is_told_of_a_last_message_while_its_connection_closes) {
  for (const bool stopping : {false, true}) {
    if (!client) {
      client = std::make_unique<peer>(loop_, peer_options{.name = "client", .hooks = &hooks});
      there = connect(*client, server);
    }
    result<remote_sender> sender = client->sender(there);
    ASSERT_TRUE(succeeded(sender));
    ASSERT_TRUE(succeeded(sender->send("last words")));
    hooks.on_message = [&](connection&) { client.reset(); };
    if (stopping) {
      finish(loop_, client->stop(1s), 5s);
    } else {
      there.close();
    }
    EXPECT_FALSE(client);
    EXPECT_FALSE(there.is_open());
    there = {};
    ASSERT_TRUE(drive(loop_, [&] { return server.connections().empty(); }));
  }
}

// The end of a connection fails the calls that wait for a channel; who waited for one ends the peer; its hook looks at the peer.
TEST_F(peer_ended_by_a_hook, that_looks_at_the_peer_while_a_failed_call_destroys_it) {
  peer_options narrow = listening("narrow");
  narrow.wire.announced.channels_max = 16;
  peer small(loop_, std::move(narrow));
  small.on("wait", [&](request& rq) -> task<> { static_cast<void>(co_await rq.read_all(100)); });
  connection to = connect(loop_, *client, small.local_endpoint());
  std::size_t seen = 99;
  hooks.on_end = [&](connection& with) {
    if (with == to && with.owner()) seen = with.owner()->connections().size();
  };
  std::vector<outgoing_request> open;
  while (client->calls().queued == 0) {
    auto one = client->start(to, "wait");
    ASSERT_TRUE(succeeded(one));
    open.push_back(std::move(*one));
    ASSERT_LT(open.size(), 5000u);
  }
  open.pop_back();
  const auto queued = [&]() -> task<> {
    static_cast<void>(co_await client->call(to, "wait"));
    client.reset();
  };
  scope work(loop_);
  work.spawn(queued());
  small.stop_listening();
  for (connection& one : small.connections()) one.abort();
  ASSERT_TRUE(drive(loop_, [&] { return !client; }));
  EXPECT_LE(seen, 1u);
  EXPECT_EQ(hooks.ends, 2);
}

TEST_F(peer_ended_by_a_hook, handles_of_a_destroyed_peer_answer_every_question) {
  connection self = client->self();
  connection other = there;
  client.reset();
  for (connection* one : {&self, &other}) {
    one->cork();
    one->uncork();
    one->close();
    one->close(errc::veto, "too late");
    one->abort();
    EXPECT_TRUE(failed_with(one->send("x"), errc::not_connected));
    EXPECT_FALSE(one->is_open());
    EXPECT_EQ(one->owner(), nullptr);
    static_cast<void>(one->statistics());
    static_cast<void>(one->local_endpoint());
    static_cast<void>(one->remote_endpoint());
  }
  settle(loop_, 5ms);
}

}  // namespace
}  // namespace hawser::peer_test
