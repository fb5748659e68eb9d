// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstdint>

namespace hawser::bench {

// How much of the machine others have used since it was made: its busy time less that of this process and of its children that have
// ended. Interrupts are not counted, because the kernel does not say for whom they were.
class foreign_load {
 public:
  foreign_load() noexcept;
  // In cores: 1 is one of them all the time. As exact as the kernel's clock ticks (10 ms).
  double cores() const noexcept;

 private:
  std::int64_t since_ns_, busy_ns_, own_ns_;
};

}  // namespace hawser::bench
