// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/buffer.hpp>

#include <array>
#include <bit>
#include <cstdlib>
#include <memory>
#include <new>

// A free segment of the pool is not free memory to AddressSanitizer: it is told, so that it reports late readers all the same.
#if defined(__SANITIZE_ADDRESS__)
#define HAWSER_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAWSER_POISONS 1
#endif
#endif
#ifdef HAWSER_POISONS
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(at, size) static_cast<void>(0)
#endif

namespace hawser::inline v0 {

namespace detail {
namespace {

constexpr std::array<std::uint32_t, 8> class_capacity = {256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304};

constexpr std::size_t class_of(std::size_t capacity) noexcept {
  std::size_t c = 0;
  while (c < class_capacity.size() && class_capacity[c] < capacity) ++c;
  return c;      // class_capacity.size(): larger than any class
}

}  // namespace

// Lives until the pool is gone and the last segment has come back.
struct pool_core {
  std::array<segment*, class_capacity.size()> free{};
  std::size_t cached_bytes = 0;
  std::size_t cached_bytes_max = 0;
  std::size_t used_bytes = 0;
  std::size_t used_segments = 0;
  std::uint64_t heap_allocations = 0;
  segment* lent = nullptr;
  bool orphaned = false;
};

namespace {

void destroy(segment* s) noexcept {
  ASAN_UNPOISON_MEMORY_REGION(s->bytes(), s->capacity);
  s->~segment();
  std::free(s);
}

void drain(pool_core& core) noexcept {
  for (segment*& head : core.free) {
    while (head) destroy(std::exchange(head, head->next_free));
  }
  core.cached_bytes = 0;
}

segment* acquire(pool_core& core, std::size_t capacity) {
  HAWSER_EXPECTS(capacity > 0 && capacity <= (std::size_t{1} << 31), "buffer_pool::allocate: capacity out of range");
  const std::size_t c = class_of(capacity);
  const std::size_t size = c < class_capacity.size() ? class_capacity[c] : capacity;
  segment* s;
  if (c < class_capacity.size() && core.free[c]) {
    s = std::exchange(core.free[c], core.free[c]->next_free);
    core.cached_bytes -= size;
    ASAN_UNPOISON_MEMORY_REGION(s->bytes(), s->capacity);
  } else {
    void* memory = std::malloc(sizeof(segment) + size);
    HAWSER_EXPECTS(memory != nullptr, "out of memory");
    ++core.heap_allocations;
    s = new (memory) segment{&core, nullptr, 0, static_cast<std::uint32_t>(size)};
  }
  s->next_free = nullptr;
  s->references = 1;
  core.used_bytes += size;
  ++core.used_segments;
  return s;
}

}  // namespace

void release(segment* s) noexcept {
  pool_core& core = *s->pool;
  core.used_bytes -= s->capacity;
  --core.used_segments;
  const std::size_t c = class_of(s->capacity);
  const bool pooled = c < class_capacity.size() && class_capacity[c] == s->capacity;
  if (!core.orphaned && pooled && core.cached_bytes + s->capacity <= core.cached_bytes_max) {
    core.cached_bytes += s->capacity;
    s->next_free = core.free[c];
    core.free[c] = s;
    ASAN_POISON_MEMORY_REGION(s->bytes(), s->capacity);
    return;
  }
  destroy(s);
  if (core.orphaned && core.used_segments == 0) delete &core;
}

}  // namespace detail

buffer_pool::buffer_pool(std::size_t cached_bytes_max) : core_(new detail::pool_core) {
  core_->cached_bytes_max = cached_bytes_max;
}

buffer_pool::~buffer_pool() {
  detail::drain(*core_);
  core_->orphaned = true;
  if (core_->used_segments == 0) delete core_;
}

chunk buffer_pool::allocate(std::size_t capacity) { return chunk(detail::acquire(*core_, capacity), 0); }

chunk buffer_pool::copy(byte_view bytes) {
  if (bytes.empty()) return {};
  chunk c = allocate(bytes.size());
  std::memcpy(c.mutable_data(), bytes.data(), bytes.size());
  c.grow(bytes.size());
  return c;
}

chunk buffer_pool::keep(byte_view bytes) {
  detail::segment* from = core_->lent;
  if (!from || bytes.size() < from->capacity / 4) return copy(bytes);
  const std::uintptr_t at = std::bit_cast<std::uintptr_t>(bytes.data()), begin = std::bit_cast<std::uintptr_t>(from->bytes());
  if (at < begin || at + bytes.size() > begin + from->capacity) return copy(bytes);
  chunk shared(from, static_cast<std::uint32_t>(bytes.size()));
  shared.begin_ = static_cast<std::uint32_t>(at - begin);
  ++from->references;
  return shared;
}

lending::lending(buffer_pool& pool, const chunk& segment) noexcept : core_(pool.core_) {
  HAWSER_EXPECTS(core_->lent == nullptr && segment.segment_ != nullptr, "one segment of a pool is lent at a time");
  core_->lent = segment.segment_;
}

lending::~lending() { core_->lent = nullptr; }

std::size_t buffer_pool::bytes_in_use() const noexcept { return core_->used_bytes; }
std::size_t buffer_pool::bytes_cached() const noexcept { return core_->cached_bytes; }
std::uint64_t buffer_pool::heap_allocations() const noexcept { return core_->heap_allocations; }

chain& chain::operator=(chain&& other) noexcept {
  if (this == &other) return *this;
  clear();
  pool_ = other.pool_;
  only_ = std::move(other.only_);
  store_ = std::move(other.store_);
  first_ = std::exchange(other.first_, std::uint16_t{0});
  count_ = std::exchange(other.count_, std::uint16_t{0});
  bytes_ = std::exchange(other.bytes_, 0);
  return *this;
}

chunk* chain::items() const noexcept {
  return std::launder(reinterpret_cast<chunk*>(const_cast<std::byte*>(store_.data())));
}

void chain::append_further(chunk piece) {
  if (piece.empty()) return;
  if (chunk& last = back(); last.end() == piece.begin() && last.shares_segment(piece)) {
    bytes_ += piece.size();
    last.extend(piece.size());
    return;
  }
  HAWSER_EXPECTS(!full(), "chain::append to a full chain");
  if (store_.capacity() == 0) {
    store_ = pool_->allocate(slots * sizeof(chunk));
    new (items()) chunk(std::move(only_));
  }
  bytes_ += piece.size();
  new (items() + first_ + count_) chunk(std::move(piece));
  ++count_;
}

// Less than all.
void chain::drop_some(std::size_t count) noexcept {
  HAWSER_EXPECTS(count < bytes_, "chain::drop_front beyond its end");
  bytes_ -= count;
  if (store_.capacity() == 0) return only_.drop_front(count);
  while (count > 0) {
    chunk& head = items()[first_];
    if (head.size() > count) return head.drop_front(count);
    count -= head.size();
    head.~chunk();
    ++first_;
    --count_;
  }
}

void chain::drop_store() noexcept {
  for (std::size_t i = 0; i < count_; ++i) items()[first_ + i].~chunk();
  store_ = chunk();
}

}  // namespace hawser::inline v0
