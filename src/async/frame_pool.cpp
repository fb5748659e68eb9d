// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/async/frame_pool.hpp>

#include <new>

#ifdef HAWSER_POISONS_FRAMES
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) static_cast<void>(0)
#define ASAN_UNPOISON_MEMORY_REGION(at, size) static_cast<void>(0)
#endif

namespace hawser::inline v0 {

frame_pool_statistics frame_pool_stats() noexcept {
  return {detail::frames.heap_allocations, detail::frames.frames_in_use, detail::frames.bytes};
}

namespace detail {
namespace {

constexpr std::size_t cached_bytes_max = std::size_t{4} << 20;

constexpr std::size_t rounded(std::size_t bytes) noexcept { return (bytes + frame_step_bytes - 1) / frame_step_bytes * frame_step_bytes; }

struct cache_watch {
  ~cache_watch() {
    frames.closed = true;
    frames.bytes_max = 0;
    for (free_frame*& list : frames.free) {
      while (list) {
        free_frame* frame = list;
        ASAN_UNPOISON_MEMORY_REGION(frame, (static_cast<std::size_t>(&list - frames.free) + 1) * frame_step_bytes);
        list = frame->next;
        ::operator delete(frame);
      }
    }
    frames.bytes = 0;
  }
};

void watch_thread_end() noexcept {
  thread_local cache_watch watch;
  static_cast<void>(watch);
  frames.bytes_max = cached_bytes_max;
}

}  // namespace

void* allocate_frame_anew(std::size_t bytes) {
  const std::size_t index = (bytes - 1) / frame_step_bytes;
  ++frames.frames_in_use;
  if (index < frame_classes && frames.free[index]) {
    free_frame* frame = frames.free[index];
    ASAN_UNPOISON_MEMORY_REGION(frame, rounded(bytes));
    frames.free[index] = frame->next;
    frames.bytes -= rounded(bytes);
    return frame;
  }
  ++frames.heap_allocations;
  return ::operator new(index < frame_classes ? rounded(bytes) : bytes);
}

void release_frame_anew(void* frame, std::size_t bytes) noexcept {
  if (frames.bytes_max == 0 && !frames.closed) watch_thread_end();
  const std::size_t index = (bytes - 1) / frame_step_bytes;
  --frames.frames_in_use;
  if (index >= frame_classes || frames.bytes + rounded(bytes) > frames.bytes_max) return ::operator delete(frame);
  frames.bytes += rounded(bytes);
  frames.free[index] = ::new (frame) free_frame{frames.free[index]};
  ASAN_POISON_MEMORY_REGION(frame, rounded(bytes));
}

}  // namespace detail
}  // namespace hawser::inline v0
