// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

// Input: handle_bytes() keeps the span, poll_event() takes the next frame from it.

namespace hawser::inline v0::proto {

namespace {

event bytes_of(const channel& of, event_kind kind, byte_view bytes, std::uint32_t cost) {
  event made{kind};
  made.channel = of.id;
  made.user = of.user;
  made.bytes = bytes;
  made.cost = cost;
  return made;
}

}  // namespace

void connection::handle_bytes(instant now, byte_view bytes) {
  parts& p = *parts_;
  p.now = now;
  if (p.over) return;
  HAWSER_EXPECTS(p.in.empty(), "handle_bytes() before poll_event() has returned false");
  p.in = bytes;
  p.bytes_received += bytes.size();
}

bool connection::poll_event(event& out) { return parts_->poll_event(out); }

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

bool connection::event_due() const noexcept { return parts_->has_events(); }

std::size_t connection::unparsed_bytes() const noexcept {
  const std::size_t after = parts_->rare ? parts_->rare->in_after.size() : 0;
  return parts_->in.size() + after;
}

// Whatever is not the plain case is left to poll_event(), which finds everything as it was.
std::uint32_t connection::poll_message(byte_view& out) {
  parts& p = *parts_;
  if (p.in.size() < short_header_bytes) return 0;
  constexpr std::uint32_t plain_frame = static_cast<std::uint32_t>(frame_type::data) | message_channel << 8;
  const auto word = load_le<std::uint32_t>(p.in.data());
  const std::uint32_t length = word >> 20;
  if ((word & 0xfffff) != plain_frame || p.in.size() - short_header_bytes < length) return 0;
  if (p.reading != parts::stage::header || p.stash_size != 0 || p.has_events() || p.over || !p.greeted || !p.hello_here) return 0;
  if (length > p.with.announced.frame_bytes_max || length > p.with.announced.message_bytes_max) return 0;
  channel& of = p.table.plain();
  const std::uint32_t cost = length + frame_cost;
  if (of.incoming || of.has(channel_flag::discard | channel_flag::more_received) || !can_receive(of.state) || of.in.outstanding() < cost ||
      p.received.credit().outstanding() < cost)
    return 0;
  if (p.lent.capacity() != 0) [[unlikely]] p.lent = chunk();
  (void)of.in.take(cost);
  (void)p.received.take(cost);
  p.received.hold(cost);
  p.frame_at = never;
  ++p.frames_received;
  ++p.messages_received;
  p.pulse.handle_received(p.now);
  out = p.in.subspan(short_header_bytes, length);
  p.advance_input(short_header_bytes + length);
  return cost;
}

bool connection::parts::poll_event(event& to) {
  if (lent.capacity() != 0) lent = chunk();
  for (;;) {
    if ((first_event || connection_writable) && next_notification(to)) return true;
    if (over) [[unlikely]] {
      if (rare) free_rare();
      if (closed_told) return false;
      closed_told = true;
      to = event{};
      to.kind = event_kind::closed;
      to.code = closed_code;
      return true;
    }
    switch (const progress made = parse_whole(to); made == progress::starved ? parse(to) : made) {
      case progress::event: return true;
      case progress::nothing: break;
      case progress::starved:
        check_drained();
        if (has_events()) break;
        return false;
    }
  }
}

// One step: at most one event.
connection::parts::progress connection::parts::parse(event& to) {
  if (in.empty() && (reading != stage::data || left != 0)) {
    if (replaying) {
      replaying = false;
      rare->replayed = chunk();
      in = std::exchange(rare->in_after, {});
      if (!in.empty()) return progress::nothing;
    }
    if (meter_touched) {
      meter_touched = false;
      if (with.abuse_buckets && meter.judge(to_bucket_time(now)) == abuse_meter::verdict::calm) return fail(errc::calm);
    }
    if (reading == stage::header && stash_size == 0) {
      frame_at = never;
    } else if (frame_at == never && reading != stage::preface) {
      frame_at = after(now, with.frame_timeout);
    }
    drop_rare();
    return progress::starved;
  }
  switch (reading) {
    case stage::header: return parse_header(to);
    case stage::data: return parse_data(to);
    case stage::gather: return parse_gather(to);
    case stage::preface: return parse_preface();
  }
  return progress::starved;
}

void connection::parts::advance_input(std::size_t count) noexcept { in = in.subspan(count); }

connection::parts::progress connection::parts::parse_preface() {
  const std::size_t count = std::min(preface_bytes - stash_size, in.size());
  std::memcpy(stash.data() + stash_size, in.data(), count);
  stash_size = static_cast<std::uint8_t>(stash_size + count);
  advance_input(count);
  preface theirs{};
  const decode_status status = decode_preface({stash.data(), stash_size}, theirs);
  if (status == decode_status::error) {
    // Not our protocol: nothing that we could say would be understood.
    end(static_cast<std::uint32_t>(errc::protocol));
    return progress::nothing;
  }
  if (status == decode_status::need_more) return progress::nothing;
  stash_size = 0;
  reading = stage::header;
  preface_here = true;
  shake->theirs = theirs;
  if (common_version({version_newest, version_oldest}, theirs) == 0) return fail(errc::version);
  return progress::nothing;
}

connection::parts::progress connection::parts::parse_header(event& to) {
  if (!greeted && hello_here) [[unlikely]] return hold_back();
  decode_status status;
  if (stash_size == 0) [[likely]] {
    frame_at = never;      // its time runs from its first byte; what was left of the last one's does not count
    status = decode_header(in, frame);
    if (status == decode_status::header) [[likely]] {
      advance_input(frame.size);
    } else if (status == decode_status::need_more) {
      stash_size = static_cast<std::uint8_t>(in.size());
      std::memcpy(stash.data(), in.data(), in.size());
      in = {};
      return progress::nothing;
    }
  } else {
    do {
      stash[stash_size++] = in.front();
      advance_input(1);
      status = decode_header({stash.data(), stash_size}, frame);
    } while (status == decode_status::need_more && !in.empty());
    if (status == decode_status::need_more) return progress::nothing;
    stash_size = 0;
  }
  if (status == decode_status::error) [[unlikely]] return fail(errc::protocol);
  return begin_frame(to);
}

connection::parts::progress connection::parts::begin_frame(event& to) {
  if (const errc wrong = check_header(frame, with.announced.frame_bytes_max, with.announced.open_block_bytes_max); wrong != errc{}) [[unlikely]]
    return fail(wrong);
  // HELLO comes first, and once; in its place only a refusal.
  if (hello_here == (frame.type == frame_type::hello)) [[unlikely]] {
    if (hello_here || frame.type != frame_type::go_away) return fail(errc::protocol);
  }
  ++frames_received;
  pulse.handle_received(now);
  if (frame.type == frame_type::data) [[likely]] {
    const progress begun = begin_data();
    return begun == progress::event ? parse_data(to) : begun;
  }

  std::size_t need = frame.length;
  if (frame.type == frame_type::open) need = std::min<std::size_t>(need, with.announced.open_block_bytes_max);
  if (frame.type == frame_type::skip_first || frame.type == frame_type::skip_last) {
    meter.control_received(to_bucket_time(now));
    meter_touched = true;
    left = frame.length;
    reading = left == 0 ? stage::header : stage::gather;
    return progress::nothing;
  }
  if (in.size() >= need) [[likely]] {
    reading = stage::header;
    if (frame.type == frame_type::open) return handle_open(in.first(std::min<std::size_t>(in.size(), frame.length)), to);
    const byte_view payload = in.first(need);
    advance_input(need);
    return handle_control(payload, to);
  }
  left = static_cast<std::uint32_t>(need);
  need_rare().stitch = pool.allocate(need);
  reading = stage::gather;
  return progress::nothing;
}

connection::parts::progress connection::parts::parse_gather(event& to) {
  const std::size_t count = std::min<std::size_t>(left, in.size());
  left -= static_cast<std::uint32_t>(count);
  const bool skipped = !rare || rare->stitch.capacity() == 0;
  if (!skipped) {
    chunk& stitch = rare->stitch;
    std::memcpy(stitch.mutable_data() + stitch.size(), in.data(), count);
    stitch.grow(count);
  }
  advance_input(count);
  if (left != 0) return progress::nothing;
  reading = stage::header;
  if (skipped) return progress::nothing;
  if (frame.type != frame_type::open) {
    lent = std::move(rare->stitch);
    return handle_control(lent.view(), to);
  }
  // What follows the open block in the copy is parsed before the rest of the span.
  replay(std::move(rare->stitch));
  return handle_open(in, to);
}

// Parses these bytes in front of what is left of the span. They stay where they are until the last of them is parsed.
void connection::parts::replay(chunk bytes) {
  HAWSER_EXPECTS(!replaying, "a replay within a replay");
  rarity& again = need_rare();
  again.replayed = std::move(bytes);
  again.in_after = in;
  in = again.replayed.view();
  replaying = true;
}

// -- DATA

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
  if (whole.bytes.room() < part.size()) {
    std::size_t wanted = whole.bytes.size() + part.size() + left;
    if (frame.flags & frame_flag::more) wanted = std::min<std::size_t>(std::max(wanted, 2 * whole.bytes.size()), with.announced.message_bytes_max);
    chunk larger = pool.allocate(std::max<std::size_t>(wanted, 1));
    if (!whole.bytes.empty()) std::memcpy(larger.mutable_data(), whole.bytes.data(), whole.bytes.size());
    larger.grow(whole.bytes.size());
    whole.bytes = std::move(larger);
  }
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
  assembly::drop(of.incoming);
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

void connection::parts::drop_assembly(channel& of) {
  if (of.incoming) {
    of.in.give_back(of.incoming->cost);
    assembly::drop(of.incoming);
  }
  end_want(of);
  leave_budget(of);
}

// What the peer sent with its HELLO waits until accept().
connection::parts::progress connection::parts::hold_back() {
  chunk& held = shake->held;
  if (held.size() >= held_bytes_max) return fail(errc::flow_control);
  if (held.capacity() == 0) held = pool.allocate(in.size());
  if (held.room() < in.size()) {
    chunk larger = pool.allocate(std::max(held.size() + in.size(), 2 * held.size()));
    std::memcpy(larger.mutable_data(), held.data(), held.size());
    larger.grow(held.size());
    held = std::move(larger);
  }
  std::memcpy(held.mutable_data() + held.size(), in.data(), in.size());
  held.grow(in.size());
  in = {};
  return progress::nothing;
}

}  // namespace hawser::inline v0::proto
