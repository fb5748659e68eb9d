// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <proto/credit.hpp>

#include <limits>
#include <utility>

namespace hawser::inline v0::proto {

// ---- recv_credit

std::uint32_t recv_credit::take_grant() noexcept {
  const auto room = static_cast<std::uint32_t>(std::clamp<std::int64_t>(credit_max - outstanding_, 0, credit_max));
  const std::uint32_t increment = std::min(returnable_, room);
  returnable_ -= increment;
  outstanding_ += increment;
  return increment;
}

std::uint32_t recv_credit::extra(std::uint32_t cost) noexcept {
  const std::int64_t room = credit_max - std::max<std::int64_t>(outstanding_ + returnable_, surplus_);
  const auto added = static_cast<std::uint32_t>(std::clamp<std::int64_t>(room, 0, cost));
  returnable_ += added;
  surplus_ += added;
  return added;
}

void recv_credit::raise(std::uint32_t by) noexcept {
  HAWSER_EXPECTS(outstanding_ + by <= credit_max, "credit beyond 2^31 - 1");
  window_ += by;
  outstanding_ += by;
}

std::uint32_t recv_credit::tune(std::uint32_t granted, instant now, duration round_trip, std::uint32_t most) noexcept {
  using namespace std::chrono_literals;
  lap_granted_ += std::min(granted, std::numeric_limits<std::uint32_t>::max() - lap_granted_);
  if (lap_granted_ < window_) return 0;
  const duration lap = now - lap_began_;
  // Half-window grants need two round trips' worth; the rest is slack. More only fills queues, which every small message then waits in.
  const duration quick = round_trip == duration::zero() ? duration::zero() : std::max<duration>(4 * round_trip, 50us);
  lap_granted_ = 0;
  lap_began_ = now;
  const auto limit = static_cast<std::uint32_t>(std::min<std::int64_t>(most, credit_max));
  if (lap >= quick || window_ >= limit) return 0;
  const std::uint32_t grown = std::min(window_, limit - window_);
  window_ += grown;
  returnable_ += grown;
  return grown;
}

// ---- reassembly_budget

bool reassembly_budget::enter(channel_id channel) {
  if (taken_ < places_) {
    ++taken_;
    return true;
  }
  waiting_.push_back(channel);
  return false;
}

channel_id reassembly_budget::leave() {
  HAWSER_EXPECTS(taken_ > 0, "a place was given up that nobody had");
  if (waiting_.empty()) {
    --taken_;
    return 0;
  }
  const channel_id next = waiting_.front();
  waiting_.erase(waiting_.begin());
  return next;
}

bool reassembly_budget::forget(channel_id channel) noexcept { return std::erase(waiting_, channel) != 0; }

}  // namespace hawser::inline v0::proto
