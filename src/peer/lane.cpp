// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/lane.hpp"

#include "peer/connection_state.hpp"

#include <cstring>
#include <utility>

namespace hawser::inline v0 {

result<> remote_sender::send(byte_view message) {
  if (!lane_) return failure(errc::not_connected);
  return lane_->send(message);
}

result<> remote_sender::on_writable(std::move_only_function<void()> work) {
  if (!lane_) return failure(errc::not_connected);
  return lane_->on_writable(std::move(work));
}

namespace detail {
namespace {

constexpr std::size_t length_bytes = 4;

}  // namespace

lane::lane(remote way, std::size_t bytes_max, std::size_t message_bytes_max, peer_connection& to)
    : way_(std::move(way)), bytes_max_(bytes_max), message_bytes_max_(message_bytes_max), to_(&to) {}

// Only while no pump is on its way. A loop that is gone, or flooded by others, says no.
result<> lane::ask_for_pump() {
  if (pump_asked_) return {};
  const result<> posted = way_.post([self = shared_from_this()] { self->pump(); });
  pump_asked_ = posted.has_value();
  return posted;
}

result<> lane::send(byte_view message) {
  if (message.size() > message_bytes_max_) return failure(errc::message_too_big);
  const std::lock_guard hold(lock_);
  if (departed_) return failure(errc::not_connected);
  // One message always fits an empty lane, whatever the budget.
  const std::size_t needed = message.size() + length_bytes;
  if (bytes_held_ > 0 && bytes_held_ + needed > bytes_max_) return failure(errc::would_block);
  if (const result<> asked = ask_for_pump(); !asked) return asked;
  const std::size_t at = block_.size();
  block_.resize(at + needed);
  store_le(block_.data() + at, static_cast<std::uint32_t>(message.size()));
  if (!message.empty()) std::memcpy(block_.data() + at + length_bytes, message.data(), message.size());
  bytes_held_ += needed;
  return {};
}

result<> lane::on_writable(std::move_only_function<void()> work) {
  const std::lock_guard hold(lock_);
  if (departed_) return failure(errc::not_connected);
  // Room or not, the answer comes from the loop's thread.
  if (const result<> asked = ask_for_pump(); !asked) return asked;
  waiting_.push_back(std::move(work));
  return {};
}

bool lane::empty() {
  const std::lock_guard hold(lock_);
  return bytes_held_ == 0;
}

void lane::pump() {
  std::vector<std::move_only_function<void()>> woken;
  {
    const std::lock_guard hold(lock_);
    pump_asked_ = false;
  }
  push();
  {
    const std::lock_guard hold(lock_);
    if (bytes_held_ <= bytes_max_ / 2) woken.swap(waiting_);
  }
  for (auto& work : woken) work();
}

// Sends as long as the connection has room.
void lane::push() {
  // A hook of the user's that is told of a message may end the connection, which asks for this again.
  if (pushing_) return;
  pushing_ = true;
  while (to_) {
    if (sent_ == sending_.size()) {
      sending_.clear();
      sent_ = 0;
      const std::lock_guard hold(lock_);
      if (block_.empty()) break;
      sending_.swap(block_);
    }
    const std::size_t began = sent_;
    bool blocked = false;
    while (sent_ < sending_.size()) {
      const std::size_t size = load_le<std::uint32_t>(sending_.data() + sent_);
      const result<> sent = to_->send(byte_view(sending_).subspan(sent_ + length_bytes, size));
      if (!sent && sent.error() == errc::would_block) {
        blocked = true;
        break;
      }
      // Any other error ends the connection's sending; what is lost with it is not a matter of this lane.
      sent_ += length_bytes + size;
      if (!to_) break;
    }
    const std::lock_guard hold(lock_);
    if (departed_ || blocked) {
      if (!departed_) bytes_held_ -= sent_ - began;
      break;
    }
    bytes_held_ -= sent_ - began;
  }
  pushing_ = false;
}

void lane::depart() noexcept {
  to_ = nullptr;
  std::vector<std::move_only_function<void()>> waiting;
  {
    const std::lock_guard hold(lock_);
    departed_ = true;
    block_ = {};
    bytes_held_ = 0;
    waiting.swap(waiting_);
  }
  // Who waits for room learns of the end by trying. Not from in here: this may be a command of the user's.
  for (auto& work : waiting) static_cast<void>(way_.post(std::move(work)));
}

}  // namespace detail
}  // namespace hawser::inline v0
