// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>

#include <cstddef>
#include <cstdint>

namespace hawser::inline v0::detail {

// What a channel has received and nobody has read: chunks in order, each with the credit that goes back when it is taken. Small
// pieces share segments, so that one-byte frames cannot hold a segment each. Its ring comes from the pool of coroutine frames;
// an empty queue that never held anything owns nothing.
class chunk_queue {
 public:
  chunk_queue() noexcept = default;
  chunk_queue(const chunk_queue&) = delete;
  chunk_queue& operator=(const chunk_queue&) = delete;
  ~chunk_queue() {
    if (ring_) drop_ring();
  }

  bool empty() const noexcept { return count_ == 0; }
  std::size_t count() const noexcept { return count_; }
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t cost() const noexcept { return cost_; }
  const chunk& front() const noexcept { return ring_[first_].piece; }

  // Copies bytes of a stream to the end: boundaries are not kept.
  void append_bytes(buffer_pool& pool, byte_view bytes, std::size_t cost);
  // Copies one whole message (which may be empty) to the end.
  void append_message(buffer_pool& pool, byte_view message, std::size_t cost);
  // Puts an owned chunk at the end, free of cost.
  void append(chunk piece);

  struct taken {
    chunk piece;
    std::size_t cost = 0;
  };
  taken take_front();
  // `count` bytes (at least; whole pieces) as one chunk; bytes() must be >= count.
  taken take_merged(buffer_pool& pool, std::size_t count);
  // Forgets bytes of the first piece; answers their cost.
  std::size_t drop_front(std::size_t count);
  // Forgets everything; answers its cost.
  std::size_t clear() noexcept { return count_ == 0 ? 0 : drop_all(); }

 private:
  struct entry {
    chunk piece;
    std::uint32_t cost;
  };
  entry& back() noexcept { return ring_[(first_ + count_ - 1) & (capacity_ - 1)]; }
  void push(chunk piece, std::size_t cost);
  void put(buffer_pool& pool, byte_view bytes, std::size_t cost);
  void widen();
  std::size_t drop_all() noexcept;
  void drop_ring() noexcept;
  chunk& room_for(buffer_pool& pool, std::size_t count);

  entry* ring_ = nullptr;
  std::uint32_t capacity_ = 0;      // a power of two
  std::uint32_t first_ = 0;
  std::uint32_t count_ = 0;
  std::size_t bytes_ = 0;
  std::size_t cost_ = 0;
  chunk tail_;                      // the end of the segment that the last pieces lie in: what follows may be written
};

// Appends to a chunk that this caller alone fills; a fresh, larger segment when it is full.
void append_growing(chunk& to, buffer_pool& pool, byte_view bytes);

}  // namespace hawser::inline v0::detail
