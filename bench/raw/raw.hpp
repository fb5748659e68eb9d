// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/match.hpp"
#include "common/payload.hpp"

#include <cstddef>
#include <string>

// The baselines: what a program achieves that uses TCP by hand and does nothing else. They are defined here and nowhere else:
//   - frames of 68 bytes: a little-endian length of 4, then 64 bytes of payload; each is parsed, counted and summed by its receiver
//   - congestion control cubic, else reno, on both ends (a paced one such as bbr measures the pacer); TCP_NODELAY on both ends
//   - buffers of 64 KiB on both sides, as many whole frames in one send as fit and are there
//   - a message for a thread that sleeps goes onto the same queue, and an eventfd wakes it
//   - messages that several threads have are put into a bounded queue, from which the one with the socket sends them
//   - what `open` compares a new channel to is one message there and back, pingpong
// By engine:
//   none    one recv or send a call: block sleeps in recv, spin asks it again and again. Only with one connection
//   epoll   level-triggered: epoll_wait (asleep, or again and again), then one recv of what is there; one send
//   uring   one ring, SINGLE_ISSUER and DEFER_TASKRUN: multishot receives into provided buffers, one send under way on each connection,
//           and one enter a turn that submits, runs and reaps
namespace hawser::bench::raw {

using bench::payload;
using bench::payload_bytes;
using bench::sum_of;

inline constexpr std::size_t buffer_bytes = std::size_t{64} << 10;

// Why this machine cannot run the engine; empty: it can.
std::string refusal(engine_kind engine);

// Whether there is a baseline for this workload on this engine. Bare sockets: those with one connection; io_uring: those and echoes;
// epoll: all but two. What is about sleeping only where it sleeps, and none that spins for a while and then sleeps.
bool can(const job& of);

// One measurement of the job. Its limits: in_flight 1-65536, sizes 64 B - 64 MiB in stream and bulk.
outcome run(const job& of);

}  // namespace hawser::bench::raw
