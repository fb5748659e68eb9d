// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/timer_heap.hpp"

#include <hawser/io/loop.hpp>

#include <algorithm>

namespace hawser::inline v0::io {

static_assert(sizeof(timer) <= 32, "a timer is part of every idle connection");

timer::~timer() {
  if (armed()) loop_->disarm(*this);
}

timer_heap::~timer_heap() {
  for (const entry& e : heap_) e.item->position_ = 0;
  for (std::size_t i = due_done_; i < due_.size(); ++i) {
    if (due_[i]) due_[i]->position_ = 0;
  }
}

// The order wraps; timers whose arming is 2^31 armings apart and whose instants are equal may change places.
bool timer_heap::before(const entry& a, const entry& b) noexcept {
  if (a.when != b.when) return a.when < b.when;
  return static_cast<std::int32_t>(a.order - b.order) < 0;
}

instant timer_heap::next_due() const noexcept {
  for (std::size_t i = due_done_; i < due_.size(); ++i) {
    if (due_[i]) return due_[i]->when_;
  }
  return heap_.empty() ? never : heap_.front().when;
}

void timer_heap::place(std::size_t at, const entry& e) noexcept {
  heap_[at] = e;
  e.item->position_ = static_cast<std::uint32_t>(at + 1);
}

void timer_heap::sift_up(std::size_t at, const entry& e) noexcept {
  while (at > 0) {
    const std::size_t parent = (at - 1) / 4;
    if (!before(e, heap_[parent])) break;
    place(at, heap_[parent]);
    at = parent;
  }
  place(at, e);
}

void timer_heap::sift_down(std::size_t at, const entry& e) noexcept {
  for (;;) {
    const std::size_t first = 4 * at + 1;
    if (first >= heap_.size()) break;
    const std::size_t end = std::min(first + 4, heap_.size());
    std::size_t least = first;
    for (std::size_t i = first + 1; i < end; ++i) {
      if (before(heap_[i], heap_[least])) least = i;
    }
    if (!before(heap_[least], e)) break;
    place(at, heap_[least]);
    at = least;
  }
  place(at, e);
}

void timer_heap::remove_at(std::size_t at) noexcept {
  heap_[at].item->position_ = 0;
  const entry last = heap_.back();
  heap_.pop_back();
  if (at == heap_.size()) return;
  if (at > 0 && before(last, heap_[(at - 1) / 4])) {
    sift_up(at, last);
  } else {
    sift_down(at, last);
  }
}

void timer_heap::arm(loop* owner, timer& item, instant when) {
  const std::uint32_t position = item.position_;
  if (position != 0 && (position & in_due) == 0 && when != never) {
    const entry moved{when, order_++, &item};
    const std::size_t at = position - 1;
    const bool earlier = before(moved, heap_[at]);
    item.when_ = when;
    item.order_ = moved.order;
    if (earlier) {
      sift_up(at, moved);
    } else {
      sift_down(at, moved);
    }
    return;
  }
  disarm(item);
  if (when == never) return;
  HAWSER_EXPECTS(heap_.size() < in_due - 1, "too many timers");
  item.loop_ = owner;
  item.when_ = when;
  item.order_ = order_++;
  const entry added{when, item.order_, &item};
  heap_.push_back(added);
  sift_up(heap_.size() - 1, added);
}

void timer_heap::disarm(timer& item) noexcept {
  if (item.position_ == 0) return;
  if (item.position_ & in_due) {
    due_[item.position_ & ~in_due] = nullptr;
    item.position_ = 0;
  } else {
    remove_at(item.position_ - 1);
  }
}

// Due timers leave the heap before the first of them is called: a timer that re-arms itself for the past waits for the next
// pass, and a pass does bounded work.
std::size_t timer_heap::fire(instant now) {
  if (heap_.empty() || heap_.front().when > now) return 0;
  while (!heap_.empty() && heap_.front().when <= now) {
    timer* item = heap_.front().item;
    remove_at(0);
    item->position_ = in_due | static_cast<std::uint32_t>(due_.size());
    due_.push_back(item);
  }
  std::size_t fired = 0;
  for (due_done_ = 0; due_done_ < due_.size();) {
    timer* item = due_[due_done_++];
    if (!item) continue;
    item->position_ = 0;
    ++fired;
    item->on_timer();
  }
  due_.clear();
  due_done_ = 0;
  return fired;
}

}  // namespace hawser::inline v0::io
