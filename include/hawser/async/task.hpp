// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/async/frame_pool.hpp>
#include <hawser/async/wait.hpp>
#include <hawser/base/contract.hpp>

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace hawser {

template <class T = void>
class task;

namespace detail {

// Coroutines that a co_await has started inside its await_ready(). Up to this depth an await that completes at once costs a call and
// no transfer, so a loop of them uses constant stack even where symmetric transfer is no tail call (below -O2, sanitizers).
inline constexpr unsigned nested_starts_max = 64;
inline constinit thread_local unsigned nested_starts = 0;

class promise_base : public pooled_frame {
 public:
  std::suspend_always initial_suspend() const noexcept { return {}; }

  class final_awaiter {
   public:
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> done) const noexcept {
      const std::coroutine_handle<> next = done.promise().continuation_;
      return next ? next : std::noop_coroutine();
    }
    void await_resume() const noexcept {}
  };
  final_awaiter final_suspend() const noexcept { return {}; }
  void unhandled_exception() noexcept { exception_ = std::current_exception(); }

 private:
  template <class>
  friend class hawser::task;

 protected:
  void rethrow() {
    if (exception_) [[unlikely]] std::rethrow_exception(std::move(exception_));
  }
  std::coroutine_handle<> continuation_;
  std::exception_ptr exception_;
};

template <class T>
class task_promise final : public promise_base {
 public:
  task<T> get_return_object() noexcept;
  template <class Value>
    requires std::is_constructible_v<T, Value&&>
  void return_value(Value&& value) noexcept(std::is_nothrow_constructible_v<T, Value&&>) {
    value_.emplace(std::forward<Value>(value));
  }
  T take() {
    rethrow();
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class task_promise<void> final : public promise_base {
 public:
  task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
  void take() { rethrow(); }
};

}  // namespace detail

// A lazy coroutine: starts when it is awaited (or run, or spawned), once. Move-only; owns its frame, which comes from the pool of
// its thread. Destroying a task that has not ended destroys its frame and with it whatever it waits for: that is how one cancels.
// A task must not be destroyed while its own code runs (a scope takes care of that for the tasks spawned in it). An exception that
// leaves it is rethrown to whom awaits it. Loop thread only.
template <class T>
class [[nodiscard]] task {
 public:
  using promise_type = detail::task_promise<T>;
  using value_type = T;
  static_assert(!std::is_reference_v<T>, "a task returns a value");

  task() noexcept = default;
  task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      reset();
      coroutine_ = std::exchange(other.coroutine_, nullptr);
    }
    return *this;
  }
  ~task() { reset(); }

  explicit operator bool() const noexcept { return static_cast<bool>(coroutine_); }
  // Drops the coroutine.
  void reset() noexcept {
    if (coroutine_) std::exchange(coroutine_, nullptr).destroy();
  }

  class awaiter {
   public:
    explicit awaiter(std::coroutine_handle<promise_type> child) noexcept : child_(child) {}
    bool await_ready() const {
      if (detail::nested_starts >= detail::nested_starts_max) return false;
      ++detail::nested_starts;
      child_.resume();
      --detail::nested_starts;
      return child_.done();
    }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) const noexcept {
      const bool started = detail::nested_starts < detail::nested_starts_max;   // as await_ready() saw it
      child_.promise().continuation_ = parent;
      if (started) return std::noop_coroutine();
      return child_;
    }
    T await_resume() const { return child_.promise().take(); }

   private:
    std::coroutine_handle<promise_type> child_;
  };
  awaiter operator co_await() && noexcept {
    HAWSER_EXPECTS(coroutine_ && !coroutine_.promise().continuation_, "an empty or already awaited task");
    return awaiter(coroutine_);
  }

  // For those who drive a task without being its parent coroutine. start(): runs it to its first suspension. then(): who is resumed
  // when it ends, if it has not yet. take(): what it returned or threw; once, after done().
  void start() { coroutine_.resume(); }
  std::coroutine_handle<> handle() const noexcept { return coroutine_; }
  bool done() const noexcept { return coroutine_.done(); }
  void then(std::coroutine_handle<> continuation) noexcept { coroutine_.promise().continuation_ = continuation; }
  T take() { return coroutine_.promise().take(); }

 private:
  friend class detail::task_promise<T>;
  explicit task(std::coroutine_handle<promise_type> coroutine) noexcept : coroutine_(coroutine) {}
  std::coroutine_handle<promise_type> coroutine_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>(std::coroutine_handle<task_promise<T>>::from_promise(*this));
}
inline task<void> task_promise<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<task_promise<void>>::from_promise(*this));
}

// A coroutine of a few steps that is resumed when a task ends (task::then()). Must not throw.
class epilogue {
 public:
  struct promise_type : pooled_frame {
    epilogue get_return_object() noexcept { return epilogue(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_always final_suspend() const noexcept { return {}; }
    void return_void() const noexcept {}
    void unhandled_exception() const noexcept { std::terminate(); }
  };
  epilogue(epilogue&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
  epilogue& operator=(epilogue&&) = delete;
  ~epilogue() {
    if (coroutine_) coroutine_.destroy();
  }
  std::coroutine_handle<> coroutine() const noexcept { return coroutine_; }

 private:
  explicit epilogue(std::coroutine_handle<promise_type> h) noexcept : coroutine_(h) {}
  std::coroutine_handle<promise_type> coroutine_;
};
epilogue stop_loop(loop& on);

// Turns the loop until the coroutine has ended, which must stop the loop. Its first step runs inside a turn.
void drive(loop& on, std::coroutine_handle<> root);

}  // namespace detail

// Runs the task to its end on this loop and returns what it returns, or throws what it throws: loop.run(task). Other work of the
// loop goes on meanwhile. loop::stop() does not end it. Not from inside a turn.
template <class T>
T run_task(loop& on, task<T> root) {
  HAWSER_EXPECTS(root, "an empty task");
  const detail::epilogue end = detail::stop_loop(on);
  root.then(end.coroutine());
  detail::drive(on, root.handle());
  return root.take();
}

}  // namespace hawser
