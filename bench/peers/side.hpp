// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/clock.hpp"
#include "common/histogram.hpp"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

// What the contestants have in common: their command line, the books that both sides keep, and the line of JSON at the end. The contract
// with whoever runs them (each side a process, pinned by the runner):
//   PROGRAM --workloads                   prints the workloads that it can do, one a line, with the ways in which it can wait
//   PROGRAM server WORKLOAD [FLAGS]       prints `port N` once it listens on 127.0.0.1, serves until its standard input is closed,
//                                         prints its sample
//   PROGRAM client WORKLOAD --port N [FLAGS]   does the work, prints its sample
//   WORKLOAD: of those below, or `alone`: stream with the blocks and the queues of beside, which is offered by who offers beside
//   FLAGS: --size BYTES --in-flight N --connections N --wait block|spin --warm-up-ms A --measured-ms B, those that the workload knows
// A failure is a line on standard error and exit code 1; inside it is an exception.
//
// A sample is an object on one line:
//   count, sum                    messages of this side's whole life, and the sum of their 8-byte words: both sides must agree
//   measured_count, measured_ns   of the time that is measured; one-way work is measured by the server, the rest by the client
//   p50_ns p99_ns p999_ns max_ns  there and back; one way and fanout: from sending to arrival (fanout: at the last subscriber)
//   cpu                           processor time of all threads per wall time
//   bytes_per_s                   of bulk, one way (stream, beside)
//   resident_bytes, allocated_bytes   idle, server: for each connection, anonymous pages and what malloc gave out
//   congestion, version, notes
namespace hawser::bench::peers {

using bytes = std::span<const std::byte>;

enum class work : std::uint8_t {
  pingpong,
  stream,
  requests,
  streamed,
  echoes,
  beside,
  fanout,
  connect,
  idle
};

struct job {
  work what = work::pingpong;
  std::size_t size = 64;                   // of a message of stream
  bool has_short_queues = false;           // beside, and stream when it is those blocks alone: work.hpp says which queues
  std::size_t in_flight = 1;               // callers; of echoes: connections that have a message under way, 64 unless told
  std::size_t connections = 1;
  bool spins = false;                      // waits by asking again and again
  std::int64_t warm_up_ns = 100'000'000, measured_ns = 500'000'000;
  std::uint16_t port = 0;                  // of the server; client only
};

// Counts what happens in the window of time that is measured: it opens warm_up_ns after the first call and is open for measured_ns.
class meter {
 public:
  explicit meter(const job& of) noexcept : warm_up_ns_(of.warm_up_ns), over_ns_(of.warm_up_ns + of.measured_ns) {}

  void at(std::int64_t now, std::uint64_t total) noexcept {
    if (start_ns_ == 0) start_ns_ = now;
    if (from_ns_ == 0) {
      if (now - start_ns_ < warm_up_ns_) return;
      from_ns_ = last_ns_ = now;
      from_total_ = last_total_ = total;
    } else if (now - start_ns_ <= over_ns_ || last_ns_ == from_ns_) {
      last_ns_ = now;
      last_total_ = total;
    }
  }
  bool has_begun() const noexcept { return start_ns_ != 0; }
  bool is_measuring() const noexcept { return from_ns_ != 0; }
  bool is_over(std::int64_t now) const noexcept { return start_ns_ != 0 && now - start_ns_ >= over_ns_; }
  std::uint64_t count() const noexcept { return last_total_ - from_total_; }
  std::int64_t ns() const noexcept { return last_ns_ - from_ns_; }
  double per_second() const noexcept { return ns() > 0 ? static_cast<double>(count()) * 1e9 / static_cast<double>(ns()) : 0; }

 private:
  std::int64_t warm_up_ns_, over_ns_, start_ns_ = 0, from_ns_ = 0, last_ns_ = 0;
  std::uint64_t from_total_ = 0, last_total_ = 0;
};

// The books of one side. `count` and `sum` are of its whole life: what one side sent is what the other got.
class ledger {
 public:
  explicit ledger(const job& of) : measured(of), bulk(of) {}

  std::uint64_t count = 0, sum = 0;
  meter measured;                          // the unit is the workload's: messages, requests, deliveries, connections
  meter bulk;                              // of beside: bytes of blocks
  histogram latency;
  std::int64_t resident_bytes = -1, allocated_bytes = -1;   // of idle: for each connection
  std::string notes;

  // Processor time is counted from the first call of begin to the first of finish.
  void begin() noexcept;
  void finish() noexcept;
  double cpu() const noexcept;

 private:
  std::int64_t cpu_from_ns_ = 0, since_ns_ = 0, cpu_ns_ = 0, wall_ns_ = 0;
};

struct offer {
  work what;
  bool can_spin = false;
};

struct contestant {
  std::string version;                     // of the library
  std::span<const offer> offers;
  void (*serve)(const job&, ledger&);      // announces its port, returns when standard input was closed
  void (*drive)(const job&, ledger&);
};

int run(int argc, char** argv, const contestant& who);

// The server listens.
void announce(std::uint16_t port);

// Calls `closed` from a thread of its own when standard input ends: for libraries that have threads anyway.
class input_watch {
 public:
  explicit input_watch(std::function<void()> closed);
  ~input_watch();                          // ends the thread also while standard input is open
  input_watch(const input_watch&) = delete;
  input_watch& operator=(const input_watch&) = delete;

 private:
  int over_;                               // an eventfd
  std::thread thread_;
};

[[noreturn]] inline void fail(const std::string& why) { throw std::runtime_error(why); }

}  // namespace hawser::bench::peers
