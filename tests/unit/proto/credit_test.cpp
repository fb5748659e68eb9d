// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <proto/credit.hpp>

#include <gtest/gtest.h>

#include <deque>

namespace hawser::proto {
namespace {

using namespace std::chrono_literals;

constexpr instant at(duration since_start) { return instant(10s + since_start); }

TEST(credit, costs_are_those_of_rule_C1) {
  EXPECT_EQ(cost_of_data(0, fin_mark::present), 0u);
  EXPECT_EQ(cost_of_data(0, fin_mark::absent), 16u);
  EXPECT_EQ(cost_of_data(1, fin_mark::present), 17u);
  EXPECT_EQ(cost_of_data(64, fin_mark::absent), 80u);
  EXPECT_EQ(cost_of_open(0), 0u);
  EXPECT_EQ(cost_of_open(2), 18u);
}

TEST(send_credit, is_spent_and_granted) {
  send_credit out(100);
  EXPECT_TRUE(out.covers(100));
  EXPECT_FALSE(out.covers(101));
  EXPECT_EQ(out.payload_max(), 84u);
  out.spend(90);
  EXPECT_EQ(out.available(), 10);
  EXPECT_EQ(out.payload_max(), 0u);
  EXPECT_TRUE(out.covers(0));
  EXPECT_EQ(out.grant(50), errc{});
  EXPECT_EQ(out.available(), 60);
}

TEST(send_credit, increments_of_zero_or_beyond_2_to_31_are_errors) {
  send_credit out(0);
  EXPECT_EQ(out.grant(0), errc::protocol);
  EXPECT_EQ(out.grant(0x7fff'ffff), errc{});
  EXPECT_EQ(out.grant(1), errc::flow_control);
  out.spend(1);
  EXPECT_EQ(out.grant(1), errc{});
  send_credit empty(0);
  EXPECT_EQ(empty.grant(0xffff'ffff), errc::flow_control);
}

TEST(send_credit, what_was_used_before_the_hello_counts_against_the_announcement) {
  send_credit out(16'384);
  out.spend(10'000);
  out.announce(16'384, 65'536);
  EXPECT_EQ(out.available(), 55'536);
}

TEST(recv_credit, one_byte_too_many_is_told) {
  recv_credit in(100);
  EXPECT_TRUE(in.take(100));
  EXPECT_FALSE(in.take(1));
}

TEST(recv_credit, grants_wait_for_half_the_window_and_merge) {
  recv_credit in(1'000);
  ASSERT_TRUE(in.take(900));
  in.give_back(499);
  EXPECT_FALSE(in.due());
  in.give_back(1);
  EXPECT_TRUE(in.due());
  in.give_back(100);
  EXPECT_EQ(in.take_grant(), 600u);
  EXPECT_EQ(in.outstanding(), 700);
  EXPECT_FALSE(in.due());
  EXPECT_EQ(in.take_grant(), 0u);
}

TEST(recv_credit, a_reader_in_need_gets_less_than_half_a_window_at_once) {
  recv_credit in(1'000);
  ASSERT_TRUE(in.take(900));
  in.give_back(50);
  EXPECT_FALSE(in.due(100));
  EXPECT_TRUE(in.due(101));
  EXPECT_FALSE(in.short_of(150));
  EXPECT_TRUE(in.short_of(151));
}

TEST(recv_credit, nothing_returnable_is_never_due) {
  recv_credit in(1'000);
  EXPECT_FALSE(in.due(5'000));
}

TEST(recv_credit, extra_credit_comes_once_and_is_not_returned) {
  recv_credit in(1'000);
  ASSERT_TRUE(in.take(1'000));
  EXPECT_EQ(in.extra(3'000), 3'000u);
  EXPECT_EQ(in.take_grant(), 3'000u);
  EXPECT_EQ(in.surplus(), 3'000u);
  ASSERT_TRUE(in.take(3'000));
  in.give_back(4'000);                    // the whole message is consumed
  EXPECT_EQ(in.surplus(), 0u);
  EXPECT_EQ(in.take_grant(), 1'000u);
  EXPECT_EQ(in.outstanding(), 1'000);
}

TEST(recv_credit, extra_credit_never_takes_outstanding_beyond_2_to_31) {
  recv_credit in(0x7fff'0000);
  EXPECT_EQ(in.extra(0x1'0000'00), 0xffffu);
  in.take_grant();
  EXPECT_EQ(in.outstanding(), credit_max);
  EXPECT_EQ(in.extra(1), 0u);
}

TEST(recv_credit, a_window_used_up_quickly_doubles_up_to_the_limit) {
  recv_credit in(1'000);
  instant now = at(0s);
  std::uint32_t grown = 0;
  const auto use_up = [&](duration round_trip) {
    for (int turn = 0; turn < 200; ++turn) {
      now += 1ms;
      const auto all = static_cast<std::uint32_t>(in.outstanding());
      ASSERT_TRUE(in.take(all));
      in.give_back(all);
      grown += in.tune(in.take_grant(), now, round_trip, 6'000);
    }
  };
  use_up(0ns);
  EXPECT_EQ(in.window(), 1'000u) << "quick for what line? none was measured";
  use_up(1ms);
  EXPECT_EQ(in.window(), 6'000u);
  EXPECT_EQ(grown, 5'000u);
  EXPECT_EQ(in.outstanding() + static_cast<std::int64_t>(in.returnable()), 6'000);
}

TEST(recv_credit, a_window_used_up_slowly_stays) {
  recv_credit in(1'000);
  instant now = at(0s);
  for (int turn = 0; turn < 100; ++turn) {
    now += 4ms;
    ASSERT_TRUE(in.take(1'000));
    in.give_back(1'000);
    in.tune(in.take_grant(), now, 1ms, 6'000);
  }
  EXPECT_EQ(in.window(), 1'000u);
  // ... but what is slow for a short way is quick for a long one.
  for (int turn = 0; turn < 2; ++turn) {
    now += 4ms;
    ASSERT_TRUE(in.take(1'000));
    in.give_back(1'000);
    in.tune(in.take_grant(), now, 20ms, 6'000);
  }
  EXPECT_GT(in.window(), 1'000u);
}

TEST(recv_credit, an_opener_may_raise_its_first_window) {
  recv_credit in(1'000);
  in.raise(500);
  EXPECT_EQ(in.window(), 1'500u);
  EXPECT_TRUE(in.take(1'500));
}

// The equation in the header, under random traffic.
TEST(recv_credit, the_books_balance_whatever_happens) {
  std::uint64_t random = 88172645463325252u;
  const auto next = [&](std::uint32_t below) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    return static_cast<std::uint32_t>(random % below);
  };
  recv_credit in(10'000);
  std::deque<std::uint32_t> held;
  std::int64_t held_sum = 0;
  instant now = at(0s);
  for (int step = 0; step < 200'000 / HAWSER_COUNT_SCALE; ++step) {
    now += std::chrono::microseconds(next(900));
    switch (next(5)) {
      case 0:
      case 1:
        if (const std::uint32_t cost = next(2'000); cost <= in.outstanding()) {
          ASSERT_TRUE(in.take(cost));
          held.push_back(cost);
          held_sum += cost;
        }
        break;
      case 2:
        if (!held.empty()) {
          in.give_back(held.front());
          held_sum -= held.front();
          held.pop_front();
        }
        break;
      case 3: in.tune(in.take_grant(), now, 1ms, 1 << 20); break;
      case 4:
        if (next(50) == 0) in.extra(next(30'000));
        break;
    }
    ASSERT_EQ(in.outstanding() + held_sum + in.returnable(), std::int64_t{in.window()} + in.surplus());
    ASSERT_LE(in.outstanding(), credit_max);
  }
}

TEST(recv_ledger, credit_goes_back_at_parse_until_too_much_is_held) {
  recv_ledger in(1'000, 2'000);
  for (int i = 0; i < 4; ++i) {
    ASSERT_TRUE(in.take(500));
    in.hold(500);
    EXPECT_TRUE(in.due());
    EXPECT_EQ(in.take_grant(), 500u);
  }
  ASSERT_TRUE(in.take(500));
  in.hold(500);                       // 2,500 held: from here on the peer's credit runs out
  EXPECT_FALSE(in.due());
  ASSERT_TRUE(in.take(500));
  in.hold(500);
  EXPECT_FALSE(in.due());
  EXPECT_EQ(in.credit().outstanding(), 0);
  EXPECT_FALSE(in.take(1));
}

TEST(recv_ledger, withheld_credit_goes_back_when_the_application_consumed) {
  recv_ledger in(1'000, 1'000);
  ASSERT_TRUE(in.take(600));
  in.hold(600);
  in.take_grant();
  ASSERT_TRUE(in.take(600));
  in.hold(600);
  EXPECT_EQ(in.withheld(), 600u);
  in.let_go(100);
  EXPECT_EQ(in.withheld(), 600u);
  in.let_go(100);                     // 1,000 held
  EXPECT_EQ(in.withheld(), 0u);
  EXPECT_EQ(in.take_grant(), 600u);
  EXPECT_EQ(in.held(), 1'000u);
}

TEST(recv_ledger, one_step_takes_and_holds_what_two_would_and_refuses_at_every_limit) {
  recv_ledger in(1'000, 700);
  ASSERT_TRUE(in.take_and_hold(700));
  EXPECT_EQ(in.held(), 700u);
  EXPECT_EQ(in.credit().outstanding(), 300);
  EXPECT_EQ(in.credit().returnable(), 700u);
  EXPECT_FALSE(in.take_and_hold(1));          // more would be held than the limit
  EXPECT_EQ(in.held(), 700u);
  EXPECT_EQ(in.credit().outstanding(), 300);
  in.let_go(700);
  EXPECT_FALSE(in.take_and_hold(301));        // more than the peer may send
  EXPECT_EQ(in.held(), 0u);
  EXPECT_EQ(in.credit().outstanding(), 300);
  EXPECT_EQ(in.credit().returnable(), 700u);
  EXPECT_TRUE(in.take_and_hold(300));
}

TEST(recv_credit, one_step_is_refused_while_there_is_a_surplus) {
  recv_credit in(1'000);
  ASSERT_TRUE(in.take(1'000));
  ASSERT_EQ(in.extra(500), 500u);
  ASSERT_EQ(in.take_grant(), 500u);
  EXPECT_FALSE(in.pass(100));                 // what comes back of it is not all the peer's
  EXPECT_EQ(in.outstanding(), 500);
}

TEST(recv_ledger, discarded_and_reassembled_bytes_do_not_count_as_held) {
  recv_ledger in(1'000, 100);
  ASSERT_TRUE(in.take(600));
  in.pass(600);
  EXPECT_EQ(in.held(), 0u);
  EXPECT_EQ(in.take_grant(), 600u);
}

TEST(recv_ledger, held_bytes_never_exceed_the_limit_by_more_than_a_window) {
  recv_ledger in(1'000, 5'000);
  for (int i = 0; i < 1'000; ++i) {
    if (in.credit().outstanding() >= 100) {
      ASSERT_TRUE(in.take(100));
      in.hold(100);
    }
    if (in.due()) in.take_grant();
  }
  EXPECT_LE(in.held(), 6'000u);
  EXPECT_GE(in.held(), 5'000u);
}

TEST(reassembly_budget, there_is_always_one_place) {
  reassembly_budget budget(1'000, 1 << 20);
  EXPECT_EQ(budget.places(), 1u);
  EXPECT_EQ(reassembly_budget(4 << 20, 1 << 20).places(), 4u);
}

TEST(reassembly_budget, places_go_to_those_who_asked_first) {
  reassembly_budget budget(2, 1);
  EXPECT_TRUE(budget.enter(3));
  EXPECT_TRUE(budget.enter(5));
  EXPECT_FALSE(budget.enter(7));
  EXPECT_FALSE(budget.enter(9));
  EXPECT_FALSE(budget.enter(11));
  EXPECT_TRUE(budget.forget(9));
  EXPECT_FALSE(budget.forget(9));
  EXPECT_EQ(budget.leave(), 7u);
  EXPECT_EQ(budget.leave(), 11u);
  EXPECT_EQ(budget.leave(), 0u);
  EXPECT_EQ(budget.taken(), 1u);
  EXPECT_TRUE(budget.enter(3));
}

}  // namespace
}  // namespace hawser::proto
