// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "own/sides.hpp"

#include <vector>

namespace hawser::bench::own {

// Where the client's work is done: a peer and its connections to the other one.
struct seat {
  seat(loop& loop_of, const job& job_of, tally& tally_of) : on(loop_of), of(job_of), counted(tally_of), measured(job_of, tally_of), me(loop_of, peer_for(job_of)) {}

  loop& on;
  const job& of;
  tally& counted;
  meter measured;
  peer me;
  std::vector<connection> servers;

  // False, and the failure is told.
  bool good(const auto& outcome) {
    if (!outcome) counted.fail(outcome.error().message());
    return static_cast<bool>(outcome);
  }
};

// messages.cpp
task<> ask_and_answer(seat& at);           // pingpong, echoes
task<> stream(seat& at);
task<> ask_once(seat& at);                 // idle
task<> connect_again_and_again(seat& at, endpoint where);
task<> subscribe(seat& at);                // fanout
task<> paced(seat& at);
task<> quiet(seat& at);
// calls.cpp
task<> requests(seat& at);                 // and streamed
task<> bulk(seat& at);
task<> beside(seat& at);                   // and alone
// spread.cpp
task<> channels(seat& at);
task<> open_again_and_again(seat& at);
task<> threads(seat& at);
task<> handover(seat& at);

}  // namespace hawser::bench::own
