// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/payload.hpp"
#include "common/tally.hpp"

#include <algorithm>
#include <vector>

namespace hawser::bench {

// The client of paced, without any I/O: a burst is due every `gap`, on one connection after the other. What is late is not left out: its
// latency runs from when it was due, so that a stall is seen by everything that it kept waiting.
class pacer {
 public:
  pacer(const job& of, tally& counted)
      : of_(of), gap_ns_(std::chrono::nanoseconds(of.gap).count()), under_way_max_(std::max(of.burst, (std::size_t{64} << 10) / of.size)), under_way_(of.connections),
        numbers_(of.connections), source_(of.size), order_(of.connections), counted_(counted), measured_(of, counted) {}

  // Starts with the first call. A connection on which 64 KiB are under way has to wait.
  bool is_due(std::int64_t now) noexcept {
    if (due_ns_ == 0) due_ns_ = now;
    return !is_over_ && due_ns_ <= now && under_way_[turn_] + of_.burst <= under_way_max_;
  }
  std::int64_t due_ns() const noexcept { return due_ns_; }

  // Calls send(connection, message) for each of the burst that is due.
  template <class Send>
  void burst(Send&& send) {
    for (std::size_t i = 0; i < of_.burst; ++i) {
      send(turn_, source_.numbered(sequence_in(turn_, numbers_[turn_]++), due_ns_));
      sent_sum_ += source_.sum();
    }
    under_way_[turn_] += of_.burst;
    all_under_way_ += of_.burst;
    if (++turn_ == of_.connections) turn_ = 0;
    due_ns_ += gap_ns_;
  }

  void answered(std::size_t connection, std::span<const std::byte> message, std::int64_t now) {
    payload_head got;
    if (message.size() != of_.size) return counted_.fail("an answer of a wrong size");
    std::memcpy(&got, message.data(), sizeof got);
    if (!order_.follows(got.sequence) || got.sequence >> line_shift != connection) counted_.fail("an answer out of order");
    counted_.sum += sum_of(message);
    measured_.took(now - got.stamp_ns);
    measured_.arrived(now, 1);
    --under_way_[connection];
    --all_under_way_;
    is_over_ = is_over_ || measured_.is_over(now);
    if (is_done() && counted_.sum != sent_sum_) counted_.fail("the answers are not the questions");
  }
  bool is_done() const noexcept { return counted_.failed() || (is_over_ && all_under_way_ == 0); }

 private:
  const job& of_;
  std::int64_t gap_ns_, due_ns_ = 0;
  std::size_t under_way_max_;
  std::vector<std::size_t> under_way_;
  std::vector<std::uint64_t> numbers_;
  std::size_t turn_ = 0, all_under_way_ = 0;
  message_source source_;
  arrival_order order_;
  std::uint64_t sent_sum_ = 0;
  bool is_over_ = false;
  tally& counted_;
  meter measured_;
};

}  // namespace hawser::bench
