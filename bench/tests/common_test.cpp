// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/affinity.hpp"
#include "common/child.hpp"
#include "common/histogram.hpp"
#include "common/nearest_rank.hpp"
#include "common/spread.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

namespace hawser::bench {

TEST(bench_histogram, quantiles_are_those_of_a_sorted_list_within_a_percent) {
  std::mt19937_64 random(1);
  std::vector<std::int64_t> values;
  auto counted = std::make_unique<histogram>();
  for (int i = 0; i < 20'000; ++i) {
    const auto value = static_cast<std::int64_t>(std::exp(std::uniform_real_distribution<>(0, 25)(random)));
    values.push_back(value);
    counted->record(value);
  }
  std::sort(values.begin(), values.end());
  for (double q : {0.01, 0.25, 0.5, 0.9, 0.99, 0.999, 1.0}) {
    const auto exact = static_cast<double>(values[static_cast<std::size_t>(std::ceil(q * 20'000)) - 1]);
    EXPECT_NEAR(static_cast<double>(counted->quantile(q)), exact, exact * 0.01 + 0.5) << q;
  }
  EXPECT_EQ(counted->min(), values.front());
  EXPECT_EQ(counted->max(), values.back());
}

TEST(nearest_rank, is_the_least_value_that_the_share_does_not_exceed) {
  EXPECT_EQ(nearest_rank(0, 10), 0u);
  EXPECT_EQ(nearest_rank(0.1, 10), 0u);
  EXPECT_EQ(nearest_rank(0.11, 10), 1u);
  EXPECT_EQ(nearest_rank(0.5, 10), 4u);
  EXPECT_EQ(nearest_rank(0.5, 9), 4u);
  EXPECT_EQ(nearest_rank(0.99, 10), 9u) << "not the ninth: a tenth of the values is above it";
  EXPECT_EQ(nearest_rank(0.99, 100), 98u);
  EXPECT_EQ(nearest_rank(0.99, 101), 99u);
  EXPECT_EQ(nearest_rank(0.07, 100), 6u) << "whatever 0.07 * 100 is in binary";
  EXPECT_EQ(nearest_rank(1, 10), 9u);
  EXPECT_EQ(nearest_rank(0.5, 1), 0u);
}

TEST(bench_histogram, values_out_of_range_count_at_its_ends) {
  auto counted = std::make_unique<histogram>();
  counted->record(-5);
  counted->record(std::int64_t{1} << 60);
  EXPECT_EQ(counted->count(), 2u);
  EXPECT_EQ(counted->min(), 0);
  EXPECT_EQ(counted->max(), (std::int64_t{1} << 40) - 1);
  EXPECT_EQ(histogram().quantile(0.5), 0);
}

TEST(bench_histogram, merging_adds_the_counts_of_both) {
  auto low = std::make_unique<histogram>(), high = std::make_unique<histogram>();
  low->record(10, 99);
  high->record(1000);
  low->merge(*high);
  EXPECT_EQ(low->count(), 100u);
  EXPECT_EQ(low->quantile(0.5), 10);
  EXPECT_EQ(low->max(), 1000);
}

TEST(bench_spread, is_the_middle_and_the_ends) {
  EXPECT_EQ(spread_of({3, 1, 2}).median, 2);
  EXPECT_EQ(spread_of({4, 1, 2, 3}).median, 2.5);
  EXPECT_EQ(spread_of({4, 1, 2, 3}).max, 4);
  EXPECT_EQ(spread_of({}).median, 0);
}

TEST(bench_child, reports_arrive_in_order_and_the_exit_code_is_kept) {
  const auto work = [](reporter& to_parent) {
    for (int i = 0; i < 3; ++i) to_parent.write(i);
    return 7;
  };
  auto process = child::start(work);
  ASSERT_TRUE(process);
  for (int i = 0; i < 3; ++i) {
    int got = -1;
    ASSERT_TRUE(process->read(got));
    EXPECT_EQ(got, i);
  }
  int none = 0;
  EXPECT_FALSE(process->read(none));
  EXPECT_EQ(process->wait(), 7);
}

TEST(bench_child, one_that_is_killed_ends_the_wait_for_its_report) {
  const auto work = [](reporter&) {
    for (;;) ::pause();
    return 0;
  };
  auto process = child::start(work);
  ASSERT_TRUE(process);
  ::kill(process->process(), SIGKILL);
  int none = 0;
  EXPECT_FALSE(process->read(none));
  EXPECT_EQ(process->wait(), -1);
}

TEST(bench_child, keeps_only_the_descriptors_that_were_named) {
  int kept[2], dropped[2];
  ASSERT_EQ(::pipe(kept), 0);
  ASSERT_EQ(::pipe(dropped), 0);
  const auto work = [&](reporter& to_parent) {
    const int open[2] = {::fcntl(kept[1], F_GETFD) >= 0, ::fcntl(dropped[1], F_GETFD) >= 0};
    to_parent.write(open);
    return 0;
  };
  auto process = child::start(work, std::span(kept));
  ASSERT_TRUE(process);
  int open[2] = {-1, -1};
  ASSERT_TRUE(process->read(open));
  EXPECT_EQ(open[0], 1);
  EXPECT_EQ(open[1], 0);
  for (int end : {kept[0], kept[1], dropped[0], dropped[1]}) ::close(end);
}

TEST(bench_affinity, former_cores_come_back) {
  const int before = usable_cores();
  {
    const pinned core(sched_getcpu());
    ASSERT_TRUE(core.held());
    EXPECT_EQ(usable_cores(), 1);
    const pinned none(CPU_SETSIZE - 1);
    EXPECT_EQ(none.held(), usable_cores() == 1 && sched_getcpu() == CPU_SETSIZE - 1);
  }
  EXPECT_EQ(usable_cores(), before);
}

}  // namespace hawser::bench
