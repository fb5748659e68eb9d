// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/connection_extras.hpp"
#include "peer/connection_state.hpp"

#include <utility>

// What users, their channels and other threads have a connection do.

namespace hawser::inline v0::detail {
namespace {

constexpr std::size_t large_message_bytes_min = 32 * 1024;

}  // namespace

void peer_connection::transmit_later() noexcept {
  if (!self_) return link_.transmit_later();
  if (extras_->pair) extras_->pair->pump_later();
}

void peer_connection::transmit_and_drain_later() noexcept {
  transmit_later();
  if (!torn_) core_->home().post(*this);
}

// What users are told of a message that was not taken.
result<> peer_connection::refused(std::error_code why) noexcept {
  if (why == errc::would_block) send_blocked_ = true;
  else if (why != errc::message_too_big) return failure(errc::not_connected);
  return failure(why);
}

result<> peer_connection::send_large(byte_view message) {
  struct line final : proto::outlet {
    explicit line(link& on) : to(on) {}
    std::size_t try_send(std::span<const byte_view> pieces) override { return to.try_send(pieces); }
    link& to;
  } out(link_);
  const result<> sent = wire_->send(proto::message_channel, message, out);
  if (wire_->event_due()) changed();
  return sent;
}

result<> peer_connection::send(byte_view message) {
  if (phase_ != phase::open) return failure(errc::not_connected);
  const bool large = message.size() >= large_message_bytes_min && !self_ && !corked_;
  const result<> sent = large ? send_large(message) : wire_->send(proto::message_channel, message);
  if (!sent) return refused(sent.error());
  touch();
  if (peer_hooks* hooks = core_->hooks()) [[unlikely]] tell_sending(*hooks, message.size());
  return {};
}

// Apart, so that who has no hook saves no registers for it.
[[gnu::noinline]] void peer_connection::tell_sending(peer_hooks& hooks, std::size_t bytes) {
  connection to(this);
  hooks.sending(to, peer_hooks::traffic::message, {}, bytes);
}

result<> peer_connection::send(const framed_messages& messages) {
  if (phase_ != phase::open) return failure(errc::not_connected);
  const result<> sent = wire_->send(messages);
  if (!sent) return refused(sent.error());
  touch();
  if (peer_hooks* hooks = core_->hooks()) {
    connection to(this);
    // The hook may end everything, these messages included.
    for (std::size_t i = 0; i < messages.count() && !torn_; ++i) hooks->sending(to, peer_hooks::traffic::message, {}, messages.messages()[i].size());
  }
  return {};
}

void peer_connection::uncork() noexcept {
  corked_ = false;
  touch();
}

void peer_connection::close(std::uint32_t code, duration drain, std::string_view text) {
  if (torn_ || phase_ == phase::over || closed_here_) return;
  const ref<peer_connection> self(this);
  closed_here_ = true;
  // Its last messages are told to a hook, which may end everything.
  retire_lanes();
  if (torn_) return;
  if (phase_ == phase::open) phase_ = phase::closing;
  flushing_ = code == 0;
  wire_->go_away(core_->home().now(), code, drain, text);
  changed();
}

void peer_connection::begin_drain(duration drain) {
  if (torn_ || phase_ == phase::over) return;
  if (phase_ == phase::handshake || phase_ == phase::undecided) return abort();
  const ref<peer_connection> self(this);
  retire_lanes();
  if (torn_) return;
  phase_ = phase::closing;
  wire_->go_away(core_->home().now(), 0, drain);
  changed();
}

void peer_connection::abort() {
  if (torn_ || phase_ == phase::over || aborted_) {
    if (phase_ == phase::over && !torn_ && link_.alive()) link_.abort();
    return;
  }
  aborted_ = closed_here_ = true;
  phase_ = phase::closing;
  retire_lanes();
  if (self_) {
    if (extras_->pair) extras_->pair->cut();
  } else {
    link_.abort(make_error_code(errc::closed));
  }
  changed();
}

result<> peer_connection::start(channel_state& call) {
  if (phase_ != phase::open || core_->stopping()) return failure(errc::not_connected);
  if (!has_queued()) {
    const result<bool> opened = call.try_open();
    if (!opened) return failure(opened.error());
    if (*opened) return {};
  }
  const peer_options& options = core_->options();
  const std::size_t bytes = call.held_bytes();
  extras& e = need_extras();
  if (e.queued_count >= options.calls_queued_max || (e.queued_count > 0 && e.queued_bytes + bytes > options.calls_queued_bytes_max))
    return failure(errc::too_many_calls);
  call.charge(bytes);
  e.queued.push_back(call);
  e.queued_bytes += bytes;
  ++e.queued_count;
  ++core_->calls().queued;
  return {};
}

void peer_connection::forget_queued(channel_state& call) noexcept {
  if (!call.waiting_link::linked()) return;
  call.waiting_link::unlink();
  extras_->queued_bytes -= call.charged();
  --extras_->queued_count;
  --core_->calls().queued;
}

void peer_connection::open_queued() {
  while (phase_ == phase::open && has_queued()) {
    const ref<channel_state> next(static_cast<channel_state*>(extras_->queued.front()));
    forget_queued(*next);
    const result<bool> opened = next->try_open();
    if (!opened) {
      next->fail_unopened(opened.error());
    } else if (*opened) {
      next->on_writable();
    } else {
      extras_->queued.push_front(*next);
      extras_->queued_bytes += next->charged();
      ++extras_->queued_count;
      ++core_->calls().queued;
      return;
    }
  }
}

void peer_connection::fail_queued(std::error_code reason) {
  while (has_queued()) {
    const ref<channel_state> next(static_cast<channel_state*>(extras_->queued.front()));
    forget_queued(*next);
    next->fail_unopened(reason);
  }
}

// Plain messages end here. What other threads have handed over goes out as far as there is room.
void peer_connection::retire_lanes() {
  if (!extras_) return;
  for (const auto& one : std::exchange(extras_->lanes, {})) {
    if (phase_ == phase::open) one->push();
    one->depart();
  }
}

void peer_connection::add_lane(std::shared_ptr<lane> one) {
  // Those whose senders are all gone and who have nothing left leave when the next one comes.
  auto& lanes = need_extras().lanes;
  std::erase_if(lanes, [](const std::shared_ptr<lane>& old) { return old.use_count() == 1 && old->empty(); });
  lanes.push_back(std::move(one));
}

}  // namespace hawser::inline v0::detail
