// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

// What is to be measured. One job is done in turn by all who are compared; each does it with two sides, a server and a client, which are
// two processes on two cores.
namespace hawser::bench {

enum class workload : std::uint8_t {
  pingpong,
  stream,
  requests,
  streamed,
  bulk,
  alone,
  beside,
  echoes,
  fanout,
  idle,
  connect,
  open,
  channels,
  threads,
  handover,
  quiet,
  paced
};

// What of a sample decides.
enum class figure : std::uint8_t {
  rate,
  p50,
  p99,
  memory,
  cpu
};

struct workload_traits {
  std::string_view name;
  std::string_view is;
  figure counts = figure::rate;
  bool one_way = false;                    // measured where it arrives, which is the server; the rest is measured by the client
};
inline constexpr std::array<workload_traits, 17> workloads{{
    {"pingpong", "64 bytes there and back, one message at a time", figure::p50},
    {"stream", "messages of `size` one way, as many as there is room for, each seen once and summed", figure::rate, true},
    {"requests", "64 bytes there and back, `in_flight` of them under way"},
    {"streamed", "64 pieces of 64 bytes there and as many back, `in_flight` such requests under way"},
    {"bulk", "blocks of `size` one way, as a stream of bytes that nobody looks at", figure::rate, true},
    {"alone", "the blocks of beside, on a connection set up as there, without a ping", figure::rate, true},
    {"beside", "pingpong on a connection that is kept full of 64 KiB blocks in the ping's direction", figure::p99},
    {"echoes", "64 bytes there and back on each of `connections`, one message under way on each"},
    {"fanout", "128 bytes from the server to each of `connections`, 64 such publications not yet confirmed by all"},
    {"idle", "`connections` that have exchanged one message each, and the server's memory for them", figure::memory},
    {"connect", "connecting, 64 bytes there and back, closing; one after another"},
    {"open", "opening a channel on a live connection, 64 bytes there and back on it; one after another", figure::p50},
    {"channels", "stream, its messages spread over `channels` of one connection", figure::rate, true},
    {"threads", "stream, its messages sent by `threads` that are not the one with the socket", figure::rate, true},
    {"handover", "a message from another thread to one that sleeps, until it is there; then on to the server and back", figure::p50},
    {"quiet", "a connection on which nothing is said for as long as is measured, and the processor time of both sides meanwhile", figure::cpu},
    {"paced", "bursts of `burst` messages of `size` there and back, one due every `gap` on one of `connections`", figure::p50},
}};
inline const workload_traits& traits_of(workload what) noexcept { return workloads[static_cast<std::size_t>(what)]; }
inline std::string_view to_text(workload what) noexcept { return traits_of(what).name; }

// What moves the bytes: calls on the socket alone, or one of the two that hawser has as well.
enum class engine_kind : std::uint8_t {
  none,
  epoll,
  uring
};
inline constexpr std::array<std::string_view, 3> engine_names{"none", "epoll", "uring"};
inline std::string_view to_text(engine_kind engine) noexcept { return engine_names[static_cast<std::size_t>(engine)]; }

// How both sides wait for the next bytes: asleep in the kernel, asking again and again, or asking for a while and then asleep, which is
// what hawser does unless it is told otherwise.
enum class wait_mode : std::uint8_t {
  block,
  spin,
  adaptive
};
inline constexpr std::array<std::string_view, 3> wait_names{"block", "spin", "adaptive"};
inline std::string_view to_text(wait_mode wait) noexcept { return wait_names[static_cast<std::size_t>(wait)]; }

// Parts of workloads that have no number in a job.
inline constexpr std::size_t pieces_of_a_request = 64;               // of streamed, each way
inline constexpr std::size_t block_bytes_beside = std::size_t{64} << 10;
inline constexpr std::chrono::microseconds silence_before_handover{200};      // in which a loop falls asleep
inline constexpr std::size_t publication_bytes = 128, publications_open = 64;

struct job {
  workload what = workload::pingpong;
  engine_kind engine = engine_kind::none;
  wait_mode wait = wait_mode::block;
  std::size_t size = 64;                   // of a message or block, in bytes
  std::size_t in_flight = 1;
  std::size_t connections = 1;
  std::size_t channels = 1;
  std::size_t threads = 1;
  std::chrono::microseconds gap{100};      // of paced, as is burst
  std::size_t burst = 1;
  bool ahead = true;                       // of connect, hawser alone: the message leaves with the introduction, not after connect()
  std::chrono::milliseconds warm_up{100};  // both from the first arrival on, as the side sees it that measures
  std::chrono::milliseconds measured{500};
  std::size_t round_trip_ms = 0;           // that the network takes (common/distance.hpp); 0: as this machine has it
  int client_core = 0;
  int server_core = 1;
};

// Of one that is counted, one way.
inline std::size_t payload_bytes_of(const job& of) noexcept {
  if (of.what == workload::streamed) return pieces_of_a_request * of.size;
  if (of.what == workload::alone) return block_bytes_beside;
  return of.what == workload::fanout ? publication_bytes : of.size;
}

}  // namespace hawser::bench
