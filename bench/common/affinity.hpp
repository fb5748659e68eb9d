// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <sched.h>

namespace hawser::bench {

// Keeps the calling thread on one core while it lives, and gives the thread its former cores back afterwards. Where the core does
// not exist or may not be used, nothing changes and held() is false: a measurement then says so.
class pinned {
 public:
  explicit pinned(int core) noexcept;
  ~pinned();
  pinned(const pinned&) = delete;
  pinned& operator=(const pinned&) = delete;

  bool held() const noexcept { return held_; }

 private:
  cpu_set_t before_;
  bool held_ = false;
};

// Lets the calling thread run on every core that it may have: for threads beside a pinned one.
void run_anywhere() noexcept;

// How many cores this process may use.
int usable_cores() noexcept;

}  // namespace hawser::bench
