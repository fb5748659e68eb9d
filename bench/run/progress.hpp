// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/clock.hpp"

#include <cstddef>
#include <cstdio>
#include <string>

namespace hawser::bench {

// One moving line on standard error, if that is a terminal: which run it is, and how long the rest will take.
class progress {
 public:
  explicit progress(std::size_t runs);
  ~progress() { clear(); }
  void next(const std::string& what);
  void clear();                            // before something else is printed

 private:
  std::size_t runs_, begun_ = 0;
  bool shown_, dirty_ = false;
  std::int64_t since_ns_ = now_ns();
};

// "3 min", "40 s": what is left after so many of all runs have taken so long.
std::string time_left(std::int64_t elapsed_ns, std::size_t done, std::size_t all);

}  // namespace hawser::bench
