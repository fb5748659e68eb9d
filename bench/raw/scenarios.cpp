// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/raw.hpp"
#include "raw/wire.hpp"

#include <algorithm>
#include <vector>

namespace hawser::bench::raw {

namespace {

std::unexpected<std::error_code> wrong_argument() { return std::unexpected(std::make_error_code(std::errc::invalid_argument)); }
const std::error_code broken = std::make_error_code(std::errc::bad_message);

bool is_sound(const options& with) { return with.warm_up.count() >= 0 && with.measured.count() > 0; }

// -- one frame there and back at a time

void ping(wire& to, client_result& result, const options& with) {
  frame_reader in;
  frame_writer out;
  payload sent;
  const schedule plan(with);
  std::int64_t began = now_ns(), measured_from = 0;
  while (began < plan.until_ns) {
    out.append(&sent);
    if (!to.write_all(out.data(), out.bytes())) break;
    out.taken(out.bytes());
    ++result.frames_sent;
    result.sum_sent += sum_of(&sent);
    const std::byte* answer = nullptr;
    while ((answer = in.next()) == nullptr && !in.is_broken()) {
      const ssize_t n = to.read_some(in.space(), in.space_bytes());
      if (n <= 0) break;
      in.filled(static_cast<std::size_t>(n));
    }
    if (answer == nullptr || std::memcmp(answer, &sent, payload_bytes) != 0) {
      result.error = to.error() ? to.error() : broken;
      return;
    }
    ++sent.sequence;
    const std::int64_t ended = now_ns();
    if (measured_from != 0) {
      result.latency.record(ended - began);
      ++result.measured_count;
      result.measured_ns = ended - measured_from;
    } else if (ended >= plan.measure_from_ns) {
      measured_from = ended;
    }
    began = ended;
  }
  result.error = to.error();
}

// -- frames one way

std::error_code sink(wire& from, server_report& report, const options& with) {
  frame_reader in;
  arrival_meter meter(with);
  for (;;) {
    const ssize_t n = from.read_some(in.space(), in.space_bytes());
    if (n <= 0) {
      meter.give(report);
      return n == 0 ? std::error_code() : from.error();
    }
    in.filled(static_cast<std::size_t>(n));
    report.bytes += static_cast<std::uint64_t>(n);
    const std::int64_t now = now_ns();
    while (const std::byte* bytes = in.next()) {
      payload got;
      std::memcpy(&got, bytes, sizeof got);
      if (got.sequence != report.frames) return broken;
      ++report.frames;
      report.sum += sum_of(bytes);
      if (got.stamp_ns != 0 && meter.is_measuring()) report.latency.record(now - got.stamp_ns);
    }
    if (in.is_broken()) return broken;
    meter.arrived(now, report.frames);
  }
}

void pour(wire& to, client_result& result, const options& with) {
  frame_writer out;
  payload next;
  const schedule plan(with);
  for (std::int64_t now = now_ns(); now < plan.until_ns; now = now_ns()) {
    next.stamp_ns = now;                   // only the first frame of a buffer carries the time
    while (out.has_space()) {
      out.append(&next);
      result.sum_sent += sum_of(&next);
      ++next.sequence;
      next.stamp_ns = 0;
    }
    if (!to.write_all(out.data(), out.bytes())) break;
    out.taken(out.bytes());
    result.frames_sent = next.sequence;
  }
  result.error = to.error();
}

// -- frames there and back, several under way

class asker {
 public:
  asker(wire& to, client_result& result, const options& with, std::size_t in_flight)
      : to_(to), result_(result), plan_(with), in_flight_max_(in_flight) {}

  void run() {
    now_ = now_ns();
    while (is_asking() || under_way_ > 0) {
      ask();
      if (!exchange()) break;
      if (!take_answers()) break;
    }
    if (sum_back_ != result_.sum_sent && !to_.error()) result_.error = broken;
    if (to_.error()) result_.error = to_.error();
  }

 private:
  bool is_asking() const { return now_ < plan_.until_ns; }

  void ask() {
    next_.stamp_ns = now_;
    while (is_asking() && under_way_ < in_flight_max_ && out_.has_space()) {
      out_.append(&next_);
      result_.sum_sent += sum_of(&next_);
      ++next_.sequence;
      ++under_way_;
    }
    result_.frames_sent = next_.sequence;
  }

  // Sends what is there and waits for answers. While the kernel takes no more, answers have to be read, or both sides would wait.
  bool exchange() {
    while (out_.bytes() > 0) {
      const ssize_t sent = to_.try_write(out_.data(), out_.bytes());
      if (sent < 0) return false;
      out_.taken(static_cast<std::size_t>(sent));
      if (out_.bytes() == 0) break;
      const ssize_t n = to_.try_read(in_.space(), in_.space_bytes());
      if (n >= 0) return got(n);
      if (n == -1 || !to_.wait_either()) return false;
    }
    return got(to_.read_some(in_.space(), in_.space_bytes()));
  }

  bool got(ssize_t bytes) {
    if (bytes <= 0) {
      if (!to_.error()) result_.error = broken;  // the server ended with questions open
      return false;
    }
    in_.filled(static_cast<std::size_t>(bytes));
    return true;
  }

  bool take_answers() {
    now_ = now_ns();
    while (const std::byte* bytes = in_.next()) {
      payload answer;
      std::memcpy(&answer, bytes, sizeof answer);
      if (answer.sequence != answered_) {
        result_.error = broken;
        return false;
      }
      ++answered_;
      --under_way_;
      sum_back_ += sum_of(bytes);
      if (measured_from_ != 0) {
        result_.latency.record(now_ - answer.stamp_ns);
        ++result_.measured_count;
      }
    }
    if (measured_from_ != 0) result_.measured_ns = now_ - measured_from_;
    else if (now_ >= plan_.measure_from_ns) measured_from_ = now_;
    if (in_.is_broken()) result_.error = broken;
    return !in_.is_broken();
  }

  wire& to_;
  client_result& result_;
  schedule plan_;
  frame_reader in_;
  frame_writer out_;
  payload next_;
  std::size_t in_flight_max_, under_way_ = 0;
  std::uint64_t answered_ = 0, sum_back_ = 0;
  std::int64_t now_ = 0, measured_from_ = 0;
};

// -- blocks one way

struct block_head {
  std::uint64_t sequence = 0;
  std::int64_t stamp_ns = 0;
};

std::error_code swallow(wire& from, server_report& report, const options& with, std::size_t block_bytes) {
  std::vector<std::byte> buffer(std::min(block_bytes, 4 * buffer_bytes));
  arrival_meter meter(with);
  block_head head;
  std::size_t position = 0;                // in the current block
  for (;;) {
    const ssize_t n = from.read_some(buffer.data(), buffer.size());
    if (n <= 0) {
      meter.give(report);
      return n == 0 && position == 0 ? std::error_code() : n == 0 ? broken
                                                                  : from.error();
    }
    report.bytes += static_cast<std::uint64_t>(n);
    const std::byte* at = buffer.data();
    std::size_t left = static_cast<std::size_t>(n);
    std::int64_t now = 0;
    while (left > 0) {
      const std::size_t step = std::min(left, block_bytes - position);
      if (position < sizeof head) {
        std::memcpy(reinterpret_cast<std::byte*>(&head) + position, at, std::min(step, sizeof head - position));
      }
      at += step;
      left -= step;
      position += step;
      if (position < block_bytes) break;
      position = 0;
      if (now == 0) now = now_ns();
      if (head.sequence != report.frames) return broken;
      ++report.frames;
      report.sum += head.sequence + static_cast<std::uint64_t>(head.stamp_ns);
      if (meter.is_measuring()) report.latency.record(now - head.stamp_ns);
    }
    if (now != 0) meter.arrived(now, report.frames);
  }
}

void shovel(wire& to, client_result& result, const options& with, std::size_t block_bytes) {
  std::vector<std::byte> block(block_bytes, std::byte{0x5a});
  block_head head;
  const schedule plan(with);
  for (std::int64_t now = now_ns(); now < plan.until_ns; now = now_ns()) {
    head.stamp_ns = now;
    std::memcpy(block.data(), &head, sizeof head);
    if (!to.write_all(block.data(), block.size())) break;
    result.sum_sent += head.sequence + static_cast<std::uint64_t>(head.stamp_ns);
    result.frames_sent = ++head.sequence;
  }
  result.error = to.error();
}

}  // namespace

std::expected<sample, std::error_code> run_pingpong(const options& with) {
  if (!is_sound(with)) return wrong_argument();
  return run_both(with, measured_by::client, payload_bytes, echo, [&](wire& to, client_result& result) { ping(to, result, with); });
}

std::expected<sample, std::error_code> run_stream(const options& with) {
  if (!is_sound(with)) return wrong_argument();
  return run_both(
      with, measured_by::server, payload_bytes, [&](wire& from, server_report& report) { return sink(from, report, with); },
      [&](wire& to, client_result& result) { pour(to, result, with); });
}

std::expected<sample, std::error_code> run_requests(const options& with, std::size_t in_flight) {
  if (!is_sound(with) || in_flight == 0 || in_flight > 65536) return wrong_argument();
  return run_both(with, measured_by::client, payload_bytes, echo,
      [&](wire& to, client_result& result) { asker(to, result, with, in_flight).run(); });
}

std::expected<sample, std::error_code> run_bulk(const options& with, std::size_t block_bytes) {
  if (!is_sound(with) || block_bytes < 64 || block_bytes > (std::size_t{64} << 20)) return wrong_argument();
  return run_both(
      with, measured_by::server, block_bytes, [&](wire& from, server_report& report) { return swallow(from, report, with, block_bytes); },
      [&](wire& to, client_result& result) { shovel(to, result, with, block_bytes); });
}

}  // namespace hawser::bench::raw
