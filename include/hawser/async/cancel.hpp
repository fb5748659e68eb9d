// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/async/task.hpp>
#include <hawser/async/wait.hpp>
#include <hawser/base/error.hpp>
#include <hawser/io/timer.hpp>

#include <coroutine>
#include <utility>

namespace hawser::inline v0 {

class cancel_token;

// Says "give up" to whoever holds one of its tokens. Loop thread only; allocates nothing. Must outlive its tokens' use; waits that
// are still pending when it is destroyed can no longer be cancelled through it.
class cancel_source {
 public:
  explicit cancel_source(loop& on) noexcept : loop_(&on) {}
  cancel_source(const cancel_source&) = delete;
  cancel_source& operator=(const cancel_source&) = delete;

  // For good. What waits is dropped in the loop's next round of jobs, never inside this call.
  void cancel() noexcept {
    cancelled_ = true;
    while (io::job* one = waiting_.pop_front()) loop_->post(*one);
  }
  bool cancelled() const noexcept { return cancelled_; }
  cancel_token token() noexcept;

 private:
  friend class cancel_token;
  loop* loop_;
  intrusive_list<io::job> waiting_;
  bool cancelled_ = false;
};

// Copyable view of a source. A default one is never cancelled.
class cancel_token {
 public:
  cancel_token() noexcept = default;
  bool cancelled() const noexcept { return source_ && source_->cancelled_; }
  // Runs the job, in a round of jobs, when the source is cancelled (at once posted if it was). The job leaves by being destroyed.
  void notify(io::job& one) const noexcept {
    if (!source_) return;
    if (source_->cancelled_) source_->loop_->post(one);
    else source_->waiting_.push_back(one);
  }

 private:
  friend class cancel_source;
  explicit cancel_token(cancel_source& of) noexcept : source_(&of) {}
  cancel_source* source_ = nullptr;
};

inline cancel_token cancel_source::token() noexcept { return cancel_token(*this); }

namespace detail {

// Awaits `inner` until it ends or give_up() comes, which destroys it. give_up() is called from the loop's top only (a job, a
// timer), where every coroutine is suspended.
template <class T>
class bounded_await {
 public:
  explicit bounded_await(task<T> inner) noexcept : inner_(std::move(inner)) {}
  bool start() {
    inner_.start();
    return inner_.done();
  }
  void suspend(std::coroutine_handle<> outer) noexcept {
    outer_ = outer;
    root_ = current_execution();
    inner_.then(outer);
  }
  // Destructors of the inner task's locals may cancel the scope that this belongs to, so it counts as running meanwhile.
  void give_up(errc reason) {
    running here{root_, innermost};
    innermost = &here;
    inner_.reset();
    innermost = here.outer;
    if (here.root && condemned(here.root)) return finish_condemned(here.root);
    reason_ = reason;
    detail::resume(outer_, root_);
  }
  void drop(errc reason) noexcept {
    inner_.reset();
    reason_ = reason;
  }
  T take() {
    if (!inner_) return failure(reason_);
    return inner_.take();
  }

 private:
  task<T> inner_;
  std::coroutine_handle<> outer_;
  execution* root_ = nullptr;
  errc reason_{};
};

template <class T>
class cancel_await final : private io::job {
 public:
  cancel_await(cancel_token token, task<T> inner) noexcept : token_(token), await_(std::move(inner)) {}
  bool await_ready() {
    if (!token_.cancelled()) {
      if (await_.start()) return true;
      if (!token_.cancelled()) return false;
    }
    await_.drop(errc::cancelled);
    return true;
  }
  void await_suspend(std::coroutine_handle<> outer) noexcept {
    await_.suspend(outer);
    token_.notify(*this);
  }
  T await_resume() { return await_.take(); }

 private:
  void run() override { await_.give_up(errc::cancelled); }
  cancel_token token_;
  bounded_await<T> await_;
};

template <class T>
class deadline_await final : private io::timer {
 public:
  deadline_await(loop& on, instant at, task<T> inner) noexcept : loop_(&on), at_(at), await_(std::move(inner)) {}
  bool await_ready() {
    if (at_ > loop_->now()) return await_.start();
    await_.drop(errc::deadline);
    return true;
  }
  void await_suspend(std::coroutine_handle<> outer) {
    await_.suspend(outer);
    if (at_ != never) loop_->arm(*this, at_);
  }
  T await_resume() { return await_.take(); }

 private:
  void on_timer() override { await_.give_up(errc::deadline); }
  loop* loop_;
  instant at_;
  bounded_await<T> await_;
};

}  // namespace detail

// What the inner task returns, or errc::cancelled: the source was cancelled first and the inner task is destroyed (unstarted, if it
// was cancelled before). One more pooled frame, no other memory.
template <class T>
task<result<T>> with_cancel(cancel_token token, task<result<T>> inner) {
  detail::cancel_await<result<T>> race(token, std::move(inner));
  co_return co_await race;
}

// What the inner task returns, or errc::deadline: the loop's time reached `at` first and the inner task is destroyed.
template <class T>
task<result<T>> with_deadline(loop& on, instant at, task<result<T>> inner) {
  detail::deadline_await<result<T>> race(on, at, std::move(inner));
  co_return co_await race;
}

}  // namespace hawser::inline v0
