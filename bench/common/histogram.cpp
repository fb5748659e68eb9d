// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/histogram.hpp"

#include "common/nearest_rank.hpp"

#include <algorithm>

namespace hawser::bench {

std::int64_t histogram::middle_of(std::size_t slot) noexcept {
  if (slot < steps) return static_cast<std::int64_t>(slot);
  const auto shift = static_cast<unsigned>(slot / steps) - 1;
  const std::uint64_t low = (slot % steps + steps) << shift;
  return static_cast<std::int64_t>(low + ((std::uint64_t{1} << shift) >> 1));
}

std::int64_t histogram::quantile(double q) const noexcept {
  if (count_ == 0) return 0;
  const std::size_t wanted = nearest_rank(q, count_);
  std::uint64_t seen = 0;
  for (std::size_t slot = 0; slot < counts_.size(); ++slot) {
    seen += counts_[slot];
    // The middle of the outermost steps may lie outside of what was recorded.
    if (seen > wanted) return std::clamp(middle_of(slot), min(), max());
  }
  return max();
}

double histogram::mean() const noexcept {
  if (count_ == 0) return 0;
  double sum = 0;
  for (std::size_t slot = 0; slot < counts_.size(); ++slot) sum += static_cast<double>(counts_[slot]) * static_cast<double>(middle_of(slot));
  return sum / static_cast<double>(count_);
}

void histogram::merge(const histogram& other) noexcept {
  for (std::size_t slot = 0; slot < counts_.size(); ++slot) counts_[slot] += other.counts_[slot];
  count_ += other.count_;
  max_ = std::max(max_, other.max_);
  min_ = std::min(min_, other.min_);
}

}  // namespace hawser::bench
