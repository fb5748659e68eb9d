// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "support/heap.hpp"

#include <hawser/async/cancel.hpp>
#include <hawser/async/scope.hpp>
#include <hawser/async/sleep.hpp>
#include <hawser/async/task.hpp>
#include <hawser/async/wait.hpp>
#include <hawser/async/when.hpp>

#include "support/socketless_engine.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace hawser::test {

// Its clock jumps to the instant that a turn would have waited for: timers fire at once and in order.
class clock_engine final : public socketless_engine {
 public:
  std::string_view name() const noexcept override { return "clock"; }
  instant now() noexcept override { return now_; }
  std::size_t turn(instant until, instant& now) override {
    if (until == never) {
      ADD_FAILURE() << "the loop would sleep for ever";
      std::abort();
    }
    now_ = std::max(now_, until);
    now = now_;
    return 0;
  }
  void wake() noexcept override {}
  int descriptor() const noexcept override { return -1; }
  bool pending() const noexcept override { return false; }

 private:
  instant now_{std::chrono::hours(1)};
};

// Counts how many of its copies are alive: what a dropped coroutine must have destroyed.
class live {
 public:
  explicit live(int& count) noexcept : count_(&count) { ++*count_; }
  live(const live& other) noexcept : count_(other.count_) { ++*count_; }
  live& operator=(const live&) = delete;
  ~live() { --*count_; }

 private:
  int* count_;
};

class async_test : public ::testing::Test {
 protected:
  void turns(int count) {
    while (count-- > 0) loop_.poll();
  }
  void TearDown() override { EXPECT_EQ(frame_pool_stats().frames_in_use, frames_before_) << "frames leak"; }

  std::size_t frames_before_ = frame_pool_stats().frames_in_use;
  loop loop_{std::make_unique<clock_engine>()};
};

}  // namespace hawser::test
