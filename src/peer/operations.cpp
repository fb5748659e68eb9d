// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/operations.hpp"

#include <algorithm>
#include <bit>

namespace hawser::inline v0 {

duration operation_statistics::percentile(double part) const noexcept {
  std::uint64_t total = 0;
  for (const std::uint64_t count : latency) total += count;
  if (total == 0) return duration::zero();
  const double wanted = std::clamp(part, 0.0, 1.0) * static_cast<double>(total);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < latency.size(); ++i) {
    seen += latency[i];
    if (seen > 0 && static_cast<double>(seen) >= wanted) return duration(std::int64_t{1} << (i + 1));
  }
  return duration(std::int64_t{1} << latency.size());
}

namespace detail {

outcome outcome_of(std::error_code reason) noexcept {
  if (reason.category() != hawser_category()) return outcome::failed;
  switch (static_cast<errc>(reason.value())) {
    case errc::refused: return outcome::refused;
    case errc::cancelled: return outcome::cancelled;
    case errc::deadline: return outcome::expired;
    case errc::connection_lost:
    case errc::closed:
    case errc::not_connected: return outcome::lost;
    default: return outcome::failed;
  }
}

void operation_entry::begin() noexcept {
  ++counts.started;
  ++counts.running;
}

// A handler that ends in the turn in which it began takes less time than two looks at the clock: one in so many is timed.
duration operation_entry::took(instant began, loop& on) noexcept {
  constexpr std::uint32_t timed_one_in = 16;
  if (began != on.now()) return on.engine().now() - began;
  if (quick_count_++ % timed_one_in == 0) quick_ = on.engine().now() - began;
  return quick_;
}

void operation_entry::end(outcome how, instant began, loop& on) noexcept {
  --counts.running;
  switch (how) {
    case outcome::none:
    case outcome::answered: {
      ++counts.answered;
      const auto ns = static_cast<std::uint64_t>(std::max<std::int64_t>(took(began, on).count(), 1));
      ++counts.latency[std::min<std::size_t>(static_cast<std::size_t>(std::bit_width(ns)) - 1, counts.latency.size() - 1)];
      break;
    }
    case outcome::refused:      // a handler that says `refused` has failed, as far as the sums go
    case outcome::failed: ++counts.failed; break;
    case outcome::cancelled: ++counts.cancelled; break;
    case outcome::expired: ++counts.expired; break;
    case outcome::lost: ++counts.lost; break;
  }
}

void operation_registry::set(std::string name, peer::request_handler handler, operation_options options) {
  HAWSER_EXPECTS(!name.empty() && name.size() <= 255, "an operation's name has 1-255 bytes");
  HAWSER_EXPECTS(static_cast<bool>(handler), "an operation needs a handler");
  auto found = entries_.find(std::string_view(name));
  if (found == entries_.end()) {
    auto entry = std::make_unique<operation_entry>();
    entry->name = name;
    entry->counts.operation = entry->name;
    found = entries_.emplace(std::move(name), std::move(entry)).first;
  }
  ref<handler_record> record(new handler_record);
  record->call = std::move(handler);
  record->options = options;
  found->second->handler = std::move(record);
}

void operation_registry::remove(std::string_view name) {
  if (operation_entry* entry = find(name)) entry->handler = nullptr;
}

void operation_registry::clear_handlers() {
  for (auto& [name, entry] : entries_) entry->handler = nullptr;
}

operation_entry* operation_registry::find(std::string_view name) noexcept {
  if (newest_ && newest_->name == name) return newest_;
  const auto found = entries_.find(name);
  if (found != entries_.end()) newest_ = found->second.get();
  return found == entries_.end() ? nullptr : newest_;
}

std::vector<operation_statistics> operation_registry::statistics() const {
  std::vector<operation_statistics> out;
  out.reserve(entries_.size());
  for (const auto& [name, entry] : entries_) out.push_back(entry->counts);
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.operation < b.operation; });
  return out;
}

}  // namespace detail
}  // namespace hawser::inline v0
