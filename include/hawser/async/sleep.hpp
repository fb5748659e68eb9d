// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/async/wait.hpp>
#include <hawser/base/export.hpp>
#include <hawser/io/timer.hpp>

#include <coroutine>

namespace hawser::inline v0 {

class HAWSER_API sleep_awaiter final : private io::timer {
 public:
  sleep_awaiter(loop& on, instant until) noexcept : loop_(&on), until_(until) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine);
  void await_resume() const noexcept {}

 private:
  void on_timer() override;
  loop* loop_;
  instant until_;
  std::coroutine_handle<> coroutine_;
  detail::execution* root_ = nullptr;
};

// Suspends until the loop's time has reached `until` (never: until the task is dropped). An instant that has passed still lets the
// loop turn once. Allocates nothing.
[[nodiscard]] inline sleep_awaiter sleep_until(loop& on, instant until) noexcept { return {on, until}; }
[[nodiscard]] inline sleep_awaiter sleep(loop& on, duration span) noexcept { return {on, after(on.now(), span)}; }

class yield_awaiter final : public waiter {
 public:
  explicit yield_awaiter(loop& on) noexcept : loop_(&on) {}
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> coroutine) noexcept {
    suspend(coroutine);
    resume_later(*loop_);
  }
  void await_resume() const noexcept {}

 private:
  loop* loop_;
};

// Lets everything else that is ready run first.
[[nodiscard]] inline yield_awaiter yield(loop& on) noexcept { return yield_awaiter(on); }

}  // namespace hawser::inline v0
