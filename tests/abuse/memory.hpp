// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/loop.hpp>
#include <hawser/proto/limits.hpp>

#include <algorithm>
#include <cstddef>

// What an attack costs, in bytes: the heap as operator new sees it (count_new.cpp), and the segments of a loop's buffer pool that
// somebody holds. These tests run on one thread.

namespace hawser::abuse {

std::size_t heap_bytes() noexcept;

// Growth since it was made, and the most there ever was of it.
class memory_watch {
 public:
  explicit memory_watch(loop& of) : loop_(of), begin_(now()) {}
  std::size_t now() const { return heap_bytes() + loop_.buffers().bytes_in_use(); }
  void look() { peak_ = std::max(peak_, grown()); }
  std::size_t grown() const { return now() - std::min(now(), begin_); }
  std::size_t peak() const { return peak_; }

 private:
  loop& loop_;
  std::size_t begin_;
  std::size_t peak_ = 0;
};

inline constexpr std::size_t segment_bytes = 64 * 1024;      // of an outbox that has much to say

// The most that a connection may hold of what is to be sent to a peer that takes nothing (proto/connection.hpp), when no write and no
// message is larger than `largest`.
constexpr std::size_t sent_bytes_max(const proto::settings& with, std::size_t largest) {
  const std::size_t reserves = std::size_t{16 * 1024} * with.announced.channels_max;
  return with.send_bytes_max + largest + reserves + with.committed_bytes_max + 16 * 1024 + 3 * segment_bytes;
}

// A channel that is open: its place in the tables, its state, its handler's frames, its names and headers.
inline constexpr std::size_t channel_bytes_max = 4 * 1024;
// A connection without any: its objects, what it said and what the other side did in HELLO, aliases.
constexpr std::size_t connection_bytes_max(const proto::settings& with) {
  return 8 * 1024 + 2 * 16'384 + std::size_t{with.announced.alias_slots} * (255 + 64);
}

}  // namespace hawser::abuse
