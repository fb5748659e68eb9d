// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/testing/seeds.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include <unistd.h>

// Tests of label `sim` that draw seeds: how many each draws, and what a failing one prints.

namespace hawser::seeded {

// How the 200 simulated networks of ./dev test are shared out. ./dev sim --seeds N runs N of them, shared out alike.
namespace share {
inline constexpr std::size_t network_trace = 5, network_pieces = 5, programs = 168;
inline constexpr std::size_t peer_faults = 12, peer_trace = 3, peer_jobs = 4, peer_jobs_trace = 1, demonstration = 2;
inline constexpr std::size_t all = 200;
static_assert(network_trace + network_pieces + programs + peer_faults + peer_trace + peer_jobs + peer_jobs_trace + demonstration == all);
inline constexpr std::size_t channel_model = 300;      // besides: it simulates no network
}  // namespace share

// The running test with this seed once more.
inline std::string replay(std::uint64_t seed) {
  const ::testing::TestInfo* test = ::testing::UnitTest::GetInstance()->current_test_info();
  return testing::replay_command(seed, std::string(test->test_suite_name()) + "." + test->name());
}

namespace detail {

inline std::string under_way;          // written at an abort

inline void tell_and_abort(int) {
  static_cast<void>(!::write(STDERR_FILENO, under_way.data(), under_way.size()));
  std::signal(SIGABRT, SIG_DFL);
  std::abort();
}

inline std::vector<std::uint64_t> seeds_of(std::size_t part) {
  const char* in_all = std::getenv("HAWSER_SEEDS_IN_ALL");
  if (!in_all || !*in_all) return testing::seeds(std::max<std::size_t>(1, part / HAWSER_COUNT_SCALE));
  std::size_t wanted = 0;
  std::from_chars(in_all, in_all + std::strlen(in_all), wanted);
  return testing::seeds((wanted * part + share::all - 1) / share::all);
}

// For ./dev sim: one line a seed.
inline void note_progress(std::size_t done, std::size_t of) {
  const char* path = std::getenv("HAWSER_SEEDS_LOG");
  std::FILE* log = path && *path ? std::fopen(path, "a") : nullptr;
  if (!log) return;
  const ::testing::TestInfo* test = ::testing::UnitTest::GetInstance()->current_test_info();
  std::fprintf(log, "%s.%s %zu %zu\n", test->test_suite_name(), test->name(), done, of);
  std::fclose(log);
}

}  // namespace detail

// Runs body(seed) for the test's share of the seeds, to the first that fails: by an expectation, an exception or an abort, each of which
// prints the command that replays it.
template <class Body>
void for_each_seed(std::size_t part, Body body) {
  const std::vector<std::uint64_t> seeds = detail::seeds_of(part);
  const auto before = std::signal(SIGABRT, detail::tell_and_abort);
  for (std::size_t i = 0; i < seeds.size() && !::testing::Test::HasFailure(); ++i) {
    detail::under_way = "again: " + replay(seeds[i]) + "\n";
    SCOPED_TRACE("again: " + replay(seeds[i]));
    try {
      body(seeds[i]);
    } catch (const std::exception& thrown) {
      ADD_FAILURE() << thrown.what();
    }
    detail::note_progress(i + 1, seeds.size());
  }
  std::signal(SIGABRT, before);
}

}  // namespace hawser::seeded
