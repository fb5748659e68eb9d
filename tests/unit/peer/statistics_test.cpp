// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <map>
#include <numeric>

// Counters that add up, and an end that leaves nothing open.

namespace hawser::peer_test {
namespace {

std::uint64_t ended(const operation_statistics& of) { return of.answered + of.failed + of.cancelled + of.expired + of.lost; }
std::uint64_t ended(const call_statistics& of) { return of.answered + of.failed + of.refused + of.cancelled + of.expired + of.lost; }

operation_statistics total(const peer& of) {
  operation_statistics sum;
  for (const operation_statistics& one : of.operations()) {
    sum.started += one.started, sum.answered += one.answered, sum.failed += one.failed, sum.cancelled += one.cancelled;
    sum.expired += one.expired, sum.lost += one.lost, sum.refused += one.refused, sum.running += one.running;
  }
  return sum;
}

using peer_statistics = pair_of_peers;

TEST_F(peer_statistics, count_each_operation_and_each_way_in_which_it_ended) {
  server.on("echo", echo);
  server.on("fail", [](request& rq) -> task<> {
    rq.fail(0x10007);
    co_return;
  });
  server.on("hold", [&](request& rq) -> task<> {
    while (!rq.cancelled()) co_await sleep(loop_, 1ms);
  });
  for (int i = 0; i < 7; ++i) EXPECT_TRUE(succeeded(ask("echo", "x")));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(ask("fail", "x").has_value());
  for (int i = 0; i < 2; ++i) EXPECT_FALSE(ask("hold", "x", {.deadline = 2ms}).has_value());
  EXPECT_FALSE(ask("unknown", "x").has_value());
  ASSERT_TRUE(until([&] { return total(server).running == 0; }));

  for (const operation_statistics& one : server.operations()) {
    EXPECT_EQ(one.started, ended(one) + one.running) << one.operation;
    if (one.operation == "echo") {
      EXPECT_EQ(one.answered, 7u);
    }
    if (one.operation == "fail") {
      EXPECT_EQ(one.failed, 3u);
    }
    if (one.operation == "hold") {
      EXPECT_EQ(one.expired, 2u);
    }
    EXPECT_EQ(std::accumulate(one.latency.begin(), one.latency.end(), std::uint64_t{0}), one.answered) << one.operation;
  }
  const call_statistics calls = client.calls();
  EXPECT_EQ(calls.started, 13u);
  EXPECT_EQ(calls.answered, 7u);
  EXPECT_EQ(calls.expired, 2u);
  EXPECT_EQ(calls.failed, 4u) << "three that failed, one unknown";
  EXPECT_EQ(calls.started, ended(calls) + calls.running);
}

TEST_F(peer_statistics, give_the_latency_of_an_operation_with_its_percentiles) {
  server.on("quick", [](request& rq) -> task<> { static_cast<void>(co_await rq.write("x")); });
  server.on("slow", [&](request& rq) -> task<> {
    co_await sleep(loop_, 20ms);
    static_cast<void>(co_await rq.write("x"));
  });
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(succeeded(ask("quick", "")));
  EXPECT_TRUE(succeeded(ask("slow", "")));
  for (const operation_statistics& one : server.operations()) {
    EXPECT_LE(one.percentile(0.5), one.percentile(0.99));
    if (one.operation == "slow") {
      EXPECT_GE(one.percentile(0.5), duration(20ms));
    }
    if (one.operation == "quick") {
      EXPECT_GT(one.percentile(0.5), duration::zero());
    }
  }
}

TEST_F(peer_statistics, count_messages_requests_and_bytes_of_a_connection_on_both_sides_alike) {
  server.on("echo", echo);
  server.on_message([](connection&, byte_view) {});
  connection mine = there();
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(succeeded(mine.send("0123456789")));
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(succeeded(ask("echo", "x")));
  settle(loop_);
  const connection_statistics at_client = mine.statistics(), at_server = server.connections().at(0).statistics();
  EXPECT_EQ(at_client.messages_sent, 10u);
  EXPECT_EQ(at_server.messages_received, 10u);
  EXPECT_EQ(at_client.requests_sent, 5u);
  EXPECT_EQ(at_server.requests_received, 5u);
  EXPECT_EQ(at_client.bytes_sent, at_server.bytes_received);
  EXPECT_EQ(at_client.bytes_received, at_server.bytes_sent);
  EXPECT_EQ(at_client.bytes_queued, 0u);
  EXPECT_EQ(at_server.bytes_buffered, 0u);
}

peer_options wide() {
  peer_options options;
  options.wire.announced.channels_max = 2'000;
  return options;
}

// A thousand calls at once, held by their handlers: half of them answer when they may, half never do and have a deadline. With fewer
// channels than calls the others wait at the client.
class peer_stop : public pair_of_peers, public ::testing::WithParamInterface<std::uint32_t> {
 protected:
  static constexpr std::size_t count = 1'000;
  static constexpr duration deadline = HAWSER_COUNT_SCALE == 1 ? 2s : 10s;      // later than all of them run

  peer_stop() : pair_of_peers([] { peer_options o = wide(); o.wire.announced.channels_max = GetParam(); return o; }(), wide()) {
    server.on("held", [this](request& rq) -> task<> {
      co_await gate_.wait();
      static_cast<void>(co_await rq.write("done"));
    });
    server.on("endless", [this](request& rq) -> task<> {
      while (!rq.cancelled()) co_await sleep(loop_, 10ms);
    });
    for (std::size_t i = 0; i < count; ++i) spawn_call(i % 2 == 0 ? "held" : "endless", i % 2 == 0 ? call_options() : call_options{.deadline = deadline});
  }
  void spawn_call(std::string_view operation, call_options options = {}) { calls_.spawn(call(operation, options)); }
  bool until_held() {
    return until([this] { return total(server).running == std::min<std::size_t>(count, GetParam()); });
  }

  hawser::event gate_{loop_};
  connection to_ = there();
  std::map<std::error_code, std::size_t> outcomes_;
  scope calls_{loop_};

 private:
  task<> call(std::string_view operation, call_options options) {
    const result<chunk> answer = co_await client.call(to_, operation, as_bytes("x"), options);
    ++outcomes_[answer ? std::error_code() : answer.error()];
  }
};

TEST_P(peer_stop, under_a_thousand_requests_ends_each_once_and_the_sums_match_on_both_sides) {
  ASSERT_TRUE(until_held()) << total(server).running;
  const std::size_t running = total(server).running;
  const auto stop = [&]() -> task<> { co_await server.stop(patience); };
  task<> stopping = stop();
  stopping.start();
  // These leave before the server's GOAWAY comes, which refuses them; the next are told at once that there is no way any more.
  constexpr std::size_t late = 20, later = 30;
  for (std::size_t i = 0; i < late; ++i) spawn_call("held");
  settle(loop_);
  for (std::size_t i = 0; i < later; ++i) spawn_call("held");
  settle(loop_);
  gate_.set();
  ASSERT_TRUE(until([&] { return stopping.done() && calls_.count() == 0; })) << calls_.count();
  EXPECT_TRUE(server.connections().empty());

  const call_statistics at_client = client.calls();
  const operation_statistics at_server = total(server);
  EXPECT_EQ(at_client.started, count + late);
  EXPECT_EQ(at_client.answered, running / 2);
  EXPECT_EQ(at_client.expired, running / 2);
  EXPECT_EQ(at_client.refused, count - running + late) << "those that waited for a channel, and the late";
  EXPECT_EQ(at_client.failed + at_client.cancelled + at_client.lost + at_client.running + at_client.queued, 0u);
  EXPECT_EQ(outcomes_, (std::map<std::error_code, std::size_t>{{{}, at_client.answered},
                                                               {make_error_code(errc::deadline), at_client.expired},
                                                               {make_error_code(errc::refused), at_client.refused},
                                                               {make_error_code(errc::not_connected), later}}));

  EXPECT_EQ(at_server.answered, at_client.answered);
  EXPECT_EQ(at_server.expired, at_client.expired);
  EXPECT_EQ(at_server.failed + at_server.cancelled + at_server.lost + at_server.running, 0u);
  EXPECT_EQ(at_client.started - at_server.started, at_client.refused) << "the difference are those that reached no handler";
}

TEST_P(peer_stop, that_does_not_wait_long_enough_loses_what_still_runs_on_both_sides) {
  ASSERT_TRUE(until_held()) << total(server).running;
  const std::size_t running = total(server).running;
  run(server.stop(20ms));
  EXPECT_TRUE(server.connections().empty());
  ASSERT_TRUE(until([&] { return calls_.count() == 0; })) << calls_.count();
  const call_statistics at_client = client.calls();
  const operation_statistics at_server = total(server);
  EXPECT_EQ(at_client.lost, running);
  EXPECT_EQ(at_client.refused, count - running);
  EXPECT_EQ(at_client.started, ended(at_client));
  EXPECT_EQ(at_client.started, at_client.lost + at_client.refused);
  EXPECT_EQ(at_server.lost, running);
  EXPECT_EQ(at_server.started, running);
  EXPECT_EQ(at_server.running, 0u);
}

INSTANTIATE_TEST_SUITE_P(channels, peer_stop, ::testing::Values(2'000u, 256u), ::testing::PrintToStringParamName());

using peer_stopping = pair_of_peers;

TEST_F(peer_stopping, refuses_new_connections_and_requests_and_lets_the_running_end) {
  hawser::event gate(loop_);
  server.on("hold", [&](request& rq) -> task<> {
    co_await gate.wait();
    static_cast<void>(co_await rq.write("finished"));
  });
  const endpoint where = server.local_endpoint();
  connection to = there();
  std::optional<std::string> answer;
  scope work(loop_);
  const auto call = [&]() -> task<> {
    const result<chunk> got = co_await client.call(to, "hold");
    answer = got ? std::string(as_text(*got)) : got.error().message();
  };
  work.spawn(call());
  settle(loop_);
  bool stopped = false;
  const auto stop = [&]() -> task<> {
    co_await server.stop(10s);
    stopped = true;
  };
  work.spawn(stop());
  settle(loop_);
  EXPECT_TRUE(server.stopping());
  EXPECT_FALSE(stopped);
  peer late(loop_, {.name = "late"});
  EXPECT_FALSE(run(late.connect(where)).has_value());
  const auto refused = [&]() -> task<std::error_code> {
    const result<chunk> got = co_await client.call(to, "hold");
    co_return got ? std::error_code() : got.error();
  };
  const std::error_code told = run(refused());
  EXPECT_TRUE(told == errc::refused || told == errc::not_connected || told == errc::shutdown) << told.message();
  gate.set();
  ASSERT_TRUE(until([&] { return stopped && answer; }));
  EXPECT_EQ(*answer, "finished");
  EXPECT_TRUE(server.connections().empty());
}

TEST_F(peer_stopping, with_nothing_open_ends_at_once) {
  there();
  const auto begin = loop_.now();
  run(server.stop(60s));
  EXPECT_LT(loop_.now() - begin, duration(10s));
  EXPECT_TRUE(until([&] { return client.connections().empty(); }));
}

TEST_F(peer_stopping, twice_is_once) {
  there();
  scope work(loop_);
  int stopped = 0;
  const auto stop = [&]() -> task<> {
    co_await server.stop(100ms);
    ++stopped;
  };
  work.spawn(stop());
  work.spawn(stop());
  ASSERT_TRUE(until([&] { return stopped == 2; }));
  run(server.stop());
}

}  // namespace
}  // namespace hawser::peer_test
