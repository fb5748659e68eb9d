// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace hawser::bench {

// Counts of durations with a relative error below 0.4 %, from 1 ns to 18 minutes: 128 equal steps in each power of two. A plain
// block of memory of 36 KiB: record() costs a few instructions, and a child may write it to a pipe as it is.
class histogram {
 public:
  // Values outside of the range count as its nearest end.
  void record(std::int64_t ns) noexcept { record(ns, 1); }
  void record(std::int64_t ns, std::uint64_t times) noexcept {
    const auto value = ns < 0 ? 0 : ns > value_max ? static_cast<std::uint64_t>(value_max)
                                                   : static_cast<std::uint64_t>(ns);
    counts_[slot_of(value)] += times;
    count_ += times;
    if (value > max_) max_ = value;
    if (value < min_) min_ = value;
  }

  std::uint64_t count() const noexcept { return count_; }
  // The value that the share `q` (0-1) of all values does not exceed; 0 when nothing was recorded.
  std::int64_t quantile(double q) const noexcept;
  std::int64_t min() const noexcept { return count_ == 0 ? 0 : static_cast<std::int64_t>(min_); }
  std::int64_t max() const noexcept { return static_cast<std::int64_t>(max_); }
  double mean() const noexcept;
  void merge(const histogram& other) noexcept;
  void clear() noexcept { *this = histogram(); }

 private:
  static constexpr unsigned step_bits = 7;
  static constexpr std::uint64_t steps = 1u << step_bits;
  static constexpr std::int64_t value_max = (std::int64_t{1} << 40) - 1;

  static std::size_t slot_of(std::uint64_t value) noexcept {
    if (value < steps) return value;
    const unsigned shift = static_cast<unsigned>(std::bit_width(value)) - 1 - step_bits;
    return (shift + 1) * steps + (value >> shift) - steps;
  }
  static std::int64_t middle_of(std::size_t slot) noexcept;

  std::array<std::uint64_t, (40 - step_bits + 1) * steps> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t max_ = 0;
  std::uint64_t min_ = ~std::uint64_t{0};
};

}  // namespace hawser::bench
