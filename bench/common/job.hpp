// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

// What is to be measured. One job is done in turn by all who are compared; each does it with two sides, a server and a client, which are
// two processes on two cores.
namespace hawser::bench {

enum class workload : std::uint8_t {
  pingpong,      // 64 bytes there and back, one message at a time
  stream,        // messages of 64 bytes one way, as many as there is room for
  requests,      // 64 bytes there and back, `in_flight` of them under way
  bulk,          // blocks of `size` bytes one way, as a stream of bytes
  echoes,        // 64 bytes there and back on each of `connections`, one under way on each
};
inline constexpr std::array<std::string_view, 5> workload_names{"pingpong", "stream", "requests", "bulk", "echoes"};
inline std::string_view to_text(workload what) noexcept { return workload_names[static_cast<std::size_t>(what)]; }

// What moves the bytes: calls on the socket alone, or one of the two that hawser has as well.
enum class engine_kind : std::uint8_t { none, epoll, uring };
inline constexpr std::array<std::string_view, 3> engine_names{"none", "epoll", "uring"};
inline std::string_view to_text(engine_kind engine) noexcept { return engine_names[static_cast<std::size_t>(engine)]; }

// How both sides wait for the next bytes: asleep in the kernel, or asking again and again.
enum class wait_mode : std::uint8_t { block, spin };
inline std::string_view to_text(wait_mode wait) noexcept { return wait == wait_mode::block ? "block" : "spin"; }

struct job {
  workload what = workload::pingpong;
  engine_kind engine = engine_kind::none;
  wait_mode wait = wait_mode::block;
  std::size_t size = 64;                   // of a message or block, in bytes
  std::size_t in_flight = 1;
  std::size_t connections = 1;
  std::chrono::milliseconds warm_up{100};  // both from the first arrival on, as the side sees it that measures
  std::chrono::milliseconds measured{500};
  int client_core = 0;
  int server_core = 1;
};

// One-way work is measured where it arrives, the rest where it was asked for.
inline bool is_one_way(workload what) noexcept { return what == workload::stream || what == workload::bulk; }

}  // namespace hawser::bench
