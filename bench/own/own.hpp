// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/match.hpp"

// hawser doing the work of the raw baselines (raw/raw.hpp), written as the guide teaches: default credit, limits and watermarks, one
// peer in each process. wait_mode::spin is wait_policy::busy; the engine of the job is epoll or uring, none is what hawser takes by
// itself.
//   pingpong, stream   messages, one handler call each
//   requests           a body of 64 bytes, a coroutine handler that echoes it, one caller for each that is under way. Beyond 256 channels
//                      both sides raise channels_max to 2,047 (the excess waits in the caller's queue)
//   bulk               one stream of bytes, written in blocks that are shared, not copied, and read as they come
//   echoes             one peer with many connections to the other
namespace hawser::bench::own {

bool can(const job& of);
outcome run(const job& of);

}  // namespace hawser::bench::own
