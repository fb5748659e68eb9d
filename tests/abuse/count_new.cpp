// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "abuse/memory.hpp"
#include "support/sanitizers.hpp"

#include <malloc.h>

#include <cstddef>
#include <cstdlib>
#include <new>

// Every operator new of this program is counted, in bytes that are alive.

namespace hawser::abuse {
namespace {
std::size_t alive = 0;
}
std::size_t heap_bytes() noexcept { return alive; }

namespace {

void* counted(void* memory) {
  if (!memory) throw std::bad_alloc();
  alive += ::malloc_usable_size(memory);
  return memory;
}
void dropped(void* memory) noexcept {
  if (memory) alive -= ::malloc_usable_size(memory);
  std::free(memory);
}

}  // namespace
}  // namespace hawser::abuse

#if !HAWSER_UNDER_THREAD_SANITIZER
void* operator new(std::size_t bytes) { return hawser::abuse::counted(std::malloc(bytes ? bytes : 1)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto to = static_cast<std::size_t>(alignment);
  return hawser::abuse::counted(std::aligned_alloc(to, (bytes + to - 1) / to * to));
}
void operator delete(void* memory) noexcept { hawser::abuse::dropped(memory); }
void operator delete(void* memory, std::size_t) noexcept { hawser::abuse::dropped(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { hawser::abuse::dropped(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { hawser::abuse::dropped(memory); }
#endif
