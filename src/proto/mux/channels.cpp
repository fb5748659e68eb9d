// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <hawser/proto/tlv.hpp>

#include <algorithm>
#include <cstring>

// The life of a channel as the application has it: open, reset, stop, work_done.

namespace hawser::inline v0::proto {

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
  block.alias = options.operation.empty() ? std::uint16_t{0} : aliases_out.newest(options.operation);
  const bool plain = plain_block::fits(block);
  // At most: it may turn out that an alias does, or that one is to be assigned.
  std::size_t block_size = plain ? plain_block::size : open_block_size(block) + 2;
  if (block_size > peer_open_block_bytes_max) return failure(errc::message_too_big);
  channel* made = table.open_own();
  if (!made) return failure(errc::would_block);
  channel& of = *made;
  of.kind = options.kind;
  of.urgency = options.urgency;
  of.user = options.user;
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
  if (with_open + block_size > payload_max) with_open = messages ? 0 : payload_max - std::min(payload_max, block_size);
  const std::uint32_t cost = cost_of_open(static_cast<std::uint32_t>(with_open));
  const std::size_t frame_bytes = header_bytes_max + block_size + with_open;
  const bool at_once = cost == 0 ? may_send_free(of, frame_bytes) : may_send_now(of, cost, frame_bytes);
  if (at_once && block.alias == 0 && !options.operation.empty()) {
    // Only an OPEN that goes out now may assign: no later one can overtake it.
    const alias_sender::choice choice = aliases_out.choose(options.operation, peer_alias_slots, pulse.secret());
    block.alias = choice.alias;
    block.assign = choice.assign;
  }
  if (!plain) block_size = open_block_size(block);
  const auto length = static_cast<std::uint32_t>(block_size + with_open);
  std::byte* at = at_once ? out.reserve(header_bytes_max + length) : queue.reserve(of, header_bytes_max + length);
  const bool ends = at_once && end == end_mark::end && with_open == first.size();
  const std::size_t head = put_header(at, frame_type::open, ends ? frame_flag::fin : frame_flag::none, of.id, length);
  if (plain) plain_block::put(at + head, block.kind, block.alias);
  else put_open_block(at + head, block);
  if (with_open != 0) std::memcpy(at + head + block_size, first.data(), with_open);
  if (at_once) {
    of.last_frame_at = out.end();
    of.open_number = ++queue.opens_committed;
    out.wrote(head + length);
    of.out.spend(cost);
    queue.credit.spend(cost);
    queue.note_sent(of.id, length);
    meter.frames_sent(1);
  } else {
    queue.wrote_frame(of, head + length, 0);
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
  if (ends) advance(of, channel_input::send_fin);
  else if (end == end_mark::end) (void)finish(of);
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
  if (has_room_for_end()) {
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

// The application lets go of the channel: nullptr when that is all, because it or the connection is over.
channel* connection::parts::let_go(channel_id id) noexcept {
  channel* of = id == message_channel ? nullptr : table.find(id);
  if (!of) return nullptr;
  of->user = nullptr;
  return over || is_free(of->state) ? nullptr : of;
}

bool connection::work_done(channel_id id) {
  channel* of = parts_->let_go(id);
  return of && parts_->work_done(*of);
}

bool connection::conclude(channel_id id) {
  channel* of = parts_->let_go(id);
  return of && parts_->conclude(*of);
}

bool connection::parts::conclude(channel& of) {
  constexpr std::uint32_t not_plain = channel_flag::reset_sent | channel_flag::reset_due | channel_flag::stop_received | channel_flag::fin_due |
                                      channel_flag::more_sent;
  // A request whose answer still lies in the outbox: two bits of its frame and the slot are all that is left.
  constexpr auto examined = std::byte{0x0f | frame_flag::more | frame_flag::fin | frame_flag::rel};
  if (of.state == channel_state::peer_received && of.flags == 0 && !of.queue && !of.incoming && !kind_has_messages(of.kind) &&
      !wants_connection_writable && has_room_for_end()) {
    if (std::byte* const at = out.amend(of.last_frame_at); at && (*at & examined) == std::byte{static_cast<std::uint8_t>(frame_type::data)}) {
      advance(of, channel_input::work_ended);
      const bool carries = (advance(of, channel_input::send_fin).effects & channel_effect::carry_release) != 0;
      *at |= std::byte{static_cast<std::uint8_t>(frame_flag::fin | (carries ? frame_flag::rel : frame_flag::none))};
      meter.open_completed();
      widened[0] -= std::min(widened[0], of.in.window() - with.announced.channel_credit);
      table.close(of);
      return true;
    }
  }
  if (of.state == channel_state::peer_received && !of.queue && !of.has(not_plain) && has_room_for_end()) {
    advance(of, channel_input::work_ended);
    frame_fin(of);
    return close_freed(of);
  }
  if (can_send(of.state) && !of.has(not_plain & ~channel_flag::more_sent & ~channel_flag::stop_received)) (void)finish(of);
  return work_done(of);
}

bool connection::parts::work_done(channel& of) {
  of.clear(channel_flag::wants_writable | channel_flag::writable_event | channel_flag::finished_event | channel_flag::reset_event);
  if (is_own(of.state)) {
    of.set(channel_flag::forgotten);
    if (can_send(of.state) && !of.has(channel_flag::fin_due | channel_flag::reset_due))
      end_locally(of, static_cast<std::uint32_t>(errc::cancelled), {});
    else if (can_receive(of.state))
      stop(of, static_cast<std::uint32_t>(errc::cancelled));
    return false;
  }
  if (transition(of.state, channel_input::work_ended).effects & channel_effect::violation) return false;
  // A handler that ends without an answer has failed; what it did not read is not wanted.
  if (can_send(of.state) && !of.has(channel_flag::fin_due | channel_flag::reset_due))
    end_locally(of, static_cast<std::uint32_t>(errc::operation_failed), {});
  else if (can_receive(of.state))
    stop(of, static_cast<std::uint32_t>(errc::cancelled));
  of.set(channel_flag::forgotten);
  of.deadline = never;
  const channel_step taken = advance(of, channel_input::work_ended);
  if (taken.effects & channel_effect::owe_reset) {
    if (of.code_reset == 0) of.code_reset = static_cast<std::uint32_t>(errc::cancelled);
    mark_dirty(of, channel_flag::reset_due);
  }
  if ((taken.effects & channel_effect::owe_release) == 0) return false;
  if (!out.has_slots() || !out.amend(of.last_frame_at)) {
    mark_dirty(of, channel_flag::release_due);
    return false;
  }
  frame_release(of);
  return close_freed(of);
}

void connection::consume(channel_id id, std::uint32_t cost) {
  parts& p = *parts_;
  if (id == 0) return p.received.let_go(static_cast<std::uint32_t>(std::min<std::size_t>(cost, p.received.held())));
  channel* const of = p.table.find(id);
  if (!of) return;
  // What parts::consume() does with a part of what is held, where nobody waits for more of it.
  constexpr std::uint32_t not_plain = channel_flag::wanted | channel_flag::discard | channel_flag::credit_due | channel_flag::more_received;
  const std::int64_t window = of->in.window();
  if (!of->has(not_plain) && !of->incoming && can_receive(of->state) && p.reading == parts::stage::header && of->in.surplus() == 0 &&
      of->in.outstanding() + of->in.returnable() + cost <= window && cost <= p.received.held()) [[likely]] {
    p.received.let_go(cost);
    of->in.give_back(cost);
    if (of->in.due()) p.mark_dirty(*of, channel_flag::credit_due);
    return;
  }
  p.consume(*of, cost);
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

}  // namespace hawser::inline v0::proto
