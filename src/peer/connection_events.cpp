// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/connection_extras.hpp"

#include <exception>
#include <utility>

// What the protocol core says, one event at a time.

namespace hawser::inline v0::detail {

void peer_connection::dispatch(const proto::event& e) {
  using kind = proto::event_kind;
  auto* channel = static_cast<channel_state*>(e.user);
  if (phase_ == phase::undecided && (e.kind == kind::opened || e.kind == kind::message)) promote();
  if (torn_) return;
  switch (e.kind) {
    case kind::hello: return on_hello();
    case kind::opened: return on_opened(e);
    case kind::message:
      if (e.channel == proto::message_channel) return on_message(e);
      [[fallthrough]];
    case kind::data:
      // Nobody reads what comes for a channel whose handle is gone.
      if (!channel) wire_->consume(e.released ? 0 : e.channel, e.cost);
      if (channel && e.released) channel->detach();
      if (channel) channel->on_bytes(e.bytes, e.cost, e.kind == kind::message, e.last);
      return e.released ? open_queued() : void();
    case kind::head: return channel ? channel->on_head(e.bytes) : void();
    case kind::finished: return channel ? channel->on_finished() : void();
    case kind::reset:
      if (channel) channel->on_reset(e.by_deadline ? make_error_code(errc::deadline) : error_of_code(e.code));
      return;
    case kind::stopped: return channel ? channel->on_stopped(error_of_code(e.code)) : void();
    case kind::writable:
      if (e.channel <= proto::message_channel) return on_writable(e.channel);
      return channel ? channel->on_writable() : void();
    case kind::released:
      if (channel) channel->detach();
      return open_queued();
    case kind::pong: return;
    case kind::go_away: return on_go_away();
    case kind::closed: return on_closed(error_of_code(e.code));
  }
}

// One plain message to whom it may concern.
inline void peer_connection::deliver(connection& from, message_record* handler, byte_view message) {
  if (peer_hooks* hooks = core_->hooks()) {
    hooks->received(from, peer_hooks::traffic::message, {}, message.size());
    if (torn_) return;
  }
  if (!handler) return;
  try {
    handler->call(from, message);
  } catch (const std::exception& error) {
    core_->log(log_level::error, number_, "the message handler threw: %s", error.what());
    close(static_cast<std::uint32_t>(errc::internal), duration::zero(), "the message handler failed");
  } catch (...) {
    core_->log(log_level::error, number_, "the message handler threw");
    close(static_cast<std::uint32_t>(errc::internal), duration::zero(), "the message handler failed");
  }
}

void peer_connection::on_message(const proto::event& e) {
  const std::uint32_t cost = e.cost;
  if (announced_ && !aborted_) {
    const ref<message_record> handler = core_->message_handler();
    connection from(this);
    deliver(from, handler.get(), e.bytes);
  }
  if (!torn_) wire_->consume(proto::message_channel, cost);
}

// Messages one after another, at most a few hundred: what they have in common is done once, and the credit of those on the default
// channel goes back in one sum. Returns how many.
std::size_t peer_connection::take_messages() {
  constexpr std::size_t most = 256;
  proto::plain_message next;
  if (!wire_->poll_message(next)) return 0;
  std::uint32_t sum = 0;
  std::size_t count = 0;
  ref<message_record> handler = core_->message_handler();
  connection from(this);
  do {
    ++count;
    if (next.channel != proto::message_channel) {
      auto* channel = static_cast<channel_state*>(next.user);
      if (channel) channel->on_message(next.bytes, next.cost);
      else wire_->consume(next.channel, next.cost);
      continue;
    }
    sum += next.cost;
    if (!announced_ || aborted_) continue;
    // Either may be changed by a handler.
    if (handler.get() != core_->message_handler().get()) [[unlikely]] handler = core_->message_handler();
    if (from.state_ != this) [[unlikely]] from = connection(this);
    deliver(from, handler.get(), next.bytes);
  } while (count < most && !torn_ && wire_->poll_message(next));
  if (!torn_ && sum != 0) wire_->consume(proto::message_channel, sum);
  return count;
}

// What serves a request. nullptr: nothing, with the reason in `refusal`, or because a hook has ended everything.
operation_entry* peer_connection::find_operation(std::string_view name, errc& refusal) {
  refusal = errc::refused;
  if (!announced_ || aborted_) return nullptr;
  ++requests_received_;
  if (peer_hooks* hooks = core_->hooks()) {
    connection from(this);
    hooks->received(from, peer_hooks::traffic::request, name, 0);
    if (torn_) return nullptr;
  }
  operation_entry* entry = core_->operations().find(name);
  if (!entry || !entry->handler) {
    refusal = errc::operation_not_found;
    return nullptr;
  }
  if (!core_->stopping() && entry->counts.running < entry->handler->options.in_flight_max) return entry;
  ++entry->counts.refused;
  return nullptr;
}

void peer_connection::on_request(const proto::plain_request& asked) {
  errc refusal{};
  if (operation_entry* entry = find_operation(asked.operation, refusal)) return serve(*this, asked, *entry);
  if (torn_) return;
  wire_->consume(asked.channel, asked.cost);
  wire_->reset(asked.channel, static_cast<std::uint32_t>(refusal));
  wire_->work_done(asked.channel);
}

void peer_connection::on_answer(const proto::plain_answer& answer) {
  if (auto* channel = static_cast<channel_state*>(answer.user)) {
    channel->on_answer(answer.bytes, answer.cost);
  } else {
    wire_->consume(0, answer.cost);
  }
  if (extras_) open_queued();
}

void peer_connection::on_opened(const proto::event& e) {
  const proto::remote_open& what = *e.open;
  const auto refuse = [&](errc code) {
    if (torn_) return;
    wire_->reset(e.channel, static_cast<std::uint32_t>(code));
    wire_->work_done(e.channel);
  };
  if (!announced_ || aborted_) return refuse(errc::refused);
  switch (what.kind) {
    case proto::channel_kind::request: {
      errc refusal{};
      operation_entry* entry = find_operation(what.operation, refusal);
      return entry ? serve(*this, e, entry, entry->handler) : refuse(refusal);
    }
    case proto::channel_kind::stream:
    case proto::channel_kind::message: {
      const ref<handler_record> handler = what.kind == proto::channel_kind::stream ? core_->stream_handler() : core_->messages_handler();
      if (!handler || core_->stopping()) return refuse(errc::refused);
      return serve(*this, e, nullptr, handler);
    }
    default: return refuse(errc::refused);
  }
}

// Of the connection as a whole, or of channel 1: whoever was told would_block may try again.
void peer_connection::on_writable(proto::channel_id channel) {
  send_blocked_ = false;
  // The lanes first: their messages are older than what the woken will send.
  for (std::size_t i = 0; extras_ && i < extras_->lanes.size() && !send_blocked_; ++i) {
    const std::shared_ptr<lane> one = extras_->lanes[i];
    one->pump();
    if (torn_) return;
  }
  if (!send_blocked_ && extras_) extras_->writable_waiters.resume_all_now();
  if (torn_ || !announced_) return;
  if (peer_hooks* hooks = core_->hooks(); hooks && !send_blocked_) {
    connection with(this);
    hooks->writable(with);
    if (torn_) return;
  }
  if (channel != 0) return;
  intrusive_list<waiting_link> woken;
  if (extras_) woken.splice_back(extras_->blocked);
  while (waiting_link* one = woken.pop_front()) {
    static_cast<channel_state*>(one)->on_writable();
    if (torn_) return;
  }
  open_queued();
}

void peer_connection::on_go_away() {
  retire_lanes();
  if (phase_ == phase::open) phase_ = phase::closing;
  fail_queued(make_error_code(errc::refused));
}

}  // namespace hawser::inline v0::detail
