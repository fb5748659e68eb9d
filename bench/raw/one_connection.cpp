// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/sides.hpp"

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

// -- several under way: each request is one frame, or many

class asker {
 public:
  asker(wire& with, const job& of, tally& counted)
      : with_(with), frames_(of.what == workload::streamed ? pieces_of_a_request : 1), in_flight_max_(of.in_flight), counted_(counted), measured_(of, counted) {}

  void run() {
    now_ = now_ns();
    for (;;) {
      ask();
      if (asked_ == answered_) break;
      const bytes_view bytes = with_.exchange(out_);
      if (with_.ended() && bytes.empty()) return counted_.fail("it ended with questions open");
      in_.feed(bytes);
      if (!take_answers()) return;
    }
    if (sum_back_ != counted_.sum) counted_.fail("the answers are not the questions");
    counted_.count *= frames_;             // the server counts frames
  }

 private:
  void ask() {
    next_.stamp_ns = now_;
    while (!measured_.is_over(now_) && asked_ - answered_ < in_flight_max_ && out_.has_space(frames_)) {
      for (std::size_t i = 0; i < frames_; ++i) {
        out_.append(&next_);
        counted_.sum += sum_of(&next_);
        ++next_.sequence;
      }
      ++asked_;
    }
  }

  bool take_answers() {
    now_ = now_ns();
    const std::uint64_t before = answered_;
    while (const std::byte* bytes = in_.next()) {
      payload answer;
      std::memcpy(&answer, bytes, sizeof answer);
      if (answer.sequence != back_) return counted_.fail("an answer out of order"), false;
      ++back_;
      sum_back_ += sum_of(bytes);
      if (back_ % frames_ != 0) continue;
      ++answered_;
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
  std::size_t frames_, in_flight_max_;
  std::uint64_t asked_ = 0, answered_ = 0; // requests
  std::uint64_t back_ = 0, sum_back_ = 0;  // frames
  std::int64_t now_ = 0;
  tally& counted_;
  meter measured_;
};

}  // namespace

void serve(wire& with, const job& of, tally& counted) {
  switch (of.what) {
    case workload::stream:
    case workload::channels:
    case workload::threads: return sink(with, of, counted);
    case workload::bulk: return swallow(with, of, counted);
    default: return echo(with, counted);
  }
}

void drive(wire& with, const job& of, tally& counted) {
  switch (of.what) {
    case workload::open:
    case workload::pingpong: return ping(with, of, counted);
    case workload::stream:
    case workload::channels: return pour(with, of, counted);
    case workload::threads: return pour_from_threads(with, of, counted);
    case workload::bulk: return shovel(with, of, counted);
    default: return asker(with, of, counted).run();
  }
}

}  // namespace hawser::bench::raw
