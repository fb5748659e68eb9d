// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/affinity.hpp"

namespace hawser::bench {

pinned::pinned(int core) noexcept {
  if (core < 0 || core >= CPU_SETSIZE || ::sched_getaffinity(0, sizeof before_, &before_) != 0) return;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<unsigned>(core), &one);
  held_ = ::sched_setaffinity(0, sizeof one, &one) == 0;
}

pinned::~pinned() {
  if (held_) ::sched_setaffinity(0, sizeof before_, &before_);
}

void run_anywhere() noexcept {
  cpu_set_t all;
  CPU_ZERO(&all);
  for (unsigned core = 0; core < CPU_SETSIZE; ++core) CPU_SET(core, &all);
  ::sched_setaffinity(0, sizeof all, &all);      // the kernel leaves out what is forbidden
}

int usable_cores() noexcept {
  cpu_set_t cores;
  return ::sched_getaffinity(0, sizeof cores, &cores) == 0 ? CPU_COUNT(&cores) : 1;
}

}  // namespace hawser::bench
