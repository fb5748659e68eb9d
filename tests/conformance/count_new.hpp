// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <atomic>
#include <cstdint>

namespace hawser::conformance {

// Calls of operator new in this program (count_new.cpp).
extern std::atomic<std::uint64_t> heap_allocations;

}  // namespace hawser::conformance
