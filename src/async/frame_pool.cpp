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
  bool watched;      // the thread's end will empty it
  bool closed;       // it has: frames go to the heap from now on
};
constinit thread_local frame_cache cache{};

struct cache_watch {
  ~cache_watch() {
    cache.closed = true;
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
  cache.watched = true;
}

// Index of the size class; `classes` for frames that are too large for one.
std::size_t class_of(std::size_t bytes) noexcept {
  const std::size_t index = (bytes - 1) / step_bytes;
  return index < classes ? index : classes;
}

}  // namespace

frame_pool_statistics frame_pool_stats() noexcept { return cache.statistics; }

namespace detail {

void* allocate_frame(std::size_t bytes) {
  const std::size_t index = class_of(bytes);
  if (index < classes) {
    if (free_frame* frame = cache.free[index]) {
#ifdef HAWSER_POISON_FRAMES
      ASAN_UNPOISON_MEMORY_REGION(frame, (index + 1) * step_bytes);
#endif
      cache.free[index] = frame->next;
      cache.statistics.bytes_cached -= (index + 1) * step_bytes;
      ++cache.statistics.frames_in_use;
      return frame;
    }
    bytes = (index + 1) * step_bytes;
  }
  void* frame = ::operator new(bytes);
  ++cache.statistics.heap_allocations;
  ++cache.statistics.frames_in_use;
  return frame;
}

void release_frame(void* frame, std::size_t bytes) noexcept {
  const std::size_t index = class_of(bytes);
  --cache.statistics.frames_in_use;
  const std::size_t rounded = (index + 1) * step_bytes;
  if (index == classes || cache.closed || cache.statistics.bytes_cached + rounded > cached_bytes_max) {
    ::operator delete(frame);
    return;
  }
  if (!cache.watched) watch_thread_end();
  free_frame* node = ::new (frame) free_frame{cache.free[index]};
  cache.free[index] = node;
  cache.statistics.bytes_cached += rounded;
#ifdef HAWSER_POISON_FRAMES
  ASAN_POISON_MEMORY_REGION(frame, rounded);
#endif
}

}  // namespace detail
}  // namespace hawser::inline v0
