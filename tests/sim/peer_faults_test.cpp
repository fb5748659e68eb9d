// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "sim/peers.hpp"
#include "support/seeded.hpp"

#include <array>
#include <memory>
#include <random>

// Peers under faults: cuts, frozen and killed programs, silent resolvers. Each thing that was begun ends exactly once.

namespace hawser::peer_sim {
namespace {

// ---------------------------------------------------------------------------------------------------------------- many seeds

struct sums {
  std::size_t callers = 0, ended = 0, wrong = 0, connections = 0;
  call_statistics calls;
  std::vector<operation_statistics> served;
  std::size_t connected_hooks = 0, disconnected_hooks = 0;
  std::uint64_t trace = 0;
};

class storm {
 public:
  explicit storm(std::uint64_t seed) : entropy_(seed), random_(seed * 7919), net_(seed), here_(net_.host("here")), there_(net_.host("there")), scope_(here_) {
    net_.link("here", "there", {.lag = upto(40ms), .jitter = upto(10ms), .bytes_per_second = 500'000 + random_() % 20'000'000, .partial_delivery = random_() % 2 == 0});
    client_ = std::make_unique<peer>(here_, peer_options{.name = "client", .hooks = &at_client_});
    serve(there_);
  }

  sums run(std::size_t callers) {
    for (int i = 0; i < 6; ++i) plan_a_fault(upto(8s));
    for (std::size_t i = 0; i < callers; ++i) scope_.spawn(caller(upto(8s)));
    out_.callers = callers;
    net_.run_until([&] { return out_.ended == callers; }, 10min);
    // Whatever still drains: handlers that learn that nobody waits, connections that end.
    net_.heal("here", "there");
    for (connection& one : client_->connections()) one.close();
    net_.run_for(3min);
    out_.calls = client_->calls();
    for (auto& server : servers_) {
      for (const operation_statistics& one : server->operations()) out_.served.push_back(one);
    }
    out_.connected_hooks = at_client_.count("connected");
    out_.disconnected_hooks = at_client_.count("disconnected");
    out_.trace = net_.trace_hash();
    return out_;
  }

 private:
  duration upto(duration most) { return duration(static_cast<duration::rep>(random_() % static_cast<std::uint64_t>(most.count() + 1))); }

  void serve(loop& on) {
    servers_.push_back(std::make_unique<peer>(on, peer_options{.name = "server", .listen = "there:7000"}));
    peer& server = *servers_.back();
    server.on("echo", echo);
    server.on("slow", [this, &on](request& rq) -> task<> {
      co_await sleep(on, upto(300ms));
      static_cast<void>(co_await rq.write("slow"));
    });
    server.on("fail", [](request& rq) -> task<> {
      rq.fail(0x10001);
      co_return;
    });
    server.on("throw", [](request& rq) -> task<> {
      static_cast<void>(co_await rq.read());
      throw std::runtime_error("a handler in a storm");
    });
    server.on("hold", [](request& rq) -> task<> {
      for (;;) {
        const auto piece = co_await rq.read();
        if (!piece) co_return;
        if (piece->empty()) break;
      }
      while (!rq.cancelled() && co_await rq.write("still here ")) {
      }
    });
  }

  void plan_a_fault(duration when) {
    const std::uint64_t kind = random_() % 5;
    const duration span = upto(3s);
    net_.at(when, [this, kind, span] {
      switch (kind) {
        case 0:
          net_.cut("here", "there");
          net_.at(span, [this] { net_.heal("here", "there"); });
          break;
        case 1:
          net_.freeze("there");
          net_.at(span, [this] { net_.thaw("there"); });
          break;
        case 2:
          net_.freeze("here");
          net_.at(span, [this] { net_.thaw("here"); });
          break;
        case 3:
          current_.abort();
          break;
        case 4:
          if (killed_) break;
          killed_ = true;
          net_.kill("there");
          net_.at(span, [this] { serve(net_.restart("there")); });
          break;
      }
    });
  }

  task<result<connection>> to_server() {
    if (current_.is_open()) co_return current_;
    const auto with = co_await client_->connect("there:7000");
    if (with) ++out_.connections, current_ = *with;
    co_return with;
  }

  task<> caller(duration when) {
    co_await sleep(here_, when);
    static constexpr std::array<std::string_view, 6> operations{"echo", "echo", "slow", "fail", "throw", "hold"};
    const std::string_view operation = operations[random_() % operations.size()];
    const std::string body = pattern(random_() % 1'000, random_() % 4 == 0 ? random_() % 500'000 : random_() % 2'000);
    call_options options;
    if (operation == "hold" || random_() % 3 == 0) options.deadline = 50ms + upto(2s);
    const duration patience = random_() % 8 == 0 ? upto(500ms) : duration(5min);
    const auto with = co_await to_server();
    if (with) {
      task<result<std::string>> call = ask(*client_, *with, std::string(operation), body, options);
      const auto answer = co_await with_deadline(here_, after(here_.now(), patience), std::move(call));
      if (answer && *answer != (operation == "slow" ? "slow" : body)) ++out_.wrong;
    }
    ++out_.ended;
  }

  dangerous_fixed_entropy entropy_;
  std::mt19937_64 random_;
  testing::network net_;
  loop& here_;
  loop& there_;
  diary at_client_;
  std::unique_ptr<peer> client_;
  std::vector<std::unique_ptr<peer>> servers_;
  connection current_;
  sums out_;
  bool killed_ = false;
  scope scope_;
};

TEST(sim_peers_faults, every_call_completes_exactly_once_and_the_sums_match_whatever_the_network_does) {
  seeded::for_each_seed(seeded::share::peer_faults, [](std::uint64_t seed) {
    storm weather(seed);
    const sums out = weather.run(80);
    EXPECT_EQ(out.ended, out.callers) << "a call that never ended";
    EXPECT_EQ(out.wrong, 0u) << "an answer that was not its own";
    const call_statistics& c = out.calls;
    EXPECT_EQ(c.started, c.answered + c.failed + c.refused + c.cancelled + c.expired + c.lost);
    EXPECT_EQ(c.running, 0u);
    EXPECT_EQ(c.queued, 0u);
    EXPECT_EQ(out.connected_hooks, out.disconnected_hooks);
    EXPECT_EQ(out.connected_hooks, out.connections);
    std::uint64_t answered = 0, started = 0;
    for (const operation_statistics& one : out.served) {
      // A killed program's sums stay where they were.
      EXPECT_EQ(one.started, one.answered + one.failed + one.cancelled + one.expired + one.lost + one.running);
      answered += one.answered, started += one.started;
    }
    EXPECT_LE(c.answered, answered) << "answers that nobody gave";
    EXPECT_LE(started, c.started) << "requests that nobody made";
  });
}

TEST(sim_peers_faults, the_same_seed_gives_the_same_trace_twice_with_whole_peers) {
  seeded::for_each_seed(seeded::share::peer_trace, [](std::uint64_t seed) {
    const std::uint64_t first = storm(seed).run(60).trace, again = storm(seed).run(60).trace;
    EXPECT_EQ(first, again);
    EXPECT_NE(first, storm(seed + 1'000).run(60).trace) << "the hash covers nothing";
  });
}

// ---------------------------------------------------------------------------------------------------------------- one by one

class sim_peers_fault : public ::testing::Test {
 protected:
  void build(testing::link_options link = {.lag = 5ms}, peer_options of_server = {}, peer_options of_client = {}) {
    net.link("here", "there", link);
    of_server.name = "server", of_server.listen = "there:7000", of_server.hooks = &at_server;
    of_client.name = "client", of_client.hooks = &at_client;
    server = std::make_unique<peer>(there, std::move(of_server));
    client = std::make_unique<peer>(here, std::move(of_client));
    net.run_until([this] { return server->local_endpoint().valid(); }, 1s);      // its name must be looked up first
    server->on("echo", echo);
    server->on("hold", [this](request& rq) -> task<> {
      ++held;
      for (;;) {
        const auto piece = co_await rq.read();
        if (!piece) {
          told.push_back(piece.error());
          co_return;
        }
        if (piece->empty()) co_await sleep(there, 1s);
      }
    });
  }

  testing::network net{1};
  loop& here = net.host("here");
  loop& there = net.host("there");
  diary at_server, at_client;
  std::unique_ptr<peer> server, client;
  std::size_t held = 0;
  std::vector<std::error_code> told;
};

TEST_F(sim_peers_fault, a_killed_program_loses_its_calls_once_and_is_told_as_disconnected_once) {
  build();
  const connection to = connect(net, *client, "there:7000");
  std::vector<std::error_code> outcomes;
  scope work(here);
  const auto call = [&]() -> task<> {
    const result<chunk> answer = co_await client->call(to, "hold", as_bytes("x"));
    outcomes.push_back(answer ? std::error_code() : answer.error());
  };
  for (int i = 0; i < 100; ++i) work.spawn(call());
  ASSERT_TRUE(net.run_until([&] { return held == 100; }, 10s));
  net.kill("there");
  ASSERT_TRUE(net.run_until([&] { return outcomes.size() == 100; }, 10s));
  net.run_for(5min);
  EXPECT_EQ(outcomes.size(), 100u);
  for (const auto& one : outcomes) EXPECT_TRUE(is(one, errc::connection_lost));
  EXPECT_EQ(at_client.count("disconnected"), 1u);
  EXPECT_EQ(client->calls().lost, 100u);
}

TEST_F(sim_peers_fault, a_killed_program_that_comes_back_is_dialled_again_under_the_same_name) {
  build();
  connect(net, *client, "there:7000");
  net.kill("there");
  loop& fresh = net.restart("there");
  peer successor(fresh, {.name = "server", .listen = "there:7000"});
  successor.on("echo", echo);
  ASSERT_TRUE(net.run_until([&] { return client->connections().empty(); }, 5min));
  const connection again = connect(net, *client, "there:7000");
  EXPECT_EQ(finish(net, ask(*client, again, "echo", "welcome back")).value_or("failed"), "welcome back");
}

TEST_F(sim_peers_fault, a_cut_that_heals_in_time_loses_nothing) {
  build({.lag = 5ms, .bytes_per_second = 10'000'000});
  std::size_t received = 0;
  bool in_order = true;
  server->on_message([&](connection&, byte_view message) { in_order = in_order && load_le<std::uint64_t>(message.data()) == received++; });
  const connection to = connect(net, *client, "there:7000");
  net.at(20ms, [&] { net.cut("here", "there"); });
  net.at(2s, [&] { net.heal("here", "there"); });
  const auto send = [&]() -> task<> {
    std::string message(1'000, 'm');
    for (std::uint64_t i = 0; i < 5'000; ++i) {
      store_le(reinterpret_cast<std::byte*>(message.data()), i);
      while (true) {
        const auto sent = to.send(message);
        if (sent) break;
        HAWSER_CO_ASSERT(failed_with(sent, errc::would_block));
        HAWSER_CO_ASSERT(succeeded(co_await client->writable(to)));
      }
    }
  };
  finish(net, send());
  ASSERT_TRUE(net.run_until([&] { return received == 5'000; }, 2min)) << received;
  EXPECT_TRUE(in_order);
  EXPECT_EQ(at_client.count("disconnected"), 0u);
}

TEST_F(sim_peers_fault, a_cut_that_stays_ends_both_sides_by_their_own_clocks_once) {
  build();
  const connection to = connect(net, *client, "there:7000");
  std::vector<std::error_code> outcomes;
  scope work(here);
  const auto call = [&]() -> task<> {
    const result<chunk> answer = co_await client->call(to, "hold", as_bytes("x"));
    outcomes.push_back(answer ? std::error_code() : answer.error());
  };
  work.spawn(call());
  ASSERT_TRUE(net.run_until([&] { return held == 1; }, 10s));
  net.cut("here", "there");
  ASSERT_TRUE(net.run_until([&] { return !at_client.reasons.empty() && !at_server.reasons.empty(); }, 5min));
  net.run_for(5min);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_TRUE(is(outcomes[0], errc::connection_lost));
  EXPECT_EQ(at_client.reasons.size(), 1u);
  EXPECT_EQ(at_server.reasons.size(), 1u);
  for (const auto& reason : {at_client.reasons[0], at_server.reasons[0]}) {
    EXPECT_TRUE(reason == errc::idle || reason == errc::write_timeout) << reason.message();
  }
  EXPECT_EQ(told.size(), 1u) << "the handler learned of it";
}

TEST_F(sim_peers_fault, an_idle_connection_is_kept_alive_by_pings_for_as_long_as_it_takes) {
  build();
  const connection to = connect(net, *client, "there:7000");
  net.run_for(2h);
  EXPECT_TRUE(to.is_open());
  EXPECT_EQ(finish(net, ask(*client, to, "echo", "after two hours")).value_or("failed"), "after two hours");
  EXPECT_EQ(at_server.count("disconnected"), 0u);
}

TEST_F(sim_peers_fault, a_frozen_program_does_not_delay_those_who_talk_to_others) {
  build({.lag = 1ms});
  loop& frozen_host = net.host("frozen");
  net.link("frozen", "there", {.lag = 1ms});
  peer frozen(frozen_host, {.name = "frozen"});
  const connection to = connect(net, *client, "there:7000");
  connect(net, frozen, "there:7000");
  net.freeze("frozen");
  const std::string message(60'000, 'm');
  for (int idle = 0; idle < 20;) {
    if (server->send("frozen", message)) {
      idle = 0;
    } else {
      ++idle;
      net.run_for(1ms);
    }
  }
  EXPECT_LT(there.buffers().bytes_in_use(), 5u << 20);
  for (int i = 0; i < 50; ++i) {
    const instant begin = net.now();
    EXPECT_FALSE(server->send("frozen", message).has_value());
    ASSERT_EQ(finish(net, ask(*client, to, "echo", "x")).value_or("failed"), "x");
    EXPECT_LT(net.now() - begin, duration(2ms + 200us));
  }
  net.thaw("frozen");
  net.run_for(1s);
  EXPECT_TRUE(succeeded(server->send("frozen", "welcome back")));
}

TEST_F(sim_peers_fault, a_resolver_that_never_answers_is_a_typed_timeout) {
  build();
  net.silence_name("dead.example");
  net.name("absent.example", {});
  const instant begin = net.now();
  EXPECT_TRUE(failed_with(finish(net, client->connect("dead.example:7000")), errc::resolve_timeout));
  EXPECT_GE(net.now() - begin, duration(5s));
  EXPECT_LT(net.now() - begin, duration(6s));
  EXPECT_TRUE(failed_with(finish(net, client->connect("absent.example:7000")), errc::name_not_found));
}

TEST_F(sim_peers_fault, of_several_addresses_the_one_that_answers_wins_soon) {
  build();
  net.host("hole");
  net.link("here", "hole", {.lag = 1ms});
  net.cut("here", "hole");
  net.name("service.example", {"hole", "there"});
  const instant begin = net.now();
  EXPECT_TRUE(succeeded(finish(net, client->connect("service.example:7000"))));
  EXPECT_LT(net.now() - begin, duration(2s));
}

TEST_F(sim_peers_fault, an_address_that_never_answers_is_a_connect_timeout_and_one_that_refuses_says_so) {
  peer_options impatient;
  impatient.connect_timeout = 3s;
  build({.lag = 5ms}, {}, impatient);
  EXPECT_TRUE(failed_with(finish(net, client->connect("there:7001")), errc::connection_refused));
  net.cut("here", "there");
  const instant begin = net.now();
  EXPECT_TRUE(failed_with(finish(net, client->connect("there:7000")), errc::connect_timeout));
  EXPECT_LT(net.now() - begin, duration(4s));
}

TEST_F(sim_peers_fault, a_listener_that_freezes_in_the_handshake_is_given_up_by_the_dialer) {
  build();
  net.freeze("there");
  EXPECT_TRUE(failed_with(finish(net, client->connect("there:7000")), errc::handshake_timeout));
  net.thaw("there");
  net.run_for(10s);
  EXPECT_TRUE(server->connections().empty());
  EXPECT_EQ(at_server.count("connected"), at_server.count("disconnected"));
  EXPECT_TRUE(succeeded(finish(net, client->connect("there:7000"))));
}

TEST_F(sim_peers_fault, a_graceful_stop_over_a_long_line_answers_what_it_has_begun) {
  build({.lag = 200ms});
  server->on("steady", [&](request& rq) -> task<> {
    co_await sleep(there, 500ms);
    static_cast<void>(co_await rq.write("done"));
  });
  const connection to = connect(net, *client, "there:7000");
  const auto totals = [&] {
    operation_statistics sum;
    for (const operation_statistics& one : server->operations()) sum.started += one.started, sum.running += one.running, sum.answered += one.answered;
    return sum;
  };
  std::size_t answered = 0, refused = 0, other = 0;
  scope work(here);
  const auto call = [&](duration when) -> task<> {
    co_await sleep(here, when);
    const result<chunk> answer = co_await client->call(to, "steady");
    if (answer) ++answered;
    else if (answer.error() == errc::refused || answer.error() == errc::not_connected || answer.error() == errc::shutdown) ++refused;
    else ++other;
  };
  for (int i = 0; i < 100; ++i) work.spawn(call(i * 10ms));
  net.run_for(600ms);
  ASSERT_GT(totals().running, 20u) << "there is nothing to drain";
  ASSERT_LT(totals().started, 100u) << "there is nothing to refuse";
  finish(net, server->stop(10s));
  ASSERT_TRUE(net.run_until([&] { return work.count() == 0; }, 1min));
  EXPECT_EQ(answered + refused, 100u);
  EXPECT_EQ(other, 0u) << "within the drain nothing is lost";
  EXPECT_GT(answered, 20u);
  EXPECT_GT(refused, 0u);
  EXPECT_EQ(totals().answered, answered);
  EXPECT_EQ(totals().started, answered) << "what was begun was answered";
  EXPECT_FALSE(at_client.reasons.at(0)) << at_client.reasons.at(0).message();
}

TEST_F(sim_peers_fault, deadlines_end_calls_at_their_time_on_both_sides_of_a_long_line) {
  build({.lag = 300ms});
  const connection to = connect(net, *client, "there:7000");
  const instant begin = net.now();
  EXPECT_TRUE(failed_with(finish(net, ask(*client, to, "hold", "x", {.deadline = 1s})), errc::deadline));
  EXPECT_GE(net.now() - begin, duration(1s));
  EXPECT_LT(net.now() - begin, duration(1s + 10ms)) << "the caller's answer does not wait for the line";
  net.run_for(5s);
  ASSERT_EQ(told.size(), 1u);
  EXPECT_TRUE(is(told[0], errc::deadline));
}

}  // namespace
}  // namespace hawser::peer_sim
