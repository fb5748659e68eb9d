// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <functional>
#include <vector>

namespace hawser::test {
namespace {

using wait_test = async_test;

task<> note(event& on, std::vector<int>& order, int id) {
  co_await on.wait();
  order.push_back(id);
}

TEST_F(wait_test, event_wakes_in_order_of_arrival_and_never_inside_set) {
  event ready(loop_);
  std::vector<int> order;
  scope tasks(loop_);
  for (int i = 0; i < 3; ++i) tasks.spawn(note(ready, order, i));
  ready.set();
  EXPECT_TRUE(order.empty());
  turns(1);
  EXPECT_EQ(order, (std::vector{0, 1, 2}));
  tasks.spawn(note(ready, order, 3));
  EXPECT_EQ(order.size(), 4u) << "a set event does not suspend";
}

TEST_F(wait_test, event_reset_before_the_woken_runs_does_not_lose_it) {
  event ready(loop_);
  std::vector<int> order;
  scope tasks(loop_);
  tasks.spawn(note(ready, order, 1));
  ready.set();
  ready.reset();
  tasks.spawn(note(ready, order, 2));
  turns(2);
  EXPECT_EQ(order, (std::vector{1}));
  EXPECT_EQ(tasks.count(), 1u);
}

TEST_F(wait_test, set_now_resumes_inside_the_call) {
  event ready(loop_);
  std::vector<int> order;
  scope tasks(loop_);
  tasks.spawn(note(ready, order, 1));
  tasks.spawn(note(ready, order, 2));
  ready.set_now();
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST_F(wait_test, a_waiter_may_destroy_the_event_and_the_next_waiter_during_set_now) {
  auto ready = std::make_unique<event>(loop_);
  std::vector<int> order;
  auto second = std::make_unique<scope>(loop_);
  auto first = [](auto& event_, auto& other, auto& out) -> task<> {
    co_await event_->wait();
    event_.reset();
    other.reset();
    out.push_back(1);
  };
  scope tasks(loop_);
  tasks.spawn(first(ready, second, order));
  second->spawn(note(*ready, order, 2));
  ready->set_now();
  EXPECT_EQ(order, (std::vector{1}));
  EXPECT_FALSE(ready);
}

TEST_F(wait_test, a_waiter_dropped_after_it_was_woken_does_not_run) {
  event ready(loop_);
  std::vector<int> order;
  task<> waits = note(ready, order, 1);
  waits.start();
  ready.set();
  waits.reset();
  turns(2);
  EXPECT_TRUE(order.empty());
}

TEST_F(wait_test, a_list_wakes_one_at_a_time) {
  wait_list list;
  int woken = 0;
  auto waits = [&]() -> task<> {
    co_await list.wait();
    ++woken;
  };
  scope tasks(loop_);
  tasks.spawn(waits());
  tasks.spawn(waits());
  EXPECT_TRUE(list.resume_one_later(loop_));
  turns(1);
  EXPECT_EQ(woken, 1);
  EXPECT_TRUE(list.resume_one_later(loop_));
  EXPECT_FALSE(list.resume_one_later(loop_));
  turns(1);
  EXPECT_EQ(woken, 2);
  EXPECT_TRUE(list.empty());
}

TEST_F(wait_test, yield_lets_the_others_run) {
  std::vector<int> order;
  auto steps = [&](int id) -> task<> {
    for (int i = 0; i < 3; ++i) {
      order.push_back(id);
      co_await yield(loop_);
    }
  };
  scope tasks(loop_);
  tasks.spawn(steps(1));
  tasks.spawn(steps(2));
  turns(5);
  EXPECT_EQ(order, (std::vector{1, 2, 1, 2, 1, 2}));
}

TEST_F(wait_test, sleepers_wake_in_order_of_their_instants) {
  std::vector<int> order;
  auto sleeps = [&](int ms) -> task<> {
    const instant begun = loop_.now();
    co_await sleep(loop_, std::chrono::milliseconds(ms));
    EXPECT_GE(loop_.now() - begun, std::chrono::milliseconds(ms));
    order.push_back(ms);
  };
  auto all = [&]() -> task<> {
    scope tasks(loop_);
    for (const int ms : {30, 10, 20, 0}) tasks.spawn(sleeps(ms));
    co_await tasks.join();
  };
  loop_.run(all());
  EXPECT_EQ(order, (std::vector{0, 10, 20, 30}));
}

TEST_F(wait_test, sleep_until_the_past_completes_and_until_never_waits_to_be_dropped) {
  auto past = [&]() -> task<int> {
    co_await sleep_until(loop_, loop_.now() - std::chrono::seconds(5));
    co_return 1;
  };
  EXPECT_EQ(loop_.run(past()), 1);
  auto forever = [&]() -> task<> { co_await sleep_until(loop_, never); };
  task<> waits = forever();
  waits.start();
  turns(3);
  EXPECT_FALSE(waits.done());
}

TEST_F(wait_test, what_is_put_off_is_not_passed_in_every_turn_by_what_other_threads_want) {
  struct patient_job final : io::job {
    bool ran = false;
    void run() override { ran = true; }
  } patient;
  remote way_in = loop_.remote();
  std::function<void()> flood = [&] {
    (void)may_complete_at_once(loop_);
    (void)way_in.post(flood);
  };
  for (int i = 0; i < 2'000; ++i) ASSERT_TRUE(way_in.post(flood));
  loop_.poll();
  loop_.put_off(patient);
  for (int i = 0; i < 3; ++i) loop_.poll();
  EXPECT_TRUE(patient.ran);
}

TEST_F(wait_test, a_dropped_sleeper_disarms_its_timer) {
  auto sleeps = [&]() -> task<> { co_await sleep(loop_, std::chrono::hours(1)); };
  {
    task<> dropped = sleeps();
    dropped.start();
    EXPECT_NE(loop_.next_timeout(), duration::max());
  }
  EXPECT_EQ(loop_.next_timeout(), duration::max());
}

}  // namespace
}  // namespace hawser::test
