// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/timer.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace hawser::inline v0::io {

// A 4-ary heap of timers by (instant, order of arming). The key stands beside the pointer, so a comparison touches no timer;
// each timer knows its place, so disarming is one sift. Four children a node: half the depth of a binary heap, and siblings
// share cache lines.
class timer_heap {
 public:
  timer_heap() = default;
  timer_heap(const timer_heap&) = delete;
  timer_heap& operator=(const timer_heap&) = delete;
  ~timer_heap();          // disarms all

  bool empty() const noexcept { return heap_.empty() && due_.empty(); }
  std::size_t size() const noexcept { return heap_.size() + (due_.size() - due_done_); }
  // The earliest instant, `never` when nothing is armed.
  instant next() const noexcept {
    if (!due_.empty()) [[unlikely]] return next_due();
    return heap_.empty() ? never : heap_.front().when;
  }

  void arm(loop* owner, timer& item, instant when);
  void disarm(timer& item) noexcept;
  // Calls the timers that are due at `now` and were armed before this call. Returns how many. Not reentrant.
  std::size_t fire(instant now);

 private:
  struct entry {
    instant when;
    std::uint32_t order;
    timer* item;
  };
  // Set in a timer's position while it waits in due_ instead of the heap.
  static constexpr std::uint32_t in_due = std::uint32_t{1} << 31;

  instant next_due() const noexcept;       // while they are being fired
  static bool before(const entry& a, const entry& b) noexcept;
  void place(std::size_t at, const entry& e) noexcept;
  void sift_up(std::size_t at, const entry& e) noexcept;
  void sift_down(std::size_t at, const entry& e) noexcept;
  void remove_at(std::size_t at) noexcept;

  std::vector<entry> heap_;
  std::vector<timer*> due_;          // being fired; a timer that is disarmed meanwhile leaves a null
  std::size_t due_done_ = 0;
  std::uint32_t order_ = 0;
};

}  // namespace hawser::inline v0::io
