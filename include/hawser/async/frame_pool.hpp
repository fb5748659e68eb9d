// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/export.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace hawser::inline v0 {

// What the coroutine frames of this thread occupy. Every hawser coroutine takes its frame from a pool of its thread: size classes
// of 128 bytes up to 4 KiB, free frames kept up to 4 MiB in all. Larger frames, and those beyond the limit, are the heap's.
struct frame_pool_statistics {
  std::uint64_t heap_allocations = 0;   // since the thread began
  std::size_t frames_in_use = 0;
  std::size_t bytes_cached = 0;
};
HAWSER_API frame_pool_statistics frame_pool_stats() noexcept;

namespace detail {

inline constexpr std::size_t frame_step_bytes = 128;
inline constexpr std::size_t frame_classes = 32;

struct free_frame {
  free_frame* next;
};
// Of one thread. Here, so that a frame of known size is taken and given back without a call.
struct frame_cache {
  free_frame* free[frame_classes];
  std::size_t bytes;
  std::size_t bytes_max;      // 0 until the thread's end will empty it, and again when it has: then frames go to the heap
  std::size_t frames_in_use;
  std::uint64_t heap_allocations;
  bool closed;
};
HAWSER_API inline constinit thread_local frame_cache frames{};

// The whole of it, for whatever is not the plain case.
HAWSER_API void* allocate_frame_anew(std::size_t bytes);
HAWSER_API void release_frame_anew(void* frame, std::size_t bytes) noexcept;

// AddressSanitizer is told what is free: there.
#if defined(__SANITIZE_ADDRESS__)
#define HAWSER_POISONS_FRAMES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAWSER_POISONS_FRAMES 1
#endif
#endif
#ifdef HAWSER_POISONS_FRAMES
inline constexpr bool poisons_frames = true;
#else
inline constexpr bool poisons_frames = false;
#endif

// A frame must be released on the thread that allocated it, as all coroutines of a loop are.
inline void* allocate_frame(std::size_t bytes) {
  frame_cache& here = frames;
  const std::size_t index = (bytes - 1) / frame_step_bytes;
  if (poisons_frames || index >= frame_classes || !here.free[index]) [[unlikely]] return allocate_frame_anew(bytes);
  free_frame* frame = here.free[index];
  here.free[index] = frame->next;
  here.bytes -= (index + 1) * frame_step_bytes;
  ++here.frames_in_use;
  return frame;
}
inline void release_frame(void* frame, std::size_t bytes) noexcept {
  frame_cache& here = frames;
  const std::size_t index = (bytes - 1) / frame_step_bytes;
  const std::size_t cached = here.bytes + (index + 1) * frame_step_bytes;
  if (poisons_frames || index >= frame_classes || cached > here.bytes_max) [[unlikely]] return release_frame_anew(frame, bytes);
  here.bytes = cached;
  --here.frames_in_use;
  here.free[index] = ::new (frame) free_frame{here.free[index]};
}

HAWSER_API inline constinit thread_local void* newest_frame = nullptr;

// Base of promises: puts the coroutine's frame into the pool.
struct pooled_frame {
  static void* operator new(std::size_t bytes) { return newest_frame = allocate_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { release_frame(frame, bytes); }
};

}  // namespace detail
}  // namespace hawser::inline v0
