// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace hawser::inline v0::io {

// One receive buffer's worth of bytes that came in: in that buffer, or taken out of it into a chunk of its own.
struct arrival {
  static constexpr std::uint16_t none = 0xffff;
  chunk own;                           // when buffer is none
  std::uint32_t size = 0;
  std::uint16_t buffer = none;
};

// What came in and cannot be handed out yet, one queue a socket. A queue is named by the place of its last entry, 0 when it is empty, and
// is a circle: the last one's successor is the first.
class arrivals {
 public:
  void push(std::uint32_t& last, arrival bytes) {
    if (free_ == 0) {
      entries_.emplace_back();
      free_ = static_cast<std::uint32_t>(entries_.size() - 1);
    }
    const std::uint32_t at = std::exchange(free_, entries_[free_].next);
    entries_[at].bytes = std::move(bytes);
    entries_[at].next = at;
    if (last != 0) entries_[at].next = std::exchange(entries_[last].next, at);
    last = at;
  }
  arrival pop(std::uint32_t& last) noexcept {
    const std::uint32_t first = entries_[last].next;
    arrival bytes = std::move(entries_[first].bytes);
    if (first == last) {
      last = 0;
    } else {
      entries_[last].next = entries_[first].next;
    }
    entries_[first].next = std::exchange(free_, first);
    return bytes;
  }
  // Calls `change` with each entry of a queue, oldest first.
  template <class Change>
  void for_each(std::uint32_t last, Change&& change) {
    if (last == 0) return;
    std::uint32_t at = last;
    do {
      at = entries_[at].next;
      change(entries_[at].bytes);
    } while (at != last);
  }

 private:
  struct entry {
    arrival bytes;
    std::uint32_t next = 0;
  };
  std::vector<entry> entries_ = std::vector<entry>(1);     // place 0 is nobody's
  std::uint32_t free_ = 0;
};

}  // namespace hawser::inline v0::io
