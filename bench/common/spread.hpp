// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <algorithm>
#include <vector>

namespace hawser::bench {

// What repeated samples of one figure say: the middle, and how far apart they lie. With other load on the machine the ends are wide,
// and a reader sees it.
struct spread {
  double median = 0, min = 0, max = 0;
};

inline spread spread_of(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::sort(samples.begin(), samples.end());
  const std::size_t half = samples.size() / 2;
  const double median = samples.size() % 2 == 1 ? samples[half] : (samples[half - 1] + samples[half]) / 2;
  return {median, samples.front(), samples.back()};
}

}  // namespace hawser::bench
