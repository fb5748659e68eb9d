// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "abuse/sockets.hpp"

#include <ctime>

// Beside an attacker that keeps within the law, round trips over real sockets are no worse than beside an honest client that is as
// busy. Counted in turns of the one loop that serves all of them, and in processor time of this thread: the machine may be busy.

namespace hawser::abuse {
namespace {

duration processor_time() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

struct expense {
  std::size_t turns = 0;
  duration processor{};
};

// This many calls one after the other, while `beside` does what it likes between the turns.
template <class Beside>
expense calls_beside(attacked_server& at, Beside beside) {
  const std::size_t all = scaled(200);
  std::size_t answered = 0;
  const auto work = [&]() -> task<> {
    while (answered < all) {
      const result<chunk> answer = co_await at.client->call(at.honest, "echo", as_bytes("how late is it?"));
      HAWSER_CO_ASSERT(answer.has_value());
      ++answered;
    }
  };
  for (int i = 0; i < 50; ++i) beside(), at.on.poll();      // until it is at full speed
  task<> calls = work();
  calls.start();
  expense out;
  const auto limit = after(at.on.now(), 60s);
  while (!calls.done() && at.on.now() < limit) {
    beside();
    const duration begin = processor_time();
    at.on.poll();
    out.processor += processor_time() - begin;
    ++out.turns;
  }
  EXPECT_TRUE(calls.done());
  return out;
}

class beside_nuisance : public ::testing::TestWithParam<std::tuple<engine_choice, attack>> {};

TEST_P(beside_nuisance, round_trips_are_no_worse_than_beside_an_honest_client_that_is_as_busy) {
  const auto& [engine, nuisance] = GetParam();
  expense busy, disturbed;
  {
    attacked_server at(engine);
    peer other(at.on, {.name = "busy"});
    const connection there = peer_test::connect(other, *at.server);
    busy = calls_beside(at, [&] {
      for (int i = 0; i < 20'000 && there.send("x"); ++i) {
      }
    });
  }
  {
    attacked_server at(engine);
    auto by = at.intrude();
    const script next = nuisance.begin();
    disturbed = calls_beside(at, [&] { by->turn(next); });
    EXPECT_FALSE(by->gone());
  }
  RecordProperty("turns", std::to_string(disturbed.turns) + " beside " + std::to_string(busy.turns));
  RecordProperty("processor_us", std::to_string(disturbed.processor / 1us) + " beside " + std::to_string(busy.processor / 1us));
  EXPECT_LE(disturbed.turns, 2 * busy.turns + 100);
  EXPECT_LE(disturbed.processor, 10 * busy.processor + 200ms);
}

std::vector<attack> nuisances() {
  std::vector<attack> all;
  for (const attack& one : attacks())
    if (!one.ends_in) all.push_back(one);
  return all;
}

INSTANTIATE_TEST_SUITE_P(each, beside_nuisance, ::testing::Combine(::testing::ValuesIn(engines()), ::testing::ValuesIn(nuisances())),
    [](const auto& one) { return name_of(std::get<0>(one.param)) + "_" + std::get<1>(one.param).name; });

}
}  // namespace hawser::abuse
