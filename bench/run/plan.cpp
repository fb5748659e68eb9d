// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/plan.hpp"

#include "own/own.hpp"
#include "raw/raw.hpp"

#include <algorithm>
#include <set>

namespace hawser::bench {
namespace {

// The jobs of a workload: what it is done with at most one of, in each of these ways of waiting.
struct entry {
  workload what;
  std::vector<wait_mode> waits;
  std::size_t job::* varies = nullptr;
  std::vector<std::size_t> values = {};
  std::size_t size = 64;                   // unless it is what varies
};

const std::vector<wait_mode> asleep{wait_mode::block}, both{wait_mode::block, wait_mode::spin}, every{wait_mode::block, wait_mode::spin, wait_mode::adaptive};

// Far away a job takes as long as it takes to do it a few times.
constexpr std::size_t round_trips_min = 12;

const std::vector<entry> everything{
    {workload::pingpong, every},
    {workload::stream, asleep, &job::size, {64, 1024, 64 << 10, 1 << 20}},
    {workload::requests, every, &job::in_flight, {1, 64, 1024}},
    {workload::streamed, both, &job::in_flight, {1, 64}},
    {workload::bulk, asleep, &job::size, {64 << 10}},
    {workload::alone, both},
    {workload::beside, both},
    {workload::echoes, asleep, &job::connections, {1'000, 9'900}},
    {workload::fanout, asleep, &job::connections, {100, 1'000}},
    {workload::idle, asleep, &job::connections, {9'900}},
    {workload::connect, both, &job::round_trip_ms, {0, 1, 20, 100}},
    {workload::open, both, &job::round_trip_ms, {0, 1, 20, 100}},
    {workload::channels, asleep, &job::channels, {1, 100, 10'000}},
    {workload::channels, asleep, &job::channels, {1, 100, 10'000}, 1024},
    {workload::threads, asleep, &job::threads, {1, 2, 4}},
    {workload::handover, asleep},
    {workload::quiet, {wait_mode::block, wait_mode::adaptive}},
};
// Row after row of messages at given times: only for who asks for it by name.
const std::vector<std::size_t> matrix_sizes{32, 128, 512, 1024}, matrix_bursts{1, 2, 5, 50};
const std::vector<int> matrix_gaps_us{10, 20, 40, 100};

const std::vector<entry> in_short{
    {workload::pingpong, every},
    {workload::stream, asleep, &job::size, {64, 64 << 10}},
    {workload::requests, asleep, &job::in_flight, {64}},
    {workload::streamed, asleep, &job::in_flight, {64}},
    {workload::bulk, asleep, &job::size, {64 << 10}},
    {workload::alone, asleep},
    {workload::beside, asleep},
    {workload::echoes, asleep, &job::connections, {1'000}},
    {workload::fanout, asleep, &job::connections, {100}},
    {workload::connect, asleep, &job::round_trip_ms, {0, 20}},
    {workload::open, asleep, &job::round_trip_ms, {0, 20}},
    {workload::handover, asleep},
    {workload::quiet, {wait_mode::block, wait_mode::adaptive}},
};
const std::set<std::string> best_known{"asio", "zeromq", "grpc"};

template <class Value, class One>
bool is_among(const std::vector<Value>& some, const One& one) { return std::find(some.begin(), some.end(), one) != some.end(); }

std::vector<wait_mode> waits_of(const entry& one, const selection& wanted) {
  if (wanted.waits.empty()) return one.waits;
  std::vector<wait_mode> made;
  std::copy_if(every.begin(), every.end(), std::back_inserter(made), [&](wait_mode wait) { return is_among(wanted.waits, to_text(wait)); });
  return made;
}

std::vector<std::size_t> values_of(const entry& one, const selection& wanted) {
  if (!one.varies) return {0};
  const auto& asked = one.varies == &job::size ? wanted.sizes
      : one.varies == &job::in_flight          ? wanted.in_flight
      : one.varies == &job::connections        ? wanted.connections
      : one.varies == &job::round_trip_ms      ? wanted.round_trips_ms
                                               : one.values;
  return asked.empty() ? one.values : asked;
}

}  // namespace

namespace {

void add_matrix(std::vector<job>& jobs, const selection& wanted) {
  job one;
  one.what = workload::paced;
  one.wait = wait_mode::spin;
  one.measured = wanted.measured;
  for (const std::size_t connections : wanted.connections.empty() ? std::vector<std::size_t>{1} : wanted.connections) {
    for (const std::size_t size : wanted.sizes.empty() ? matrix_sizes : wanted.sizes) {
      for (const int gap_us : matrix_gaps_us) {
        for (const std::size_t burst : matrix_bursts) {
          one.connections = connections;
          one.size = size;
          one.gap = std::chrono::microseconds(gap_us);
          one.burst = burst;
          jobs.push_back(one);
        }
      }
    }
  }
}

// Work that is named is done, also if a quick run would leave it out.
std::vector<entry> entries_for(const selection& wanted) {
  std::vector<entry> chosen = wanted.quick ? in_short : everything;
  if (wanted.workloads.empty()) return chosen;
  const auto has = [&chosen](workload what) { return std::any_of(chosen.begin(), chosen.end(), [what](const entry& one) { return one.what == what; }); };
  for (const entry& one : everything) {
    if (wanted.quick && !has(one.what)) std::copy_if(everything.begin(), everything.end(), std::back_inserter(chosen), [&](const entry& same) { return same.what == one.what; });
  }
  std::erase_if(chosen, [&](const entry& one) { return !is_among(wanted.workloads, to_text(one.what)); });
  return chosen;
}

}  // namespace

std::vector<job> plan_of(const selection& wanted) {
  std::vector<job> jobs;
  if (is_among(wanted.workloads, to_text(workload::paced))) add_matrix(jobs, wanted);
  for (const entry& one : entries_for(wanted)) {
    for (const wait_mode wait : waits_of(one, wanted)) {
      for (const std::size_t value : values_of(one, wanted)) {
        job made;
        made.what = one.what;
        made.wait = wait;
        made.size = one.size;
        made.measured = wanted.measured;
        if (one.varies) made.*one.varies = value;
        if (made.round_trip_ms > 0) {
          if (wait != wait_mode::block) continue;           // who carries the packets needs a core as well
          made.measured = std::max(made.measured, std::chrono::milliseconds(made.round_trip_ms * round_trips_min));
        }
        jobs.push_back(made);
      }
    }
  }
  return jobs;
}

std::vector<contestant> line_up(const std::vector<engine_kind>& engines, std::vector<contestant> others, bool quick) {
  std::vector<contestant> all;
  const auto add = [&](const char* peer, engine_kind engine, outcome (*run)(const job&), bool (*can)(const job&)) {
    all.push_back({.peer = peer, .engine = engine, .run = run, .can = can});
  };
  add("raw", engine_kind::none, raw::run, raw::can);
  for (const engine_kind engine : {engine_kind::epoll, engine_kind::uring}) {
    // On epoll always: some baselines exist on it alone.
    if (engine == engine_kind::epoll || is_among(engines, engine)) add("raw", engine, raw::run, raw::can);
  }
  for (const engine_kind engine : engines) {
    add("hawser", engine, own::run, [](const job& of) { return of.what != workload::handover || of.wait != wait_mode::spin; });    // it has to sleep
  }
  for (const engine_kind engine : engines) {
    add("hawser one", engine, own::run_on_one_channel, [](const job& of) { return of.what == workload::open || (of.what == workload::channels && of.channels > 1); });
  }
  for (const engine_kind engine : engines) {
    add("hawser after", engine, own::run_sending_after, [](const job& of) { return of.what == workload::connect; });
  }
  for (const engine_kind engine : engines) {
    add("hawser busy", engine, own::run_busy, [](const job& of) { return of.wait == wait_mode::adaptive && of.what != workload::handover; });
  }
  for (const engine_kind engine : engines) {
    add("hawser task", engine, own::run_in_tasks, [](const job& of) { return of.what == workload::stream; });
  }
  for (contestant& other : others) {
    if (!quick || best_known.contains(other.peer)) all.push_back(std::move(other));
  }
  return all;
}

std::vector<std::string> opponents_of(const contestant& who, const std::vector<contestant>& all) {
  std::vector<std::string> titles;
  const auto add = [&](std::string title) {
    if (title != who.title() && !is_among(titles, title)) titles.push_back(std::move(title));
  };
  const bool ours = who.peer == "hawser";
  const std::string engine(to_text(who.engine));
  if (ours) add("hawser one " + engine);   // takes part where there are several channels, or new ones
  if (ours) add("hawser busy " + engine);  // takes part where the others wait for a while and then sleep
  if (who.peer == "hawser task") add("hawser " + engine);
  if (who.peer.starts_with("hawser")) add("raw " + engine);
  add("raw epoll");
  add("raw");
  if (who.engine == engine_kind::uring) add(who.peer + " epoll");
  for (const contestant& other : all) {
    if (ours && other.engine == engine_kind::none && other.peer != "raw") add(other.title());
  }
  if (who.title() == "raw") titles.clear();
  return titles;
}

}  // namespace hawser::bench
