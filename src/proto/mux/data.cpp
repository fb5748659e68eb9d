// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

// DATA: bytes and messages, in pieces as they come, and the short ways for those that lie whole in the input.

namespace hawser::inline v0::proto {

namespace {

// Worth a receive of its own kind: below it the copy is cheaper. Among large messages it is the other way about: there little is received
// at a time where no room is.
constexpr std::size_t room_bytes_min = 16 * 1024;
constexpr std::uint32_t large_message_bytes = 32 * 1024;
constexpr std::size_t room_bytes_min_of_large = 4 * 1024;

event bytes_of(const channel& of, event_kind kind, byte_view bytes, std::uint32_t cost) {
  event made{kind};
  made.channel = of.id;
  made.user = of.user;
  made.bytes = bytes;
  made.cost = cost;
  return made;
}

}  // namespace

bool connection::poll_first(event& out) {
  parts& p = *parts_;
  if (p.over || p.reading != parts::stage::data || p.frame.type != frame_type::open || !p.first_part) return false;
  channel& of = *p.table.find(p.frame.channel);
  if (kind_has_messages(of.kind) || p.left > p.in.size() || of.has(channel_flag::discard | channel_flag::wanted))
    return p.parse_data(out) == parts::progress::event;
  // Bytes, and all of them: nearly every request.
  const std::uint32_t cost = p.left + frame_cost;
  p.received.hold(cost);
  out = bytes_of(of, event_kind::data, p.in.first(p.left), cost);
  p.advance_input(std::exchange(p.left, 0));
  p.first_part = false;
  p.reading = parts::stage::header;
  return p.frame.flags == 0 || p.end_data(of, out, parts::progress::event) == parts::progress::event;
}

void connection::parts::note_change(channel& by, std::size_t bytes) noexcept {
  const bool little = bytes < mux::small_send_bytes;
  if (little && by.id != last_heard && !by.has(channel_flag::bulky)) small_heard_at = coarse(now);
  if (little) {
    by.clear(channel_flag::bulky);
  } else {
    by.set(channel_flag::bulky);
    bulk_heard_at = coarse(now);
  }
  last_heard = by.id;
}

// A frame that lies whole in the input, of one of the two kinds that most are, where nothing is out of the ordinary: an OPEN, or DATA of
// a channel that carries bytes. What is not that is left to parse() as it was (starved).
connection::parts::progress connection::parts::parse_whole(event& to) {
  constexpr std::uint32_t not_plain = channel_flag::open_due | channel_flag::discard | channel_flag::wanted | channel_flag::more_received;
  constexpr std::uint32_t flags_examined = 0x80 | frame_flag::more | frame_flag::fin | frame_flag::rel;
  if (in.size() < short_header_bytes || reading != stage::header || stash_size != 0 || !greeted || !hello_here) return progress::starved;
  const auto word = load_le<std::uint32_t>(in.data());
  const std::uint32_t length = word >> 20;
  const std::uint32_t flags = word & flags_examined;
  if (in.size() - short_header_bytes < length || length == 0 || (flags & ~frame_flag::rel & ~frame_flag::fin) != 0 || flags == frame_flag::rel ||
      length > with.announced.frame_bytes_max)
    return progress::starved;
  const channel_id id = word >> 8 & short_field_max;
  const auto heard_of = [&] {
    frame_at = never;
    ++frames_received;
    pulse.handle_received(now);
    frame.flags = static_cast<std::uint8_t>(flags);
  };
  if ((word & 0x0f) == static_cast<std::uint32_t>(frame_type::open)) {
    if (id <= message_channel || (flags & frame_flag::rel)) return progress::starved;
    heard_of();
    frame.type = frame_type::open;
    frame.channel = id;
    frame.length = length;
    advance_input(short_header_bytes);
    return handle_open(in.first(length), to);
  }
  if ((word & 0x0f) != static_cast<std::uint32_t>(frame_type::data) || id <= message_channel) return progress::starved;
  channel* const found = table.find(id);
  if (!found) return progress::starved;
  channel& of = *found;
  const std::uint32_t cost = length + frame_cost;
  if (of.has(not_plain) || kind_has_messages(of.kind) || !can_receive(of.state) || of.in.outstanding() < cost || received.credit().outstanding() < cost)
    return progress::starved;
  heard_of();
  note_heard(of, length);
  (void)of.in.take(cost);
  (void)received.take(cost);
  received.hold(cost);
  to = bytes_of(of, event_kind::data, in.subspan(short_header_bytes, length), cost);
  advance_input(short_header_bytes + length);
  return flags == 0 ? progress::event : end_data(of, to, progress::event);
}

// event: the frame is sound, parse_data() goes on.
connection::parts::progress connection::parts::begin_data() {
  channel* of = heard(frame.channel);
  if (!of) [[unlikely]] return fail(errc::protocol);
  const bool fin = (frame.flags & frame_flag::fin) != 0;
  if (!can_receive(of->state)) [[unlikely]] {
    const channel_input what = fin ? channel_input::receive_fin : channel_input::receive_data;
    if (transition(of->state, what).effects & channel_effect::violation) return fail(errc::protocol);
  }
  const std::uint32_t cost = cost_of_data(frame.length, fin ? fin_mark::present : fin_mark::absent);
  if (!of->in.take(cost) || !received.take(cost)) [[unlikely]] return fail(errc::flow_control);
  if (kind_has_messages(of->kind)) {
    if (fin && frame.length == 0 && of->has(channel_flag::more_received)) [[unlikely]] return fail(errc::protocol);
  } else if ((frame.flags & frame_flag::more) && kind_known(of->kind)) [[unlikely]] {
    return fail(errc::protocol);      // what a refused kind of a later version does with MORE is not ours to judge
  }
  note_heard(*of, frame.length);
  left = frame.length;
  first_part = cost != 0;
  reading = stage::data;
  return progress::event;
}

connection::parts::progress connection::parts::parse_data(event& to) {
  channel& of = *table.find(frame.channel);
  const std::size_t count = std::min<std::size_t>(left, in.size());
  const byte_view part = in.first(count);
  const std::uint32_t cost = static_cast<std::uint32_t>(count) + (first_part ? frame_cost : 0);
  // Nothing of a new frame is here yet.
  if (count == 0 && left != 0) return progress::nothing;
  const bool had_first = first_part;
  advance_input(count);
  left -= static_cast<std::uint32_t>(count);
  first_part = false;

  progress made = progress::nothing;
  if (of.has(channel_flag::discard)) [[unlikely]] {
    of.in.give_back(cost);
    received.pass(cost);
  } else if (!kind_has_messages(of.kind)) {
    if (count != 0) {
      received.hold(cost);
      if (of.has(channel_flag::wanted)) [[unlikely]] excuse(of, cost);
      to = bytes_of(of, event_kind::data, part, cost);
      made = progress::event;
    } else if (had_first) {
      // An empty DATA frame of a byte channel says nothing; its cost goes back at once.
      received.pass(cost);
      give_back(of, cost);
    }
  } else if (left == 0 && !of.incoming && (frame.flags & frame_flag::more) == 0 && count <= with.announced.message_bytes_max) [[likely]] {
    if (cost != 0) {
      received.hold(cost);
      ++messages_received;
      to = bytes_of(of, event_kind::message, part, cost);
      made = progress::event;
    }
  } else {
    made = gather_message(of, part, cost, to);
    if (over) return progress::nothing;
  }
  if (left != 0) return made;
  reading = stage::header;
  if ((frame.flags & (frame_flag::fin | frame_flag::rel | frame_flag::more)) == 0 && !of.has(channel_flag::more_received)) [[likely]] return made;
  return end_data(of, to, made);
}

// Room for `count` bytes more, all that is known to come. As long as the end is not in sight for as much again, or for a message as large as
// the last one: that for one at a time, so that a peer cannot make many small pieces keep large buffers.
void connection::parts::widen(assembly& whole, std::size_t count) {
  std::size_t wanted = whole.bytes.size() + count;
  if (frame.flags & frame_flag::more) {
    wanted = std::max(wanted, 2 * whole.bytes.size());
    if (!expects_as_before && assembled_bytes > wanted) {
      whole.as_before = expects_as_before = true;
      wanted = assembled_bytes;
    }
    wanted = std::min<std::size_t>(wanted, with.announced.message_bytes_max);
  }
  chunk larger = pool.allocate(std::max<std::size_t>(wanted, 1));
  if (!whole.bytes.empty()) std::memcpy(larger.mutable_data(), whole.bytes.data(), whole.bytes.size());
  larger.grow(whole.bytes.size());
  whole.bytes = std::move(larger);
}

std::span<std::byte> connection::poll_room() {
  parts& p = *parts_;
  if (p.reading != parts::stage::data || p.over || !p.in.empty()) return {};
  if (p.left < (p.assembled_bytes < large_message_bytes ? room_bytes_min : room_bytes_min_of_large)) return {};
  channel& of = *p.table.find(p.frame.channel);
  if (!of.incoming || of.has(channel_flag::discard) || !kind_has_messages(of.kind)) return {};
  chunk& bytes = of.incoming->bytes;
  if (bytes.size() + p.left > p.with.announced.message_bytes_max) return {};
  if (bytes.room() < p.left) p.widen(*of.incoming, p.left);
  return {bytes.mutable_data() + bytes.size(), p.left};
}

// Guessed from what came last, so that one who sends a stream next is soon found out: its frames come in parts, too.
bool connection::expects_room() const noexcept {
  const parts& p = *parts_;
  if (p.assembled_bytes < large_message_bytes || p.over || p.frame.type != frame_type::data) return false;
  const channel* of = p.table.find(p.frame.channel);
  return of && kind_has_messages(of->kind);
}

void connection::handle_filled(instant now, std::size_t count, byte_view rest) {
  parts& p = *parts_;
  p.now = now;
  HAWSER_EXPECTS(p.reading == parts::stage::data && count <= p.left && p.in.empty(), "handle_filled() without a room of that size");
  // What parse_data() and gather_message() do for a part; the frame's last one is left to them, empty.
  assembly& whole = *p.table.find(p.frame.channel)->incoming;
  whole.bytes.grow(count);
  whole.cost += static_cast<std::uint32_t>(count);
  p.received.pass(static_cast<std::uint32_t>(count));
  p.left -= static_cast<std::uint32_t>(count);
  p.bytes_received += count + rest.size();
  p.in = rest;
}

// A part of a message that is not here as a whole.
connection::parts::progress connection::parts::gather_message(channel& of, byte_view part, std::uint32_t cost, event& to) {
  if (!of.incoming) of.incoming = assembly::make(pool);
  assembly& whole = *of.incoming;
  if (whole.bytes.size() + part.size() + left > with.announced.message_bytes_max) {
    received.pass(cost);
    of.in.give_back(cost);
    if (of.id == message_channel) return fail(errc::message_too_big);
    // A reset that the opener provoked is none that earns it another OPEN.
    if (is_peers(of.state)) of.set(channel_flag::abnormal);
    expire(of, errc::message_too_big);
    return progress::nothing;
  }
  if (whole.bytes.room() < part.size()) widen(whole, part.size() + left);
  if (!part.empty()) std::memcpy(whole.bytes.mutable_data() + whole.bytes.size(), part.data(), part.size());
  whole.bytes.grow(part.size());
  whole.cost += cost;
  received.pass(cost);
  if (left != 0) return progress::nothing;
  if (frame.flags & frame_flag::more) {
    seek_budget(of);
    return progress::nothing;
  }

  const std::uint32_t total = whole.cost;
  lent = std::move(whole.bytes);
  assembled_bytes = static_cast<std::uint32_t>(lent.size());
  drop_incoming(of);
  leave_budget(of);
  received.keep(total);
  ++messages_received;
  to = bytes_of(of, event_kind::message, lent.view(), total);
  return progress::event;
}

connection::parts::progress connection::parts::end_data(channel& of, event& to, progress so_far) {
  if (frame.flags & frame_flag::more) {
    of.set(channel_flag::more_received);
  } else {
    of.clear(channel_flag::more_received);
  }
  if ((frame.flags & frame_flag::fin) == 0) return so_far;
  const channel_step taken = advance(of, frame.flags & frame_flag::rel ? channel_input::receive_fin_rel : channel_input::receive_fin);
  if (taken.effects & channel_effect::violation) return fail(errc::protocol);
  end_want(of);
  if (so_far == progress::event) {
    to.last = true;
  } else if (!of.has(channel_flag::discard)) {
    notify(of, channel_flag::finished_event);
  }
  of.clear(channel_flag::credit_due | channel_flag::stop_due);
  if (taken.effects & channel_effect::owe_release) mark_dirty(of, channel_flag::release_due);
  if (taken.effects & channel_effect::freed) {
    if (so_far != progress::event) handle_freed(of);
    else if (close_freed(of)) to.released = true;
  }
  return so_far;
}

void connection::parts::drop_incoming(channel& of) noexcept {
  if (of.incoming->as_before) expects_as_before = false;
  assembly::drop(of.incoming);
}

void connection::parts::drop_assembly(channel& of) {
  if (of.incoming) {
    of.in.give_back(of.incoming->cost);
    drop_incoming(of);
  }
  end_want(of);
  leave_budget(of);
}

}  // namespace hawser::inline v0::proto
