// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/proto/connection.hpp>

#include "proto/mux/parts.hpp"

#include <algorithm>
#include <utility>

// Construction, the handshake, and what concerns the connection as a whole.

namespace hawser::inline v0::proto {

connection::parts::parts(role side_, const settings& with_, const identity& who, buffer_pool& pool_, instant now_, std::uint64_t seed)
    : with(with_),
      pool(pool_),
      now(now_),
      side(side_),
      out(pool_),
      table(side_, with_.announced.channels_max, floor_limits().channels_max),
      received(with_.announced.connection_credit, with_.receive_bytes_max),
      queue(pool_),
      pulse(side_, seed * 0x9e3779b97f4a7c15u + 1, now_),
      meter(with_.announced.channels_max, to_bucket_time(now_)),
      shake(std::make_unique<handshake>()) {
  static_assert(sizeof(void*) != 8 || sizeof(parts) <= 808, "what an idle connection costs: say why before raising it");
  HAWSER_EXPECTS(check_limits(with.announced) == errc{}, "limits outside of what HELLO may announce");
  HAWSER_EXPECTS(with.announced.pings_in_flight_max <= pings_answered_max, "more unanswered pings than a connection remembers");
  HAWSER_EXPECTS(check_identity(who) == errc{}, "an identity that HELLO cannot carry");
  const limits floor = floor_limits();
  peer_channel_credit = floor.channel_credit;
  peer_message_bytes_max = floor.message_bytes_max;
  peer_open_block_bytes_max = floor.open_block_bytes_max;
  frame_bytes_max = floor.frame_bytes_max;
  queue.credit = send_credit(floor.connection_credit);
  channel& plain = table.plain();
  plain.kind = channel_kind::message;
  plain.in = recv_credit(with.announced.channel_credit);
  plain.out = send_credit(floor.channel_credit);

  shake->application = who.application;
  shake->until = after(now, with.handshake_timeout);
  const auto put_greeting = [&](std::byte* at) {
    const std::size_t head = put_preface(at, {version_newest, version_oldest});
    return head + put_hello(at + head, with.announced, who, seed);
  };
  const std::size_t most = preface_bytes + header_bytes_max + hello_payload_size(with.announced, who, seed);
  if (server()) {
    shake->greeting.resize(most);
    shake->greeting.resize(put_greeting(shake->greeting.data()));
  } else {
    out.wrote(put_greeting(out.reserve(most)));
    greeted = true;
  }
}

connection::parts::~parts() {
  const auto drop = [&](channel& each) {
    queue.discard(each);
    if (each.incoming) assembly::drop(each.incoming);
  };
  table.for_each(drop);
  drop(table.plain());
  if (rare) free_rare();
}

rarity& connection::parts::make_rare() {
  chunk room = pool.allocate(sizeof(rarity));
  rare = new (room.mutable_data()) rarity(with);
  rare->self = std::move(room);
  return *rare;
}

void connection::parts::free_rare() noexcept {
  const chunk room = std::move(rare->self);
  rare->~rarity();
  rare = nullptr;
}

connection::connection(role side, const settings& with, const identity& who, buffer_pool& pool, instant now, std::uint64_t seed)
    : parts_(std::make_unique<parts>(side, with, who, pool, now, seed)) {}
connection::~connection() = default;

// -- handshake

void connection::accept(instant now) {
  parts& p = *parts_;
  p.now = std::max(p.now, now);
  if (p.over || p.greeted) return;
  HAWSER_EXPECTS(p.server() && p.hello_here, "accept() without a hello event");
  p.emit_greeting();
  if (!p.shake->held.empty()) p.replay(std::move(p.shake->held));
}

void connection::refuse(errc code, std::string_view reason) {
  parts& p = *parts_;
  p.opens_accepted = 0;
  p.fail(code, reason);
}

// -- the connection

void connection::ping(instant now) {
  parts_->now = std::max(parts_->now, now);
  if (parts_->pings_due < 8) ++parts_->pings_due;
}
void connection::go_away(instant now, std::uint32_t code, duration drain, std::string_view reason) {
  parts_->now = std::max(parts_->now, now);
  parts_->go_away(code, drain, reason);
}
bool connection::ready() const noexcept { return parts_->ready(); }
bool connection::over() const noexcept { return parts_->over; }
const remote_hello* connection::hello() const noexcept { return parts_->shake && parts_->hello_here ? &parts_->shake->hello : nullptr; }
std::size_t connection::message_bytes_max() const noexcept { return parts_->hello_here ? parts_->peer_message_bytes_max : 0; }
void connection::forget_hello() noexcept {
  if (parts_->ready()) parts_->shake.reset();
}
std::size_t connection::open_channels() const noexcept { return parts_->table.open_count(); }

connection::statistics connection::stats() const noexcept {
  const parts& p = *parts_;
  return {
      .bytes_received = p.bytes_received,
      .bytes_sent = p.bytes_sent,
      .messages_received = p.messages_received,
      .messages_sent = p.messages_sent,
      .opens_received = p.opens_received,
      .opens_sent = p.opens_sent,
      .frames_received = p.frames_received,
      .round_trip = p.pulse.round_trip(),
      .bytes_buffered = p.received.held(),
      .connection_window = p.received.credit().window(),
      .send_credit = static_cast<std::size_t>(std::max<std::int64_t>(p.queue.credit.available(), 0)),
  };
}

}  // namespace hawser::inline v0::proto
