// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <hawser/proto/tlv.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

// Frames other than DATA, and what is reported without a frame of its own.

namespace hawser::inline v0::proto {

namespace {

constexpr std::uint32_t counted_heads_max = 2;

// Of a RESET or a STOP: never an orderly end, as 0 is elsewhere.
std::uint32_t reason_from_wire(std::uint32_t code) noexcept { return static_cast<std::uint32_t>(error_from_wire(code).value()); }

}  // namespace

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
  shake->payload = std::make_unique<std::byte[]>(payload.size());
  if (!payload.empty()) std::memcpy(shake->payload.get(), payload.data(), payload.size());
  remote_hello& hello = shake->hello;
  if (const errc wrong = parse_hello({shake->payload.get(), payload.size()}, hello); wrong != errc{}) return fail(wrong);
  hello.version = common_version({version_newest, version_oldest}, shake->theirs);
  if (hello.application != shake->application) return fail(errc::application_tag);
  hello_here = true;

  const limits& l = hello.announced;
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
  peer_frame_pages = static_cast<std::uint8_t>(std::min<std::uint32_t>(l.frame_bytes_max / frame_page_bytes, UINT8_MAX));
  table.set_own_limit(l.channels_max);
  peer_alias_slots = l.alias_slots;
  pulse.set_idle_timeout(with.announced.idle_timeout_ms, l.idle_timeout_ms);
  pulse.set_in_flight_max(l.pings_in_flight_max);
  to = event{};
  to.kind = event_kind::hello;
  to.text = hello.name;
  return progress::event;
}

connection::parts::progress connection::parts::handle_open(byte_view available, event& to) {
  const bucket_time at_ms = to_bucket_time(now);
  open_block block;
  std::size_t block_size = plain_block::size;
  block.alias = plain_block::alias_in(available);
  if (block.alias != 0 && block.alias <= with.announced.alias_slots) [[likely]] {
    block.kind = static_cast<channel_kind>(std::to_integer<unsigned>(available[0]) & 0x0f);
  } else if (const errc wrong = parse_open_block(available, with.announced.open_block_bytes_max, with.announced.alias_slots, block, block_size);
             wrong != errc{}) {
    return fail(wrong);
  }
  std::string_view operation = block.operation;
  if (block.alias != 0) {
    operation = aliases_in.find(block.alias);
    if (operation.empty()) return fail(errc::protocol);
  } else if (block.assign != 0) {
    aliases_in.assign(block.assign, block.operation, with.announced.alias_slots);
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
  if (first_part) note_heard(of, left);
  reading = stage::data;
  if (!go_away_sent) ++opens_accepted;
  if (!kind_known(of.kind) || go_away_sent) {
    refuse_open(of, errc::refused);
    return progress::nothing;
  }

  if (!opening) opening = std::make_unique<remote_open>();
  remote_open& open = *opening;
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
  channel* of = heard(frame.channel);
  const channel_state state = of ? of->state : table.free_state(frame.channel);
  if (transition(state, channel_input::receive_data).effects & channel_effect::violation) return fail(errc::protocol);
  if ((of->heads >> 4) == counted_heads_max || (of->has(channel_flag::more_received) && kind_has_messages(of->kind))) return fail(errc::protocol);
  if (!tlv_well_formed(payload)) return fail(errc::protocol);
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
  channel* of = heard(frame.channel);
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
  drop_queued(*of);
  drop_assembly(*of);
  of->clear(channel_flag::fin_due | channel_flag::credit_due | channel_flag::stop_due | channel_flag::wants_writable |
            channel_flag::writable_event | channel_flag::more_received);
  of->set(channel_flag::discard | channel_flag::reset_received);
  of->deadline = never;
  if (taken.effects & channel_effect::owe_reset) {
    of->code_reset = reason_from_wire(said.code);
    mark_dirty(*of, channel_flag::reset_due);
  }
  if (taken.effects & channel_effect::owe_release) mark_dirty(*of, channel_flag::release_due);
  if (taken.effects & channel_effect::freed) handle_freed(*of);
  if (silent) return progress::nothing;
  to = event{};
  to.kind = event_kind::reset;
  to.channel = of->id;
  to.user = of->user;
  to.code = reason_from_wire(said.code);
  to.text = said.reason;
  return progress::event;
}

connection::parts::progress connection::parts::handle_stop(byte_view payload, event& to) {
  code_payload said{};
  if (!parse_code(payload, said)) return fail(errc::protocol);
  channel* of = heard(frame.channel);
  const channel_step taken = transition(of ? of->state : table.free_state(frame.channel), channel_input::receive_stop);
  if (taken.effects & channel_effect::violation) return fail(errc::protocol);
  // Metered alike whether it crossed our end of the channel or not: the peer could not know.
  meter.reply_received(to_bucket_time(now));
  meter_touched = true;
  if ((taken.effects & channel_effect::ignored) || !of) return progress::nothing;
  of->state = taken.next;
  if (!can_send(of->state)) return progress::nothing;
  if (is_peers(of->state)) of->set(channel_flag::abnormal);
  // What waits is not wanted, and the peer grants no more credit for it: it would only hold up the FIN.
  if (of->queue && of->queue->in_message) of->set(channel_flag::more_sent);
  const bool finished = of->has(channel_flag::fin_due);
  drop_queued(*of);
  of->clear(channel_flag::fin_due | channel_flag::wants_writable | channel_flag::writable_event);
  of->set(channel_flag::stop_received);
  if (finished) (void)finish(*of);
  if (of->has(channel_flag::forgotten | channel_flag::reset_sent | channel_flag::reset_due)) return progress::nothing;
  to = event{};
  to.kind = event_kind::stopped;
  to.channel = of->id;
  to.user = of->user;
  to.code = reason_from_wire(said.code);
  to.text = said.reason;
  return progress::event;
}

connection::parts::progress connection::parts::handle_credit(byte_view payload) {
  const auto increment = load_le<std::uint32_t>(payload.data());
  meter.reply_received(to_bucket_time(now));
  meter_touched = true;
  if (frame.channel == 0) {
    if (const errc wrong = queue.credit.grant(increment); wrong != errc{}) return fail(wrong);
    queue.credit_raised();
    return progress::nothing;
  }
  channel* of = heard(frame.channel);
  const channel_step taken = transition(of ? of->state : table.free_state(frame.channel), channel_input::receive_credit);
  if (taken.effects & channel_effect::violation) return fail(errc::protocol);
  if ((taken.effects & channel_effect::ignored) || !of) return increment == 0 ? fail(errc::protocol) : progress::nothing;
  if (const errc wrong = of->out.grant(increment); wrong != errc{}) return fail(wrong);
  queue.nourish(*of);
  return progress::nothing;
}

connection::parts::progress connection::parts::handle_release() {
  channel* of = heard(frame.channel);
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
  if (pongs_due >= with.announced.pings_in_flight_max) return fail(errc::protocol);
  need_rare().pongs[pongs_due] = bits;
  ++pongs_due;
  return progress::nothing;
}

connection::parts::progress connection::parts::handle_go_away(byte_view payload, event& to) {
  go_away_payload said{};
  if (!parse_go_away(payload, said)) return fail(errc::protocol);
  meter.control_received(to_bucket_time(now));
  meter_touched = true;
  const bool again = go_away_here;
  go_away_here = true;
  rarity& end_near = need_rare();
  end_near.opens_processed = said.opens_accepted;
  if (said.code != 0) {
    end(code_from_wire(said.code));
  } else if (!hello_here) {
    end(static_cast<std::uint32_t>(errc::refused));
  } else {
    end_near.drain_at = std::min(end_near.drain_at, after(now, std::chrono::milliseconds(said.drain_ms)));
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

}  // namespace hawser::inline v0::proto
