// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/pacer.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

namespace hawser::bench {
namespace {

using message = std::vector<std::byte>;

job two_lines() {
  job of;
  of.what = workload::paced;
  of.size = 32;
  of.connections = 2;
  of.burst = 2;
  of.gap = std::chrono::microseconds(10);
  of.warm_up = std::chrono::milliseconds(0);
  of.measured = std::chrono::milliseconds(1);
  return of;
}

TEST(pacer, is_due_at_its_times_on_one_connection_after_the_other_and_catches_up_what_is_late) {
  const job of = two_lines();
  const auto counted = std::make_unique<tally>();
  pacer pace(of, *counted);
  std::vector<std::pair<std::size_t, message>> sent;
  const auto send = [&](std::size_t which, std::span<const std::byte> bytes) { sent.emplace_back(which, message(bytes.begin(), bytes.end())); };
  ASSERT_TRUE(pace.is_due(1'000'000));
  pace.burst(send);
  EXPECT_FALSE(pace.is_due(1'009'999));
  for (int late = 0; late < 3; ++late) {
    ASSERT_TRUE(pace.is_due(1'030'000));
    pace.burst(send);
  }
  EXPECT_FALSE(pace.is_due(1'030'000));
  ASSERT_EQ(sent.size(), 8u);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    payload_head head;
    std::memcpy(&head, sent[i].second.data(), sizeof head);
    EXPECT_EQ(sent[i].first, i / 2 % 2);
    EXPECT_EQ(head.stamp_ns, 1'000'000 + static_cast<std::int64_t>(i / 2) * 10'000) << "when it was due, not when it left";
  }
  // Latencies are from there: the second burst of each line is answered at once.
  for (auto& [which, bytes] : sent) pace.answered(which, bytes, 1'030'000);
  EXPECT_EQ(counted->latency.max(), 30'000);
  EXPECT_EQ(counted->latency.count(), 7u) << "the first arrival began the measurement";
  EXPECT_FALSE(pace.is_done());
  ASSERT_TRUE(pace.is_due(3'000'000));
  sent.clear();
  pace.burst(send);
  for (auto& [which, bytes] : sent) pace.answered(which, bytes, 3'000'000);
  EXPECT_TRUE(pace.is_done());
  EXPECT_FALSE(counted->failed()) << counted->failure;
}

TEST(pacer, waits_for_answers_before_more_than_64_KiB_are_under_way_on_a_connection) {
  job of = two_lines();
  of.connections = 1;
  of.size = 16 << 10;
  const auto counted = std::make_unique<tally>();
  pacer pace(of, *counted);
  std::vector<message> sent;
  const auto send = [&](std::size_t, std::span<const std::byte> bytes) { sent.emplace_back(bytes.begin(), bytes.end()); };
  ASSERT_TRUE(pace.is_due(1'000'000));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(pace.is_due(2'000'000));
    pace.burst(send);
  }
  EXPECT_FALSE(pace.is_due(2'000'000));
  pace.answered(0, sent[0], 2'000'000);
  EXPECT_FALSE(pace.is_due(2'000'000)) << "one of a burst of two";
  pace.answered(0, sent[1], 2'000'000);
  EXPECT_TRUE(pace.is_due(2'000'000));
}

TEST(pacer, notices_an_answer_that_was_not_asked_for) {
  const job of = two_lines();
  const auto counted = std::make_unique<tally>();
  pacer pace(of, *counted);
  message_source source(of.size);
  const auto wrong = source.numbered(sequence_in(1, 5), 0);
  pace.answered(1, wrong, 1'000'000);
  EXPECT_STREQ(counted->failure, "an answer out of order");
}

}
}  // namespace hawser::bench
