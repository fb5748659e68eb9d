// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/match.hpp"

// hawser doing the work of the raw baselines (raw/raw.hpp), written as the guide teaches: default credit, limits and watermarks, one
// peer in each process. wait_mode::spin is wait_policy::busy, adaptive is spin_then_block with its 50 us; the engine of the job is epoll or uring, none is what hawser takes by
// itself.
//   pingpong, stream   messages, one handler call each
//   requests           a body of 64 bytes, a coroutine handler that echoes it, one caller for each that is under way. Beyond 256 channels
//                      both sides raise channels_max to 2,047 (the excess waits in the caller's queue)
//   bulk               one stream of bytes, written in blocks that are shared, not copied, and read as they come
//   streamed           pieces written one after the other into a request, and its answer read when it has come
//   beside, alone      messages and one such stream; the stream alone
//   echoes, fanout, idle   one peer with many connections to the other; a publication is a send on each
//   paced              messages, by a timer of the loop, which the client keeps awake
//   channels           message channels that one task writes to in turn, each read by a task of its own
//   open               a message channel for each message, which both sides end after it
//   connect            connect() with its first message
//   threads            a remote_sender for each thread
//   quiet              a timer of the client's ends the silence
//   handover           work posted to the loop, which sends the message
namespace hawser::bench::own {

outcome run(const job& of);

// The same on one channel that stays: what many channels and new ones are compared to. Of open it is a message there and back.
outcome run_on_one_channel(const job& of);

// Connecting first, and sending when connect() has completed.
outcome run_sending_after(const job& of);

// The same, both sides spinning: what adaptive waiting is compared to.
outcome run_busy(const job& of);

// A stream of messages that are written by one task and read by another: what handlers are compared to.
outcome run_in_tasks(const job& of);

}  // namespace hawser::bench::own
