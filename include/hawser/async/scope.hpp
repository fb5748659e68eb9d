// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/async/task.hpp>
#include <hawser/async/wait.hpp>
#include <hawser/base/export.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <functional>

namespace hawser::inline v0 {

class scope;

namespace detail {

// The frame of one spawned task, and its place in the scope's list.
struct HAWSER_API execution : list_hook, pooled_frame {
  scope* owner = nullptr;
  bool doomed = false;          // cancelled while it ran: ends at its next suspension
  virtual void destroy() noexcept = 0;

 protected:
  ~execution();
};

class HAWSER_API spawned {
 public:
  struct promise_type final : execution {
    spawned get_return_object() noexcept { return spawned(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() const noexcept { return {}; }
    std::suspend_never final_suspend() const noexcept { return {}; }   // the frame frees itself
    void return_void() const noexcept {}
    void unhandled_exception() noexcept;
    void destroy() noexcept override { std::coroutine_handle<promise_type>::from_promise(*this).destroy(); }
  };
  std::coroutine_handle<promise_type> coroutine;

 private:
  explicit spawned(std::coroutine_handle<promise_type> h) noexcept : coroutine(h) {}
};

}  // namespace detail

// Owns tasks that run beside each other: none outlives it. Loop thread only. A spawned task costs its own frame and a small one,
// both pooled, and no other memory.
//
// Tasks may spawn into their scope, cancel it and destroy it: the task that does so runs on to its next suspension and ends there.
// The destructors of a task's own locals may spawn and cancel, but not destroy the scope.
class HAWSER_API scope {
 public:
  // on_exception is given what leaves a spawned task, when it leaves; the task has ended, the others go on. It may call anything
  // of the scope but destroy it. Without one, such an exception prints its text and aborts the program.
  explicit scope(loop& on, std::move_only_function<void(std::exception_ptr)> on_exception = {}) noexcept
      : loop_(&on), on_exception_(std::move(on_exception)) {}
  ~scope();                     // cancels
  scope(const scope&) = delete;
  scope& operator=(const scope&) = delete;

  // Takes the task and runs it, inside this call, to its first suspension. Dropped unstarted while the scope is being destroyed.
  void spawn(task<> work);
  // Destroys every task that has not ended, and so whatever they wait for. The scope may be used again afterwards.
  void cancel() noexcept;
  std::size_t count() const noexcept { return count_; }

  class join_awaiter final : public wait_list::awaiter_base {
   public:
    explicit join_awaiter(scope& of) noexcept : awaiter_base(of.joining_), scope_(&of) {}
    bool await_ready() const noexcept { return scope_->count_ == 0; }

   private:
    scope* scope_;
  };
  // co_await scope.join(): until no task is left. A task of this very scope would wait for itself.
  [[nodiscard]] join_awaiter join() noexcept { return join_awaiter(*this); }

 private:
  friend struct detail::execution;
  friend class detail::spawned;
  void left(detail::execution& task) noexcept;
  void failed(std::exception_ptr reason) noexcept;

  loop* loop_;
  std::move_only_function<void(std::exception_ptr)> on_exception_;
  intrusive_list<detail::execution> tasks_;
  wait_list joining_;
  std::size_t count_ = 0;
  bool closing_ = false;
};

}  // namespace hawser::inline v0
