// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/process.hpp"
#include "raw/sockets.hpp"
#include "raw/wire.hpp"

#include <cstdint>
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
// threads.cpp: who has the socket takes from a queue what others put there.
void pour_from_threads(wire& to, const job& of, tally& counted);
inline bool is_large(const job& of) noexcept { return of.size >= buffer_bytes / 4; }

// echoes_epoll.cpp and echoes_uring.cpp: the same for many connected sockets, which stay their caller's.
void serve_echoes_by_epoll(const std::vector<int>& sockets, const job& of, tally& counted);
void drive_echoes_by_epoll(const std::vector<int>& sockets, const job& of, tally& counted);
void serve_echoes_by_uring(const std::vector<int>& sockets, const job& of, tally& counted);
void drive_echoes_by_uring(const std::vector<int>& sockets, const job& of, tally& counted);

// beside.cpp, on one connected socket and epoll.
void serve_beside(int socket, const job& of, tally& counted);
void drive_beside(int socket, const job& of, tally& counted);

// quiet.cpp, on one connected socket and bare calls.
void serve_quiet(int socket, const job& of, tally& counted);
void drive_quiet(int socket, const job& of, tally& counted);

// handover.cpp, on one connected socket and epoll; its server is an echo.
void drive_handover(int socket, const job& of, tally& counted);

// fanout.cpp and idle.cpp, on epoll.
void publish(const std::vector<int>& sockets, const job& of, tally& counted);
void subscribe(const std::vector<int>& sockets, const job& of, tally& counted);
void serve_idle(const std::vector<int>& sockets, const job& of, tally& counted, const memory& before);
void drive_idle(const std::vector<int>& sockets, const job& of, tally& counted);

// paced.cpp, on epoll.
void serve_paced(const std::vector<int>& sockets, const job& of, tally& counted);
void drive_paced(const std::vector<int>& sockets, const job& of, tally& counted);

// connect.cpp, on bare calls.
void serve_connects(const descriptor& listener, const job& of, tally& counted);
void drive_connects(std::uint16_t port, const job& of, tally& counted);

// A frame of this size is no part of the work: in idle it asks the server to measure, in connect to end, and in fanout it confirms.
inline constexpr std::byte control_frame[12] = {std::byte{8}};
inline constexpr std::size_t control_bytes = sizeof control_frame - header_bytes;

}  // namespace hawser::bench::raw
