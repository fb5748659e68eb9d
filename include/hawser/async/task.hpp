// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/async/frame_pool.hpp>
#include <hawser/async/wait.hpp>
#include <hawser/base/contract.hpp>
#include <hawser/base/export.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace hawser::inline v0 {

template <class T = void>
class task;

namespace detail {

// co_await starts a coroutine inside its await_ready(). Up to this depth an await that completes at once costs a call and
// no transfer, so a loop of them uses constant stack even where symmetric transfer is no tail call (below -O2, sanitizers). Beyond,
// the child is left for the outermost of these calls: the stack unwinds, and it is started from there. What such builds still pay is a
// frame of the stack per level when a chain of tasks that had to wait ends from its bottom up.
inline constexpr unsigned nested_starts_max = 64;
HAWSER_API inline constinit thread_local std::coroutine_handle<> late_start;
HAWSER_API void run_late_starts();

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
// leaves it is rethrown to whom awaits it. `co_await std::move(t)` takes the frame out of `t`, which is empty then. Loop thread only.
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

  // Owns the child's frame from here on: it goes at the end of the co_await expression, or with the parent.
  class awaiter {
   public:
    explicit awaiter(std::coroutine_handle<promise_type> child) noexcept : child_(child) {}
    awaiter(const awaiter&) = delete;
    awaiter& operator=(const awaiter&) = delete;
    ~awaiter() {
      if (detail::late_start == child_) detail::late_start = nullptr;
      child_.destroy();
    }
    bool await_ready() const {
      if (detail::nested_starts >= detail::nested_starts_max) return false;
      ++detail::nested_starts;
      child_.resume();
      if (detail::nested_starts == 1 && detail::late_start) [[unlikely]] detail::run_late_starts();
      --detail::nested_starts;
      return child_.done();
    }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> parent) const noexcept {
      const bool started = detail::nested_starts < detail::nested_starts_max;   // as await_ready() saw it
      child_.promise().continuation_ = parent;
      if (started) return std::noop_coroutine();
      // One is late already when somebody resumes coroutines by hand.
      if (detail::late_start) return child_;
      detail::late_start = child_;
      return std::noop_coroutine();
    }
    T await_resume() const { return child_.promise().take(); }

   private:
    std::coroutine_handle<promise_type> child_;
  };
  awaiter operator co_await() && noexcept {
    HAWSER_EXPECTS(coroutine_ && !coroutine_.promise().continuation_, "an empty or already awaited task");
    return awaiter(std::exchange(coroutine_, nullptr));
  }

  // For those who drive a task without being its parent coroutine. start(): runs it to its first suspension. then(): who is resumed
  // when it ends, if it has not yet. take(): what it returned or threw; once, after done().
  void start() {
    const detail::own_starts counted_anew;
    coroutine_.resume();
  }
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

// g++ 12 lays out the frame of a coroutine wrongly when it has no local variable and awaits inside a condition, as in
// `if (!co_await rq.write(text)) co_return;`: its handle then points 8 bytes past the frame, and resuming it destroys memory. Better
// to say so.
template <class Promise>
std::coroutine_handle<Promise> sound_handle(Promise& promise) noexcept {
  const auto handle = std::coroutine_handle<Promise>::from_promise(promise);
#if defined(__GNUC__) && !defined(__clang__)
  const auto shift = static_cast<std::byte*>(handle.address()) - static_cast<std::byte*>(newest_frame);
  HAWSER_EXPECTS(shift <= 0 || shift >= 64, "g++ 12 miscompiled this coroutine: give a name to what a condition awaits (if (const auto ok = co_await ...; !ok))");
#endif
  return handle;
}

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>(sound_handle(*this));
}
inline task<void> task_promise<void>::get_return_object() noexcept {
  return task<void>(sound_handle(*this));
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
HAWSER_API epilogue stop_loop(loop& on);

// Turns the loop until the coroutine has ended, which must stop the loop. Its first step runs inside a turn.
HAWSER_API void drive(loop& on, std::coroutine_handle<> root);

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

}  // namespace hawser::inline v0
