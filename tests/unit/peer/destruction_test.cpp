// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <memory>

// Handlers that end what they stand on: the connection, the request, the whole peer.

namespace hawser::peer_test {
namespace {

class peer_destroyed_inside : public ::testing::Test {
 protected:
  // A server that can be destroyed, and a client that notices.
  void build(peer_hooks* of_server = nullptr) {
    server = std::make_unique<peer>(loop_, peer_options{.name = "server", .listen = "127.0.0.1:0", .hooks = of_server});
    client = std::make_unique<peer>(loop_, peer_options{.name = "client", .hooks = &at_client});
  }
  connection dialled() { return connect(*client, *server); }
  bool client_noticed() {
    return drive(loop_, [&] { return at_client.count("disconnected") == 1; });
  }

  loop loop_;
  diary at_client;
  std::unique_ptr<peer> server, client;
};

TEST_F(peer_destroyed_inside, its_message_handler) {
  build();
  std::size_t messages = 0;
  server->on_message([&](connection& from, byte_view message) {
    ++messages;
    EXPECT_EQ(as_text(message), "the end");
    server.reset();
    EXPECT_EQ(from.owner(), nullptr);
    EXPECT_FALSE(from.is_open());
    EXPECT_EQ(as_text(message), "the end") << "the span is valid for the whole call";
  });
  connection to = dialled();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(succeeded(to.send("the end")));
  EXPECT_TRUE(client_noticed());
  EXPECT_EQ(messages, 1u);
}

TEST_F(peer_destroyed_inside, its_request_handler_before_and_after_a_suspension) {
  for (const bool suspended : {false, true}) {
    at_client.lines.clear();
    build();
    server->on("end", [&, suspended](request& rq) -> task<> {
      if (suspended) co_await sleep(loop_, 1ms);
      static_cast<void>(rq);
      server.reset();
      co_return;
    });
    const connection to = dialled();
    const auto call = [&]() -> task<result<>> {
      const result<chunk> answer = co_await client->call(to, "end", as_bytes("x"));
      if (!answer) co_return failure(answer.error());
      co_return result<>();
    };
    EXPECT_TRUE(failed_with(finish(loop_, call()), errc::connection_lost));
    EXPECT_TRUE(client_noticed());
  }
}

TEST_F(peer_destroyed_inside, its_request_handler_that_then_waits_on_the_dead_request) {
  build();
  bool went_on = false;
  server->on("end", [&](request& rq) -> task<> {
    server.reset();
    static_cast<void>(co_await rq.read());
    went_on = true;
  });
  const connection to = dialled();
  auto rq = client->start(to, "end");
  ASSERT_TRUE(succeeded(rq));
  EXPECT_TRUE(client_noticed());
  settle(loop_);
  static_cast<void>(went_on);   // whether it sees an error or never wakes: neither may crash
}

TEST_F(peer_destroyed_inside, its_connected_hook) {
  struct fatal : peer_hooks {
    std::unique_ptr<peer>* victim = nullptr;
    virtual ~fatal() = default;
    void connected(connection&) override { victim->reset(); }
  };
  fatal hooks;
  hooks.victim = &server;
  build(&hooks);
  static_cast<void>(finish(loop_, client->connect(server->local_endpoint())));
  ASSERT_TRUE(drive(loop_, [&] { return !server; }));
  EXPECT_TRUE(drive(loop_, [&] { return client->connections().empty(); }));
}

TEST_F(peer_destroyed_inside, its_disconnected_hook) {
  struct fatal : peer_hooks {
    std::unique_ptr<peer>* victim = nullptr;
    int calls = 0;
    virtual ~fatal() = default;
    void disconnected(connection&, std::error_code) override {
      ++calls;
      victim->reset();
    }
  };
  fatal hooks;
  hooks.victim = &server;
  build(&hooks);
  peer second(loop_, {.name = "second"});
  connection first = dialled();
  connect(loop_, second, server->local_endpoint());
  first.close();
  ASSERT_TRUE(drive(loop_, [&] { return !server; }));
  EXPECT_TRUE(drive(loop_, [&] { return second.connections().empty() && client->connections().empty(); }));
  EXPECT_LE(hooks.calls, 2);
}

TEST_F(peer_destroyed_inside, its_admit_hook_refuses_and_leaves_nothing) {
  struct fatal : peer_hooks {
    std::unique_ptr<peer>* victim = nullptr;
    virtual ~fatal() = default;
    result<> admit(const introduction&) override {
      victim->reset();
      return {};
    }
  };
  fatal hooks;
  hooks.victim = &server;
  build(&hooks);
  EXPECT_FALSE(finish(loop_, client->connect(server->local_endpoint())).has_value());
  EXPECT_FALSE(server);
}

TEST_F(peer_destroyed_inside, the_coroutine_that_called_through_it) {
  build();
  server->on("echo", echo);
  const connection to = dialled();
  bool ended = false;
  scope work(loop_);
  const auto call = [&]() -> task<> {
    const result<chunk> answer = co_await client->call(to, "echo", as_bytes("x"));
    EXPECT_TRUE(answer.has_value());
    client.reset();
    ended = true;
  };
  work.spawn(call());
  ASSERT_TRUE(drive(loop_, [&] { return ended; }));
  EXPECT_TRUE(drive(loop_, [&] { return server->connections().empty(); }));
}

TEST_F(peer_destroyed_inside, with_calls_streams_and_handlers_open_completes_each_of_them) {
  build();
  std::size_t handlers = 0, handlers_gone = 0, outcomes = 0;
  struct leaving {
    std::size_t* count;
    explicit leaving(std::size_t& c) : count(&c) {}
    leaving(const leaving&) = delete;
    ~leaving() { ++*count; }
  };
  server->on("hold", [&](request& rq) -> task<> {
    leaving here(handlers_gone);
    ++handlers;
    while (!rq.cancelled()) {
      const auto piece = co_await rq.read();
      if (!piece) co_return;
      if (piece->empty()) co_await sleep(loop_, 1ms);
    }
  });
  const connection to = dialled();
  scope work(loop_);
  const auto call = [&]() -> task<> {
    static_cast<void>(co_await client->call(to, "hold", as_bytes("x")));
    ++outcomes;
  };
  for (int i = 0; i < 50; ++i) work.spawn(call());
  ASSERT_TRUE(drive(loop_, [&] { return handlers == 50; }));
  server.reset();
  EXPECT_TRUE(drive(loop_, [&] { return outcomes == 50; }));
  EXPECT_TRUE(drive(loop_, [&] { return handlers_gone == 50; })) << handlers_gone;
}

TEST_F(peer_destroyed_inside, with_its_own_calls_open_completes_each_of_them_with_an_error) {
  build();
  std::size_t held = 0;
  server->on("hold", [&](request& rq) -> task<> {
    ++held;
    while (!rq.cancelled()) co_await sleep(loop_, 1ms);
  });
  const connection to = dialled();
  std::vector<std::error_code> outcomes;
  scope work(loop_);
  const auto call = [&]() -> task<> {
    const result<chunk> answer = co_await client->call(to, "hold", as_bytes("x"));
    outcomes.push_back(answer ? std::error_code() : answer.error());
  };
  for (int i = 0; i < 50; ++i) work.spawn(call());
  ASSERT_TRUE(drive(loop_, [&] { return held == 50; }));
  client.reset();
  EXPECT_TRUE(drive(loop_, [&] { return outcomes.size() == 50; }));
  for (const auto& one : outcomes) EXPECT_TRUE(one) << "a call that was answered by nobody";
}

TEST_F(peer_destroyed_inside, while_it_dials_completes_the_dial) {
  build();
  std::optional<bool> connected;
  scope work(loop_);
  const auto dial = [&]() -> task<> {
    const auto with = co_await client->connect(server->local_endpoint());
    connected = with.has_value();
  };
  work.spawn(dial());
  client.reset();
  ASSERT_TRUE(drive(loop_, [&] { return connected.has_value(); }));
  EXPECT_FALSE(*connected);
}

TEST_F(peer_destroyed_inside, while_it_stops) {
  build();
  server->on("hold", [&](request& rq) -> task<> {
    while (!rq.cancelled()) co_await sleep(loop_, 1ms);
  });
  auto rq = client->start(dialled(), "hold");
  ASSERT_TRUE(succeeded(rq));
  settle(loop_);
  {
    scope work(loop_);
    const auto stop = [&]() -> task<> { co_await server->stop(60s); };
    work.spawn(stop());
    settle(loop_, 5ms);
  }
  server.reset();
  EXPECT_TRUE(client_noticed());
}

using connection_ended_inside = pair_of_peers;

TEST_F(connection_ended_inside, a_message_handler_delivers_nothing_after_an_abort) {
  std::size_t messages = 0;
  server.on_message([&](connection& from, byte_view) {
    ++messages;
    from.abort();
  });
  connection to = there();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(succeeded(to.send("x")));
  ASSERT_TRUE(until([&] { return client.connections().empty() && server.connections().empty(); }));
  EXPECT_EQ(messages, 1u);
}

TEST_F(connection_ended_inside, a_message_handler_that_closes_still_sends_what_it_said_before) {
  std::string got;
  server.on_message([&](connection& from, byte_view) {
    EXPECT_TRUE(succeeded(from.send("goodbye")));
    from.close();
  });
  client.on_message([&](connection&, byte_view message) { got = as_text(message); });
  ASSERT_TRUE(succeeded(there().send("hello")));
  ASSERT_TRUE(until([&] { return client.connections().empty(); }));
  EXPECT_EQ(got, "goodbye");
}

TEST_F(connection_ended_inside, a_request_handler_ends_that_request_and_its_own_reads) {
  std::optional<std::error_code> told;
  server.on("cut", [&](request& rq) -> task<> {
    rq.caller().abort();
    const auto piece = co_await rq.read_all(1000);
    told = piece ? std::error_code() : piece.error();
  });
  auto rq = client.start(there(), "cut");
  ASSERT_TRUE(succeeded(rq));
  ASSERT_TRUE(until([&] { return told.has_value() && client.connections().empty(); }));
  EXPECT_TRUE(*told);
}

TEST_F(connection_ended_inside, a_message_handler_may_replace_itself) {
  std::string got;
  server.on_message([&](connection&, byte_view) {
    const std::string captured = "kept";
    server.on_message([&](connection&, byte_view message) { got = "second " + std::string(as_text(message)); });
    got = captured;
  });
  connection to = there();
  ASSERT_TRUE(succeeded(to.send("one")));
  ASSERT_TRUE(succeeded(to.send("two")));
  ASSERT_TRUE(until([&] { return got == "second two"; }));
}

TEST(peers, by_the_hundred_are_made_connected_and_destroyed_without_leaving_anything) {
  loop on;
  const std::size_t sockets = on.engine().open_sockets();
  for (std::size_t round = 0; round < scaled(100); ++round) {
    peer server(on, {.name = "server", .listen = "127.0.0.1:0"}), client(on, {.name = "client"});
    server.on("echo", echo);
    connection to = connect(client, server);
    auto rq = client.start(to, "echo");
    ASSERT_TRUE(succeeded(rq));
    static_cast<void>(rq->try_write(as_bytes("x")));
    if (round % 2 == 0) on.run_once(1ms);
  }
  // What was being sent on a socket that is gone is held until the kernel is done with it.
  EXPECT_TRUE(drive(on, [&] { return on.engine().open_sockets() == sockets && on.buffers().bytes_in_use() == 0; }))
      << on.engine().open_sockets() << " sockets, " << on.buffers().bytes_in_use() << " bytes";
  EXPECT_EQ(frame_pool_stats().frames_in_use, 0u);
}

TEST(peers, that_are_idle_hold_no_buffer_bytes) {
  loop on;
  peer server(on, {.name = "server", .listen = "127.0.0.1:0"});
  std::vector<std::unique_ptr<peer>> clients;
  for (int i = 0; i < 20; ++i) {
    clients.push_back(std::make_unique<peer>(on));
    connect(*clients.back(), server);
  }
  settle(on);
  EXPECT_EQ(on.buffers().bytes_in_use(), 0u);
}

}  // namespace
}  // namespace hawser::peer_test
