// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/export.hpp>
#include <hawser/base/intrusive.hpp>
#include <hawser/io/loop.hpp>

#include <coroutine>
#include <cstddef>
#include <utility>

// How coroutines wait. Whoever suspends one keeps a `waiter` (in the awaiter, hence in the coroutine's frame); whoever wakes it goes
// through that waiter. A frame that is destroyed takes its waiter out of whatever list it hangs in, so dropping a task is always
// a complete cancellation. Everything here belongs to one loop's thread and allocates nothing.

namespace hawser::inline v0 {

namespace detail {

struct execution;   // one task of a scope (scope.hpp)

// What runs right now on this thread, innermost first: so that a scope which is cancelled from inside knows whom to spare until
// it suspends.
struct running {
  execution* root;
  running* outer;
};
HAWSER_API inline constinit thread_local running* innermost = nullptr;

inline execution* current_execution() noexcept { return innermost ? innermost->root : nullptr; }
HAWSER_API void finish_condemned(execution* root) noexcept;
HAWSER_API bool condemned(const execution* root) noexcept;

// Coroutines that co_await has started on the stack below (task.hpp).
HAWSER_API inline constinit thread_local unsigned nested_starts = 0;
// Whoever resumes a coroutine counts anew, so that a start which was put off happens before he goes on.
class own_starts {
 public:
  own_starts() noexcept : outer_(std::exchange(nested_starts, 0)) {}
  ~own_starts() { nested_starts = outer_; }
  own_starts(const own_starts&) = delete;
  own_starts& operator=(const own_starts&) = delete;

 private:
  unsigned outer_;
};

// Resumes a coroutine that belongs to `root` (nullptr: to no scope).
inline void resume(std::coroutine_handle<> coroutine, execution* root) {
  const own_starts counted_anew;
  running here{root, innermost};
  innermost = &here;
  coroutine.resume();
  innermost = here.outer;
  if (here.root && condemned(here.root)) [[unlikely]] finish_condemned(here.root);
}

}  // namespace detail

// One suspended coroutine. Base or member of an awaiter:
//
//   struct my_awaiter final : hawser::waiter {                // give it a constructor: aggregates trip g++ 12
//     bool await_ready();
//     void await_suspend(std::coroutine_handle<> h) { suspend(h); my_list.push_back(*this); }
//     T await_resume();
//   };
//
// Awaiters of users that call handle.resume() by themselves work too, except inside a scope that is cancelled by one of its own tasks.
class waiter : public io::job {
 public:
  waiter() noexcept = default;
  bool waiting() const noexcept { return static_cast<bool>(coroutine_); }

  // Remembers who waits; called in await_suspend().
  void suspend(std::coroutine_handle<> coroutine) noexcept {
    coroutine_ = coroutine;
    root_ = detail::current_execution();
  }
  // Resumes in the loop's next round of jobs. The usual way: nobody runs in the midst of the waker's work. Waking twice is once.
  void resume_later(loop& on) noexcept { on.post(*this); }
  // For what may_complete_at_once() has refused.
  void resume_next_turn(loop& on) noexcept { on.put_off(*this); }
  // Resumes inside this call. For hot paths whose caller is prepared for anything, its own destruction included, by the time
  // this returns.
  void resume_now() {
    unlink();
    detail::resume(std::exchange(coroutine_, nullptr), root_);
  }

 protected:
  ~waiter() = default;

 private:
  void run() final { resume_now(); }
  std::coroutine_handle<> coroutine_;
  detail::execution* root_ = nullptr;
};

// Waiters in order of arrival.
class wait_list {
 public:
  bool empty() const noexcept { return const_cast<intrusive_list<waiter>&>(waiters_).empty(); }
  // The waiter leaves by itself when it is woken or destroyed.
  void push_back(waiter& one) noexcept { waiters_.push_back(one); }

  bool resume_one_later(loop& on) noexcept {   // false: nobody waits
    waiter* first = waiters_.pop_front();
    if (first) first->resume_later(on);
    return first != nullptr;
  }
  void resume_all_later(loop& on) noexcept {
    while (resume_one_later(on)) {
    }
  }
  // Resumes, inside this call, those who wait when it begins. This list may be destroyed by them.
  void resume_all_now() {
    intrusive_list<waiter> woken;
    woken.splice_back(waiters_);
    while (waiter* first = woken.pop_front()) first->resume_now();
  }

  // For awaiters that suspend into a list under a condition of their own.
  class awaiter_base : public waiter {
   public:
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) noexcept {
      suspend(coroutine);
      in_->push_back(*this);
    }
    void await_resume() const noexcept {}

   protected:
    explicit awaiter_base(wait_list& in) noexcept : in_(&in) {}
    ~awaiter_base() = default;

   private:
    wait_list* in_;
  };
  class suspension final : public awaiter_base {
   public:
    explicit suspension(wait_list& in) noexcept : awaiter_base(in) {}
  };
  // co_await list.wait(): suspends until woken.
  [[nodiscard]] suspension wait() noexcept { return suspension(*this); }

 private:
  intrusive_list<waiter> waiters_;
};

// A flag that coroutines wait for. Stays set until reset(). Destroying it leaves its waiters suspended for ever.
class event {
 public:
  explicit event(loop& on) noexcept : loop_(&on) {}
  event(const event&) = delete;
  event& operator=(const event&) = delete;

  bool is_set() const noexcept { return set_; }
  void set() noexcept {
    set_ = true;
    waiters_.resume_all_later(*loop_);
  }
  // As set(), but runs the waiters inside this call (see waiter::resume_now()).
  void set_now() {
    set_ = true;
    waiters_.resume_all_now();
  }
  void reset() noexcept { set_ = false; }

  class awaiter final : public wait_list::awaiter_base {
   public:
    explicit awaiter(event& on) noexcept : awaiter_base(on.waiters_), event_(&on) {}
    bool await_ready() const noexcept { return event_->set_; }

   private:
    event* event_;
  };
  // Completes at once when set. A waiter that was woken completes even if reset() comes before it runs.
  [[nodiscard]] awaiter wait() noexcept { return awaiter(*this); }

 private:
  loop* loop_;
  wait_list waiters_;
  bool set_ = false;
};

// Bounds immediate completions: an awaiter whose await_ready() could answer true asks here first, and suspends (resume_next_turn())
// when this says no. So a coroutine whose operations never have to wait still lets the loop turn. 1,024 per turn of the loop, all tasks together.
bool may_complete_at_once(const loop& on) noexcept;

}  // namespace hawser::inline v0
