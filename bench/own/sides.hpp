// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/match.hpp"
#include "common/payload.hpp"

#include <hawser/hawser.hpp>

// What the two sides of a measurement have in common.
namespace hawser::bench::own {

loop_options loop_for(const job& of);
peer_options peer_for(const job& of);
inline std::int64_t ns_of(instant when) noexcept { return when.time_since_epoch().count(); }
inline byte_view bytes_of(const payload& of) noexcept { return {reinterpret_cast<const std::byte*>(&of), sizeof of}; }

// A message of this size is no part of the work: in idle it asks the server to measure, in connect it is the last one, in fanout it
// confirms, and ends; in threads it comes last from each of them, and its answer says that all before it has arrived.
inline constexpr std::size_t control_bytes = 8;

void serve(const job& of, const listening& listens, tally& counted);
void drive(const job& of, std::uint16_t port, tally& counted);

// Processor time and system calls of a loop since it was made, put into a tally.
class expenses {
 public:
  explicit expenses(loop& on) noexcept : loop_(on), calls_(on.engine().system_calls()) {}
  void tell(tally& counted) const noexcept {
    counted.cpu = cpu_.share();
    counted.system_calls = loop_.engine().system_calls() - calls_;
  }

 private:
  loop& loop_;
  std::uint64_t calls_;
  cpu_clock cpu_;
};

}  // namespace hawser::bench::own
