// SPDX-License-Identifier: Apache-2.0 OR MIT
// hawser's own sides do the work that they are compared by, on both engines, and on sockets that are fit for it.
#include "own/own.hpp"
#include "raw/raw.hpp"
#include "sound.hpp"
#include "support/sanitizers.hpp"

#include <algorithm>
#include <tuple>

namespace hawser::bench::own {

class own_run : public testing::TestWithParam<std::tuple<engine_kind, workload>> {};

TEST_P(own_run, books_balance) {
  const auto [engine, what] = GetParam();
  const std::string refused = raw::refusal(engine);
  if (!refused.empty()) GTEST_SKIP() << "io_uring refused: " << refused;
  job of = short_job(what, engine, wait_mode::block);
  if (what == workload::requests) of.in_flight = 1024;
  if (what == workload::streamed) of.in_flight = 64;
  if (what == workload::bulk) of.size = raw::buffer_bytes;
  if (what == workload::echoes) of.connections = 300;
  if (what == workload::fanout || what == workload::idle) of.connections = 50;
  if (what == workload::channels) of.channels = 300;
  if (what == workload::threads) of.threads = 3;
  if (what == workload::paced) of.connections = 5, of.burst = 3, of.size = 128;
  const sample made = counted(run, of);
  if (what == workload::idle) {
    // The sanitizers bring allocators that keep no such books.
    if (!HAWSER_UNDER_ADDRESS_SANITIZER && !HAWSER_UNDER_THREAD_SANITIZER) { EXPECT_GT(made.allocated_bytes, 0); }
    return;
  }
  expect_sound(made, of);
  if (what != workload::echoes) return;
  if (engine == engine_kind::uring) {
    EXPECT_LT(made.client_calls, 0.5) << "one enter does it for many";
  } else {
    EXPECT_GE(made.client_calls, 2) << "a receive and a send for each";
  }
}

INSTANTIATE_TEST_SUITE_P(on, own_run,
    testing::Combine(testing::Values(engine_kind::epoll, engine_kind::uring),
        testing::Values(workload::pingpong, workload::stream, workload::requests, workload::streamed, workload::bulk, workload::alone, workload::beside, workload::echoes,
            workload::fanout, workload::idle, workload::connect, workload::open, workload::channels, workload::threads, workload::handover, workload::quiet, workload::paced)),
    [](const auto& instance) { return std::string(to_text(std::get<0>(instance.param))) + "_" + std::string(to_text(std::get<1>(instance.param))); });

class own_ways_to_wait : public testing::TestWithParam<engine_kind> {
 protected:
  void SetUp() override {
    const std::string refused = raw::refusal(GetParam());
    if (!refused.empty()) GTEST_SKIP() << "io_uring refused: " << refused;
  }
  double quiet_cpu(wait_mode wait) {
    const job of = short_job(workload::quiet, GetParam(), wait);
    return counted(run, of).quiet_cpu;
  }
};

TEST_P(own_ways_to_wait, differ_in_what_silence_costs) {
  const double block = quiet_cpu(wait_mode::block), adaptive = quiet_cpu(wait_mode::adaptive), spin = quiet_cpu(wait_mode::spin);
  EXPECT_LT(block, 0.2);
  EXPECT_LT(adaptive, 0.2) << "after 50 us it sleeps";
  EXPECT_GT(spin, 4 * std::max(block, adaptive)) << "it takes whatever a busy machine leaves to it";
}

TEST_P(own_ways_to_wait, adaptive_ones_do_the_work_and_are_compared_to_busy_ones) {
  const job of = short_job(workload::pingpong, GetParam(), wait_mode::adaptive);
  expect_sound(counted(run, of), of);
  const sample busy = counted(run_busy, of);
  expect_sound(busy, of);
  EXPECT_GT(busy.client_calls, 3) << "it looks again and again";
}

TEST_P(own_ways_to_wait, tasks_count_every_message_of_a_stream) {
  const job of = short_job(workload::stream, GetParam(), wait_mode::block);
  expect_sound(counted(run_in_tasks, of), of);
}

INSTANTIATE_TEST_SUITE_P(on, own_ways_to_wait, testing::Values(engine_kind::epoll, engine_kind::uring), [](const auto& instance) { return std::string(to_text(instance.param)); });

}  // namespace hawser::bench::own
