// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <algorithm>
#include <cstring>

// The short ways of a request where nothing is out of the ordinary: how it comes in, and how its answer goes out.

namespace hawser::inline v0::proto {

namespace {

// With an OPEN of two bytes: what is larger is bulk, and thinks of who waits beside it.
constexpr std::size_t plain_body_bytes_max = mux::small_send_bytes - header_bytes_max - plain_block::size;

}  // namespace

// The next frame may be looked at, and no event goes before it.
inline bool connection::parts::is_between_frames() const noexcept {
  return reading == stage::header && stash_size == 0 && greeted && hello_here && !over && !has_events();
}

// What the connection as a whole notes of a sound frame.
[[gnu::always_inline]] inline void connection::parts::note_frame(std::uint32_t cost) noexcept {
  if (lent.capacity() != 0) [[unlikely]] lent = chunk();
  (void)received.take(cost);
  received.hold(cost);
  frame_at = never;
  pulse.handle_received(now);
  ++frames_received;
}

// Here and below: whatever is not the plain case is left to poll_event(), which finds everything as it was.
bool connection::poll_request(plain_request& out) {
  constexpr std::uint32_t examined = 0x8f | frame_flag::more | frame_flag::rel;
  constexpr std::uint32_t beginning = plain_block::first_bits | static_cast<std::uint32_t>(channel_kind::request);
  parts& p = *parts_;
  const std::size_t here = p.in.size();
  if (here < short_header_bytes + plain_block::size) return false;
  const std::byte* const at = p.in.data();
  const auto word = load_le<std::uint32_t>(at);
  const std::uint32_t length = word >> 20;
  if ((word & examined) != static_cast<std::uint32_t>(frame_type::open)) return false;
  if (length <= plain_block::size || here - short_header_bytes < length) [[unlikely]] return false;
  const auto alias_word = std::to_integer<std::uint32_t>(at[short_header_bytes + 1]);
  if (std::to_integer<std::uint32_t>(at[short_header_bytes]) != beginning || (alias_word & 0x81) != 0) [[unlikely]] return false;
  if (!p.is_between_frames() || p.go_away_sent) [[unlikely]] return false;
  const std::uint32_t bytes = length - static_cast<std::uint32_t>(plain_block::size);
  const std::uint32_t cost = cost_of_open(bytes);
  const std::uint32_t window = p.with.announced.channel_credit;
  if (length > p.with.announced.frame_bytes_max || cost > window || p.received.credit().outstanding() < cost) [[unlikely]] return false;
  const std::uint32_t alias = alias_word >> 1;
  const std::string_view operation = alias <= p.with.announced.alias_slots ? p.aliases_in.find(alias) : std::string_view();
  if (operation.empty()) [[unlikely]] return false;
  channel* const opened = p.table.open_peers(word >> 8 & short_field_max);
  if (!opened) [[unlikely]] return false;

  channel& of = *opened;
  of.kind = channel_kind::request;
  of.in = recv_credit(window);
  (void)of.in.take(cost);
  of.out = send_credit(p.peer_channel_credit);
  out.last = (word & frame_flag::fin) != 0;
  advance(of, channel_input::receive_open);
  if (out.last) [[likely]] advance(of, channel_input::receive_fin);
  p.note_frame(cost);
  p.note_heard(of, bytes);
  ++p.opens_received;
  ++p.opens_accepted;
  p.frame.type = frame_type::open;
  p.meter.open_received(to_bucket_time(p.now));
  p.meter_touched = true;
  out.channel = of.id;
  out.cost = cost;
  out.operation = operation;
  out.bytes = p.in.subspan(short_header_bytes + plain_block::size, bytes);
  p.advance_input(short_header_bytes + length);
  return true;
}

bool connection::poll_answer(plain_answer& out) {
  constexpr std::uint32_t examined = 0x8f | frame_flag::more | frame_flag::fin | frame_flag::rel;
  constexpr std::uint32_t beginning = static_cast<std::uint32_t>(frame_type::data) | frame_flag::fin | frame_flag::rel;
  parts& p = *parts_;
  const std::size_t here = p.in.size();
  if (here < short_header_bytes) return false;
  const auto word = load_le<std::uint32_t>(p.in.data());
  if ((word & examined) != beginning) return false;
  const std::uint32_t length = word >> 20;
  if (here - short_header_bytes < length || length == 0 || length > p.with.announced.frame_bytes_max) [[unlikely]] return false;
  if (!p.is_between_frames() || p.wants_connection_writable) [[unlikely]] return false;
  channel* const found = p.table.find(word >> 8 & short_field_max);
  const std::uint32_t cost = length + frame_cost;
  if (!found || found->state != channel_state::own_sent || (found->flags & ~channel_flag::bulky) != 0 || found->queue || found->incoming ||
      kind_has_messages(found->kind)) [[unlikely]]
    return false;
  channel& of = *found;
  if (of.in.outstanding() < cost || p.received.credit().outstanding() < cost) [[unlikely]] return false;

  p.note_frame(cost);
  p.note_heard(of, length);
  p.frame.type = frame_type::data;
  advance(of, channel_input::receive_fin_rel);
  if (const std::uint32_t wider = of.in.window() - p.with.announced.channel_credit; wider != 0) [[unlikely]]
    p.widened[0] -= std::min(p.widened[0], wider);
  out.channel = of.id;
  out.cost = cost;
  out.user = of.user;
  out.bytes = p.in.subspan(short_header_bytes, length);
  p.advance_input(short_header_bytes + length);
  p.table.close(of);
  return true;
}

// Nearly every request.
channel_id connection::open_at_once(instant now, std::string_view operation, byte_view body, void* user) {
  parts& p = *parts_;
  p.now = std::max(p.now, now);
  if (p.over || p.go_away_sent || p.go_away_here || !p.greeted || operation.empty()) [[unlikely]] return 0;
  if (body.empty() || body.size() >= plain_body_bytes_max || body.size() + plain_block::size > p.frame_bytes_max) [[unlikely]] return 0;
  const std::uint16_t alias = p.aliases_out.newest(operation);
  if (alias == 0 || alias >= plain_block::alias_end) [[unlikely]] return 0;
  const auto length = static_cast<std::uint32_t>(plain_block::size + body.size());
  const std::uint32_t cost = cost_of_open(static_cast<std::uint32_t>(body.size()));
  if (p.queue.has_ready() || p.peer_channel_credit < cost || !p.queue.credit.covers(cost) || !p.out.has_slots() ||
      p.out.committed_bytes() + header_bytes_max + length >= p.with.committed_bytes_max) [[unlikely]]
    return 0;
  channel* const made = p.table.open_own();
  if (!made) [[unlikely]] return 0;

  channel& of = *made;
  of.kind = channel_kind::request;
  of.user = user;
  of.in = recv_credit(p.with.announced.channel_credit);
  of.out = send_credit(p.peer_channel_credit - cost);
  advance(of, channel_input::send_open);
  advance(of, channel_input::send_fin);
  of.last_frame_at = p.out.end();
  of.open_number = ++p.queue.opens_committed;
  ++p.opens_sent;
  std::byte* const at = p.out.reserve(header_bytes_max + length);
  const std::size_t head = put_header(at, frame_type::open, frame_flag::fin, of.id, length);
  plain_block::put(at + head, channel_kind::request, alias);
  std::memcpy(at + head + plain_block::size, body.data(), body.size());
  p.out.wrote(head + length);
  p.queue.credit.spend(cost);
  p.queue.note_sent(of.id, length);
  p.meter.frames_sent(1);
  return of.id;
}

// What write_now() does with little, where nothing needs to be thought over.
std::size_t connection::write_at_once(channel_id id, byte_view bytes) {
  constexpr std::uint32_t not_now = channel_flag::reset_sent | channel_flag::reset_received | channel_flag::reset_due |
                                    channel_flag::stop_received | channel_flag::fin_due;
  parts& p = *parts_;
  channel* const to = p.table.find(id);
  if (!to || to->queue || to->has(not_now) || !can_send(to->state) || kind_has_messages(to->kind) || p.over || !p.greeted) return 0;
  const std::size_t size = bytes.size();
  if (size == 0 || size >= mux::small_send_bytes - header_bytes_max) return p.write_now(*to, bytes);
  const auto added = static_cast<std::uint32_t>(size);
  std::byte* const at = p.out.amend(to->last_frame_at);
  if (!at) {
    // The first of what it says, or much was said since.
    const std::uint32_t cost = added + frame_cost;
    if (added > p.frame_bytes_max || !p.may_send_now(*to, cost, header_bytes_max + size)) return p.write_now(*to, bytes);
    std::byte* const fresh = p.out.reserve(header_bytes_max + size);
    const std::size_t head = put_header(fresh, frame_type::data, frame_flag::none, to->id, added);
    std::memcpy(fresh + head, bytes.data(), size);
    to->last_frame_at = p.out.end();
    p.out.wrote(head + size);
    to->out.spend(cost);
    p.queue.credit.spend(cost);
    p.queue.note_sent(to->id, size);
    p.meter.frames_sent(1);
    return size;
  }
  // Who writes piece by piece lengthens a frame that is the newest of all.
  const auto word = load_le<std::uint32_t>(at);
  const std::uint32_t length = word >> 20;
  const std::uint32_t longest = std::min(p.frame_bytes_max, short_field_max);
  if ((word & 0xff) == static_cast<std::uint32_t>(frame_type::data) && to->last_frame_at + short_header_bytes + length == p.out.end() &&
      length != 0 && length + added <= longest && p.out.open_room() >= size && p.may_send_now(*to, added, size)) {
    store_le<std::uint32_t>(at, word + (added << 20));
    std::memcpy(at + short_header_bytes + length, bytes.data(), size);
    p.out.wrote(size);
    to->out.spend(added);
    p.queue.credit.spend(added);
    p.queue.note_sent(to->id, size);
    return size;
  }
  return p.write_now(*to, bytes);
}

}  // namespace hawser::inline v0::proto
