// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/bytes.hpp>
#include <hawser/base/contract.hpp>
#include <hawser/base/export.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

// Pooled memory: a *segment* is a refcounted block of bytes, a *chunk* is an owning slice of a segment, a *chain* is a short
// queue of chunks (what one send carries). Reference counts are plain: all of it belongs to one loop's thread.

namespace hawser::inline v0 {

class buffer_pool;

namespace detail {
struct pool_core;
// Header in front of the bytes. Size classes: 256 B, 1 KiB, 4 KiB ... each four times the one before, to 4 MiB (capacity, without the header);
// larger ones come from the heap and return to it.
struct segment {
  pool_core* pool;
  segment* next_free;
  std::uint32_t references;
  std::uint32_t capacity;
  std::byte* bytes() noexcept { return reinterpret_cast<std::byte*>(this + 1); }
};
HAWSER_API void release(segment* s) noexcept;
}  // namespace detail

// An owning slice of pooled memory, 16 bytes. Copying shares the segment. Readers see it as a byte_view. It may outlive the
// pool and the loop, but stays on the loop's thread.
class chunk {
 public:
  chunk() noexcept = default;
  chunk(const chunk& other) noexcept : segment_(other.segment_), begin_(other.begin_), size_(other.size_) {
    if (segment_) ++segment_->references;
  }
  chunk(chunk&& other) noexcept
      : segment_(std::exchange(other.segment_, nullptr)), begin_(std::exchange(other.begin_, 0)), size_(std::exchange(other.size_, 0)) {}
  chunk& operator=(chunk other) noexcept {
    std::swap(segment_, other.segment_);
    std::swap(begin_, other.begin_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~chunk() {
    if (segment_ && --segment_->references == 0) detail::release(segment_);
  }

  const std::byte* data() const noexcept { return segment_ ? segment_->bytes() + begin_ : nullptr; }
  std::size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  const std::byte* begin() const noexcept { return data(); }
  const std::byte* end() const noexcept { return data() + size_; }
  byte_view view() const noexcept { return {data(), size_}; }
  operator byte_view() const noexcept { return view(); }

  // For the one who fills it: nobody else may hold a slice of this range.
  std::byte* mutable_data() noexcept { return segment_ ? segment_->bytes() + begin_ : nullptr; }
  // Bytes of the segment behind this slice; a unique owner may grow() into them.
  std::size_t room() const noexcept { return segment_ ? segment_->capacity - begin_ - size_ : 0; }
  bool unique() const noexcept { return segment_ && segment_->references == 1; }
  void grow(std::size_t count) noexcept {
    HAWSER_EXPECTS(count <= room(), "chunk::grow beyond its segment");
    size_ += static_cast<std::uint32_t>(count);
  }

  void drop_front(std::size_t count) noexcept {
    HAWSER_EXPECTS(count <= size_, "chunk::drop_front beyond its end");
    begin_ += static_cast<std::uint32_t>(count);
    size_ -= static_cast<std::uint32_t>(count);
  }
  void truncate(std::size_t size) noexcept {
    HAWSER_EXPECTS(size <= size_, "chunk::truncate beyond its end");
    size_ = static_cast<std::uint32_t>(size);
  }
  // The first `count` bytes as a chunk of their own; this one keeps the rest. No copy.
  chunk take_front(std::size_t count) noexcept {
    chunk head(*this);
    head.truncate(count);
    drop_front(count);
    return head;
  }
  bool shares_segment(const chunk& other) const noexcept { return segment_ == other.segment_; }
  // Takes in the bytes that follow this slice in its segment, which some other slice of the same segment covers.
  void extend(std::size_t count) noexcept { grow(count); }
  // Memory that this slice keeps alive.
  std::size_t capacity() const noexcept { return segment_ ? segment_->capacity : 0; }

 private:
  friend class buffer_pool;
  friend class lending;
  explicit chunk(detail::segment* s, std::uint32_t size) noexcept : segment_(s), size_(size) {}
  detail::segment* segment_ = nullptr;
  std::uint32_t begin_ = 0;
  std::uint32_t size_ = 0;
};

// Segments by size class, with a free list each. Belongs to one loop's thread. Destroying it while chunks are alive is allowed:
// their memory is freed with the last of them.
class HAWSER_API buffer_pool {
 public:
  // cached_bytes_max: free memory that is kept for reuse; beyond it, segments go back to the heap.
  explicit buffer_pool(std::size_t cached_bytes_max = std::size_t{16} << 20);
  ~buffer_pool();
  buffer_pool(const buffer_pool&) = delete;
  buffer_pool& operator=(const buffer_pool&) = delete;

  // An empty chunk (size 0) with room() >= capacity. capacity may be 1 .. 2^31. Allocates only when no free segment is cached.
  chunk allocate(std::size_t capacity);
  // A chunk that holds a copy of the bytes.
  chunk copy(byte_view bytes);
  // The bytes as a chunk of the caller's: shares the lent segment when they lie in it and are at least a quarter of it (so that what
  // is kept alive is at most four times what was asked for), else a copy.
  chunk keep(byte_view bytes);

  std::size_t bytes_in_use() const noexcept;      // capacity of the segments that are held by somebody
  std::size_t bytes_cached() const noexcept;
  std::uint64_t heap_allocations() const noexcept;

 private:
  friend class lending;
  detail::pool_core* core_;
};

// While it lives, keep() shares this chunk's segment: an engine lends its receive buffer for the length of a handler's call, and
// looks afterwards whether it is still unique(). One at a time for each pool.
class HAWSER_API lending {
 public:
  lending(buffer_pool& pool, const chunk& segment) noexcept;
  ~lending();
  lending(const lending&) = delete;
  lending& operator=(const lending&) = delete;

 private:
  detail::pool_core* core_;
};

// Up to 64 chunks in order: the scatter list of one send. Holds one pooled segment while there are several, for a single one nothing.
class HAWSER_API chain {
 public:
  static constexpr std::size_t slots = 64;

  explicit chain(buffer_pool& pool) noexcept : pool_(&pool) {}
  chain(chain&& other) noexcept
      : pool_(other.pool_),
        only_(std::move(other.only_)),
        store_(std::move(other.store_)),
        first_(std::exchange(other.first_, std::uint16_t{0})),
        count_(std::exchange(other.count_, std::uint16_t{0})),
        bytes_(std::exchange(other.bytes_, 0)) {}
  chain& operator=(chain&& other) noexcept;
  ~chain() {
    if (store_.capacity() != 0) [[unlikely]] clear();
  }

  bool empty() const noexcept { return count_ == 0; }
  bool full() const noexcept { return first_ + count_ == slots; }
  std::size_t count() const noexcept { return count_; }
  // How many chunks can still be appended before it must be emptied.
  std::size_t room() const noexcept { return slots - first_ - count_; }
  std::size_t bytes() const noexcept { return bytes_; }
  const chunk& operator[](std::size_t i) const noexcept { return store_.capacity() == 0 ? only_ : items()[first_ + i]; }

  // Must not be full(). Adjacent slices of one segment are merged. Empty chunks are dropped.
  void append(chunk piece) {
    if (count_ != 0 || piece.empty()) return append_further(std::move(piece));
    bytes_ = piece.size();
    only_ = std::move(piece);
    count_ = 1;
  }
  // Forgets the first `count` bytes (they were sent).
  void drop_front(std::size_t count) noexcept {
    if (count == bytes_) return clear();
    drop_some(count);
  }
  void clear() noexcept {
    if (store_.capacity() != 0) [[unlikely]] drop_store();
    only_ = chunk();
    first_ = count_ = 0;
    bytes_ = 0;
  }

 private:
  void append_further(chunk piece);
  void drop_some(std::size_t count) noexcept;
  void drop_store() noexcept;
  chunk& back() noexcept { return store_.capacity() == 0 ? only_ : items()[first_ + count_ - 1]; }
  chunk* items() const noexcept;
  buffer_pool* pool_;
  chunk only_;           // the one chunk, as long as there was never more than one
  chunk store_;
  std::uint16_t first_ = 0;
  std::uint16_t count_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace hawser::inline v0
