// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <stdexcept>
#include <vector>

namespace hawser::test {
namespace {

using scope_test = async_test;

TEST_F(scope_test, spawn_runs_to_the_first_suspension_and_join_waits_for_all) {
  int begun = 0, ended = 0;
  auto work = [&](int ms) -> task<> {
    ++begun;
    co_await sleep(loop_, std::chrono::milliseconds(ms));
    ++ended;
  };
  auto all = [&]() -> task<> {
    scope tasks(loop_);
    co_await tasks.join();   // nothing to wait for
    for (int i = 0; i < 10; ++i) tasks.spawn(work(i));
    EXPECT_EQ(begun, 10);
    EXPECT_EQ(tasks.count(), 10u);
    co_await tasks.join();
    EXPECT_EQ(ended, 10);
    EXPECT_EQ(tasks.count(), 0u);
  };
  loop_.run(all());
}

TEST_F(scope_test, destruction_destroys_what_still_runs) {
  int alive = 0;
  auto waits = [&](live) -> task<> { co_await sleep_until(loop_, never); };
  {
    scope tasks(loop_);
    for (int i = 0; i < 5; ++i) tasks.spawn(waits(live(alive)));
    EXPECT_EQ(alive, 5);
  }
  EXPECT_EQ(alive, 0);
}

TEST_F(scope_test, cancel_destroys_all_wakes_join_and_leaves_the_scope_usable) {
  int alive = 0;
  auto waits = [&](live) -> task<> { co_await sleep_until(loop_, never); };
  scope tasks(loop_);
  tasks.spawn(waits(live(alive)));
  tasks.spawn(waits(live(alive)));
  bool joined = false;
  auto joins = [&]() -> task<> {
    co_await tasks.join();
    joined = true;
  };
  scope other(loop_);
  other.spawn(joins());
  tasks.cancel();
  EXPECT_EQ(alive, 0);
  EXPECT_FALSE(joined);
  turns(1);
  EXPECT_TRUE(joined);
  tasks.spawn(waits(live(alive)));
  EXPECT_EQ(alive, 1);
}

TEST_F(scope_test, a_task_that_cancels_its_scope_runs_on_to_its_next_suspension) {
  int alive = 0;
  std::vector<int> steps;
  scope tasks(loop_);
  auto waits = [&](live) -> task<> { co_await sleep_until(loop_, never); };
  auto inner = [&]() -> task<> {
    co_await yield(loop_);
    tasks.cancel();
    steps.push_back(1);
    co_await yield(loop_);
    steps.push_back(2);
  };
  auto cancels = [&](live) -> task<> { co_await inner(); };
  tasks.spawn(waits(live(alive)));
  tasks.spawn(cancels(live(alive)));
  tasks.spawn(waits(live(alive)));
  turns(3);
  EXPECT_EQ(steps, std::vector{1});
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(tasks.count(), 0u);
}

TEST_F(scope_test, a_task_may_cancel_its_scope_while_it_is_being_spawned_and_as_its_last_act) {
  int alive = 0;
  scope tasks(loop_);
  auto at_once = [&](live) -> task<> {
    tasks.cancel();
    co_return;
  };
  auto then_waits = [&](live) -> task<> {
    tasks.cancel();
    co_await sleep_until(loop_, never);
  };
  tasks.spawn(at_once(live(alive)));
  EXPECT_EQ(alive, 0);
  tasks.spawn(then_waits(live(alive)));
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(tasks.count(), 0u);
}

TEST_F(scope_test, a_task_may_destroy_its_scope) {
  int alive = 0;
  bool went_on = false;
  auto tasks = std::make_unique<scope>(loop_);
  auto waits = [&](live) -> task<> { co_await sleep_until(loop_, never); };
  auto destroys = [&](live) -> task<> {
    co_await yield(loop_);
    tasks.reset();
    went_on = true;
    co_await yield(loop_);
    ADD_FAILURE() << "resumed after its scope was destroyed";
  };
  tasks->spawn(waits(live(alive)));
  tasks->spawn(destroys(live(alive)));
  turns(3);
  EXPECT_TRUE(went_on);
  EXPECT_EQ(alive, 0);
}

TEST_F(scope_test, a_task_deeper_in_the_stack_is_spared_until_control_returns_to_its_suspension) {
  int alive = 0;
  event second_go(loop_);
  scope tasks(loop_);
  std::vector<int> steps;
  auto second = [&](live) -> task<> {
    co_await second_go.wait();
    tasks.cancel();            // the first is on the stack below
    steps.push_back(2);
    co_await yield(loop_);
    steps.push_back(99);
  };
  auto first = [&](live) -> task<> {
    co_await yield(loop_);
    second_go.set_now();
    steps.push_back(1);
    co_await yield(loop_);
    steps.push_back(98);
  };
  tasks.spawn(second(live(alive)));
  tasks.spawn(first(live(alive)));
  turns(4);
  EXPECT_EQ(steps, (std::vector{2, 1}));
  EXPECT_EQ(alive, 0);
}

TEST_F(scope_test, tasks_and_their_locals_may_spawn_more) {
  int ended = 0;
  scope tasks(loop_);
  struct spawner {
    static task<> one(loop& on, scope& in, int depth, int& count) {
      if (depth > 0) in.spawn(one(on, in, depth - 1, count));
      co_await yield(on);
      if (depth > 0) in.spawn(one(on, in, depth - 1, count));
      ++count;
    }
  };
  tasks.spawn(spawner::one(loop_, tasks, 6, ended));
  turns(20);
  EXPECT_EQ(ended, 127);
  EXPECT_EQ(tasks.count(), 0u);

  // A destructor that spawns: welcome on cancel(), dropped once the scope itself goes.
  struct spawns_at_end {
    scope* in;
    loop* on;
    int* count;
    static task<> last(loop& on_, int& count_) {
      co_await yield(on_);
      ++count_;
    }
    ~spawns_at_end() { in->spawn(last(*on, *count)); }
  };
  auto holder = [&](scope& in) -> task<> {
    const spawns_at_end guard{&in, &loop_, &ended};
    co_await sleep_until(loop_, never);
  };
  tasks.spawn(holder(tasks));
  tasks.cancel();
  EXPECT_EQ(tasks.count(), 1u);
  turns(2);
  EXPECT_EQ(ended, 128);
  {
    scope going(loop_);
    going.spawn(holder(going));
  }
  turns(2);
  EXPECT_EQ(ended, 128);
}

struct cancels_at_end {
  scope* in;
  explicit cancels_at_end(scope& of) noexcept : in(&of) {}
  cancels_at_end(const cancels_at_end&) = delete;
  ~cancels_at_end() { in->cancel(); }
};

TEST_F(scope_test, a_doomed_task_whose_locals_cancel_again_is_destroyed_once) {
  int alive = 0;
  scope tasks(loop_);
  auto doomed = [&](live) -> task<> {
    const cancels_at_end local(tasks);
    tasks.cancel();
    co_await sleep_until(loop_, never);
  };
  tasks.spawn(doomed(live(alive)));
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(tasks.count(), 0u);
}

TEST_F(scope_test, a_scope_destroyed_by_its_own_task_wakes_who_joins_it) {
  auto tasks = std::make_unique<scope>(loop_);
  event go(loop_);
  auto destroys = [&]() -> task<> {
    co_await go.wait();
    tasks.reset();
  };
  bool joined = false;
  auto joins = [&]() -> task<> {
    co_await tasks->join();
    joined = true;
  };
  scope others(loop_);
  tasks->spawn(destroys());
  others.spawn(joins());
  go.set();
  turns(3);
  EXPECT_FALSE(tasks);
  EXPECT_TRUE(joined);
}

TEST_F(scope_test, an_exception_goes_to_the_handler_and_the_others_go_on) {
  std::vector<std::string> heard;
  auto hear = [&](std::exception_ptr reason) {
    try {
      std::rethrow_exception(reason);
    } catch (const std::exception& e) {
      heard.emplace_back(e.what());
    }
  };
  int ended = 0;
  auto throws = [&](bool late) -> task<> {
    if (late) co_await yield(loop_);
    throw std::runtime_error(late ? "late" : "early");
  };
  auto fine = [&]() -> task<> {
    co_await yield(loop_);
    co_await yield(loop_);
    ++ended;
  };
  scope tasks(loop_, hear);
  tasks.spawn(fine());
  tasks.spawn(throws(false));
  tasks.spawn(throws(true));
  turns(3);
  EXPECT_EQ(heard, (std::vector<std::string>{"early", "late"}));
  EXPECT_EQ(ended, 1);
  EXPECT_EQ(tasks.count(), 0u);
}

TEST_F(scope_test, the_exception_handler_may_cancel_the_scope) {
  int alive = 0;
  scope* self = nullptr;
  scope tasks(loop_, [&](std::exception_ptr) { self->cancel(); });
  self = &tasks;
  auto waits = [&](live) -> task<> { co_await sleep_until(loop_, never); };
  auto throws = [&](live) -> task<> {
    co_await yield(loop_);
    throw 1;
  };
  tasks.spawn(waits(live(alive)));
  tasks.spawn(throws(live(alive)));
  turns(2);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(tasks.count(), 0u);
}

TEST_F(scope_test, an_exception_without_a_handler_aborts_with_its_text) {
  auto throws = []() -> task<> {
    throw std::runtime_error("nobody listens");
    co_return;
  };
  scope tasks(loop_);
  EXPECT_DEATH(tasks.spawn(throws()), "an exception left a spawned task: nobody listens");
}

TEST_F(scope_test, steady_state_allocates_nothing) {
  scope tasks(loop_);
  auto work = [&]() -> task<> { co_await yield(loop_); };
  auto rounds = [&](int count) {
    for (int i = 0; i < count; ++i) {
      for (int k = 0; k < 10; ++k) tasks.spawn(work());
      turns(2);
    }
  };
  rounds(10);
  const std::uint64_t before = heap_allocations;
  rounds(1'000);
  EXPECT_EQ(heap_allocations - before, 0u);
  EXPECT_EQ(tasks.count(), 0u);
}

}  // namespace
}  // namespace hawser::test
