// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "support/heap.hpp"
#include "support/sanitizers.hpp"

#include <array>
#include <cstdlib>
#include <new>

namespace hawser::test {

std::atomic<std::uint64_t> heap_allocations{0};
std::atomic<std::uint64_t> heap_bytes{0};

namespace {

std::array<std::size_t, 1024> listed;
std::size_t listed_count = 0;
constinit thread_local bool is_listing = false;

void count(std::size_t bytes) noexcept {
  heap_allocations.fetch_add(1, std::memory_order_relaxed);
  heap_bytes.fetch_add(bytes, std::memory_order_relaxed);
  if (is_listing && listed_count < listed.size()) listed[listed_count++] = bytes;
}

void* or_throw(void* memory) {
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

heap_listing::heap_listing() noexcept {
  listed_count = 0;
  is_listing = true;
}
heap_listing::~heap_listing() { is_listing = false; }
std::span<const std::size_t> heap_listing::sizes() const noexcept { return std::span(listed).first(listed_count); }

}  // namespace hawser::test

// The linker hands the calls of the program's own objects to these (--wrap), also under sanitizers, whose malloc is then the real one.
extern "C" {
void* __real_malloc(std::size_t bytes);
void* __real_calloc(std::size_t count, std::size_t bytes);
void* __real_realloc(void* memory, std::size_t bytes);
void* __real_aligned_alloc(std::size_t alignment, std::size_t bytes);

void* __wrap_malloc(std::size_t bytes) {
  hawser::test::count(bytes);
  return __real_malloc(bytes);
}
void* __wrap_calloc(std::size_t count, std::size_t bytes) {
  hawser::test::count(count * bytes);
  return __real_calloc(count, bytes);
}
void* __wrap_realloc(void* memory, std::size_t bytes) {
  hawser::test::count(bytes);
  return __real_realloc(memory, bytes);
}
void* __wrap_aligned_alloc(std::size_t alignment, std::size_t bytes) {
  hawser::test::count(bytes);
  return __real_aligned_alloc(alignment, bytes);
}
}

#if !HAWSER_UNDER_THREAD_SANITIZER
void* operator new(std::size_t bytes) { return hawser::test::or_throw(std::malloc(bytes ? bytes : 1)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto to = static_cast<std::size_t>(alignment);
  return hawser::test::or_throw(std::aligned_alloc(to, (bytes + to - 1) / to * to));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
#endif
