// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstdint>

namespace hawser::bench {

// Raises this process's limit of descriptors as far as it may be raised.
void allow_many_descriptors() noexcept;

// The congestion control of this process's connected TCP sockets, as the kernel names it, whoever made them: "mixed" when the first few
// differ, "none" when there is no such socket.
void congestion_of_sockets(char (&name)[16]) noexcept;

// What this process holds: anonymous pages that are resident, and what malloc has given out.
struct memory {
  std::int64_t resident_bytes = 0, allocated_bytes = 0;
};
memory memory_now();

}  // namespace hawser::bench
