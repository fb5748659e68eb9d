// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/timer_heap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>

namespace hawser::io {
namespace {

using namespace std::chrono_literals;

constexpr instant at(std::int64_t ns) { return instant(std::chrono::nanoseconds(ns)); }

struct ringing final : timer {
  void on_timer() override {
    if (rung) rung->push_back(number);
    if (then) then();
  }
  std::vector<int>* rung = nullptr;
  int number = 0;
  std::function<void()> then;
};

TEST(timer_heap, fires_what_is_due_by_instant_and_ties_by_arming) {
  std::vector<int> rung;
  ringing timers[6];
  timer_heap heap;
  const std::int64_t when[6] = {30, 10, 20, 10, 40, 10};
  for (int i = 0; i < 6; ++i) {
    timers[i].rung = &rung;
    timers[i].number = i;
    heap.arm(nullptr, timers[i], at(when[i]));
  }
  EXPECT_EQ(heap.next(), at(10));
  EXPECT_EQ(heap.fire(at(9)), 0u);
  EXPECT_EQ(heap.fire(at(30)), 5u);
  EXPECT_EQ(rung, (std::vector<int>{1, 3, 5, 2, 0}));
  EXPECT_EQ(heap.next(), at(40));
  EXPECT_FALSE(timers[0].armed());
  EXPECT_TRUE(timers[4].armed());
  EXPECT_EQ(timers[4].when(), at(40));
}

TEST(timer_heap, agrees_with_a_sorted_list_over_random_arming_rearming_and_disarming) {
  std::mt19937 random(7);
  constexpr std::size_t count = 300;
  std::vector<std::unique_ptr<ringing>> timers;
  timer_heap heap;
  std::vector<int> rung;
  struct expected {
    std::int64_t when = -1;
    std::uint64_t order = 0;
  };
  std::vector<expected> model(count);
  for (std::size_t i = 0; i < count; ++i) {
    timers.push_back(std::make_unique<ringing>());
    timers.back()->rung = &rung;
    timers.back()->number = static_cast<int>(i);
  }
  std::uint64_t order = 0;
  std::int64_t now = 0;
  for (int step = 0; step < 20'000; ++step) {
    const std::size_t which = random() % count;
    switch (random() % 8) {
      case 0:
        heap.disarm(*timers[which]);
        model[which].when = -1;
        break;
      case 1: {
        now += random() % 200;
        std::vector<std::size_t> due;
        for (std::size_t i = 0; i < count; ++i) {
          if (model[i].when >= 0 && model[i].when <= now) due.push_back(i);
        }
        std::ranges::sort(due, [&](std::size_t a, std::size_t b) {
          return model[a].when != model[b].when ? model[a].when < model[b].when : model[a].order < model[b].order;
        });
        rung.clear();
        ASSERT_EQ(heap.fire(at(now)), due.size());
        ASSERT_TRUE(std::ranges::equal(rung, due, [](int a, std::size_t b) { return static_cast<std::size_t>(a) == b; }));
        for (const std::size_t i : due) model[i].when = -1;
        break;
      }
      default: {
        const std::int64_t when = now + static_cast<std::int64_t>(random() % 500);
        heap.arm(nullptr, *timers[which], at(when));
        model[which] = {when, order++};
      }
    }
    std::size_t armed = 0;
    for (std::size_t i = 0; i < count; ++i) armed += model[i].when >= 0;
    ASSERT_EQ(heap.size(), armed);
  }
}

TEST(timer_heap, a_timer_armed_for_the_past_inside_a_handler_waits_for_the_next_pass) {
  timer_heap heap;
  std::vector<int> rung;
  ringing again;
  again.rung = &rung;
  again.then = [&] { heap.arm(nullptr, again, at(0)); };
  heap.arm(nullptr, again, at(5));
  EXPECT_EQ(heap.fire(at(10)), 1u);
  EXPECT_EQ(heap.fire(at(10)), 1u);
  again.then = nullptr;
  EXPECT_EQ(heap.fire(at(10)), 1u);
  EXPECT_TRUE(heap.empty());
}

TEST(timer_heap, a_due_timer_that_another_one_disarms_or_moves_does_not_fire) {
  timer_heap heap;
  std::vector<int> rung;
  ringing first, disarmed, moved;
  first.rung = disarmed.rung = moved.rung = &rung;
  first.number = 1;
  disarmed.number = 2;
  moved.number = 3;
  first.then = [&] {
    heap.disarm(disarmed);
    heap.arm(nullptr, moved, at(100));
  };
  heap.arm(nullptr, first, at(1));
  heap.arm(nullptr, disarmed, at(2));
  heap.arm(nullptr, moved, at(3));
  EXPECT_EQ(heap.fire(at(10)), 1u);
  EXPECT_EQ(rung, (std::vector<int>{1}));
  EXPECT_FALSE(disarmed.armed());
  EXPECT_EQ(moved.when(), at(100));
  EXPECT_EQ(heap.next(), at(100));
  heap.disarm(moved);
}

TEST(timer_heap, arming_for_never_disarms) {
  timer_heap heap;
  ringing one;
  heap.arm(nullptr, one, at(1));
  heap.arm(nullptr, one, never);
  EXPECT_FALSE(one.armed());
  EXPECT_EQ(one.when(), never);
  EXPECT_EQ(heap.next(), never);
  EXPECT_TRUE(heap.empty());
}

TEST(timer_heap, a_heap_that_goes_disarms_its_timers) {
  ringing one;
  {
    timer_heap heap;
    heap.arm(nullptr, one, at(1));
  }
  EXPECT_FALSE(one.armed());
}

}  // namespace
}  // namespace hawser::io
