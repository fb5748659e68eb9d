// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/async/frame_pool.hpp>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#define HAWSER_POISON_FRAMES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAWSER_POISON_FRAMES 1
#endif
#endif
#ifdef HAWSER_POISON_FRAMES
#include <sanitizer/asan_interface.h>
#endif

namespace hawser::inline v0 {
namespace {

constexpr std::size_t step_bytes = 128;
constexpr std::size_t classes = 32;                          // up to 4 KiB
constexpr std::size_t cached_bytes_max = std::size_t{4} << 20;

struct free_frame {
  free_frame* next;
};

struct frame_cache {
  free_frame* free[classes];
  frame_pool_statistics statistics;
  std::size_t bytes_max;      // 0 until the thread's end will empty it, and again when it has: then frames go to the heap
  bool closed;
};
constinit thread_local frame_cache cache{};

struct cache_watch {
  ~cache_watch() {
    cache.closed = true;
    cache.bytes_max = 0;
    for (free_frame*& list : cache.free) {
      while (list) {
        free_frame* frame = list;
#ifdef HAWSER_POISON_FRAMES
        ASAN_UNPOISON_MEMORY_REGION(frame, (static_cast<std::size_t>(&list - cache.free) + 1) * step_bytes);
#endif
        list = frame->next;
        ::operator delete(frame);
      }
    }
    cache.statistics.bytes_cached = 0;
  }
};

void watch_thread_end() noexcept {
  thread_local cache_watch watch;
  static_cast<void>(watch);
  cache.bytes_max = cached_bytes_max;
}

// Index of the size class; `classes` for frames that are too large for one.
std::size_t class_of(std::size_t bytes) noexcept {
  const std::size_t index = (bytes - 1) / step_bytes;
  return index < classes ? index : classes;
}

}  // namespace

frame_pool_statistics frame_pool_stats() noexcept { return cache.statistics; }

namespace detail {
namespace {

[[gnu::noinline]] void* allocate_uncached(std::size_t bytes) {
  const std::size_t index = class_of(bytes);
  void* frame = ::operator new(index < classes ? (index + 1) * step_bytes : bytes);
  ++cache.statistics.heap_allocations;
  ++cache.statistics.frames_in_use;
  return frame;
}

// The first of a thread, too large a one, or one too many.
[[gnu::noinline]] void release_uncached(void* frame, std::size_t bytes) noexcept {
  if (cache.bytes_max == 0 && !cache.closed) {
    watch_thread_end();
    return release_frame(frame, bytes);
  }
  --cache.statistics.frames_in_use;
  ::operator delete(frame);
}

}  // namespace

void* allocate_frame(std::size_t bytes) {
  frame_cache& here = cache;
  const std::size_t index = class_of(bytes);
  free_frame* frame = index < classes ? here.free[index] : nullptr;
  if (!frame) [[unlikely]] return allocate_uncached(bytes);
#ifdef HAWSER_POISON_FRAMES
  ASAN_UNPOISON_MEMORY_REGION(frame, (index + 1) * step_bytes);
#endif
  here.free[index] = frame->next;
  here.statistics.bytes_cached -= (index + 1) * step_bytes;
  ++here.statistics.frames_in_use;
  return frame;
}

void release_frame(void* frame, std::size_t bytes) noexcept {
  frame_cache& here = cache;
  const std::size_t index = class_of(bytes);
  const std::size_t rounded = (index + 1) * step_bytes;
  const std::size_t cached = here.statistics.bytes_cached + rounded;
  if (index == classes || cached > here.bytes_max) [[unlikely]] return release_uncached(frame, bytes);
  --here.statistics.frames_in_use;
  here.statistics.bytes_cached = cached;
  here.free[index] = ::new (frame) free_frame{here.free[index]};
#ifdef HAWSER_POISON_FRAMES
  ASAN_POISON_MEMORY_REGION(frame, rounded);
#endif
}

}  // namespace detail
}  // namespace hawser::inline v0
