// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <chrono>

namespace hawser::inline v0 {

// The time of a loop. It has no now(): time is always handed in, by the loop (which reads the clock once a turn) or by the
// simulation (where it is virtual). The epoch is arbitrary; only differences mean something.
struct loop_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<loop_clock>;
  static constexpr bool is_steady = true;
};

using duration = loop_clock::duration;
using instant = loop_clock::time_point;

// The instant that never comes: "no deadline", "no timer".
inline constexpr instant never = instant::max();

// `from + span`, saturating at `never`.
constexpr instant after(instant from, duration span) noexcept {
  return span >= never - from ? never : from + span;
}

}  // namespace hawser::inline v0
