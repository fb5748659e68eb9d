// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/sides.hpp"

#include <algorithm>
#include <vector>

namespace hawser::bench::raw {

namespace {

// -- there and back: each frame that came is parsed, summed and sent back, all of one receive in one send

void echo(wire& with, tally& counted) {
  frame_reader in;
  frame_writer out;
  for (;;) {
    const bytes_view bytes = with.receive();
    if (bytes.empty() || !with.flush()) return;
    out.clear();
    in.feed(bytes);
    while (const std::byte* payload = in.next()) {
      ++counted.count;
      counted.sum += sum_of(payload);
      if (!out.has_space()) {              // a frame that was cut made it one more than fits
        if (!with.send(out.data(), out.bytes()) || !with.flush()) return;
        out.clear();
      }
      out.append(payload);
    }
    if (in.is_broken()) return counted.fail("a frame of a wrong length");
    if (out.bytes() > 0 && !with.send(out.data(), out.bytes())) return;
  }
}

void ping(wire& with, const job& of, tally& counted) {
  frame_reader in;
  payload sent;
  std::byte frame[frame_bytes];
  meter measured(of, counted);
  for (std::int64_t began = now_ns(); !measured.is_over(began);) {
    if (!with.flush()) return;
    write_frame(frame, &sent);
    if (!with.send(frame, sizeof frame)) return;
    counted.sum += sum_of(&sent);
    const std::byte* answer = nullptr;
    while ((answer = in.next()) == nullptr) {
      if (in.is_broken()) return counted.fail("a frame of a wrong length");
      const bytes_view bytes = with.receive();
      if (bytes.empty()) return counted.fail("no answer");
      in.feed(bytes);
    }
    if (std::memcmp(answer, &sent, payload_bytes) != 0) return counted.fail("a wrong answer");
    ++sent.sequence;
    const std::int64_t ended = now_ns();
    measured.took(ended - began);
    measured.arrived(ended, 1);
    began = ended;
  }
}

// -- frames one way

void sink(wire& from, const job& of, tally& counted) {
  frame_reader in;
  meter measured(of, counted);
  std::uint64_t expected = 0;
  for (;;) {
    const bytes_view bytes = from.receive();
    if (bytes.empty()) return;
    in.feed(bytes);
    const std::int64_t now = now_ns();
    const std::uint64_t before = expected;
    while (const std::byte* at = in.next()) {
      payload got;
      std::memcpy(&got, at, sizeof got);
      if (got.sequence != expected) return counted.fail("a frame out of order");
      ++expected;
      counted.sum += sum_of(at);
      if (got.stamp_ns != 0) measured.took(now - got.stamp_ns);
    }
    if (in.is_broken()) return counted.fail("a frame of a wrong length");
    measured.arrived(now, expected - before);
  }
}

void pour(wire& to, const job& of, tally& counted) {
  frame_writer out;
  payload next;
  const std::int64_t until = end_of(of);
  for (std::int64_t now = now_ns(); now < until; now = now_ns()) {
    if (!to.flush()) return;
    out.clear();
    next.stamp_ns = now;                   // only the first frame of a buffer carries the time
    while (out.has_space()) {
      out.append(&next);
      counted.sum += sum_of(&next);
      ++next.sequence;
      next.stamp_ns = 0;
    }
    if (!to.send(out.data(), out.bytes())) return;
    counted.count = next.sequence;
  }
  to.flush();
}

// -- frames there and back, several under way

class asker {
 public:
  asker(wire& with, const job& of, tally& counted) : with_(with), in_flight_max_(of.in_flight), counted_(counted), measured_(of, counted) {}

  void run() {
    now_ = now_ns();
    for (;;) {
      ask();
      if (under_way_ == 0) break;
      const bytes_view bytes = with_.exchange(out_);
      if (with_.ended() && bytes.empty()) return counted_.fail("it ended with questions open");
      in_.feed(bytes);
      if (!take_answers()) return;
    }
    if (sum_back_ != counted_.sum) counted_.fail("the answers are not the questions");
  }

 private:
  void ask() {
    next_.stamp_ns = now_;
    while (!measured_.is_over(now_) && under_way_ < in_flight_max_ && out_.has_space()) {
      out_.append(&next_);
      counted_.sum += sum_of(&next_);
      ++next_.sequence;
      ++under_way_;
    }
  }

  bool take_answers() {
    now_ = now_ns();
    const std::uint64_t before = answered_;
    while (const std::byte* bytes = in_.next()) {
      payload answer;
      std::memcpy(&answer, bytes, sizeof answer);
      if (answer.sequence != answered_) return counted_.fail("an answer out of order"), false;
      ++answered_;
      --under_way_;
      sum_back_ += sum_of(bytes);
      measured_.took(now_ - answer.stamp_ns);
    }
    if (in_.is_broken()) return counted_.fail("a frame of a wrong length"), false;
    if (answered_ != before) measured_.arrived(now_, answered_ - before);
    return true;
  }

  wire& with_;
  frame_reader in_;
  frame_writer out_;
  payload next_;
  std::size_t in_flight_max_, under_way_ = 0;
  std::uint64_t answered_ = 0, sum_back_ = 0;
  std::int64_t now_ = 0;
  tally& counted_;
  meter measured_;
};

// -- blocks one way

struct block_head {
  std::uint64_t sequence = 0;
  std::int64_t stamp_ns = 0;
};

void swallow(wire& from, const job& of, tally& counted) {
  meter measured(of, counted);
  block_head head;
  std::uint64_t expected = 0;
  std::size_t position = 0;                // in the current block
  for (;;) {
    bytes_view bytes = from.receive();
    if (bytes.empty()) break;
    std::int64_t now = 0;
    const std::uint64_t before = expected;
    while (!bytes.empty()) {
      const std::size_t step = std::min(bytes.size(), of.size - position);
      if (position < sizeof head) std::memcpy(reinterpret_cast<std::byte*>(&head) + position, bytes.data(), std::min(step, sizeof head - position));
      bytes = bytes.subspan(step);
      position += step;
      if (position < of.size) break;
      position = 0;
      if (now == 0) now = now_ns();
      if (head.sequence != expected) return counted.fail("a block out of order");
      ++expected;
      counted.sum += head.sequence + static_cast<std::uint64_t>(head.stamp_ns);
      measured.took(now - head.stamp_ns);
    }
    if (now != 0) measured.arrived(now, expected - before);
  }
  if (position != 0) counted.fail("a block is not whole");
}

void shovel(wire& to, const job& of, tally& counted) {
  std::vector<std::byte> block(of.size, std::byte{0x5a});
  block_head head;
  const std::int64_t until = end_of(of);
  for (std::int64_t now = now_ns(); now < until; now = now_ns()) {
    if (!to.flush()) return;
    head.stamp_ns = now;
    std::memcpy(block.data(), &head, sizeof head);
    if (!to.send(block.data(), block.size())) return;
    counted.sum += head.sequence + static_cast<std::uint64_t>(head.stamp_ns);
    counted.count = ++head.sequence;
  }
  to.flush();
}

}  // namespace

void serve(wire& with, const job& of, tally& counted) {
  switch (of.what) {
    case workload::stream: return sink(with, of, counted);
    case workload::bulk: return swallow(with, of, counted);
    default: return echo(with, counted);
  }
}

void drive(wire& with, const job& of, tally& counted) {
  switch (of.what) {
    case workload::pingpong: return ping(with, of, counted);
    case workload::stream: return pour(with, of, counted);
    case workload::bulk: return shovel(with, of, counted);
    default: return asker(with, of, counted).run();
  }
}

}  // namespace hawser::bench::raw
