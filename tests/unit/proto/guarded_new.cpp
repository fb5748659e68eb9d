// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "unit/proto/guarded_new.hpp"

#include "support/sanitizers.hpp"

#include <atomic>
#include <cstdlib>
#include <new>

#include <sys/mman.h>

namespace hawser::test {
namespace {

constexpr std::size_t block_bytes = 64 * 1024;          // of address space: a multiple of every page size
constexpr std::size_t blocks_max = 4'096;

constinit std::atomic<std::uint64_t> allocations{0};
std::byte* arena = nullptr;
std::size_t used = 0, guarded_min = 0, guarded_max = 0;

void* guarded(std::size_t bytes) noexcept {
  if (bytes < guarded_min || bytes > guarded_max || bytes > block_bytes || guarded_max == 0) return nullptr;
  if (!arena) {
    void* at = ::mmap(nullptr, blocks_max * block_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) std::abort();
    arena = static_cast<std::byte*>(at);
  }
  if (used == blocks_max) std::abort();
  return arena + used++ * block_bytes;
}

bool is_guarded(const void* memory) noexcept { return arena && memory >= arena && memory < arena + blocks_max * block_bytes; }

void set_protection(std::byte* at, std::size_t bytes, int protection) noexcept {
  if (bytes != 0 && ::mprotect(at, bytes, protection) != 0) std::abort();
}

}  // namespace

std::uint64_t heap_allocations() noexcept { return allocations.load(std::memory_order_relaxed); }

void guard_blocks(std::size_t bytes_min, std::size_t bytes_max) noexcept { guarded_min = bytes_min, guarded_max = bytes_max; }
std::size_t guarded_blocks() noexcept { return used; }
void shut_blocks() noexcept { set_protection(arena, used * block_bytes, PROT_NONE); }
void open_blocks() noexcept { set_protection(arena, used * block_bytes, PROT_READ | PROT_WRITE); }
void open_block(const void* inside) noexcept {
  if (!is_guarded(inside)) std::abort();
  const auto offset = static_cast<std::size_t>(static_cast<const std::byte*>(inside) - arena);
  set_protection(arena + offset / block_bytes * block_bytes, block_bytes, PROT_READ | PROT_WRITE);
}

}  // namespace hawser::test

#if !HAWSER_UNDER_THREAD_SANITIZER
void* operator new(std::size_t bytes) {
  hawser::test::allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* own = hawser::test::guarded(bytes)) return own;
  if (void* memory = std::malloc(bytes ? bytes : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  if (!hawser::test::is_guarded(memory)) std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept { operator delete(memory); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  hawser::test::allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* own = hawser::test::guarded(bytes)) return own;
  const auto unit = static_cast<std::size_t>(alignment);
  if (void* memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory, std::align_val_t) noexcept { operator delete(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { operator delete(memory); }
#endif
