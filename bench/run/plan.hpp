// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "run/contest.hpp"

#include <string>
#include <vector>

namespace hawser::bench {

// What somebody wants to see; whatever is empty is as the plan has it.
struct selection {
  std::vector<std::string> workloads, waits;
  std::vector<std::size_t> sizes, in_flight, connections, round_trips_ms;
  std::chrono::milliseconds measured{500};
  bool quick = false;                      // one or two jobs of each kind
};
std::vector<job> plan_of(const selection& wanted);

// Raw sockets, bare and on the engines; hawser on the engines, and where there are several channels, or new ones, on one that stays ("hawser one"); the
// others, as they come. quick: of those only the best known. Three more show what a choice of hawser's user costs: "hawser busy" spins where
// hawser waits adaptively, "hawser task" has messages of a stream read by a task instead of a handler, and "hawser after" sends its first
// message when connect() has completed.
std::vector<contestant> line_up(const std::vector<engine_kind>& engines, std::vector<contestant> others, bool quick);

// The titles of those that a contestant is compared to, its baseline first. hawser: raw sockets on its engine, else on epoll; then its
// other engine, bare sockets, and everybody else. But first itself on one channel, or spinning, where that takes part; a task's baseline is
// the handler. The others: raw sockets on epoll.
std::vector<std::string> opponents_of(const contestant& who, const std::vector<contestant>& all);

}  // namespace hawser::bench
