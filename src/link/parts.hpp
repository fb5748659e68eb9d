// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/link.hpp>

#include <algorithm>
#include <memory>
#include <vector>

namespace hawser::inline v0 {

// How fast a link may read: a bucket that fills with time, is emptied by arriving bytes, and stops reading while it is in debt.
class read_bucket {
 public:
  void set(std::uint64_t bytes_per_second, instant now) noexcept {
    rate_ = bytes_per_second;
    level_ = burst();
    filled_ = now;
  }
  bool limited() const noexcept { return rate_ != 0; }
  void debit(std::size_t bytes, instant now) noexcept {
    fill(now);
    level_ -= static_cast<double>(bytes);
  }
  bool in_debt() const noexcept { return level_ < 0; }
  // When it is out of debt.
  instant ready_at() const noexcept {
    const double seconds = -level_ / static_cast<double>(rate_);
    return after(filled_, std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9) + 1));
  }
  void fill(instant now) noexcept {
    const double seconds = std::chrono::duration<double>(now - filled_).count();
    level_ = std::min(level_ + seconds * static_cast<double>(rate_), burst());
    filled_ = now;
  }

 private:
  double burst() const noexcept { return static_cast<double>(rate_) / 4; }
  std::uint64_t rate_ = 0;
  double level_ = 0;
  instant filled_{};
};

// What most links do not have.
struct link::parts {
  std::vector<std::unique_ptr<stage>> stages;   // [0] is next to the socket
  std::size_t inner_bytes = 0;                  // what the protocol gave for the send in flight
  bool* gone = nullptr;                         // set by ~link while the protocol is being called
  read_bucket bucket;
  bool in_debt = false;                         // reading is paused for it
};

}  // namespace hawser::inline v0
