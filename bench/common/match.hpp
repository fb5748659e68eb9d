// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/job.hpp"
#include "common/tally.hpp"

#include <cstdint>
#include <expected>
#include <functional>
#include <string>

namespace hawser::bench {

// One measurement. Latencies are round trips; of one-way work they are the time from a send to its arrival, queueing included.
struct sample {
  double per_second = 0;                   // messages, round trips or blocks
  double bytes_per_second = 0;             // payload bytes, one way
  std::int64_t p50_ns = 0, p99_ns = 0, p999_ns = 0, max_ns = 0;
  std::uint64_t count = 0;                 // what was measured, warm-up left out
  double client_cpu = 0, server_cpu = 0;   // 0-1
  double client_calls = 0, server_calls = 0;   // system calls for each message, those that found nothing included
  bool is_pinned = false;                  // both sides got their cores
  std::string congestion;                  // of both sides; "mixed" when they differ
};
// Or why there is none, for a person to read.
using outcome = std::expected<sample, std::string>;

// The server's side calls `listening` once it can be connected to, and returns when all connections of the job have ended. Each side
// counts into its tally, failures too.
using listening = std::function<void(std::uint16_t port)>;
using server_side = std::function<void(const job&, const listening&, tally&)>;
using client_side = std::function<void(const job&, std::uint16_t port, tally&)>;

// Forks a process for each side and pins it, compares their books at the end, and makes a sample of them. Call it from a program without
// other threads.
outcome match(const job& of, const server_side& server, const client_side& client);

}  // namespace hawser::bench
