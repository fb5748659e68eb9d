// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <stdexcept>
#include <thread>

namespace hawser::test {
namespace {

using task_test = async_test;

task<int> number(int n) { co_return n; }

task<int> add(int a, int b) {
  const int left = co_await number(a);
  co_return left + co_await number(b);
}

TEST_F(task_test, run_returns_the_value) { EXPECT_EQ(loop_.run(add(2, 3)), 5); }

TEST_F(task_test, is_lazy_and_drops_unstarted) {
  bool ran = false;
  int alive = 0;
  auto set = [](bool& flag, live) -> task<> {
    flag = true;
    co_return;
  };
  {
    task<> never_run = set(ran, live(alive));
    EXPECT_EQ(alive, 1);
  }
  EXPECT_FALSE(ran);
  EXPECT_EQ(alive, 0);
}

TEST_F(task_test, returns_move_only_values) {
  auto make = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  auto outer = [&]() -> task<std::unique_ptr<int>> {
    auto inner = co_await make();
    ++*inner;
    co_return std::move(inner);
  };
  EXPECT_EQ(*loop_.run(outer()), 8);
}

TEST_F(task_test, exception_reaches_the_awaiter_and_then_run) {
  auto throws = []() -> task<int> {
    throw std::runtime_error("deep");
    co_return 1;
  };
  auto catches = [&]() -> task<std::string> {
    try {
      co_await throws();
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "nothing";
  };
  EXPECT_EQ(loop_.run(catches()), "deep");
  EXPECT_THROW(loop_.run(throws()), std::runtime_error);
}

TEST_F(task_test, exception_after_a_suspension_reaches_the_awaiter) {
  auto throws = [&]() -> task<> {
    co_await yield(loop_);
    throw std::runtime_error("later");
  };
  auto passes = [&]() -> task<> { co_await throws(); };
  EXPECT_THROW(loop_.run(passes()), std::runtime_error);
}

TEST_F(task_test, a_temporary_awaited_twice_in_one_expression_is_destroyed_once) {
  int alive = 0;
  auto holds = [&](live, int n) -> task<int> {
    co_await yield(loop_);
    co_return n;
  };
  auto both = [&]() -> task<int> { co_return co_await holds(live(alive), 1) + co_await holds(live(alive), 2); };
  EXPECT_EQ(loop_.run(both()), 3);
  EXPECT_EQ(alive, 0);
}

TEST_F(task_test, dropped_while_suspended_destroys_the_whole_chain) {
  int alive = 0;
  event never_set(loop_);
  auto inner = [&](live) -> task<> {
    const live local(alive);
    co_await never_set.wait();
  };
  auto outer = [&](live) -> task<> {
    const live local(alive);
    co_await inner(live(alive));
  };
  {
    task<> both = outer(live(alive));
    both.start();
    EXPECT_FALSE(both.done());
    EXPECT_EQ(alive, 5) << "two parameters and the temporary of one, two locals";
  }
  EXPECT_EQ(alive, 0);
  never_set.set();   // nobody is left in its list
  turns(2);
}

TEST_F(task_test, dropped_after_its_end_destroys_the_value) {
  int alive = 0;
  auto gives = [](int& count) -> task<live> { co_return live(count); };
  {
    task<live> done = gives(alive);
    done.start();
    EXPECT_TRUE(done.done());
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
}

TEST_F(task_test, a_million_immediate_awaits_in_a_loop_use_constant_stack) {
  auto many = []() -> task<std::uint64_t> {
    std::uint64_t sum = 0;
    for (int i = 0; i < 1'000'000 / HAWSER_COUNT_SCALE; ++i) sum += static_cast<std::uint64_t>(co_await number(1));
    co_return sum;
  };
  EXPECT_EQ(loop_.run(many()), 1'000'000u / HAWSER_COUNT_SCALE);
}

task<int> countdown(int depth) {
  if (depth == 0) co_return 0;
  const int below = co_await countdown(depth - 1);
  co_return below + 1;
}

TEST_F(task_test, a_deep_chain_of_immediate_awaits_does_not_overflow_the_stack) {
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const int depth = HAWSER_COUNT_SCALE == 1 ? 1'000'000 : 5'000;
#else
  const int depth = 5'000;   // here symmetric transfer is no tail call
#endif
  EXPECT_EQ(loop_.run(countdown(depth)), depth);
}

TEST_F(task_test, a_chain_that_suspends_at_its_bottom_returns_through_every_level) {
  struct chain_of {
    static task<int> tasks(loop& on, int depth) {
      if (depth == 0) {
        co_await yield(on);
        co_return 0;
      }
      const int below = co_await tasks(on, depth - 1);
      co_return below + 1;
    }
  };
  EXPECT_EQ(loop_.run(chain_of::tasks(loop_, 2'000)), 2'000);
}

// Fails by overflowing the stack, where symmetric transfer is no tail call: g++ without optimisation.
TEST_F(task_test, a_million_immediate_awaits_below_a_deep_chain_use_constant_stack) {
  struct chain {
    static task<int> deep(int levels, int times) {
      if (levels > 0) co_return co_await deep(levels - 1, times);
      int sum = 0;
      for (int i = 0; i < times; ++i) sum += co_await number(1);
      co_return sum;
    }
    static task<int> deep_again(int levels, int times) {
      int sum = 0;
      for (int i = 0; i < times; ++i) sum += co_await deep(levels, 1);
      co_return sum;
    }
  };
  EXPECT_EQ(loop_.run(chain::deep(200, 1'000'000)), 1'000'000);
  EXPECT_EQ(loop_.run(chain::deep_again(200, 20'000)), 20'000);
}

TEST_F(task_test, branches_that_both_go_too_deep_both_run) {
  struct chain {
    static task<int> deep(loop& on, int levels) {
      if (levels > 0) co_return co_await deep(on, levels - 1);
      const int now = co_await number(1);
      co_await yield(on);
      co_return now;
    }
  };
  auto both = [&]() -> task<int> {
    const auto [a, b] = co_await when_all(loop_, chain::deep(loop_, 100), chain::deep(loop_, 150));
    co_return a + b;
  };
  EXPECT_EQ(loop_.run(both()), 2);
}

TEST_F(task_test, an_awaited_task_goes_with_who_awaits_it) {
  int alive = 0;
  event go(loop_);
  auto waits = [&](live) -> task<> { co_await go.wait(); };
  task<> kept = waits(live(alive));
  auto parent = [&]() -> task<> { co_await std::move(kept); };
  {
    scope tasks(loop_);
    tasks.spawn(parent());
    EXPECT_FALSE(kept) << "awaiting takes the frame";
    EXPECT_EQ(alive, 1);
  }
  EXPECT_EQ(alive, 0);
  go.set();
  turns(2);
}

TEST_F(task_test, an_awaited_task_is_gone_at_the_end_of_its_expression) {
  int alive = 0;
  auto one = [&](live) -> task<int> {
    co_await yield(loop_);
    co_return 1;
  };
  auto parent = [&]() -> task<int> {
    int sum = 0;
    task<int> first = one(live(alive));
    sum += co_await std::move(first);
    EXPECT_EQ(alive, 0);
    sum += co_await one(live(alive)) + co_await one(live(alive));
    EXPECT_EQ(alive, 0);
    sum += sum == 3 ? co_await one(live(alive)) : co_await number(100);
    EXPECT_EQ(alive, 0);
    co_return sum;
  };
  EXPECT_EQ(loop_.run(parent()), 4);
}

TEST_F(task_test, steady_state_allocates_nothing) {
  auto rounds = [&](int count) -> task<> {
    for (int i = 0; i < count; ++i) {
      EXPECT_EQ(co_await add(i, 1), i + 1);
      co_await yield(loop_);
      co_await sleep(loop_, std::chrono::milliseconds(1));
    }
  };
  loop_.run(rounds(100));
  const std::uint64_t before = heap_allocations;
  const std::uint64_t pool_before = frame_pool_stats().heap_allocations;
  loop_.run(rounds(1'000));
  EXPECT_EQ(heap_allocations - before, 0u);
  EXPECT_EQ(frame_pool_stats().heap_allocations, pool_before);
}

TEST_F(task_test, run_ignores_stop_until_the_task_has_ended) {
  auto stops = [&]() -> task<int> {
    loop_.stop();
    co_await yield(loop_);
    loop_.stop();
    co_await sleep(loop_, std::chrono::seconds(1));
    co_return 4;
  };
  EXPECT_EQ(loop_.run(stops()), 4);
  EXPECT_EQ(loop_.run(number(5)), 5) << "a stop that is left over must not matter";
}

TEST_F(task_test, immediate_completions_are_bounded_within_a_turn_and_free_again_in_the_next) {
  int granted = 0;
  while (may_complete_at_once(loop_) && granted < 100'000) ++granted;
  EXPECT_GT(granted, 0);
  EXPECT_LT(granted, 100'000);
  EXPECT_FALSE(may_complete_at_once(loop_));
  loop_.poll();
  EXPECT_TRUE(may_complete_at_once(loop_));
}

TEST(immediate_completions, are_counted_anew_in_a_later_loop_at_the_same_place) {
  std::optional<loop> place;
  const auto granted_by_a_new_loop = [&] {
    place.emplace(std::make_unique<clock_engine>());
    int granted = 0;
    while (may_complete_at_once(*place)) ++granted;
    return granted;
  };
  const int first = granted_by_a_new_loop();
  EXPECT_EQ(granted_by_a_new_loop(), first);
}

TEST(frame_pool, keeps_at_most_its_limit_and_counts_what_it_gives) {
  std::thread([] {   // a pool of its own
    std::vector<void*> frames;
    for (int i = 0; i < 4'096; ++i) frames.push_back(detail::allocate_frame(2'000));
    EXPECT_EQ(frame_pool_stats().frames_in_use, 4'096u);
    EXPECT_EQ(frame_pool_stats().heap_allocations, 4'096u);
    for (void* frame : frames) detail::release_frame(frame, 2'000);
    EXPECT_EQ(frame_pool_stats().frames_in_use, 0u);
    EXPECT_GT(frame_pool_stats().bytes_cached, std::size_t{3} << 20);
    EXPECT_LE(frame_pool_stats().bytes_cached, std::size_t{4} << 20);
    // The same class comes from the cache, another class and a large frame from the heap.
    const std::uint64_t before = frame_pool_stats().heap_allocations;
    void* same = detail::allocate_frame(2'048);
    EXPECT_EQ(frame_pool_stats().heap_allocations, before);
    void* other = detail::allocate_frame(100);
    void* large = detail::allocate_frame(100'000);
    EXPECT_EQ(frame_pool_stats().heap_allocations, before + 2);
    detail::release_frame(large, 100'000);
    detail::release_frame(other, 100);
    detail::release_frame(same, 2'048);
  }).join();
}

}  // namespace
}  // namespace hawser::test
