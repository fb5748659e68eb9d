// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <hawser/proto/tlv.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

// Input: handle_bytes() keeps the span, poll_event() takes the next frame from it.

namespace hawser::proto {

namespace {
// What may arrive in front of accept(): the floors of section 1, with headers and open blocks.
constexpr std::uint32_t counted_heads_max = 2;
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

bool connection::parts::poll_event(event& to) {
  if (!replaying) [[likely]] {
    if (lent.capacity() != 0) lent = chunk();
  }
  for (;;) {
    if ((first_event || connection_writable) && next_notification(to)) return true;
    if (over) [[unlikely]] {
      if (closed_told) return false;
      closed_told = true;
      to = event{};
      to.kind = event_kind::closed;
      to.code = closed_code;
      return true;
    }
    switch (parse(to)) {
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
      in = std::exchange(in_after, {});
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
  frame_at = never;
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
    reading = stage::gather;
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
  stitch = pool.allocate(need);
  reading = stage::gather;
  return progress::nothing;
}

connection::parts::progress connection::parts::parse_gather(event& to) {
  const std::size_t count = std::min<std::size_t>(left, in.size());
  left -= static_cast<std::uint32_t>(count);
  const bool skipped = stitch.capacity() == 0;
  if (!skipped) {
    std::memcpy(stitch.mutable_data() + stitch.size(), in.data(), count);
    stitch.grow(count);
  }
  advance_input(count);
  if (left != 0) return progress::nothing;
  reading = stage::header;
  if (skipped) return progress::nothing;
  lent = std::move(stitch);
  if (frame.type != frame_type::open) return handle_control(lent.view(), to);

  // What follows the open block in the copy is parsed before the rest of the span.
  in_after = in;
  in = lent.view();
  replaying = true;
  return handle_open(in, to);
}

// -- DATA

// event: the frame is sound, parse_data() goes on.
connection::parts::progress connection::parts::begin_data() {
  channel* of = table.find(frame.channel);
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
  } else if (frame.flags & frame_flag::more) [[unlikely]] {
    return fail(errc::protocol);
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
      to = event{};
      to.kind = event_kind::data;
      to.channel = of.id;
      to.user = of.user;
      to.bytes = part;
      to.cost = cost;
      made = progress::event;
    } else if (had_first) {
      // An empty DATA frame of a byte channel says nothing; its cost goes back at once.
      received.pass(cost);
      give_back(of, cost);
    }
  } else if (left == 0 && !of.incoming && (frame.flags & frame_flag::more) == 0) [[likely]] {
    if (cost != 0) {
      received.hold(cost);
      ++messages_received;
      to = event{};
      to.kind = event_kind::message;
      to.channel = of.id;
      to.user = of.user;
      to.bytes = part;
      to.cost = cost;
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
  if (!of.incoming) of.incoming = new assembly;
  assembly& whole = *of.incoming;
  if (whole.bytes.size() + part.size() + left > with.announced.message_bytes_max) {
    received.pass(cost);
    of.in.give_back(cost);
    if (of.id == message_channel) return fail(errc::message_too_big);
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
  delete std::exchange(of.incoming, nullptr);
  leave_budget(of);
  received.keep(total);
  ++messages_received;
  to = event{};
  to.kind = event_kind::message;
  to.channel = of.id;
  to.user = of.user;
  to.bytes = lent.view();
  to.cost = total;
  return progress::event;
}

connection::parts::progress connection::parts::end_data(channel& of, event&, progress so_far) {
  if (frame.flags & frame_flag::more) {
    of.set(channel_flag::more_received);
  } else {
    of.clear(channel_flag::more_received);
  }
  if ((frame.flags & frame_flag::fin) == 0) return so_far;
  const channel_step taken = advance(of, frame.flags & frame_flag::rel ? channel_input::receive_fin_rel : channel_input::receive_fin);
  if (taken.effects & channel_effect::violation) return fail(errc::protocol);
  if (!of.has(channel_flag::discard)) of.set(channel_flag::finished_event);
  of.clear(channel_flag::credit_due | channel_flag::stop_due);
  if (taken.effects & channel_effect::owe_release) mark_dirty(of, channel_flag::release_due);
  if (taken.effects & channel_effect::freed) handle_freed(of);
  if (of.has(channel_flag::finished_event)) notify(of, channel_flag::finished_event);
  return so_far;
}

void connection::parts::drop_assembly(channel& of) {
  if (of.incoming) {
    of.in.give_back(of.incoming->cost);
    delete std::exchange(of.incoming, nullptr);
  }
  leave_budget(of);
}

// What the peer sent with its HELLO waits until accept().
connection::parts::progress connection::parts::hold_back() {
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

// -- the other frames

connection::parts::progress connection::parts::handle_control(byte_view payload, event& to) {
  switch (frame.type) {
    case frame_type::credit: return handle_credit(payload);
    case frame_type::reset: return handle_reset(payload, to);
    case frame_type::stop: return handle_stop(payload, to);
    case frame_type::release: return handle_release();
    case frame_type::ping: return handle_ping(payload, to);
    case frame_type::go_away: return handle_go_away(payload, to);
    case frame_type::hello: return handle_hello(payload, to);
    case frame_type::head: return handle_head(payload, to);
    default: return fail(errc::protocol);
  }
}

connection::parts::progress connection::parts::handle_hello(byte_view payload, event& to) {
  auto theirs = std::make_unique<remote_side>();
  theirs->payload = std::make_unique<std::byte[]>(payload.size());
  if (!payload.empty()) std::memcpy(theirs->payload.get(), payload.data(), payload.size());
  remote_hello& hello = theirs->hello;
  if (const errc wrong = parse_hello({theirs->payload.get(), payload.size()}, hello); wrong != errc{}) return fail(wrong);
  hello.version = common_version({version_newest, version_oldest}, shake->theirs);
  if (hello.application != shake->application) return fail(errc::application_tag);
  remote = std::move(theirs);
  hello_here = true;

  const limits& l = hello.announced;
  peer_frame_bytes_max = l.frame_bytes_max;
  peer_message_bytes_max = l.message_bytes_max;
  peer_open_block_bytes_max = l.open_block_bytes_max;
  const limits floor = floor_limits();
  queue.credit.announce(floor.connection_credit, l.connection_credit);
  queue.credit_raised();
  const auto announce = [&](channel& each) {
    each.out.announce(floor.channel_credit, l.channel_credit);
    queue.nourish(each);
    if (each.has(channel_flag::wants_writable)) handle_progress(each);
  };
  announce(table.plain());
  table.for_each([&](channel& each) {
    if (is_own(each.state)) announce(each);
  });
  peer_channel_credit = l.channel_credit;
  // No frame is larger than half a window: it fits as soon as the peer has granted.
  frame_bytes_max = std::min({l.frame_bytes_max, l.channel_credit / 2 - frame_cost, l.connection_credit / 2 - frame_cost});
  table.set_own_limit(l.channels_max);
  aliases_out.set_slots(l.alias_slots);
  pulse.set_idle_timeout(with.announced.idle_timeout_ms, l.idle_timeout_ms);
  pulse.set_in_flight_max(l.pings_in_flight_max);
  handshake_at = never;
  if (!server()) shake.reset();
  to = event{};
  to.kind = event_kind::hello;
  to.text = hello.name;
  return progress::event;
}

connection::parts::progress connection::parts::handle_open(byte_view available, event& to) {
  const bucket_time at_ms = to_bucket_time(now);
  open_block block;
  std::size_t block_size = 0;
  if (const errc wrong = parse_open_block(available, with.announced.open_block_bytes_max, with.announced.alias_slots, block, block_size);
      wrong != errc{})
    return fail(wrong);
  std::string_view operation = block.operation;
  if (block.alias != 0) {
    operation = aliases_in.find(block.alias);
    if (operation.empty()) return fail(errc::protocol);
  } else if (block.assign != 0) {
    aliases_in.assign(block.assign, block.operation);
  }
  channel* opened = table.open_peers(frame.channel);
  if (!opened) return fail(errc::protocol);
  channel& of = *opened;
  advance(of, channel_input::receive_open);
  of.kind = block.kind;
  of.urgency = block.urgency;
  of.in = recv_credit(with.announced.channel_credit);
  of.out = send_credit(peer_channel_credit);
  if (!block.meta.empty()) raise_initial_credit(of, block.meta);
  ++opens_received;
  meter.open_received(at_ms);
  meter_touched = true;

  left = frame.length - static_cast<std::uint32_t>(block_size);
  const std::uint32_t cost = cost_of_open(left);
  if (!of.in.take(cost) || !received.take(cost)) return fail(errc::flow_control);
  advance_input(block_size);
  if ((frame.flags & frame_flag::more) && (left == 0 || (kind_known(of.kind) && !kind_has_messages(of.kind)))) return fail(errc::protocol);
  first_part = cost != 0;
  reading = stage::data;
  if (!go_away_sent) ++opens_accepted;
  if (!kind_known(of.kind) || go_away_sent) {
    refuse_open(of, errc::refused);
    return progress::nothing;
  }

  remote_open& open = remote->open;
  open = remote_open{.kind = of.kind, .operation = operation, .deadline = {}, .urgency = of.urgency, .meta = block.meta};
  if (block.deadline_ms) {
    open.deadline = deadline_from_wire(*block.deadline_ms);
    of.deadline = after(now, *open.deadline);
    deadline_at = std::min(deadline_at, of.deadline);
  }
  to = event{};
  to.kind = event_kind::opened;
  to.channel = of.id;
  to.open = &open;
  return progress::event;
}

void connection::parts::refuse_open(channel& of, errc code) {
  of.set(channel_flag::discard | channel_flag::forgotten | channel_flag::refused);
  of.code_reset = static_cast<std::uint32_t>(code);
  advance(of, channel_input::work_ended);
  mark_dirty(of, channel_flag::reset_due);
}

connection::parts::progress connection::parts::handle_head(byte_view payload, event& to) {
  channel* of = table.find(frame.channel);
  const channel_state state = of ? of->state : table.free_state(frame.channel);
  if (transition(state, channel_input::receive_data).effects & channel_effect::violation) return fail(errc::protocol);
  if ((of->heads >> 4) == counted_heads_max || of->has(channel_flag::more_received)) return fail(errc::protocol);
  of->heads = static_cast<std::uint8_t>(of->heads + 0x10);
  if (of->has(channel_flag::discard)) return progress::nothing;
  to = event{};
  to.kind = event_kind::head;
  to.channel = of->id;
  to.user = of->user;
  to.bytes = payload;
  return progress::event;
}

connection::parts::progress connection::parts::handle_reset(byte_view payload, event& to) {
  code_payload said{};
  if (!parse_code(payload, said)) return fail(errc::protocol);
  channel* of = table.find(frame.channel);
  const channel_input what = frame.flags & frame_flag::rel ? channel_input::receive_reset_rel : channel_input::receive_reset;
  const channel_step taken = transition(of ? of->state : table.free_state(frame.channel), what);
  if (taken.effects & channel_effect::violation) return fail(errc::protocol);
  if (taken.effects & channel_effect::ignored) {
    meter.control_received(to_bucket_time(now));
    meter_touched = true;
    return progress::nothing;
  }
  const bool silent = of->has(channel_flag::forgotten | channel_flag::reset_sent);
  of->state = taken.next;
  if (is_peers(of->state) && !of->has(channel_flag::stop_sent | channel_flag::reset_sent)) of->set(channel_flag::abnormal);
  queue.discard(*of);
  drop_assembly(*of);
  of->clear(channel_flag::fin_due | channel_flag::credit_due | channel_flag::stop_due | channel_flag::wants_writable |
            channel_flag::writable_event | channel_flag::more_received);
  of->set(channel_flag::discard | channel_flag::reset_received);
  of->deadline = never;
  if (taken.effects & channel_effect::owe_reset) {
    of->code_reset = code_from_wire(said.code);
    mark_dirty(*of, channel_flag::reset_due);
  }
  if (taken.effects & channel_effect::owe_release) mark_dirty(*of, channel_flag::release_due);
  if (taken.effects & channel_effect::freed) handle_freed(*of);
  if (silent) return progress::nothing;
  to = event{};
  to.kind = event_kind::reset;
  to.channel = of->id;
  to.user = of->user;
  to.code = code_from_wire(said.code);
  to.text = said.reason;
  return progress::event;
}

connection::parts::progress connection::parts::handle_stop(byte_view payload, event& to) {
  code_payload said{};
  if (!parse_code(payload, said)) return fail(errc::protocol);
  channel* of = table.find(frame.channel);
  const channel_step taken = transition(of ? of->state : table.free_state(frame.channel), channel_input::receive_stop);
  if (taken.effects & channel_effect::violation) return fail(errc::protocol);
  meter_touched = true;
  if ((taken.effects & channel_effect::ignored) || !of) {
    meter.control_received(to_bucket_time(now));
    return progress::nothing;
  }
  meter.reply_received(to_bucket_time(now));
  of->state = taken.next;
  if (!can_send(of->state)) return progress::nothing;
  if (is_peers(of->state)) of->set(channel_flag::abnormal);
  // What waits is not wanted, and the peer grants no more credit for it: it would only hold up the FIN.
  if (of->queue && of->queue->in_message) of->set(channel_flag::more_sent);
  const bool finished = of->has(channel_flag::fin_due);
  queue.discard(*of);
  of->clear(channel_flag::fin_due | channel_flag::wants_writable | channel_flag::writable_event);
  of->set(channel_flag::stop_received);
  if (finished) (void)finish(*of);
  if (of->has(channel_flag::forgotten | channel_flag::reset_sent | channel_flag::reset_due)) return progress::nothing;
  to = event{};
  to.kind = event_kind::stopped;
  to.channel = of->id;
  to.user = of->user;
  to.code = code_from_wire(said.code);
  to.text = said.reason;
  return progress::event;
}

connection::parts::progress connection::parts::handle_credit(byte_view payload) {
  const auto increment = load_le<std::uint32_t>(payload.data());
  meter_touched = true;
  if (frame.channel == 0) {
    meter.reply_received(to_bucket_time(now));
    if (const errc wrong = queue.credit.grant(increment); wrong != errc{}) return fail(wrong);
    queue.credit_raised();
    return progress::nothing;
  }
  channel* of = table.find(frame.channel);
  const channel_step taken = transition(of ? of->state : table.free_state(frame.channel), channel_input::receive_credit);
  if (taken.effects & channel_effect::violation) return fail(errc::protocol);
  if ((taken.effects & channel_effect::ignored) || !of) {
    meter.control_received(to_bucket_time(now));
    return increment == 0 ? fail(errc::protocol) : progress::nothing;
  }
  meter.reply_received(to_bucket_time(now));
  if (const errc wrong = of->out.grant(increment); wrong != errc{}) return fail(wrong);
  queue.nourish(*of);
  return progress::nothing;
}

connection::parts::progress connection::parts::handle_release() {
  channel* of = table.find(frame.channel);
  const channel_step taken = transition(of ? of->state : table.free_state(frame.channel), channel_input::receive_release);
  if ((taken.effects & channel_effect::violation) || !of) return fail(errc::protocol);
  of->state = taken.next;
  if (taken.effects & channel_effect::freed) handle_freed(*of);
  return progress::nothing;
}

connection::parts::progress connection::parts::handle_ping(byte_view payload, event& to) {
  const auto bits = load_le<std::uint64_t>(payload.data());
  if (frame.flags & frame_flag::fin) {
    const std::optional<duration> took = pulse.handle_answer(bits, now);
    if (!took) return fail(errc::protocol);
    const bool asked = (ping_kinds & 1) != 0;
    ping_kinds >>= 1;
    if (!asked) return progress::nothing;
    to = event{};
    to.kind = event_kind::pong;
    to.elapsed = *took;
    return progress::event;
  }
  meter.control_received(to_bucket_time(now));
  meter_touched = true;
  if (pongs_due == pongs.size()) return fail(errc::calm);
  pongs[pongs_due++] = bits;
  return progress::nothing;
}

connection::parts::progress connection::parts::handle_go_away(byte_view payload, event& to) {
  go_away_payload said{};
  if (!parse_go_away(payload, said)) return fail(errc::protocol);
  meter.control_received(to_bucket_time(now));
  meter_touched = true;
  const bool again = go_away_here;
  go_away_here = true;
  opens_processed = said.opens_accepted;
  if (said.code != 0) {
    end(code_from_wire(said.code));
  } else if (!hello_here) {
    end(static_cast<std::uint32_t>(errc::refused));
  } else {
    drain_at = std::min(drain_at, after(now, std::chrono::milliseconds(said.drain_ms)));
    if (again) return progress::nothing;
  }
  to = event{};
  to.kind = event_kind::go_away;
  to.code = code_from_wire(said.code);
  to.text = said.reason;
  to.opens_accepted = said.opens_accepted;
  return progress::event;
}

// -- what is reported without a frame of its own

bool connection::parts::next_notification(event& to) {
  while (channel* of = first_event) {
    event_kind kind = event_kind::writable;
    std::uint32_t bit = 0;
    if (of->has(channel_flag::finished_event)) {
      kind = event_kind::finished, bit = channel_flag::finished_event;
    } else if (of->has(channel_flag::reset_event)) {
      kind = event_kind::reset, bit = channel_flag::reset_event;
    } else if (of->has(channel_flag::writable_event)) {
      kind = event_kind::writable, bit = channel_flag::writable_event;
    } else if (of->has(channel_flag::released_event)) {
      kind = event_kind::released, bit = channel_flag::released_event;
    }
    of->clear(bit);
    to = event{};
    to.kind = kind;
    to.channel = of->id;
    to.user = of->user;
    if (kind == event_kind::reset) {
      to.code = of->code_reset;
      to.by_deadline = of->code_reset == static_cast<std::uint32_t>(errc::deadline);
      of->set(channel_flag::forgotten);
    }
    if (!of->has(channel_flag::finished_event | channel_flag::reset_event | channel_flag::writable_event | channel_flag::released_event)) {
      first_event = of->next_event;
      of->next_event = nullptr;
      of->clear(channel_flag::event_due);
      if (bit == channel_flag::released_event) table.close(*of);
    }
    if (bit == 0) continue;
    return true;
  }
  if (!connection_writable) return false;
  connection_writable = false;
  to = event{};
  to.kind = event_kind::writable;
  return true;
}

}  // namespace hawser::proto
