// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "conformance/count_new.hpp"

#include <cstdlib>
#include <new>

namespace hawser::conformance {
std::atomic<std::uint64_t> heap_allocations{0};
}

// ThreadSanitizer's library brings operators of its own, which cannot stand beside these: there nothing is counted.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAWSER_COUNTS_NOTHING 1
#endif
#endif
#ifndef HAWSER_COUNTS_NOTHING
void* operator new(std::size_t bytes) {
  hawser::conformance::heap_allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(bytes ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
#endif
