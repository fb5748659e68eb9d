// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "raw/raw.hpp"

#include <cstddef>
#include <expected>
#include <system_error>

// hawser doing the work of the raw baselines (raw/raw.hpp), written as the guide teaches: default credit, limits and watermarks, one
// peer in each process, pinned alike. wait_mode::block is wait_policy::block, the other two are wait_policy::busy.
namespace hawser::bench::own {

// A message of 64 bytes there and back at a time.
std::expected<raw::sample, std::error_code> run_pingpong(const raw::options& with);
// Messages of 64 bytes one way, one handler call each; the receiver checks sequence and sum.
std::expected<raw::sample, std::error_code> run_stream(const raw::options& with);
// Requests with a body of 64 bytes and a coroutine handler that echoes it; `in_flight` callers. Beyond 256 channels both sides raise
// channels_max to 2,047 (the excess waits in the caller's queue).
std::expected<raw::sample, std::error_code> run_requests(const raw::options& with, std::size_t in_flight);
// One stream of bytes, written in blocks that are shared, not copied, and read as they come.
std::expected<raw::sample, std::error_code> run_bulk(const raw::options& with, std::size_t block_bytes = raw::buffer_bytes);

}  // namespace hawser::bench::own
