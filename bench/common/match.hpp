// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/job.hpp"
#include "common/tally.hpp"

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <string>
#include <vector>

namespace hawser::bench {

// The shares of all latencies at which a curve is drawn.
inline constexpr std::array curve_points{0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999};

// One measurement. Latencies are round trips; of one-way work they are the time from a send to its arrival, queueing included.
struct sample {
  double per_second = 0;                   // messages, round trips or blocks
  double bytes_per_second = 0;             // payload bytes, one way
  std::int64_t p50_ns = 0, p99_ns = 0, p999_ns = 0, max_ns = 0;
  std::uint64_t count = 0;                 // what was measured, warm-up left out
  std::int64_t resident_bytes = 0, allocated_bytes = 0;   // of idle, for each connection: anonymous pages of the server, and what malloc has given out
  std::vector<std::int64_t> curve;         // latencies at curve_points; empty: only the four above are known
  double client_cpu = 0, server_cpu = 0;   // 0-1
  double quiet_cpu = 0;                    // of quiet: both sides together, 0-2
  double client_calls = 0, server_calls = 0;   // system calls for each message, those that found nothing included
  bool is_pinned = false;                  // both sides got their cores
  std::string congestion;                  // of both sides; "mixed" when they differ
  std::string version;                     // of the library that did it; empty: none
};
// Or why there is none, for a person to read.
using outcome = std::expected<sample, std::string>;

// The server's side calls `listening` once it can be connected to, and returns when all connections of the job have ended. Each side
// counts into its tally, failures too.
using listening = std::function<void(std::uint16_t port)>;
using server_side = std::function<void(const job&, const listening&, tally&)>;
using client_side = std::function<void(const job&, std::uint16_t port, tally&)>;

// The figure that decides about a workload.
inline double figure_of(figure which, const sample& of) noexcept {
  switch (which) {
    case figure::p50: return static_cast<double>(of.p50_ns) / 1000;
    case figure::p99: return static_cast<double>(of.p99_ns) / 1000;
    case figure::memory: return static_cast<double>(of.resident_bytes);
    case figure::cpu: return 100 * of.quiet_cpu;
    case figure::rate: break;
  }
  return of.per_second;
}
// How it is called where results are read by programs.
inline std::string_view to_text(figure which) noexcept {
  constexpr std::array<std::string_view, 5> names{"rate_per_s", "p50_us", "p99_us", "resident_bytes", "cpu_percent"};
  return names[static_cast<std::size_t>(which)];
}

// Forks a process for each side and pins it, compares their books at the end, and makes a sample of them. Call it from a program without
// other threads.
outcome match(const job& of, const server_side& server, const client_side& client);

}  // namespace hawser::bench
