// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/engine.hpp>

#include <cstddef>
#include <vector>

namespace hawser::inline v0::io {

// First in, first out; allocates only to become longer than ever before.
class waiting_line {
 public:
  bool empty() const noexcept { return first_ == ids_.size(); }
  std::size_t size() const noexcept { return ids_.size() - first_; }
  void push(socket_id id) {
    if (first_ != 0 && ids_.size() == ids_.capacity()) {
      ids_.erase(ids_.begin(), ids_.begin() + static_cast<std::ptrdiff_t>(first_));
      first_ = 0;
    }
    ids_.push_back(id);
  }
  socket_id pop() noexcept {
    const socket_id id = ids_[first_++];
    if (empty()) {
      ids_.clear();
      first_ = 0;
    }
    return id;
  }

 private:
  std::vector<socket_id> ids_;
  std::size_t first_ = 0;
};

}  // namespace hawser::inline v0::io
