// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <proto/keepalive.hpp>

#include <gtest/gtest.h>

namespace hawser::proto {
namespace {

using namespace std::chrono_literals;
using verdict = keepalive::verdict;

constexpr instant at(duration since_start) { return instant(100s + since_start); }

TEST(keepalive, the_smaller_timeout_counts_and_never_is_left_out) {
  keepalive clock(role::server, 1, at(0s));
  EXPECT_EQ(clock.poll_timeout(), never);
  clock.set_idle_timeout(60'000, 9'000);
  EXPECT_EQ(clock.poll_timeout(), at(9s));
  clock.set_idle_timeout(0, 9'000);
  EXPECT_EQ(clock.poll_timeout(), at(9s));
  clock.set_idle_timeout(5'000, 0);
  EXPECT_EQ(clock.poll_timeout(), at(5s));
  clock.set_idle_timeout(0, 0);
  EXPECT_EQ(clock.poll_timeout(), never);
  EXPECT_EQ(clock.handle_timeout(at(24h)), verdict::nothing);
}

TEST(keepalive, the_client_pings_after_a_third_and_the_server_never) {
  keepalive client(role::client, 1, at(0s));
  keepalive server(role::server, 1, at(0s));
  for (keepalive* side : {&client, &server}) side->set_idle_timeout(9'000, 9'000);
  EXPECT_EQ(client.poll_timeout(), at(3s));
  EXPECT_EQ(client.handle_timeout(at(3s) - 1ns), verdict::nothing);
  EXPECT_EQ(client.handle_timeout(at(3s)), verdict::ping);
  EXPECT_EQ(server.poll_timeout(), at(9s));
  EXPECT_EQ(server.handle_timeout(at(3s)), verdict::nothing);
}

TEST(keepalive, silence_for_the_whole_timeout_ends_the_connection) {
  keepalive server(role::server, 1, at(0s));
  server.set_idle_timeout(9'000, 9'000);
  EXPECT_EQ(server.handle_timeout(at(9s) - 1ns), verdict::nothing);
  EXPECT_EQ(server.handle_timeout(at(9s)), verdict::idle);
  server.handle_received(at(8s));
  EXPECT_EQ(server.handle_timeout(at(9s)), verdict::nothing);
  EXPECT_EQ(server.poll_timeout(), at(17s));
}

TEST(keepalive, who_only_listens_is_shown_signs_of_life) {
  keepalive client(role::client, 1, at(0s));
  client.set_idle_timeout(9'000, 9'000);
  for (int second = 1; second <= 3; ++second) client.handle_received(at(std::chrono::seconds(second)));
  EXPECT_EQ(client.handle_timeout(at(3s)), verdict::ping);
  client.handle_sent(at(3s));
  EXPECT_EQ(client.handle_timeout(at(3s)), verdict::nothing);
}

TEST(keepalive, an_unanswered_ping_is_repeated_once_a_third_and_not_more_often) {
  keepalive client(role::client, 1, at(0s));
  client.set_idle_timeout(9'000, 9'000);
  ASSERT_TRUE(client.begin_ping(at(3s)));
  client.handle_sent(at(3s));
  EXPECT_EQ(client.handle_timeout(at(4s)), verdict::nothing);
  EXPECT_EQ(client.poll_timeout(), at(6s));
  EXPECT_EQ(client.handle_timeout(at(6s)), verdict::ping);
  ASSERT_TRUE(client.begin_ping(at(6s)));
  EXPECT_EQ(client.poll_timeout(), at(9s));
  EXPECT_EQ(client.handle_timeout(at(9s)), verdict::idle);
}

TEST(keepalive, with_all_pings_unanswered_only_the_end_is_left_to_wait_for) {
  keepalive client(role::client, 1, at(0s));
  client.set_idle_timeout(9'000, 9'000);
  client.set_in_flight_max(1);
  ASSERT_TRUE(client.begin_ping(at(3s)));
  EXPECT_FALSE(client.begin_ping(at(3s)));
  EXPECT_EQ(client.poll_timeout(), at(9s));
  EXPECT_EQ(client.handle_timeout(at(8s)), verdict::nothing);
}

TEST(keepalive, answers_come_in_order_and_tell_their_time) {
  keepalive clock(role::server, 42, at(0s));
  const auto first = clock.begin_ping(at(1s));
  const auto second = clock.begin_ping(at(2s));
  ASSERT_TRUE(first && second);
  EXPECT_NE(*first, *second);
  EXPECT_FALSE(clock.handle_answer(*second, at(3s)));
  EXPECT_EQ(clock.handle_answer(*first, at(1s + 80ms)), duration(80ms));
  EXPECT_FALSE(clock.handle_answer(*first, at(3s)));
  EXPECT_EQ(clock.handle_answer(*second, at(2s + 160ms)), duration(160ms));
  EXPECT_FALSE(clock.handle_answer(*second, at(3s)));
}

TEST(keepalive, an_answer_without_a_ping_is_told) {
  keepalive clock(role::server, 42, at(0s));
  EXPECT_FALSE(clock.handle_answer(0, at(1s)));
}

TEST(keepalive, at_most_four_pings_are_unanswered) {
  keepalive clock(role::client, 42, at(0s));
  clock.set_in_flight_max(200);
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(clock.begin_ping(at(1s)));
  EXPECT_FALSE(clock.begin_ping(at(1s)));
  EXPECT_EQ(clock.in_flight(), 4);
}

TEST(keepalive, payloads_differ_between_secrets) {
  keepalive a(role::client, 1, at(0s));
  keepalive b(role::client, 2, at(0s));
  EXPECT_NE(*a.begin_ping(at(0s)), *b.begin_ping(at(0s)));
}

TEST(keepalive, round_trips_are_smoothed_by_eighths) {
  keepalive clock(role::client, 1, at(0s));
  EXPECT_EQ(clock.round_trip(), 0ns);
  clock.handle_sample(80ms);
  EXPECT_EQ(clock.round_trip(), 80ms);
  clock.handle_sample(160ms);
  EXPECT_EQ(clock.round_trip(), 90ms);
  clock.handle_sample(0ns);
  EXPECT_GT(clock.round_trip(), 78ms);
}

TEST(keepalive, a_measurement_is_wanted_at_first_and_then_every_100_ms) {
  keepalive clock(role::server, 1, at(0s));
  EXPECT_TRUE(clock.wants_measurement(at(0s)));
  const auto payload = clock.begin_ping(at(0s));
  EXPECT_FALSE(clock.wants_measurement(at(1s)));
  ASSERT_TRUE(clock.handle_answer(*payload, at(5ms)));
  EXPECT_FALSE(clock.wants_measurement(at(99ms)));
  EXPECT_TRUE(clock.wants_measurement(at(100ms)));
}

}  // namespace
}  // namespace hawser::proto
