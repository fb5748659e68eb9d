// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <hawser/proto/framed_messages.hpp>

#include <algorithm>
#include <cstring>

// Frames that many connections send: made here, and how one takes them.

namespace hawser::inline v0::proto {

namespace {
constexpr std::size_t shared_bytes_min = 2 * 1024;      // less is copied: cheaper than one more iovec
}  // namespace

result<> framed_messages::append(byte_view message) {
  const std::size_t whole = header_bytes_max + message.size();
  if (whole > bytes_max) return failure(errc::message_too_big);
  if (frames_.capacity() == 0) frames_ = pool_->allocate(bytes_max);
  if (frames_.room() < whole) return failure(errc::would_block);
  const auto length = static_cast<std::uint32_t>(message.size());
  // Whoever shares the block holds what was here before; this lies behind it.
  std::byte* at = frames_.mutable_data() + frames_.size();
  const std::size_t head = put_header(at, frame_type::data, frame_flag::none, message_channel, length);
  if (length != 0) std::memcpy(at + head, message.data(), length);
  frames_.grow(head + length);
  messages_.emplace_back(at + head, length);
  cost_ += length + frame_cost;
  largest_ = std::max(largest_, length);
  return {};
}

void framed_messages::clear() noexcept {
  if (frames_.unique()) frames_.truncate(0);
  else frames_ = chunk();
  messages_.clear();
  cost_ = largest_ = 0;
}

// As a block where a single message would go straight out; else one behind the other, as they would be queued by themselves.
result<> connection::send(const framed_messages& messages) {
  parts& p = *parts_;
  std::error_code why;
  channel* to = p.sendable(message_channel, why);
  if (!to) return failure(why);
  if (messages.messages_.empty()) return {};
  if (messages.largest_ > p.peer_message_bytes_max) {
    if (p.hello_here) return failure(errc::message_too_big);
    to->set(channel_flag::wants_writable);
    return failure(errc::would_block);
  }
  const std::size_t size = messages.frames_.size();
  const auto count = static_cast<std::uint32_t>(messages.messages_.size());
  // Small messages may use all of the room, as each by itself would.
  const std::size_t judged = messages.largest_ < mux::small_send_bytes ? 0 : size;
  const bool fits = messages.largest_ <= p.frame_bytes_max && p.out.committed_bytes() + size < p.with.committed_bytes_max;
  if (fits && p.may_send_now(*to, messages.cost_, judged)) {
    if (size >= shared_bytes_min) {
      p.out.append(messages.frames_);
      to->last_frame_at = 0;      // nothing is ever added to what others send too
    } else {
      std::memcpy(p.out.reserve(size), messages.frames_.data(), size);
      to->last_frame_at = 0;
      p.out.wrote(size);
    }
    to->out.spend(messages.cost_);
    p.queue.credit.spend(messages.cost_);
    p.queue.note_sent(message_channel, messages.largest_);
    p.meter.frames_sent(count);
  } else {
    if (!p.accepts(*to, size)) return failure(errc::would_block);
    for (const byte_view message : messages.messages_) p.queue_message(*to, message);
  }
  p.messages_sent += count;
  return {};
}

}  // namespace hawser::inline v0::proto
