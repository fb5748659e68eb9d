// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/contract.hpp>
#include <proto/keepalive.hpp>

#include <algorithm>
#include <chrono>

namespace hawser::inline v0::proto {
namespace {

using namespace std::chrono_literals;

std::uint32_t microseconds_of(instant now) noexcept {
  return static_cast<std::uint32_t>(std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch()).count());
}

constexpr duration measurement_gap = 100ms;

}  // namespace

keepalive::keepalive(role side, std::uint64_t secret, instant now) noexcept
    : received_(now), sent_(now), last_asked_(now), client_(side == role::client), secret_(secret) {}

void keepalive::set_idle_timeout(std::uint32_t ours_ms, std::uint32_t theirs_ms) noexcept {
  idle_ms_ = ours_ms == 0 ? theirs_ms : theirs_ms == 0 ? ours_ms : std::min(ours_ms, theirs_ms);
}

void keepalive::set_in_flight_max(std::uint8_t count) noexcept { in_flight_max_ = std::clamp<std::uint8_t>(count, 1, slots); }

instant keepalive::ping_due() const noexcept {
  if (!client_ || idle_ms_ == 0 || in_flight_ >= in_flight_max_) return never;
  // One ping a third, answered or not: a peer that is slow to answer is not asked faster.
  return after(std::max(quiet_since(), last_asked_), std::chrono::milliseconds(idle_ms_) / 3);
}

instant keepalive::idle_due() const noexcept { return idle_ms_ == 0 ? never : after(received_, std::chrono::milliseconds(idle_ms_)); }

keepalive::verdict keepalive::handle_timeout(instant now) const noexcept {
  if (now >= idle_due()) return verdict::idle;
  return now >= ping_due() ? verdict::ping : verdict::nothing;
}

instant keepalive::poll_timeout() const noexcept { return std::min(ping_due(), idle_due()); }

std::uint64_t keepalive::payload_of(std::uint32_t number) const noexcept {
  std::uint64_t mixed = secret_ + number * std::uint64_t{0x9e37'79b9'7f4a'7c15};
  mixed = (mixed ^ mixed >> 32) * 0xd6e8'feb8'6659'fd93;
  mixed = (mixed ^ mixed >> 32) * 0xd6e8'feb8'6659'fd93;
  return mixed ^ mixed >> 32;
}

std::optional<std::uint64_t> keepalive::begin_ping(instant now) noexcept {
  if (in_flight_ >= in_flight_max_) return std::nullopt;
  const std::uint32_t number = oldest_ + in_flight_;
  asked_us_[number % slots] = microseconds_of(now);
  last_asked_ = now;
  ++in_flight_;
  return payload_of(number);
}

std::optional<duration> keepalive::handle_answer(std::uint64_t payload, instant now) noexcept {
  if (in_flight_ == 0 || payload != payload_of(oldest_)) return std::nullopt;
  const duration took = std::chrono::microseconds(microseconds_of(now) - asked_us_[oldest_ % slots]);
  ++oldest_;
  --in_flight_;
  handle_sample(took);
  return took;
}

void keepalive::handle_sample(duration took) noexcept {
  const auto sample = std::clamp<std::int64_t>(std::chrono::duration_cast<std::chrono::microseconds>(took).count(), 1, UINT32_MAX / 8);
  const auto us = static_cast<std::uint32_t>(sample);
  shortest_us_ = shortest_us_ == 0 ? us : std::min(shortest_us_, us);
  round_trip_us_ = round_trip_us_ == 0 ? us : static_cast<std::uint32_t>((std::uint64_t{round_trip_us_} * 7 + us) / 8);
}

bool keepalive::wants_measurement(instant now) const noexcept {
  return in_flight_ == 0 && (round_trip_us_ == 0 || now - last_asked_ >= measurement_gap);
}

}  // namespace hawser::inline v0::proto
