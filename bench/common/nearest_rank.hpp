// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>

namespace hawser::bench {

// Where the percentile lies among `count` sorted values, at least one: the least of them that a share of `part` does not exceed (nearest
// rank). Of 10 values 0.5 is the fifth, and 0.99 the last.
inline std::size_t nearest_rank(double part, std::size_t count) noexcept {
  const double rank = std::ceil(part * static_cast<double>(count) - 1e-9);      // 0.07 * 100 is a little more than 7
  return static_cast<std::size_t>(std::clamp(rank, 1.0, static_cast<double>(count))) - 1;
}

}  // namespace hawser::bench
