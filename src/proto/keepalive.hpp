// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/time.hpp>
#include <hawser/proto/limits.hpp>

#include <array>
#include <cstdint>
#include <optional>

// Liveness and round-trip time (spec/wire.md, section 9): when to ping, when to give up, how long a turn takes.

namespace hawser::inline v0::proto {

// Pure clockwork: it sends nothing. The client pings when a third of the idle timeout has passed without a frame received, or
// without one sent (a peer that only listens must still see signs of life); its pings and their answers keep both sides alive.
class keepalive {
 public:
  // secret: makes ping payloads unguessable, so that an answer proves that the ping was read.
  keepalive(role side, std::uint64_t secret, instant now) noexcept;

  // The smaller of the two sides' timeouts; 0 means never and is left out. Until called, there is no timeout.
  void set_idle_timeout(std::uint32_t ours_ms, std::uint32_t theirs_ms) noexcept;
  // How many unanswered pings the peer accepts (HELLO field 10); at most `slots` are used.
  void set_in_flight_max(std::uint8_t count) noexcept;

  void handle_received(instant now) noexcept { received_ = now; }     // a frame is complete
  void handle_sent(instant now) noexcept { sent_ = now; }             // frames were given to the transport

  enum class verdict : std::uint8_t { nothing, ping, idle };
  // ping: call begin_ping() and send it. idle: close with errc::idle.
  verdict handle_timeout(instant now) const noexcept;
  // When handle_timeout() has something to say next; `never` without a timeout.
  instant poll_timeout() const noexcept;
  // When it will say idle: what is left to wait for while a ping is asked for but could not leave yet.
  instant idle_due() const noexcept;

  // The payload of a ping that is framed now; nothing when too many are unanswered.
  std::optional<std::uint64_t> begin_ping(instant now) noexcept;
  // How long the ping took. Nothing: no ping with this payload is due (errc::protocol; answers come in the order of the pings).
  std::optional<duration> handle_answer(std::uint64_t payload, instant now) noexcept;
  std::uint8_t in_flight() const noexcept { return in_flight_; }
  bool may_ping() const noexcept { return in_flight_ < in_flight_max_; }

  // Another measurement of the same thing, for instance from a CREDIT to the data it let through.
  void handle_sample(duration took) noexcept;
  // True when a ping for the round trip's sake is in order: none is unanswered, and the last is 100 ms old or told nothing yet.
  bool wants_measurement(instant now) const noexcept;
  // Smoothed by eighths; zero: not known yet.
  duration round_trip() const noexcept { return std::chrono::microseconds(round_trip_us_); }
  // The least ever seen: the line without queues. 0: not known yet.
  duration shortest_round_trip() const noexcept { return std::chrono::microseconds(shortest_us_); }

  std::uint64_t secret() const noexcept { return secret_; }

  static constexpr std::uint8_t slots = 4;

 private:
  instant quiet_since() const noexcept { return received_ < sent_ ? received_ : sent_; }
  instant ping_due() const noexcept;
  std::uint64_t payload_of(std::uint32_t number) const noexcept;

  // what every frame touches, and every question for the next time-out
  instant received_;
  instant sent_;
  instant last_asked_;
  std::uint32_t idle_ms_ = 0;
  std::uint8_t in_flight_ = 0;
  std::uint8_t in_flight_max_ = slots;
  bool client_;
  // what pings touch
  std::uint32_t round_trip_us_ = 0;
  std::uint32_t shortest_us_ = 0;
  std::uint64_t secret_;
  std::array<std::uint32_t, slots> asked_us_{};   // when each unanswered ping left, in microseconds modulo 2^32
  std::uint32_t oldest_ = 0;                      // number of the oldest unanswered ping
};
static_assert(sizeof(keepalive) <= 72);

}  // namespace hawser::inline v0::proto
