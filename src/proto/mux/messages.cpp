// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <cstring>

// The short way for messages: for those that lie whole in the input, and for short ones that are sent. Whatever is not the plain case is left
// to poll_event() and to parts::send(), which find everything as it was.

namespace hawser::inline v0::proto {

namespace {

constexpr std::uint32_t default_channel_word = static_cast<std::uint32_t>(frame_type::data) | message_channel << 8;
constexpr std::uint32_t without_length = 0xfffff;

// Below this a copy here is cheaper than a call of the library's, which writes lines of the cache twice.
constexpr std::size_t short_message_bytes_max = 128;
static_assert(short_message_bytes_max <= short_field_max);

// Up to short_message_bytes_max, in pieces of 16 that overlap.
inline void copy_short(std::byte* to, const std::byte* from, std::size_t count) noexcept {
  if (count < 16) [[unlikely]] {
    if (count != 0) std::memcpy(to, from, count);
    return;
  }
  const auto copy_at = [=](std::size_t offset) { std::memcpy(to + offset, from + offset, 16); };
  copy_at(0);
  if (count > 32) {
    copy_at(16);
    if (count > 64) {
      copy_at(32);
      copy_at(48);
      copy_at(count - 64);
      copy_at(count - 48);
    }
    copy_at(count - 32);
  }
  copy_at(count - 16);
}

}  // namespace

// Nothing is due that goes first, and a frame begins here.
inline bool connection::parts::expects_plain() const noexcept {
  return reading == stage::header && stash_size == 0 && !first_event && greeted && hello_here && !over && !connection_writable;
}

// A message that lies whole behind a header of `head` bytes, and is not larger than all that is here.
inline bool connection::parts::take_plain(channel& of, std::size_t head, std::uint32_t length, plain_message& to) noexcept {
  const std::uint32_t cost = length + frame_cost;
  if (length > with.announced.frame_bytes_max || length > with.announced.message_bytes_max || of.incoming ||
      of.has(channel_flag::discard | channel_flag::more_received) || !can_receive(of.state) || !of.in.covers(cost) || !received.take_and_hold(cost))
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

// The rules of send_frame(), for most messages: mostly it calls nobody. All books are kept before the payload is copied, which to the compiler may overwrite
// anything. Every peer takes as much as this in one frame.
inline bool connection::parts::send_short(channel& to, byte_view message) {
  const std::size_t size = message.size();
  if (size > short_message_bytes_max || to.id > short_field_max || over || !greeted || to.has(ended_for_sending) || !can_send(to.state) ||
      !kind_has_messages(to.kind))
    return false;
  const std::size_t whole = short_header_bytes + size;
  const auto length = static_cast<std::uint32_t>(size);
  const std::uint32_t cost = length + frame_cost;
  std::byte* at;
  if (to.queue) {
    if (!queue.has_room_behind(*to.queue, whole) || to.queue->bytes >= with.channel_send_bytes_max || queue.queued_bytes() >= with.send_bytes_max)
      return false;
    at = queue.reserve(to, whole);
    queue.wrote_frame(to, whole, cost);
  } else {
    if (!may_send_now(to, cost, whole)) return false;
    at = out.reserve(whole);
    to.last_frame_at = out.end();
    out.wrote(whole);
    to.out.spend(cost);
    queue.credit.spend(cost);
    queue.note_sent(to.id, size);
    meter.frames_sent(1);
  }
  ++messages_sent;
  put_header(at, frame_type::data, frame_flag::none, to.id, length);
  copy_short(at + short_header_bytes, message.data(), size);
  return true;
}

result<> connection::send(channel_id id, byte_view message) {
  channel* const to = parts_->table.find(id);
  if (to && parts_->send_short(*to, message)) [[likely]] return {};
  return parts_->send(id, message);
}

}  // namespace hawser::inline v0::proto
