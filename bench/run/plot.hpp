// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "run/contest.hpp"

#include <string>
#include <vector>

namespace hawser::bench {

// Writes SVG files into a directory, which is made if need be; gives their names. Empty: one could not be written.
//   bars-JOB       what counts of each contestant, with its spread
//   latency-JOB    the latencies below which each part of the messages was, of those whose whole distribution is known
//   scaling-WORK   how what counts changes with what the work varies
std::vector<std::string> plot(const std::string& directory, const std::vector<result_of_contest>& all);

}  // namespace hawser::bench
