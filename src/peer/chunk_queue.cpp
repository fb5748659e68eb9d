// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/chunk_queue.hpp"

#include <hawser/async/frame_pool.hpp>

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

namespace hawser::inline v0::detail {
namespace {

constexpr std::uint32_t first_capacity = 4;
// Pieces below this share segments; a larger one is worth a segment of its own.
constexpr std::size_t shared_bytes_max = 4096;
constexpr std::size_t shared_segment_bytes = 16 * 1024;

}  // namespace

void chunk_queue::drop_ring() noexcept {
  clear();
  release_frame(ring_, capacity_ * sizeof(entry));
}

void chunk_queue::widen() {
  const std::uint32_t capacity = capacity_ == 0 ? first_capacity : capacity_ * 2;
  entry* ring = static_cast<entry*>(allocate_frame(capacity * sizeof(entry)));
  for (std::uint32_t i = 0; i < count_; ++i) {
    entry& old = ring_[(first_ + i) & (capacity_ - 1)];
    new (&ring[i]) entry(std::move(old));
    old.~entry();
  }
  if (ring_) release_frame(ring_, capacity_ * sizeof(entry));
  ring_ = ring;
  capacity_ = capacity;
  first_ = 0;
}

void chunk_queue::push(chunk piece, std::size_t cost) {
  if (count_ == capacity_) widen();
  bytes_ += piece.size();
  cost_ += cost;
  new (&ring_[(first_ + count_) & (capacity_ - 1)]) entry{std::move(piece), static_cast<std::uint32_t>(cost)};
  ++count_;
}

void chunk_queue::append(chunk piece) {
  tail_ = {};
  push(std::move(piece), 0);
}

// The tail afterwards is an empty slice at the first free byte, with room for `count`.
chunk& chunk_queue::room_for(buffer_pool& pool, std::size_t count) {
  if (tail_.room() < count || tail_.capacity() == 0) {
    std::size_t wanted = count;
    if (count < shared_bytes_max) wanted = std::clamp(bytes_ * 2, count, shared_segment_bytes);
    tail_ = pool.allocate(wanted);
  }
  return tail_;
}

void chunk_queue::append_bytes(buffer_pool& pool, byte_view bytes, std::size_t cost) {
  if (bytes.empty()) {
    if (count_ > 0) {
      back().cost += static_cast<std::uint32_t>(cost);
      cost_ += cost;
    }
    return;
  }
  // First what fits behind the last piece, then a fresh segment for the rest; unless it is worth sharing as it is.
  if (count_ > 0 && tail_.room() > 0 && back().piece.shares_segment(tail_) && bytes.size() < shared_segment_bytes) {
    entry& last = back();
    const byte_view head = bytes.first(std::min(bytes.size(), tail_.room()));
    std::memcpy(tail_.mutable_data(), head.data(), head.size());
    tail_.grow(head.size());
    tail_.drop_front(head.size());
    last.piece.extend(head.size());
    last.cost += static_cast<std::uint32_t>(cost);
    bytes_ += head.size();
    cost_ += cost;
    cost = 0;
    bytes = bytes.subspan(head.size());
    if (bytes.empty()) return;
  }
  put(pool, bytes, cost);
}

// A piece of its own. A large one may share the receive buffer that it lies in; small ones share segments with each other, also when
// large ones come between them.
void chunk_queue::put(buffer_pool& pool, byte_view bytes, std::size_t cost) {
  if (bytes.size() >= shared_segment_bytes) return push(pool.keep(bytes), cost);
  chunk& end = room_for(pool, bytes.size());
  std::memcpy(end.mutable_data(), bytes.data(), bytes.size());
  end.grow(bytes.size());
  push(end, cost);
  end.drop_front(bytes.size());
}

void chunk_queue::append_message(buffer_pool& pool, byte_view message, std::size_t cost) {
  if (message.empty()) return push({}, cost);
  put(pool, message, cost);
}

chunk_queue::taken chunk_queue::take_front() {
  entry& front = ring_[first_];
  taken out{std::move(front.piece), front.cost};
  front.~entry();
  first_ = (first_ + 1) & (capacity_ - 1);
  --count_;
  bytes_ -= out.piece.size();
  cost_ -= out.cost;
  // What is written next must not show in a chunk that a reader owns and may grow.
  if (count_ == 0) tail_ = {};
  return out;
}

chunk_queue::taken chunk_queue::take_merged(buffer_pool& pool, std::size_t count) {
  taken out = take_front();
  if (out.piece.size() >= count) return out;
  std::size_t total = out.piece.size();
  for (std::uint32_t i = 0; i < count_ && total < count; ++i) total += ring_[(first_ + i) & (capacity_ - 1)].piece.size();
  chunk whole = pool.allocate(total);
  append_growing(whole, pool, out.piece);
  while (whole.size() < count) {
    taken next = take_front();
    append_growing(whole, pool, next.piece);
    out.cost += next.cost;
  }
  out.piece = std::move(whole);
  return out;
}

std::size_t chunk_queue::drop_front(std::size_t count) {
  entry& front = ring_[first_];
  if (count >= front.piece.size()) return take_front().cost;
  front.piece.drop_front(count);
  bytes_ -= count;
  const std::size_t cost = std::min<std::size_t>(count, front.cost);
  front.cost -= static_cast<std::uint32_t>(cost);
  cost_ -= cost;
  return cost;
}

std::size_t chunk_queue::drop_all() noexcept {
  const std::size_t cost = cost_;
  while (count_ > 0) take_front();
  return cost;
}

void append_growing(chunk& to, buffer_pool& pool, byte_view bytes) {
  if (bytes.empty()) return;
  if (!to.unique() || to.room() < bytes.size()) {
    chunk larger = pool.allocate(std::max(to.size() * 2, to.size() + bytes.size()));
    if (!to.empty()) {
      std::memcpy(larger.mutable_data(), to.data(), to.size());
      larger.grow(to.size());
    }
    to = std::move(larger);
  }
  std::memcpy(to.mutable_data() + to.size(), bytes.data(), bytes.size());
  to.grow(bytes.size());
}

}  // namespace hawser::inline v0::detail
