// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

// The short way for messages that lie whole in the input. Whatever is not the plain case is left to poll_event(), which finds everything as
// it was.

namespace hawser::inline v0::proto {

namespace {

constexpr std::uint32_t default_channel_word = static_cast<std::uint32_t>(frame_type::data) | message_channel << 8;
constexpr std::uint32_t without_length = 0xfffff;

}  // namespace

// Nothing is due that goes first, and a frame begins here.
inline bool connection::parts::expects_plain() const noexcept {
  return reading == stage::header && stash_size == 0 && !first_event && greeted && hello_here && !over && !connection_writable;
}

// A message that lies whole behind a header of `head` bytes, and is not larger than all that is here.
inline bool connection::parts::take_plain(channel& of, std::size_t head, std::uint32_t length, plain_message& to) noexcept {
  const std::uint32_t cost = length + frame_cost;
  if (length > with.announced.frame_bytes_max || length > with.announced.message_bytes_max || of.incoming || of.has(channel_flag::discard | channel_flag::more_received) || !can_receive(of.state) ||
      !of.in.covers(cost) || !received.take_and_hold(cost))
    return false;
  (void)of.in.take(cost);
  ++frames_received;
  ++messages_received;
  frame_at = never;
  pulse.handle_received(now);
  to.channel = of.id;
  to.cost = cost;
  to.user = of.user;
  to.bytes = in.subspan(head, length);
  advance_input(head + length);
  if (lent.capacity() != 0) [[unlikely]] lent = chunk();
  note_heard(of, length);
  return true;
}

bool connection::poll_message(plain_message& out) {
  parts& p = *parts_;
  const std::size_t here = p.in.size();
  if (here < short_header_bytes) return false;
  const auto word = load_le<std::uint32_t>(p.in.data());
  std::uint32_t length = word >> 20;
  if ((word & without_length) == default_channel_word) [[likely]]
    return here - short_header_bytes >= length && p.expects_plain() && p.take_plain(p.table.plain(), short_header_bytes, length, out);
  return p.take_plain_of_any(word, out);
}

// Of any channel, and of any length.
bool connection::parts::take_plain_of_any(std::uint32_t word, plain_message& to) noexcept {
  if ((word & 0x7f) != static_cast<std::uint32_t>(frame_type::data)) return false;      // or it has a flag
  channel_id id = word >> 8 & 0xfff;
  std::uint32_t length = word >> 20;
  std::size_t head = short_header_bytes;
  if (word & 0x80) {
    if (in.size() < header_bytes_max) return false;
    const auto wide = load_le<std::uint32_t>(in.data() + short_header_bytes);
    if (wide == 0) return false;
    id |= (wide & 0xffff) << 12;
    length |= (wide >> 16) << 12;
    head = header_bytes_max;
  }
  if (in.size() - head < length || !expects_plain()) return false;
  channel* const of = heard(id);
  return of && kind_has_messages(of->kind) && take_plain(*of, head, length, to);
}

}  // namespace hawser::inline v0::proto
