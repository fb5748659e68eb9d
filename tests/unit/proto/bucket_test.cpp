// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <proto/bucket.hpp>

#include <gtest/gtest.h>

namespace hawser::proto {
namespace {

using namespace std::chrono_literals;
using verdict = abuse_meter::verdict;

TEST(bucket, refills_at_its_rate_and_not_beyond_its_burst) {
  const bucket_rate rate{10, 100};
  bucket tokens(rate, 0);
  tokens.charge(10, rate, 0);
  EXPECT_EQ(tokens.level(rate, 9), 0);
  EXPECT_EQ(tokens.level(rate, 10), 1);
  EXPECT_EQ(tokens.level(rate, 55), 5);
  EXPECT_EQ(tokens.level(rate, 60'000), 10);
}

TEST(bucket, frequent_looks_lose_no_fraction_of_a_token) {
  const bucket_rate rate{1'000, 7};
  bucket tokens(rate, 0);
  tokens.charge(1'000, rate, 0);
  for (bucket_time now = 1; now <= 100'000; ++now) tokens.level(rate, now);

  EXPECT_GE(tokens.level(rate, 100'000), 699);
}

TEST(bucket, debt_is_told_as_the_time_until_it_is_paid) {
  const bucket_rate rate{10, 1'000};
  bucket tokens(rate, 0);
  tokens.charge(260, rate, 0);
  EXPECT_TRUE(tokens.in_debt());
  EXPECT_EQ(tokens.debt(rate, 0), 250ms);
  EXPECT_EQ(tokens.debt(rate, 100), 150ms);
  EXPECT_EQ(tokens.debt(rate, 250), 0ms);
  EXPECT_FALSE(tokens.in_debt());
}

TEST(bucket, the_clock_may_wrap) {
  const bucket_rate rate{100, 1'000};
  bucket tokens(rate, 0xffff'fff0);
  tokens.charge(100, rate, 0xffff'fff0);
  EXPECT_EQ(tokens.level(rate, 0x10), 0x20);
}

TEST(bucket, debt_cannot_wrap_into_wealth) {
  const bucket_rate rate{10, 1};
  bucket tokens(rate, 0);
  for (int i = 0; i < 10; ++i) tokens.charge(INT32_MAX, rate, 0);
  EXPECT_TRUE(tokens.in_debt());
  tokens.refund(5, rate);
  EXPECT_TRUE(tokens.in_debt());
}

TEST(abuse_meter, replies_to_what_we_sent_are_free) {
  abuse_meter meter(256, 0);
  for (int i = 0; i < 5'000'000 / HAWSER_COUNT_SCALE; ++i) {
    meter.frames_sent(1);
    meter.reply_received(0);
    meter.reply_received(0);
  }
  EXPECT_EQ(meter.judge(0), verdict::sound);
}

TEST(abuse_meter, replies_to_nothing_pause_and_then_end_the_connection) {
  abuse_meter meter(256, 0);
  const int free_of_charge = 64 + control_rate.burst;
  for (int i = 0; i < free_of_charge; ++i) meter.reply_received(0);
  EXPECT_EQ(meter.judge(0), verdict::sound);
  meter.reply_received(0);
  EXPECT_EQ(meter.judge(0), verdict::pause);
  EXPECT_EQ(meter.debt(0), 1ms);
  EXPECT_EQ(meter.judge(1), verdict::sound);
  for (int i = 0; i < 1'000; ++i) meter.reply_received(1);
  EXPECT_EQ(meter.judge(1), verdict::pause);
  meter.reply_received(1);
  EXPECT_EQ(meter.judge(1), verdict::calm);
}

TEST(abuse_meter, a_thousand_pings_a_second_are_sound_for_ever) {
  abuse_meter meter(256, 0);
  for (bucket_time now = 0; now < 200'000; ++now) {
    meter.control_received(now);
    ASSERT_EQ(meter.judge(now), verdict::sound);
  }
}

TEST(abuse_meter, millions_of_completed_requests_touch_nothing) {
  abuse_meter meter(256, 0);
  for (int i = 0; i < 4'000'000 / HAWSER_COUNT_SCALE; ++i) {
    const auto now = static_cast<bucket_time>(i / 4'000);
    meter.open_received(now);
    meter.open_completed();
    if (i % 1'000 == 0) {
      ASSERT_EQ(meter.judge(now), verdict::sound);
    }
  }
  EXPECT_EQ(meter.judge(1'000), verdict::sound);
}

TEST(abuse_meter, opens_that_are_cancelled_faster_than_100_a_second_end_the_connection) {
  abuse_meter meter(256, 0);
  bucket_time now = 0;
  while (meter.judge(now) != verdict::calm && now < 60'000) {
    ++now;
    meter.open_received(now);         // a thousand a second, none of them completed
  }
  // 512 of burst and 100 of debt at a net 900 a second.
  EXPECT_GT(now, 600u);
  EXPECT_LT(now, 800u);
}

TEST(abuse_meter, who_completes_many_may_cancel_as_many) {
  abuse_meter meter(256, 0);
  for (bucket_time now = 0; now < 20'000; ++now) {
    for (int i = 0; i < 10; ++i) {
      meter.open_received(now);
      meter.open_completed();
    }
    for (int i = 0; i < 5; ++i) meter.open_received(now);       // cancelled: 5,000 a second beside 10,000 completed
    ASSERT_NE(meter.judge(now), verdict::calm) << now;
  }
}

}  // namespace
}  // namespace hawser::proto
