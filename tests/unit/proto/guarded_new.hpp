// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstddef>
#include <cstdint>

// The program's operator new: counts, and gives blocks of a chosen size pages of their own, which can be shut.

namespace hawser::test {

std::uint64_t heap_allocations() noexcept;

// From now on blocks of so many bytes lie each on pages that nothing else uses, and stay there though they are deleted. 0, 0: no more.
void guard_blocks(std::size_t bytes_min, std::size_t bytes_max) noexcept;
std::size_t guarded_blocks() noexcept;
// Who touches a guarded block from now on ends the program (SIGSEGV). open_block() makes an exception of the one that holds `inside`.
void shut_blocks() noexcept;
void open_block(const void* inside) noexcept;
void open_blocks() noexcept;

}  // namespace hawser::test
