// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/proto/connection.hpp>

#include "proto/mux/parts.hpp"

#include <hawser/proto/tlv.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

// Construction, and what the application asks for.

namespace hawser::proto {

namespace {
constexpr std::size_t reference_bytes_min = 16 * 1024;    // payloads from here on are sent by reference
constexpr std::size_t copied_frame_bytes_max = 32 * 1024 - frame_cost;    // two of these fill a segment of 64 KiB
}  // namespace

connection::parts::parts(role side_, const settings& with_, const identity& who, buffer_pool& pool_, instant now_, std::uint64_t seed)
    : with(with_),
      pool(pool_),
      now(now_),
      side(side_),
      out(pool_),
      queue(pool_),
      table(side_, with_.announced.channels_max, floor_limits().channels_max),
      received(with_.announced.connection_credit, with_.receive_bytes_max),
      budget(with_.reassembly_bytes_max, with_.announced.message_bytes_max),
      aliases_out(seed),
      aliases_in(with_.announced.alias_slots),
      meter(with_.announced.channels_max, to_bucket_time(now_)),
      pulse(side_, seed * 0x9e3779b97f4a7c15u + 1, now_),
      shake(std::make_unique<handshake>()) {
  static_assert(sizeof(void*) != 8 || sizeof(parts) <= 1072, "what an idle connection costs: say why before raising it");
  HAWSER_EXPECTS(check_limits(with.announced) == errc{}, "limits outside of what HELLO may announce");
  HAWSER_EXPECTS(with.announced.pings_in_flight_max <= pings_answered_max, "more unanswered pings than a connection remembers");
  HAWSER_EXPECTS(check_identity(who) == errc{}, "an identity that HELLO cannot carry");
  const limits floor = floor_limits();
  peer_frame_bytes_max = floor.frame_bytes_max;
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
  shake->greeting.resize(preface_bytes + header_bytes_max + hello_payload_size(with.announced, who, seed));
  const std::size_t head = put_preface(shake->greeting.data(), {version_newest, version_oldest});
  shake->greeting.resize(head + put_hello(shake->greeting.data() + head, with.announced, who, seed));
  handshake_at = after(now, with.handshake_timeout);
  if (side == role::client) emit_greeting();
}

connection::parts::~parts() {
  const auto drop = [&](channel& each) {
    queue.discard(each);
    if (each.incoming) assembly::drop(each.incoming);
  };
  table.for_each(drop);
  drop(table.plain());
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
  p.shake.reset();
  if (p.held.empty()) return;
  p.replay(std::move(p.held));
}

void connection::refuse(errc code, std::string_view reason) {
  parts& p = *parts_;
  p.opens_accepted = 0;
  p.fail(code, reason);
}

// -- sending

// A channel that may be written to, or why not.
channel* connection::parts::sendable(channel_id id, std::error_code& why) noexcept {
  if (over || !greeted) {
    why = over ? errc::closed : errc::would_block;
    return nullptr;
  }
  channel* of = table.find(id);
  if (!of || of->has(channel_flag::reset_sent | channel_flag::reset_received | channel_flag::reset_due | channel_flag::stop_received)) {
    why = errc::closed;
    return nullptr;
  }
  if (!can_send(of->state) || of->has(channel_flag::fin_due)) {
    why = errc::end_of_stream;
    return nullptr;
  }
  return of;
}

// Nothing waits that should go first, and credit and room are there.
bool connection::parts::may_send_now(const channel& of, std::uint32_t cost, std::size_t frame_bytes) const noexcept {
  return !of.queue && !queue.has_ready() && of.out.covers(cost) && queue.credit.covers(cost) &&
         out.committed_bytes() + frame_bytes < with.committed_bytes_max && out.has_slots();
}

// The same for a frame that costs nothing, which does not wait for others to get credit.
bool connection::parts::may_send_free(const channel& of, std::size_t frame_bytes) const noexcept {
  return !of.queue && !queue.can_commit() && out.committed_bytes() + frame_bytes < with.committed_bytes_max && out.has_slots();
}

// Below the high water of the channel and of the connection; then any one message is welcome.
bool connection::parts::accepts(channel& of) noexcept {
  const std::size_t waiting = of.queue ? of.queue->bytes : 0;
  if (waiting >= with.channel_send_bytes_max) {
    of.set(channel_flag::wants_writable);
    return false;
  }
  if (queue.queued_bytes() >= with.send_bytes_max) {
    of.set(channel_flag::wants_writable);
    wants_connection_writable = true;
    return false;
  }
  return true;
}

void connection::parts::queue_message(channel& to, byte_view bytes) {
  const std::size_t payload_max = std::min<std::size_t>(frame_bytes_max, copied_frame_bytes_max);
  do {
    const std::size_t count = std::min(bytes.size(), payload_max);
    const std::uint8_t flags = count < bytes.size() ? frame_flag::more : frame_flag::none;
    std::byte* at = queue.reserve(to, header_bytes_max + count);
    const std::size_t head = put_header(at, frame_type::data, flags, to.id, static_cast<std::uint32_t>(count));
    if (count != 0) std::memcpy(at + head, bytes.data(), count);
    queue.wrote_frame(to, head + count);
    bytes = bytes.subspan(count);
  } while (!bytes.empty());
  queue.activate(to);
}

result<> connection::send(channel_id id, byte_view message) {
  parts& p = *parts_;
  std::error_code why;
  channel* to = p.sendable(id, why);
  if (!to) [[unlikely]] return failure(why);
  HAWSER_EXPECTS(kind_has_messages(to->kind), "send() on a channel that carries bytes");
  const std::size_t size = message.size();
  if (size > p.peer_message_bytes_max) [[unlikely]] {
    if (p.hello_here) return failure(errc::message_too_big);
    to->set(channel_flag::wants_writable);
    return failure(errc::would_block);
  }
  const auto cost = static_cast<std::uint32_t>(size) + frame_cost;
  if (size <= p.frame_bytes_max && p.may_send_now(*to, cost, size + header_bytes_max)) [[likely]] {
    std::byte* at = p.out.reserve(size + header_bytes_max);
    const std::size_t head = put_header(at, frame_type::data, frame_flag::none, to->id, static_cast<std::uint32_t>(size));
    if (size != 0) std::memcpy(at + head, message.data(), size);
    to->last_frame_at = p.out.end();
    p.out.wrote(head + size);
    to->out.spend(cost);
    p.queue.credit.spend(cost);
    p.meter.frames_sent(1);
  } else {
    if (!p.accepts(*to)) return failure(errc::would_block);
    p.queue_message(*to, message);
  }
  ++p.messages_sent;
  return {};
}

result<> connection::send(channel_id id, const chunk& message) {
  parts& p = *parts_;
  if (message.size() < reference_bytes_min) return send(id, message.view());
  std::error_code why;
  channel* to = p.sendable(id, why);
  if (!to) return failure(why);
  HAWSER_EXPECTS(kind_has_messages(to->kind), "send() on a channel that carries bytes");
  if (message.size() > p.peer_message_bytes_max) {
    if (p.hello_here) return failure(errc::message_too_big);
    to->set(channel_flag::wants_writable);
    return failure(errc::would_block);
  }
  if (!p.accepts(*to)) return failure(errc::would_block);
  p.queue.push_payload(*to, message);
  p.queue.activate(*to);
  ++p.messages_sent;
  return {};
}

// Frames that go straight out; returns how many bytes they took.
std::size_t connection::parts::write_now(channel& to, byte_view bytes) {
  std::size_t taken = 0;
  // The newest frame may still be here, and the newest of all: it grows.
  if (std::byte* at = out.amend(to.last_frame_at)) {
    frame_header header{};
    if (decode_header({at, header_bytes_max}, header) == decode_status::header && header.type == frame_type::data && header.flags == 0 &&
        to.last_frame_at + header.size + header.length == out.end() && header.length != 0) {
      const std::size_t room = std::min<std::size_t>(out.open_room(), (header.size == short_header_bytes ? short_field_max : frame_bytes_max) -
                                                                          std::min(header.length, frame_bytes_max));
      const std::size_t count = std::min({bytes.size(), room, static_cast<std::size_t>(to.out.available()),
                                          static_cast<std::size_t>(queue.credit.available())});
      if (count != 0 && count + header.length <= frame_bytes_max && may_send_now(to, static_cast<std::uint32_t>(count), count)) {
        put_header(at, frame_type::data, frame_flag::none, to.id, static_cast<std::uint32_t>(header.length + count));
        std::memcpy(out.reserve(count), bytes.data(), count);
        out.wrote(count);
        to.out.spend(static_cast<std::uint32_t>(count));
        queue.credit.spend(static_cast<std::uint32_t>(count));
        taken = count;
      }
    }
  }
  while (taken < bytes.size()) {
    const std::size_t count = std::min({bytes.size() - taken, std::size_t{frame_bytes_max}, copied_frame_bytes_max});
    const auto cost = static_cast<std::uint32_t>(count) + frame_cost;
    if (!may_send_now(to, cost, count + header_bytes_max)) break;
    std::byte* at = out.reserve(count + header_bytes_max);
    const std::size_t head = put_header(at, frame_type::data, frame_flag::none, to.id, static_cast<std::uint32_t>(count));
    std::memcpy(at + head, bytes.data() + taken, count);
    to.last_frame_at = out.end();
    out.wrote(head + count);
    to.out.spend(cost);
    queue.credit.spend(cost);
    meter.frames_sent(1);
    taken += count;
  }
  return taken;
}

// Everything, beyond any watermark.
std::size_t connection::parts::queue_bytes(channel& to, byte_view bytes) {
  const std::size_t payload_max = std::min<std::size_t>(frame_bytes_max, copied_frame_bytes_max);
  const std::size_t all = bytes.size();
  bytes = bytes.subspan(queue.extend(to, bytes, payload_max));
  while (!bytes.empty()) {
    const std::size_t count = std::min(bytes.size(), payload_max);
    std::byte* at = queue.reserve(to, header_bytes_max + count);
    const std::size_t head = put_header(at, frame_type::data, frame_flag::none, to.id, static_cast<std::uint32_t>(count));
    std::memcpy(at + head, bytes.data(), count);
    queue.wrote_frame(to, head + count);
    bytes = bytes.subspan(count);
  }
  queue.activate(to);
  return all;
}

result<std::size_t> connection::parts::write(channel& to, byte_view bytes) {
  if (bytes.empty()) return std::size_t{0};
  std::size_t taken = write_now(to, bytes);
  if (taken == bytes.size()) return taken;
  const std::size_t waiting = to.queue ? to.queue->bytes : 0;
  const std::size_t channel_room = with.channel_send_bytes_max - std::min(waiting, with.channel_send_bytes_max);
  const std::size_t room = with.send_bytes_max - std::min(queue.queued_bytes(), with.send_bytes_max);
  const std::size_t more = std::min({bytes.size() - taken, channel_room, room});
  if (more != 0) taken += queue_bytes(to, bytes.subspan(taken, more));
  if (taken == bytes.size()) return taken;
  to.set(channel_flag::wants_writable);
  if (room < channel_room) wants_connection_writable = true;
  if (taken == 0) return failure(errc::would_block);
  return taken;
}

result<std::size_t> connection::parts::ended(channel& of, result<std::size_t> taken, std::size_t all, end_mark end) {
  if (end == end_mark::open || !taken || *taken != all) return taken;
  const channel_id id = of.id;
  (void)finish(of);
  if (end == end_mark::end_and_done) work_done(id);
  return taken;
}

result<std::size_t> connection::write(channel_id id, byte_view bytes, end_mark end) {
  std::error_code why;
  channel* to = parts_->sendable(id, why);
  if (!to) return failure(why);
  HAWSER_EXPECTS(!kind_has_messages(to->kind), "write() on a channel that carries messages");
  return parts_->ended(*to, parts_->write(*to, bytes), bytes.size(), end);
}

result<std::size_t> connection::write(channel_id id, const chunk& bytes, end_mark end) {
  parts& p = *parts_;
  std::error_code why;
  channel* to = p.sendable(id, why);
  if (!to) return failure(why);
  HAWSER_EXPECTS(!kind_has_messages(to->kind), "write() on a channel that carries bytes only");
  if (bytes.size() < reference_bytes_min) return p.ended(*to, p.write(*to, bytes.view()), bytes.size(), end);
  const std::size_t waiting = to->queue ? to->queue->bytes : 0;
  if (waiting >= p.with.channel_send_bytes_max || p.queue.queued_bytes() >= p.with.send_bytes_max) {
    to->set(channel_flag::wants_writable);
    if (p.queue.queued_bytes() >= p.with.send_bytes_max) p.wants_connection_writable = true;
    return failure(errc::would_block);
  }
  // Shared, not copied: what goes beyond the watermark costs no memory of ours. It is bounded by the chunk all the same.
  p.queue.push_payload(*to, bytes);
  p.queue.activate(*to);
  return p.ended(*to, bytes.size(), bytes.size(), end);
}

result<> connection::write_head(channel_id id, byte_view tlvs) {
  parts& p = *parts_;
  std::error_code why;
  channel* to = p.sendable(id, why);
  if (!to) return failure(why);
  HAWSER_EXPECTS(id != message_channel && (to->heads & 0x0f) < 2, "a third HEAD, or one on channel 1");
  if (tlvs.size() > p.peer_open_block_bytes_max) return failure(errc::message_too_big);
  ++to->heads;
  if (p.may_send_free(*to, tlvs.size() + header_bytes_max)) {
    std::byte* at = p.out.reserve(header_bytes_max + tlvs.size());
    const std::size_t head = put_header(at, frame_type::head, frame_flag::none, id, static_cast<std::uint32_t>(tlvs.size()));
    if (!tlvs.empty()) std::memcpy(at + head, tlvs.data(), tlvs.size());
    to->last_frame_at = p.out.end();
    p.out.wrote(head + tlvs.size());
    return {};
  }
  std::byte* at = p.queue.reserve(*to, header_bytes_max + tlvs.size());
  const std::size_t head = put_header(at, frame_type::head, frame_flag::none, id, static_cast<std::uint32_t>(tlvs.size()));
  if (!tlvs.empty()) std::memcpy(at + head, tlvs.data(), tlvs.size());
  p.queue.wrote_frame(*to, head + tlvs.size());
  p.queue.activate(*to);
  return {};
}

result<> connection::finish(channel_id id) {
  parts& p = *parts_;
  std::error_code why;
  channel* of = p.sendable(id, why);
  if (of) return p.finish(*of);
  // The answer to a STOP.
  of = p.over ? nullptr : p.table.find(id);
  if (!of || !of->has(channel_flag::stop_received) || of->has(channel_flag::reset_sent | channel_flag::reset_received)) return failure(why);
  return can_send(of->state) && !of->has(channel_flag::fin_due) ? p.finish(*of) : failure(errc::end_of_stream);
}

result<> connection::parts::finish(channel& of) {
  // A message that a STOP has cut cannot end with FIN.
  if (of.has(channel_flag::more_sent)) {
    end_locally(of, static_cast<std::uint32_t>(errc::cancelled), {});
    return {};
  }
  if (of.queue || !out.has_slots()) {
    of.set(channel_flag::fin_due);
    queue.queue_of(of);
    queue.activate(of);
    return {};
  }
  std::byte* at = out.amend(of.last_frame_at);
  const bool amended = at && mux::amend_fin(at, kind_has_messages(of.kind));
  std::size_t size = 0;
  if (!amended) {
    at = out.reserve(header_bytes_max);
    size = put_header(at, frame_type::data, frame_flag::fin, of.id, 0);
    of.last_frame_at = out.end();
    meter.frames_sent(1);
  }
  const channel_step taken = advance(of, channel_input::send_fin);
  if (taken.effects & channel_effect::carry_release) at[0] |= std::byte{frame_flag::rel};
  out.wrote(size);
  of.clear(channel_flag::wants_writable);
  if (taken.effects & channel_effect::freed) handle_freed(of);
  return {};
}

// -- channels

result<channel_id> connection::open(instant now, const open_options& options, byte_view first, end_mark end) {
  parts_->now = std::max(parts_->now, now);
  return parts_->open(options, first, end);
}

// Meta 3 raises the opener's receive credit: on both sides at the same frame.
void connection::parts::raise_initial_credit(channel& of, byte_view meta) noexcept {
  const std::optional<tlv_item> item = tlv_reader(meta).find(tlv::extra_credit);
  if (!item) return;
  const std::uint32_t by = std::min<std::uint32_t>(item->u32().value_or(0), 1u << 30);
  if (by == 0) return;
  if (is_own(of.state)) {
    of.in.raise(by);
    widened[kind_has_messages(of.kind)] += by;
  } else {
    (void)of.out.grant(by);
  }
}

result<channel_id> connection::parts::open(const open_options& options, byte_view first, end_mark end) {
  HAWSER_EXPECTS(options.operation.size() <= operation_bytes_max && options.urgency <= urgency_max, "open_options out of range");
  if (over || go_away_sent || go_away_here) return failure(errc::closed);
  if (!greeted) return failure(errc::would_block);
  const bool messages = kind_has_messages(options.kind);
  if (messages && first.size() > peer_message_bytes_max) return failure(hello_here ? errc::message_too_big : errc::would_block);

  open_block block;
  block.kind = options.kind;
  block.urgency = options.urgency;
  block.operation = options.operation;
  if (options.deadline) block.deadline_ms = deadline_to_wire(*options.deadline);
  block.meta = options.meta;
  const std::size_t literal_size = open_block_size(block) + 2;
  if (literal_size > peer_open_block_bytes_max) return failure(errc::message_too_big);
  channel* made = table.open_own();
  if (!made) return failure(errc::would_block);
  channel& of = *made;
  of.kind = options.kind;
  of.urgency = options.urgency;
  of.in = recv_credit(with.announced.channel_credit);
  of.out = send_credit(peer_channel_credit);
  advance(of, channel_input::send_open);
  if (!options.meta.empty()) raise_initial_credit(of, options.meta);
  if (options.deadline) {
    of.deadline = after(now, *options.deadline);
    deadline_at = std::min(deadline_at, of.deadline);
  }
  ++opens_sent;

  // As much of the first bytes as one frame may hold goes with the OPEN; of a message all or nothing.
  std::size_t with_open = first.size();
  const std::size_t payload_max = std::min<std::size_t>(frame_bytes_max, copied_frame_bytes_max);
  if (with_open + literal_size > payload_max) with_open = messages ? 0 : payload_max - std::min(payload_max, literal_size);
  const std::uint32_t cost = cost_of_open(static_cast<std::uint32_t>(with_open));
  const std::size_t frame_bytes = header_bytes_max + literal_size + with_open;
  const bool at_once = cost == 0 ? may_send_free(of, frame_bytes) : may_send_now(of, cost, frame_bytes);
  if (at_once && !options.operation.empty()) {
    // Only an OPEN that goes out now may assign: no later one can overtake it.
    const alias_sender::choice choice = aliases_out.choose(options.operation);
    block.alias = choice.alias;
    block.assign = choice.assign;
    if (choice.alias != 0) block.operation = {};
  }
  const std::size_t block_size = open_block_size(block);
  const auto length = static_cast<std::uint32_t>(block_size + with_open);
  std::byte* at = at_once ? out.reserve(header_bytes_max + length) : queue.reserve(of, header_bytes_max + length);
  const std::size_t head = put_header(at, frame_type::open, frame_flag::none, of.id, length);
  put_open_block(at + head, block);
  if (with_open != 0) std::memcpy(at + head + block_size, first.data(), with_open);
  if (at_once) {
    of.last_frame_at = out.end();
    of.open_number = ++queue.opens_committed;
    out.wrote(head + length);
    of.out.spend(cost);
    queue.credit.spend(cost);
    meter.frames_sent(1);
  } else {
    queue.wrote_frame(of, head + length);
    of.queue->open_cost = cost;
    of.set(channel_flag::open_due);
    queue.activate(of);
  }
  if (messages && !first.empty()) ++messages_sent;
  if (with_open < first.size()) {
    if (messages) {
      queue_message(of, first);
    } else {
      const std::size_t now_taken = write_now(of, first.subspan(with_open));
      if (with_open + now_taken < first.size()) queue_bytes(of, first.subspan(with_open + now_taken));
    }
  }
  const channel_id id = of.id;
  if (end != end_mark::open) (void)finish(of);
  return id;
}

// This side gives the channel up: nothing of it is sent or reported any more.
void connection::parts::end_locally(channel& of, std::uint32_t code, std::string_view reason) {
  if (of.has(channel_flag::reset_sent | channel_flag::reset_due)) return;
  const bool unheard = of.has(channel_flag::open_due);
  drop_queued(of);
  drop_assembly(of);
  of.clear(channel_flag::fin_due | channel_flag::credit_due | channel_flag::stop_due | channel_flag::wants_writable |
           channel_flag::writable_event | channel_flag::finished_event);
  of.set(channel_flag::discard);
  of.deadline = never;
  if (unheard) {
    // The peer never heard of it, so there is nothing to release.
    of.clear(channel_flag::open_due);
    of.state = channel_state::free_own;
    handle_freed(of);
    return;
  }
  if (transition(of.state, channel_input::send_reset).effects & channel_effect::violation) return;
  of.code_reset = code;
  of.set(channel_flag::reset_sent);
  if (out.has_slots() && out.committed_bytes() < with.committed_bytes_max + 16 * 1024) {
    put_reset_frame(of, reason);
  } else {
    mark_dirty(of, channel_flag::reset_due);
  }
}

void connection::reset(channel_id id, std::uint32_t code, std::string_view reason) {
  parts& p = *parts_;
  channel* of = p.over ? nullptr : p.table.find(id);
  if (!of || id == message_channel || is_free(of->state)) return;
  p.end_locally(*of, code, reason);
  of->set(channel_flag::forgotten);
}

void connection::stop(channel_id id, std::uint32_t code) {
  parts& p = *parts_;
  if (channel* of = p.over ? nullptr : p.table.find(id); of && id != message_channel) p.stop(*of, code);
}

void connection::parts::stop(channel& of, std::uint32_t code) {
  if (!can_receive(of.state) || of.has(channel_flag::stop_sent | channel_flag::reset_sent)) return;
  drop_assembly(of);
  of.set(channel_flag::discard | channel_flag::stop_sent);
  of.clear(channel_flag::credit_due);
  of.code_stop = code;
  mark_dirty(of, channel_flag::stop_due);
}

void connection::work_done(channel_id id) {
  parts_->work_done(id);
}

void connection::parts::work_done(channel_id id) {
  parts& p = *this;
  channel* found = p.over ? nullptr : p.table.find(id);
  if (!found || id == message_channel || is_free(found->state)) return;
  channel& of = *found;
  of.user = is_own(of.state) ? nullptr : of.user;
  if (is_own(of.state)) {
    of.set(channel_flag::forgotten);
    if (can_send(of.state) && !of.has(channel_flag::fin_due | channel_flag::reset_due))
      p.end_locally(of, static_cast<std::uint32_t>(errc::cancelled), {});
    else if (can_receive(of.state))
      p.stop(of, static_cast<std::uint32_t>(errc::cancelled));
    return;
  }
  if (transition(of.state, channel_input::work_ended).effects & channel_effect::violation) return;
  // A handler that ends without an answer has failed; what it did not read is not wanted.
  if (can_send(of.state) && !of.has(channel_flag::fin_due | channel_flag::reset_due))
    p.end_locally(of, static_cast<std::uint32_t>(errc::operation_failed), {});
  else if (can_receive(of.state))
    p.stop(of, static_cast<std::uint32_t>(errc::cancelled));
  of.set(channel_flag::forgotten);
  of.deadline = never;
  const channel_step taken = advance(of, channel_input::work_ended);
  if (taken.effects & channel_effect::owe_reset) {
    if (of.code_reset == 0) of.code_reset = static_cast<std::uint32_t>(errc::cancelled);
    p.mark_dirty(of, channel_flag::reset_due);
  }
  if ((taken.effects & channel_effect::owe_release) == 0) return;
  if (p.out.has_slots() && p.out.amend(of.last_frame_at)) {
    p.put_release_frame(of);
  } else {
    p.mark_dirty(of, channel_flag::release_due);
  }
}

void connection::consume(channel_id id, std::uint32_t cost) {
  parts& p = *parts_;
  if (id == 0) p.received.let_go(static_cast<std::uint32_t>(std::min<std::size_t>(cost, p.received.held())));
  if (channel* of = p.table.find(id)) p.consume(*of, cost);
}

void connection::want(channel_id id, std::size_t bytes) {
  parts& p = *parts_;
  if (channel* of = p.table.find(id); of && !p.over) p.want(*of, bytes);
}

void connection::set_user(channel_id id, void* user) {
  if (channel* of = parts_->table.find(id)) of->user = user;
}
void* connection::user(channel_id id) const noexcept {
  const channel* of = parts_->table.find(id);
  return of ? of->user : nullptr;
}
std::size_t connection::queued_bytes(channel_id id) const noexcept {
  const channel* of = parts_->table.find(id);
  return of && of->queue ? of->queue->bytes : 0;
}
std::size_t connection::queued_bytes() const noexcept { return parts_->queue.queued_bytes() + parts_->out.committed_bytes(); }

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
const remote_hello* connection::hello() const noexcept { return parts_->remote ? &parts_->remote->hello : nullptr; }
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

}  // namespace hawser::proto
