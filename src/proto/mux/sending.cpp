// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <algorithm>
#include <cstring>

// What the application says on a channel (short messages: messages.cpp): straight into the outbox when nothing is in the way, else into its queue.

namespace hawser::inline v0::proto {

namespace {
constexpr std::size_t reference_bytes_min = 16 * 1024;    // payloads from here on are sent by reference
// What a channel with nothing waiting may still queue on a connection that is full. Not behind hundreds of others that have their turns:
// it comes no sooner for being queued, and megabytes of memory are passed through meanwhile.
constexpr std::size_t reserve_bytes = 16 * 1024;
constexpr std::size_t crowd = 256;

// A whole DATA frame; returns its size.
inline std::size_t put_data(std::byte* to, std::uint8_t flags, channel_id channel, byte_view payload) noexcept {
  const std::size_t head = put_header(to, frame_type::data, flags, channel, static_cast<std::uint32_t>(payload.size()));
  if (!payload.empty()) std::memcpy(to + head, payload.data(), payload.size());
  return head + payload.size();
}
}  // namespace

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

// may_send_now() for a frame that costs nothing: it does not wait for others to get credit.
bool connection::parts::may_send_free(const channel& of, std::size_t frame_bytes) const noexcept {
  return !of.queue && !queue.can_commit() && out.committed_bytes() + frame_bytes < with.committed_bytes_max && out.has_slots();
}

std::size_t connection::parts::reserve() noexcept {
  if (queue.ready_count() < crowd || !queue.can_commit()) return reserve_bytes;
  reserve_refused = true;
  return 0;
}

// Below the high water of the channel and of the connection; then any one message is welcome. A connection that is full still takes
// `reserve_bytes` for a channel with nothing waiting: many busy channels shut out neither each other nor a small message.
bool connection::parts::accepts(channel& of, std::size_t copied_bytes) noexcept {
  const std::size_t waiting = of.queue ? of.queue->bytes : 0;
  if (waiting >= with.channel_send_bytes_max) {
    of.set(channel_flag::wants_writable);
    return false;
  }
  if (queue.queued_bytes() >= with.send_bytes_max && (waiting != 0 || copied_bytes > reserve())) {
    of.set(channel_flag::wants_writable);
    wait_for_connection(of);
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
    const std::size_t whole = put_data(at, flags, to.id, bytes.first(count));
    queue.wrote_frame(to, whole, flags == frame_flag::none ? cost_of_data(static_cast<std::uint32_t>(count), fin_mark::absent) : 0);
    bytes = bytes.subspan(count);
  } while (!bytes.empty());
  queue.activate(to);
}

// A message that fits a frame, where nothing needs to be thought over: straight out, or behind what waits already. False: nothing was done.
bool connection::parts::send_frame(channel& to, byte_view message) {
  if (over || !greeted || to.has(ended_for_sending) || !can_send(to.state) || !kind_has_messages(to.kind)) return false;
  const std::size_t size = message.size();
  if (size > frame_bytes_max || size > peer_message_bytes_max) return false;
  const auto length = static_cast<std::uint32_t>(size);
  const std::size_t whole = header_size(to.id, length) + size;
  const std::uint32_t cost = length + frame_cost;
  if (to.queue) {
    if (size > copied_frame_bytes_max || to.queue->bytes >= with.channel_send_bytes_max || queue.queued_bytes() >= with.send_bytes_max) return false;
    put_data(queue.reserve(to, whole), frame_flag::none, to.id, message);
    queue.wrote_frame(to, whole, cost);
    queue.activate(to);
    return true;
  }
  if (!may_send_now(to, cost, whole)) return false;
  put_data(out.reserve(whole), frame_flag::none, to.id, message);
  to.last_frame_at = out.end();
  out.wrote(whole);
  to.out.spend(cost);
  queue.credit.spend(cost);
  queue.note_sent(to.id, size);
  meter.frames_sent(1);
  return true;
}

result<> connection::parts::send(channel_id id, byte_view message) {
  if (channel* to = table.find(id); to && send_frame(*to, message)) {
    ++messages_sent;
    return {};
  }
  std::error_code why;
  channel* to = sendable(id, why);
  if (!to) return failure(why);
  HAWSER_EXPECTS(kind_has_messages(to->kind), "send() on a channel that carries bytes");
  if (message.size() > peer_message_bytes_max) {
    if (hello_here) return failure(errc::message_too_big);
    to->set(channel_flag::wants_writable);
    return failure(errc::would_block);
  }
  if (!accepts(*to, message.size())) return failure(errc::would_block);
  queue_message(*to, message);
  ++messages_sent;
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
  if (!p.accepts(*to, 0)) return failure(errc::would_block);
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
    const auto word = load_le<std::uint32_t>(at);
    const bool is_long = (word & 0x80) != 0;
    const std::size_t head = is_long ? header_bytes_max : short_header_bytes;
    const std::uint32_t length = word >> 20 | (is_long ? load_le<std::uint32_t>(at + short_header_bytes) >> 16 << 12 : 0);
    if ((word & 0x7f) == static_cast<std::uint32_t>(frame_type::data) && to.last_frame_at + head + length == out.end() && length != 0) {
      const std::size_t room = std::min<std::size_t>(out.open_room(), (is_long ? frame_bytes_max : short_field_max) - std::min(length, frame_bytes_max));
      const std::size_t count = std::min({bytes.size(), room, static_cast<std::size_t>(to.out.available()),
                                          static_cast<std::size_t>(queue.credit.available())});
      if (count != 0 && count + length <= frame_bytes_max && may_send_now(to, static_cast<std::uint32_t>(count), count)) {
        put_header(at, frame_type::data, frame_flag::none, to.id, static_cast<std::uint32_t>(length + count));
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
    const std::size_t whole = put_data(at, frame_flag::none, to.id, bytes.subspan(taken, count));
    to.last_frame_at = out.end();
    out.wrote(whole);
    to.out.spend(cost);
    queue.credit.spend(cost);
    meter.frames_sent(1);
    taken += count;
  }
  if (taken != 0) queue.note_sent(to.id, taken);
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
    const std::size_t whole = put_data(at, frame_flag::none, to.id, bytes.first(count));
    queue.wrote_frame(to, whole, cost_of_data(static_cast<std::uint32_t>(count), fin_mark::absent));
    bytes = bytes.subspan(count);
  }
  queue.activate(to);
  return all;
}

// How many were taken; when not all, a writable event follows.
std::size_t connection::parts::write(channel& to, byte_view bytes) {
  std::size_t taken = write_now(to, bytes);
  if (taken == bytes.size()) return taken;
  const std::size_t waiting = to.queue ? to.queue->bytes : 0;
  const std::size_t channel_room = with.channel_send_bytes_max - std::min(waiting, with.channel_send_bytes_max);
  const std::size_t free_bytes = with.send_bytes_max - std::min(queue.queued_bytes(), with.send_bytes_max);
  const std::size_t room = waiting == 0 ? std::max(free_bytes, reserve()) : free_bytes;
  const std::size_t more = std::min({bytes.size() - taken, channel_room, room});
  if (more != 0) taken += queue_bytes(to, bytes.subspan(taken, more));
  if (taken == bytes.size()) return taken;
  to.set(channel_flag::wants_writable);
  if (room < channel_room) wait_for_connection(to);
  return taken;
}

result<std::size_t> connection::write(channel_id id, byte_view bytes, end_mark end) {
  std::error_code why;
  channel* to = parts_->sendable(id, why);
  if (!to) return failure(why);
  HAWSER_EXPECTS(!kind_has_messages(to->kind), "write() on a channel that carries messages");
  const std::size_t taken = bytes.empty() ? 0 : parts_->write(*to, bytes);
  if (end == end_mark::end && taken == bytes.size()) (void)parts_->finish(*to);
  if (taken == 0 && !bytes.empty()) return failure(errc::would_block);
  return taken;
}

result<std::size_t> connection::write(channel_id id, const chunk& bytes, end_mark end) {
  if (bytes.size() < reference_bytes_min) return write(id, bytes.view(), end);
  parts& p = *parts_;
  std::error_code why;
  channel* to = p.sendable(id, why);
  if (!to) return failure(why);
  HAWSER_EXPECTS(!kind_has_messages(to->kind), "write() on a channel that carries messages");
  // Shared, not copied: what goes beyond the watermark costs no memory of ours. It is bounded by the chunk all the same.
  if (!p.accepts(*to, 0)) return failure(errc::would_block);
  p.queue.push_payload(*to, bytes);
  p.queue.activate(*to);
  if (end == end_mark::end) (void)p.finish(*to);
  return bytes.size();
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
  p.queue.wrote_frame(*to, head + tlvs.size(), 0);
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
  if (of.queue || !has_room_for_end()) {
    of.set(channel_flag::fin_due);
    queue.queue_of(of);
    queue.activate(of);
    return {};
  }
  of.clear(channel_flag::wants_writable);
  if (frame_fin(of).effects & channel_effect::freed) handle_freed(of);
  return {};
}

// In the newest frame, if it is still here.
channel_step connection::parts::frame_fin(channel& of) {
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
  return taken;
}

}  // namespace hawser::inline v0::proto
