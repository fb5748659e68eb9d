// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/peer/connection.hpp>

#include "peer/connection_state.hpp"

#include <utility>

namespace hawser::inline v0 {

connection::connection(detail::peer_connection* state) noexcept : state_(state) {
  if (state_) state_->retain();
}
connection::connection(const connection& other) noexcept : connection(other.state_) {}
connection::connection(connection&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
connection& connection::operator=(connection other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
connection::~connection() {
  if (state_) state_->release();
}

bool connection::is_open() const noexcept { return state_ && state_->is_open(); }
std::uint64_t connection::number() const noexcept { return state_ ? state_->number() : 0; }
std::string_view connection::name() const noexcept { return state_ ? state_->name() : std::string_view(); }
const peer_id& connection::id() const noexcept {
  static constexpr peer_id nobody{};
  return state_ ? state_->id() : nobody;
}
byte_view connection::metadata() const noexcept { return state_ ? state_->metadata() : byte_view(); }
endpoint connection::local_endpoint() const { return state_ ? state_->local() : endpoint(); }
endpoint connection::remote_endpoint() const { return state_ ? state_->remote() : endpoint(); }
peer* connection::owner() const noexcept { return state_ ? state_->core()->owner() : nullptr; }
connection_statistics connection::statistics() const { return state_ ? state_->statistics() : connection_statistics(); }

result<> connection::send(byte_view message) const { return state_ ? state_->send(message) : failure(errc::not_connected); }

result<> connection::send(const framed_messages& messages) const { return state_ ? state_->send(messages) : failure(errc::not_connected); }

void connection::cork() const {
  if (state_) state_->cork();
}
void connection::uncork() const {
  if (state_) state_->uncork();
}

void connection::close() const {
  if (state_) state_->close(0, state_->core()->options().stop_timeout, {});
}
void connection::close(errc reason, std::string_view text) const {
  if (state_) state_->close(error_to_wire(make_error_code(reason)), duration::zero(), text);
}
void connection::abort() const {
  if (state_) state_->abort();
}

void connection::set_user_state(std::shared_ptr<void> state) const {
  if (state_) state_->set_user_state(std::move(state));
}
void* connection::user_pointer() const noexcept { return state_ ? state_->user_pointer() : nullptr; }

}  // namespace hawser::inline v0
