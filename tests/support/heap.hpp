// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>

// What a test program that links `counted_heap` takes from the heap: by operator new, and by malloc and its kin as far as code of the
// program itself calls them (a shared library that calls malloc for itself is not seen). All threads.

namespace hawser::test {

extern std::atomic<std::uint64_t> heap_allocations;
extern std::atomic<std::uint64_t> heap_bytes;            // asked for so far, in all

// The sizes of what the thread that made it allocates while it lives, in their order. One at a time.
class heap_listing {
 public:
  heap_listing() noexcept;
  ~heap_listing();
  heap_listing(const heap_listing&) = delete;
  heap_listing& operator=(const heap_listing&) = delete;

  std::span<const std::size_t> sizes() const noexcept;   // at most 1,024
};

}  // namespace hawser::test
