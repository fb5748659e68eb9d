// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/child.hpp"
#include "common/histogram.hpp"
#include "raw/raw.hpp"

#include <hawser/hawser.hpp>

#include <cstdint>

// The two sides of a measurement and what they know in common.
namespace hawser::bench::own {

enum class work : std::uint8_t { pingpong, stream, requests, bulk };

struct job {
  work what;
  raw::options with;
  std::size_t in_flight = 1;
  std::size_t block_bytes = raw::buffer_bytes;
  std::int64_t measure_from_ns = 0;        // of the monotonic clock
  std::int64_t until_ns = 0;
};

// What a side counted: all of it, and the part that was measured. Written through a pipe as it is.
struct tally {
  std::uint64_t count = 0, sum = 0;
  std::uint64_t measured_count = 0;
  std::int64_t measured_from_ns = 0, measured_ns = 0;
  double cpu = 0;
  bool is_pinned = false;
  bool failed = false;
  histogram latency;

  void add(std::int64_t now_ns, const job& of, std::uint64_t amount) noexcept {
    count += amount;
    if (now_ns < of.measure_from_ns) return;
    if (measured_from_ns == 0) {
      measured_from_ns = now_ns;
      return;
    }
    if (now_ns > of.until_ns) return;
    measured_count += amount;
    measured_ns = now_ns - measured_from_ns;
  }
};

inline std::int64_t ns_of(instant when) noexcept { return when.time_since_epoch().count(); }
loop_options loop_for(const job& of);
peer_options peer_for(const job& of);

// Runs in the child: tells its port, serves one connection, tells its tally when that has ended.
int serve(const job& of, reporter& to);
// Runs in the parent until of.until_ns. The result's error: the connection's.
result<tally> drive(const job& of, std::uint16_t port);

}  // namespace hawser::bench::own
