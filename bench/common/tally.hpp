// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/clock.hpp"
#include "common/histogram.hpp"
#include "common/job.hpp"
#include "common/process.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string_view>

namespace hawser::bench {

// What a side has counted, written through a pipe as it is. `count` and `sum` are of the side's whole life, so that the books of both
// sides can be compared; the rest is what was measured.
struct tally {
  std::uint64_t count = 0, sum = 0;
  std::uint64_t measured_count = 0;
  std::int64_t measured_ns = 0;
  histogram latency;
  double bulk_bytes_per_second = 0;        // of beside
  std::int64_t resident_bytes = 0, allocated_bytes = 0;   // of idle: for each connection
  std::uint64_t system_calls = 0;          // while `count` was counted, connecting and closing left out
  double cpu = 0;                          // processor time per wall time, 0-1
  double quiet_cpu = 0;                    // of quiet: the same while nothing was said
  bool is_pinned = false;
  char congestion[16] = {};                // of this side's sockets, as the kernel names it
  char failure[128] = {};                  // empty: all went well

  void fail(std::string_view why) noexcept {
    if (failure[0] == 0) std::snprintf(failure, sizeof failure, "%.*s", static_cast<int>(why.size()), why.data());
  }
  bool failed() const noexcept { return failure[0] != 0; }
};

// What each of so many connections has cost since.
inline void growth_of(const memory& before, std::size_t connections, tally& counted) {
  const memory now = memory_now();
  const auto each = static_cast<std::int64_t>(connections);
  counted.resident_bytes = (now.resident_bytes - before.resident_bytes) / each;
  counted.allocated_bytes = (now.allocated_bytes - before.allocated_bytes) / each;
}

// What `bulk` has counted of the blocks of beside, put into the books of the side: beside a ping their speed, else all that there is.
inline void add_blocks(const tally& bulk, const job& of, tally& counted) noexcept {
  counted.count += bulk.count;
  if (of.what == workload::alone) {
    counted.measured_count = bulk.measured_count;
    counted.measured_ns = bulk.measured_ns;
  } else if (bulk.measured_ns > 0) {
    counted.bulk_bytes_per_second = static_cast<double>(bulk.measured_count * block_bytes_beside) * 1e9 / static_cast<double>(bulk.measured_ns);
  }
}

// Counts what arrives into a tally. The measurement begins with the first arrival after the warm-up, and ends with the time.
class meter {
 public:
  meter(const job& of, tally& counted) noexcept
      : warm_up_ns_(std::chrono::nanoseconds(of.warm_up).count()), measured_ns_(std::chrono::nanoseconds(of.measured).count()), counted_(counted) {}

  void arrived(std::int64_t now, std::uint64_t amount) noexcept {
    counted_.count += amount;
    if (first_ns_ == 0) first_ns_ = now;
    if (from_ns_ == 0) {
      if (now - first_ns_ >= warm_up_ns_) from_ns_ = now;
      return;
    }
    if (is_over(now)) return;
    counted_.measured_count += amount;
    counted_.measured_ns = now - from_ns_;
  }
  void took(std::int64_t ns, std::uint64_t times = 1) noexcept {
    if (from_ns_ != 0) counted_.latency.record(ns, times);
  }
  bool is_over(std::int64_t now) const noexcept { return from_ns_ != 0 && now - from_ns_ > measured_ns_; }

 private:
  std::int64_t warm_up_ns_, measured_ns_;
  std::int64_t first_ns_ = 0, from_ns_ = 0;
  tally& counted_;
};

// Until when a side goes on that hears nothing of what it sends.
inline std::int64_t end_of(const job& of) noexcept { return now_ns() + std::chrono::nanoseconds(of.warm_up + of.measured).count(); }

// Processor time per wall time since it was made.
class cpu_clock {
 public:
  double share() const noexcept {
    const std::int64_t wall = now_ns() - since_ns_;
    return wall > 0 ? static_cast<double>(thread_cpu_ns() - cpu_ns_) / static_cast<double>(wall) : 0;
  }

 private:
  std::int64_t since_ns_ = now_ns(), cpu_ns_ = thread_cpu_ns();
};

}  // namespace hawser::bench
