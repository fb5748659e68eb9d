// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "io/uring/ring.hpp"

#include <optional>

namespace hawser::inline v0::io {

inline constexpr duration self_test_limit = std::chrono::seconds(1);

// Makes a small ring and moves bytes over a socket pair by it, as the engine would: some sandboxes let a ring be made and break what it
// does. Nothing: this machine has what the engine needs. Ends within self_test_limit, unless the kernel itself hangs.
std::optional<refusal> self_test(const ring_calls& calls = {});

// The answer of self_test() for this process; only what may pass (memory, descriptors) is asked again.
std::optional<refusal> uring_refused();

}  // namespace hawser::inline v0::io
