// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/child.hpp"
#include "common/clock.hpp"
#include "common/histogram.hpp"
#include "raw/raw.hpp"

#include <functional>
#include <memory>

#include <sys/types.h>

namespace hawser::bench::raw {

// A connected socket and the way in which its side waits.
class wire {
 public:
  wire(int descriptor, wait_mode wait);
  ~wire();
  wire(const wire&) = delete;
  wire& operator=(const wire&) = delete;

  // Waits for bytes. 0: the other side has finished; -1: failed, see error().
  ssize_t read_some(void* to, std::size_t bytes_max);
  // Waits until all is taken by the kernel. False: failed.
  bool write_all(const void* from, std::size_t bytes);
  // What can be done at once; 0 from try_write, -2 from try_read: nothing now.
  ssize_t try_write(const void* from, std::size_t bytes);
  ssize_t try_read(void* to, std::size_t bytes_max);
  // Waits until one of reading and writing may be possible.
  bool wait_either();
  void finish();                           // no more will be written
  std::error_code error() const noexcept { return error_; }

 private:
  ssize_t failed(int number) noexcept;
  bool is_late();

  int descriptor_;
  int epoll_ = -1;
  wait_mode wait_;
  unsigned idle_turns_ = 0;
  std::int64_t idle_since_ns_ = 0;
  std::error_code error_;
};

// Cuts what arrives into payloads. The buffer holds 64 KiB; a frame that is cut off at its end moves to the front.
class frame_reader {
 public:
  frame_reader() : buffer_(new std::byte[buffer_bytes]) {}

  // Where the next bytes go, and how many fit.
  std::byte* space() noexcept { return buffer_.get() + end_; }
  std::size_t space_bytes() const noexcept { return buffer_bytes - end_; }
  void filled(std::size_t bytes) noexcept { end_ += bytes; }

  // The next payload in the buffer, or nullptr: more bytes are needed, or is_broken().
  const std::byte* next() noexcept {
    if (end_ - begin_ < frame_bytes) return compacted();
    std::uint32_t length;
    std::memcpy(&length, buffer_.get() + begin_, sizeof length);
    if (length != payload_bytes) {
      is_broken_ = true;
      return nullptr;
    }
    const std::byte* payload = buffer_.get() + begin_ + header_bytes;
    begin_ += frame_bytes;
    return payload;
  }
  bool is_broken() const noexcept { return is_broken_; }

 private:
  const std::byte* compacted() noexcept {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
    return nullptr;
  }

  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  bool is_broken_ = false;
};

// Frames that wait to be sent together.
class frame_writer {
 public:
  frame_writer() : buffer_(new std::byte[buffer_bytes]) {}

  bool has_space() const noexcept { return end_ + frame_bytes <= buffer_bytes; }
  void append(const void* payload) noexcept {
    const std::uint32_t length = payload_bytes;
    std::memcpy(buffer_.get() + end_, &length, sizeof length);
    std::memcpy(buffer_.get() + end_ + header_bytes, payload, payload_bytes);
    end_ += frame_bytes;
  }
  const std::byte* data() const noexcept { return buffer_.get() + begin_; }
  std::size_t bytes() const noexcept { return end_ - begin_; }
  void taken(std::size_t bytes) noexcept {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }

 private:
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

// What the server process tells at its end.
struct server_report {
  std::uint64_t frames = 0;                // all, warm-up included
  std::uint64_t bytes = 0;
  std::uint64_t sum = 0;
  std::uint64_t measured_count = 0;        // one-way scenarios: what arrived between the two times below
  std::int64_t measured_ns = 0;
  histogram latency;
  double cpu = 0;
  bool is_pinned = false;
  int error = 0;                           // of the generic category; 0: all went well
  char congestion[16] = {};
};

// The part of a run that only the client's side knows.
struct client_result {
  std::uint64_t frames_sent = 0;
  std::uint64_t sum_sent = 0;
  std::uint64_t measured_count = 0;        // round-trip scenarios
  std::int64_t measured_ns = 0;
  histogram latency;
  std::error_code error;
};

// When warm-up ends and when the measurement does.
struct schedule {
  explicit schedule(const options& with)
      : measure_from_ns(now_ns() + std::chrono::nanoseconds(with.warm_up).count()),
        until_ns(measure_from_ns + std::chrono::nanoseconds(with.measured).count()) {}
  std::int64_t measure_from_ns, until_ns;
};

// The rate of what arrives, as the receiver sees it: from the first arrival after the warm-up to the last one.
class arrival_meter {
 public:
  explicit arrival_meter(const options& with) : warm_up_ns_(std::chrono::nanoseconds(with.warm_up).count()) {}

  bool is_measuring() const noexcept { return from_ns_ != 0; }
  void arrived(std::int64_t now, std::uint64_t total) noexcept {
    if (first_ns_ == 0) first_ns_ = now;
    if (from_ns_ == 0 && now - first_ns_ >= warm_up_ns_) {
      from_ns_ = now;
      from_total_ = total;
    }
    last_ns_ = now;
    last_total_ = total;
  }
  void give(server_report& report) const noexcept {
    if (from_ns_ == 0) return;
    report.measured_count = last_total_ - from_total_;
    report.measured_ns = last_ns_ - from_ns_;
  }

 private:
  std::int64_t warm_up_ns_, first_ns_ = 0, from_ns_ = 0, last_ns_ = 0;
  std::uint64_t from_total_ = 0, last_total_ = 0;
};

using server_part = std::function<std::error_code(wire&, server_report&)>;
using client_part = std::function<void(wire&, client_result&)>;

// Where a scenario takes its figures from.
enum class measured_by : std::uint8_t {
  client,
  server
};

// Sets both sides up, runs both parts, compares their books, and makes a sample of it. unit_bytes: payload of one counted thing.
std::expected<sample, std::error_code> run_both(const options& with, measured_by side, std::size_t unit_bytes,
    const server_part& server, const client_part& client);

// The server of pingpong and requests: each frame that came is parsed, summed and sent back, all of one read in one send.
std::error_code echo(wire& to, server_report& report);

}  // namespace hawser::bench::raw
