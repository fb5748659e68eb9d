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

// The most that one connection may hold of what its peer sent, from the limits (include/hawser/proto/connection.hpp): what the
// application holds, half messages, and sized reads. A buffer may be four times as large as what is in it.
constexpr std::size_t received_bytes_max(const proto::settings& with) {
  const std::size_t message = with.announced.message_bytes_max;
  const std::size_t places = std::max<std::size_t>(1, with.reassembly_bytes_max / message);
  const std::size_t windows = std::size_t{with.announced.channels_max} * with.announced.channel_credit;
  const std::size_t held = with.receive_bytes_max + std::max<std::size_t>(with.window_bytes_max, with.announced.connection_credit) + message;
  return 4 * (held + windows + with.reassembly_bytes_max + places * message);
}

// The most that it may hold of what is to be sent to a peer that takes nothing, writes and messages being at most `largest`.
constexpr std::size_t sent_bytes_max(const proto::settings& with, std::size_t largest) {
  return with.send_bytes_max + largest + std::size_t{16 * 1024} * with.announced.channels_max + with.committed_bytes_max + 16 * 1024 + 3 * segment_bytes;
}

// A channel that is open: its place in the tables, its state, its handler's frames, its names and headers.
inline constexpr std::size_t channel_bytes_max = 4 * 1024;
// A connection without any: its objects, what it said and what the other side did in HELLO, aliases.
constexpr std::size_t connection_bytes_max(const proto::settings& with) {
  return 8 * 1024 + 2 * 16'384 + std::size_t{with.announced.alias_slots} * (255 + 64);
}

}  // namespace hawser::abuse
