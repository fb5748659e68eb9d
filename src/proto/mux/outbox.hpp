// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace hawser::inline v0::proto::mux {

// Bytes that are framed: what the transport will get, in order. Small frames are written straight into the open segment, large
// payloads are appended as slices. Frames that still lie in the open segment may be amended (a FIN that comes a moment later).
class outbox {
 public:
  explicit outbox(buffer_pool& pool) noexcept : pool_(&pool) {}
  ~outbox() { drop_full(); }
  outbox(const outbox&) = delete;
  outbox& operator=(const outbox&) = delete;

  // Where the next `count` contiguous bytes go; wrote() says that they are there. Needs has_slots().
  std::byte* reserve(std::size_t count) {
    if (open_.room() < count) [[unlikely]] open_segment(count);
    return open_.mutable_data() + open_.size();
  }
  void wrote(std::size_t count) noexcept {
    open_.grow(count);
    end_ += count;
    in_flight_ += count;
  }
  void append(chunk piece);

  // Position of the next byte in everything that was ever framed. 0 is before all: a channel without a frame yet.
  std::uint64_t end() const noexcept { return end_; }
  // The bytes at a position, if they still lie in the open segment; else nullptr.
  std::byte* amend(std::uint64_t position) noexcept {
    const std::uint64_t back = end_ - position;
    if (back == 0 || back > open_.size()) return nullptr;
    return open_.mutable_data() + (open_.size() - back);
  }
  std::size_t open_room() const noexcept { return open_.room(); }
  // What append() is given from here on in memory lengthens the last piece.
  bool ends_with(const std::byte* next) const noexcept {
    return open_.empty() && full_ && full_->ready[full_->ready.count() - 1].end() == next;
  }

  // Moves up to `bytes_max` to the end of `out`.
  std::size_t take(chain& out, std::size_t bytes_max);
  void sent(std::size_t count) noexcept;
  void clear() noexcept;
  // Past take(): where all that waits lies, in order, if that many pieces are enough; and what of it the transport has taken.
  std::optional<std::size_t> look(std::span<byte_view> pieces) const noexcept;
  void took(std::size_t count) noexcept;

  bool empty() const noexcept { return !full_ && open_.empty(); }
  std::size_t pending_bytes() const noexcept { return (full_ ? full_->ready.bytes() : 0) + open_.size(); }
  // Framed and not taken by the transport yet, whether still here or already given to it.
  std::size_t committed_bytes() const noexcept { return in_flight_; }
  bool has_slots() const noexcept { return !full_ || full_->ready.room() > 6; }

 private:
  // More than lies in one segment; in a small buffer, while there is any.
  struct run {
    explicit run(buffer_pool& pool) noexcept : ready(pool) {}
    chunk self;
    chain ready;
  };
  void open_segment(std::size_t count);
  void close_run();
  chain& need_ready();
  void drop_full() noexcept;

  chunk open_;              // its bytes follow those of full_
  std::size_t in_flight_ = 0;
  std::uint64_t end_ = 1;
  run* full_ = nullptr;     // never empty
  std::uint64_t began_ = 1; // end_ when a segment was opened with nothing in flight
  buffer_pool* pool_;
};

}  // namespace hawser::inline v0::proto::mux
