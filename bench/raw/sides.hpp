// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "raw/wire.hpp"

#include <vector>

// The parts of which run() makes its sides.
namespace hawser::bench::raw {

// one_connection.cpp, by the workload of the job: everything between the first byte and the last.
void serve(wire& with, const job& of, tally& counted);
void drive(wire& with, const job& of, tally& counted);

// one_way.cpp: stream, bulk. Large messages are not put together by who receives them, and he receives more at once.
void sink(wire& from, const job& of, tally& counted);
void pour(wire& to, const job& of, tally& counted);
void swallow(wire& from, const job& of, tally& counted);
void shovel(wire& to, const job& of, tally& counted);
inline bool is_large(const job& of) noexcept { return of.size >= buffer_bytes / 4; }

// echoes_epoll.cpp and echoes_uring.cpp: the same for many connected sockets, which stay their caller's.
void serve_echoes_by_epoll(const std::vector<int>& sockets, const job& of, tally& counted);
void drive_echoes_by_epoll(const std::vector<int>& sockets, const job& of, tally& counted);
void serve_echoes_by_uring(const std::vector<int>& sockets, const job& of, tally& counted);
void drive_echoes_by_uring(const std::vector<int>& sockets, const job& of, tally& counted);

}  // namespace hawser::bench::raw
