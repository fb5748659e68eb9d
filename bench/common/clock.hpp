// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <ctime>

namespace hawser::bench {

// Nanoseconds of the monotonic clock, which all processes of a machine share: a stamp taken here may be compared in the child.
inline std::int64_t now_ns() noexcept {
  timespec t;
  ::clock_gettime(CLOCK_MONOTONIC, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

// The time once so much of it has passed, awake all along.
inline std::int64_t now_after(std::chrono::nanoseconds span) noexcept {
  const std::int64_t until = now_ns() + span.count();
  std::int64_t now = now_ns();
  while (now < until) now = now_ns();
  return now;
}

// Processor time of the calling thread.
inline std::int64_t thread_cpu_ns() noexcept {
  timespec t;
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

}  // namespace hawser::bench
