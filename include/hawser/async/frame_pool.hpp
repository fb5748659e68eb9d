// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/export.hpp>

#include <cstddef>
#include <cstdint>

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

// A frame must be released on the thread that allocated it, as all coroutines of a loop are.
HAWSER_API void* allocate_frame(std::size_t bytes);
HAWSER_API void release_frame(void* frame, std::size_t bytes) noexcept;

HAWSER_API inline constinit thread_local void* newest_frame = nullptr;

// Base of promises: puts the coroutine's frame into the pool.
struct pooled_frame {
  static void* operator new(std::size_t bytes) { return newest_frame = allocate_frame(bytes); }
  static void operator delete(void* frame, std::size_t bytes) noexcept { release_frame(frame, bytes); }
};

}  // namespace detail
}  // namespace hawser::inline v0
