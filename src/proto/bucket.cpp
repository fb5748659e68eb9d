// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <proto/bucket.hpp>

namespace hawser::inline v0::proto {

void bucket::refill_slow(bucket_time elapsed_ms, bucket_rate rate, bucket_time now) noexcept {
  const std::uint64_t tokens = std::uint64_t{elapsed_ms} * rate.per_second / 1'000;
  const std::int64_t filled = level_ + static_cast<std::int64_t>(tokens);
  if (filled >= rate.burst) {
    level_ = rate.burst;
    since_ = now;
    return;
  }
  // Only the time that made whole tokens is used up, so that slow rates lose nothing to frequent looks.
  level_ = static_cast<std::int32_t>(filled);
  since_ += static_cast<bucket_time>(tokens * 1'000 / rate.per_second);
}

duration bucket::debt(bucket_rate rate, bucket_time now) noexcept {
  refill(rate, now);
  if (level_ >= 0) return duration::zero();
  const std::uint64_t owed = static_cast<std::uint64_t>(-std::int64_t{level_});
  return std::chrono::milliseconds((owed * 1'000 + rate.per_second - 1) / rate.per_second);
}

// ---- abuse_meter

namespace {

std::int32_t burst_for(std::uint32_t channels_max) noexcept {
  return static_cast<std::int32_t>(std::min<std::uint64_t>(2ull * channels_max, INT32_MAX));
}

}  // namespace

abuse_meter::abuse_meter(std::uint32_t channels_max, bucket_time now) noexcept
    : control_(control_rate, now),
      opens_({burst_for(channels_max), opens_per_second_min}, now),
      open_burst_(burst_for(channels_max)) {}

duration abuse_meter::debt(bucket_time now) noexcept {
  return std::max(control_.debt(control_rate, now), opens_.debt(open_rate(), now));
}

abuse_meter::verdict abuse_meter::judge(bucket_time now) noexcept {
  if (!control_.in_debt() && !opens_.in_debt()) [[likely]] return verdict::sound;
  const duration owed = debt(now);
  return owed > debt_max ? verdict::calm : owed > duration::zero() ? verdict::pause : verdict::sound;
}

}  // namespace hawser::inline v0::proto
