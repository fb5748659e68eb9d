// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/time.hpp>

#include <algorithm>
#include <cstdint>

// Refilling buckets against abuse (spec/wire.md, section 6). A bucket may go into debt by what one read holds; the link pauses
// reading until the debt is paid, and more than a second of debt ends the connection with errc::calm.

namespace hawser::inline v0::proto {

// The clock of buckets: milliseconds, modulo 2^32. One per turn is enough.
using bucket_time = std::uint32_t;
constexpr bucket_time to_bucket_time(instant now) noexcept {
  return static_cast<bucket_time>(std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch()).count());
}

// How a bucket fills; kept outside it, so that a bucket is 8 bytes.
struct bucket_rate {
  std::int32_t burst;              // tokens when full
  std::uint32_t per_second;        // refill, at least 1
};

class bucket {
 public:
  bucket(bucket_rate rate, bucket_time now) noexcept : level_(rate.burst), since_(now) {}

  // Takes `count` tokens whether they are there or not.
  void charge(std::int32_t count, bucket_rate rate, bucket_time now) noexcept {
    refill(rate, now);
    level_ = static_cast<std::int32_t>(std::max<std::int64_t>(std::int64_t{level_} - count, INT32_MIN));
  }
  // Gives tokens back, up to the burst.
  void refund(std::int32_t count, bucket_rate rate) noexcept {
    level_ = static_cast<std::int32_t>(std::min<std::int64_t>(std::int64_t{level_} + count, rate.burst));
  }
  // Tokens there now; negative: debt.
  std::int32_t level(bucket_rate rate, bucket_time now) noexcept {
    refill(rate, now);
    return level_;
  }
  bool in_debt() const noexcept { return level_ < 0; }      // as of the last charge()
  // Until the debt is paid; zero when there is none.
  duration debt(bucket_rate rate, bucket_time now) noexcept;

 private:
  void refill(bucket_rate rate, bucket_time now) noexcept {
    const bucket_time elapsed_ms = now - since_;
    if (elapsed_ms != 0) refill_slow(elapsed_ms, rate, now);
  }
  void refill_slow(bucket_time elapsed_ms, bucket_rate rate, bucket_time now) noexcept;

  std::int32_t level_;
  bucket_time since_;              // up to when refilled; fractions of a token stay in here as time
};
static_assert(sizeof(bucket) == 8);

inline constexpr bucket_rate control_rate{4'096, 1'000};
inline constexpr std::uint32_t opens_per_second_min = 100;
inline constexpr duration debt_max = std::chrono::seconds(1);

// All buckets of one connection. Feed it what happens; ask verdict() once per read.
class abuse_meter {
 public:
  // channels_max: what this side announced.
  abuse_meter(std::uint32_t channels_max, bucket_time now) noexcept;

  // DATA and OPEN frames that this side sent: each pays for two CREDIT or STOP frames of the peer.
  void frames_sent(std::uint32_t count) noexcept {
    replies_paid_ = static_cast<std::uint32_t>(std::min<std::uint64_t>(std::uint64_t{replies_paid_} + 2ull * count, UINT32_MAX));
  }
  // CREDIT or STOP arrived, also one that crossed the end of its channel.
  void reply_received(bucket_time now) noexcept {
    if (replies_paid_ != 0) [[likely]] --replies_paid_;
    else control_.charge(1, control_rate, now);
  }
  // PING that asks, GOAWAY, RESET of a free id, a skipped frame.
  void control_received(bucket_time now) noexcept { control_.charge(1, control_rate, now); }
  void open_received(bucket_time now) noexcept { opens_.charge(1, open_rate(), now); }
  // A channel that the peer opened has ended well: its charge comes back, and earns the peer one open that may end otherwise. At once:
  // who cancels half of its calls must not run dry between two looks, however fast it calls.
  void open_completed() noexcept { opens_.refund(2, open_rate()); }

  enum class verdict : std::uint8_t { sound, pause, calm };
  // pause: read nothing for debt(now). calm: end the connection with errc::calm.
  verdict judge(bucket_time now) noexcept;
  duration debt(bucket_time now) noexcept;
  // Nothing is taken from any bucket.
  bool full(bucket_time now) noexcept {
    return control_.level(control_rate, now) == control_rate.burst && opens_.level(open_rate(), now) == open_burst_;
  }

 private:
  bucket_rate open_rate() const noexcept { return {open_burst_, opens_per_second_min}; }

  bucket control_;
  bucket opens_;
  std::int32_t open_burst_;
  std::uint32_t replies_paid_ = 64;
};
static_assert(sizeof(abuse_meter) <= 24);

}  // namespace hawser::inline v0::proto
