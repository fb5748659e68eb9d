// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/peer/channel.hpp>

#include "peer/channel_state.hpp"
#include "peer/connection_state.hpp"

#include <hawser/proto/tlv.hpp>

#include <utility>

// The public face of channels: checks, and hands over to channel_state.

namespace hawser::inline v0 {
namespace {

struct header header_of(const proto::header_item& item) noexcept { return {item.key, as_text(item.value)}; }

std::string_view find_header(byte_view tlvs, std::string_view key) noexcept {
  const std::optional<byte_view> value = proto::tlv_reader(tlvs).find_header(key);
  return value ? as_text(*value) : std::string_view();
}

}  // namespace

channel& channel::operator=(channel&& other) noexcept {
  if (this != &other) {
    if (detail::channel_state* old = std::exchange(state_, std::exchange(other.state_, nullptr))) old->drop_handle();
  }
  return *this;
}
void channel::give_up() noexcept { std::exchange(state_, nullptr)->drop_handle(); }

connection channel::with() const noexcept { return detail::peer_connection::handle(state_ ? state_->with() : nullptr); }
std::string_view channel::operation() const noexcept { return state_ ? state_->operation() : std::string_view(); }

byte_view channel::peek() const noexcept { return state_ ? state_->peek() : byte_view(); }
void channel::consume(std::size_t count) { present()->consume(count); }
std::size_t channel::available() const noexcept { return state_ ? state_->available() : 0; }
bool channel::ended() const noexcept { return !state_ || state_->ended(); }

result<std::size_t> channel::try_write(byte_view bytes) { return present()->write_some(bytes); }
void channel::finish() { present()->finish(); }

void channel::stop_reading(errc reason) { present()->stop_reading(make_error_code(reason)); }
void channel::reset(errc reason) { present()->reset(make_error_code(reason), {}); }
void channel::reset(std::uint32_t application_code, std::string_view text) {
  present()->reset(make_application_error(application_code), text);
}
std::error_code channel::error() const noexcept { return state_ ? state_->error() : std::error_code(); }

void channel::set_user_state(std::shared_ptr<void> state) { present()->set_user_state(std::move(state)); }
void* channel::user_pointer() const noexcept { return state_ ? state_->user_state() : nullptr; }

// ---- request ----

std::optional<duration> request::deadline() const noexcept { return state_ ? state_->time_left() : std::nullopt; }
bool request::cancelled() const noexcept { return !state_ || state_->cancelled(); }

std::string_view request::header(std::string_view key) const noexcept {
  return state_ ? find_header(state_->head(), key) : std::string_view();
}

std::size_t request::header_count() const noexcept {
  std::size_t count = 0;
  if (!state_) return 0;
  proto::tlv_reader list(state_->head());
  for (proto::tlv_item item; list.next(item);) count += proto::as_header(item).has_value();
  return count;
}

struct header request::header_at(std::size_t index) const noexcept {
  if (!state_) return {};
  proto::tlv_reader list(state_->head());
  for (proto::tlv_item item; list.next(item);) {
    const std::optional<proto::header_item> one = proto::as_header(item);
    if (one && index-- == 0) return header_of(*one);
  }
  return {};
}

result<> request::respond_headers(std::span<const struct header> headers) { return present()->respond_headers(headers); }

// ---- outgoing_request ----

result<> outgoing_request::start() {
  if (!state_) return failure(errc::not_connected);
  return state_->start();
}
bool outgoing_request::started() const noexcept { return state_ && state_->started(); }
channel::headers_operation outgoing_request::headers() { return headers_operation(present()); }
std::string_view outgoing_request::answer_header(std::string_view key) const noexcept {
  return state_ ? find_header(state_->head(), key) : std::string_view();
}

// ---- the operations ----

void channel::read_operation::take_back() noexcept { state_->take_back(*this); }
void channel::write_operation::take_back() noexcept { state_->take_back(*this); }

channel::headers_operation::~headers_operation() {
  if (state_) state_->take_back(*this);
}
bool channel::headers_operation::await_ready() {
  if (!state_->attempt(*this)) return false;
  state_ = nullptr;
  return true;
}
void channel::headers_operation::await_suspend(std::coroutine_handle<> waiter) { state_->wait(*this, waiter); }
result<> channel::headers_operation::await_resume() { return outcome_; }

}  // namespace hawser::inline v0
