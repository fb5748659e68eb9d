// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <string>
#include <string_view>
#include <system_error>

// The baselines: what a program achieves that uses TCP by hand and does nothing else. Every figure of hawser is a ratio to one of
// these, taken in the same run. They are defined here and nowhere else:
//   - frames of 68 bytes: a little-endian length of 4, then 64 bytes of payload; each is parsed, counted and summed by its receiver
//   - congestion control cubic, else reno, on both ends (a paced one such as bbr measures the pacer); TCP_NODELAY on both ends
//   - the client is the calling thread, pinned to client_core; the server is a forked process, pinned to server_core
//   - buffers of 64 KiB on both sides, as many whole frames in one send as fit and are there
// A call sets everything up, warms up, measures, verifies the counts and sums of both sides, and takes everything down again, so
// calls may be repeated and interleaved with others. Call it from a program without other threads (it forks).
namespace hawser::bench::raw {

inline constexpr std::size_t header_bytes = 4;
inline constexpr std::size_t payload_bytes = 64;
inline constexpr std::size_t frame_bytes = header_bytes + payload_bytes;
inline constexpr std::size_t buffer_bytes = std::size_t{64} << 10;

// The first word of a payload counts from 0, the second is a time stamp (now_ns) or 0, the others are filler.
struct payload {
  std::uint64_t sequence = 0;
  std::int64_t stamp_ns = 0;
  std::uint64_t filler[6] = {1, 2, 3, 4, 5, 6};
};
static_assert(sizeof(payload) == payload_bytes);

// What a receiver adds up over all payloads, here and in the programs that are compared with it.
inline std::uint64_t sum_of(const void* bytes) noexcept {
  std::uint64_t words[payload_bytes / 8];
  std::memcpy(words, bytes, sizeof words);
  std::uint64_t sum = 0;
  for (const std::uint64_t word : words) sum += word;
  return sum;
}

// How a side waits for the next bytes.
enum class wait_mode : std::uint8_t {
  block,                                   // sleep in recv
  spin,                                    // recv without waiting, again and again
  epoll_spin,                              // epoll_wait without waiting, again and again, then recv
};
std::string_view to_text(wait_mode mode) noexcept;
std::expected<wait_mode, std::error_code> wait_mode_from(std::string_view text);   // "block", "spin", "epoll-spin"

struct options {
  wait_mode wait = wait_mode::block;
  std::chrono::milliseconds warm_up{100};
  std::chrono::milliseconds measured{500};
  int client_core = 0;
  int server_core = 1;
};

// One measurement. Latencies are round trips for pingpong and requests; for stream and bulk they are the time from the send of a
// 64 KiB buffer (a block) to its arrival in the server, queueing included.
struct sample {
  double per_second = 0;                   // round trips, frames or blocks
  double bytes_per_second = 0;             // payload bytes, one way
  std::int64_t p50_ns = 0, p99_ns = 0, p999_ns = 0, max_ns = 0;
  std::uint64_t count = 0;                 // what was measured, warm-up left out
  double client_cpu = 0, server_cpu = 0;   // processor time per wall time of each side, 0-1
  bool is_pinned = false;                  // both sides got their cores
  char congestion[16] = {};                // of both sides; "mixed" when they differ
};

// Errors of all: those of sockets and fork; timed_out when nothing moved for 10 s; bad_message when a count, a sequence or a sum was
// wrong; invalid_argument.

// One frame there and back at a time.
std::expected<sample, std::error_code> run_pingpong(const options& with);
// Frames one way, as many as fit into each send of 64 KiB.
std::expected<sample, std::error_code> run_stream(const options& with);
// Frames there and back with `in_flight` (1-65536) of them under way.
std::expected<sample, std::error_code> run_requests(const options& with, std::size_t in_flight);
// Blocks of `block_bytes` (64 B - 64 MiB) one way, each one send; read in pieces of at most 256 KiB. No frames inside.
std::expected<sample, std::error_code> run_bulk(const options& with, std::size_t block_bytes = buffer_bytes);

}  // namespace hawser::bench::raw
