// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace hawser::inline v0::testing::sim {

// A queue in one vector: nothing allocated while empty and new, unlike std::deque, of which a connection would need four.
template <class T>
class fifo {
 public:
  bool empty() const noexcept { return first_ == items_.size(); }
  std::size_t size() const noexcept { return items_.size() - first_; }
  T& front() noexcept { return items_[first_]; }
  const T& front() const noexcept { return items_[first_]; }
  T& back() noexcept { return items_.back(); }
  void push(T item) { items_.push_back(std::move(item)); }

  T pop() {
    T item = std::move(items_[first_++]);
    if (first_ == items_.size()) {
      items_.clear();
      first_ = 0;
    } else if (first_ >= 32 && first_ * 2 >= items_.size()) {
      items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
    return item;
  }
  void clear() noexcept {
    items_.clear();
    first_ = 0;
  }
  // Keeps the elements for which keep(element) holds, in order.
  template <class Keep>
  void filter(Keep keep) {
    fifo kept;
    while (!empty()) {
      T item = pop();
      if (keep(item)) kept.push(std::move(item));
    }
    *this = std::move(kept);
  }

 private:
  std::vector<T> items_;
  std::size_t first_ = 0;
};

}  // namespace hawser::inline v0::testing::sim
