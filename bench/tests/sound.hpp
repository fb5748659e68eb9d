// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/match.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

// What every measurement has to be, whatever was measured. No figure is judged: the machine may be busy.
namespace hawser::bench {

inline job short_job(workload what, engine_kind engine, wait_mode wait) {
  job of;
  of.what = what;
  of.engine = engine;
  of.wait = wait;
  of.warm_up = std::chrono::milliseconds(10);
  of.measured = std::chrono::milliseconds(50);
  return of;
}

// On a machine with other work a spinning side may lose its core for the whole of a short run: then a longer one shows it.
inline sample counted(const std::function<outcome(const job&)>& run, job of) {
  std::string why;
  for (int attempt = 0; attempt < 20; ++attempt) {
    if (attempt > 1) of.measured = std::min(2 * of.measured, std::chrono::milliseconds(1600));
    outcome made = run(of);
    if (made) return std::move(*made);
    why = made.error();
    if (!why.starts_with("books: nothing was measured")) break;
  }
  ADD_FAILURE() << to_text(of.what) << " on " << to_text(of.engine) << ", " << to_text(of.wait) << ": " << why;
  return {};
}

inline void expect_sound(const sample& s, const job& of) {
  SCOPED_TRACE(std::string(to_text(of.what)) + " on " + std::string(to_text(of.engine)) + ", " + std::string(to_text(of.wait)));
  EXPECT_GT(s.count, 0u);
  EXPECT_LE(s.p50_ns, s.p99_ns);
  EXPECT_LE(s.p99_ns, s.max_ns);
  if (of.what == workload::beside) {
    EXPECT_GT(s.bytes_per_second, s.per_second * static_cast<double>(of.size)) << "bulk was counted";
  } else {
    EXPECT_NEAR(s.bytes_per_second, s.per_second * static_cast<double>(payload_bytes_of(of)), 1 + s.bytes_per_second * 1e-6);
  }
  EXPECT_GT(s.client_calls, 0);
  EXPECT_GT(s.server_calls, 0);
  EXPECT_TRUE(s.congestion == "cubic" || s.congestion == "reno") << s.congestion << ": a congestion control that paces measures the pacer";
}

}  // namespace hawser::bench
