// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <span>

// Large messages that go to the transport from where they lie.

namespace hawser::inline v0::proto {

namespace {
constexpr std::size_t through_bytes_min = 32 * 1024;      // a system call for less costs more than the copy
constexpr std::size_t frames_at_once = 8;
constexpr std::size_t pieces_at_once = 32;
using header_room = std::array<std::byte, header_bytes_max>;
}  // namespace

// As many frames of the message as may go now; returns how many bytes of it have gone, or lie in the outbox as the rest of a frame that has
// begun to. What waits and may go, and control frames that are due, go first.
std::size_t connection::parts::send_through(channel& to, byte_view message, outlet& now_to) {
  std::size_t gone = 0;
  while (gone < message.size() && out.committed_bytes() == out.pending_bytes() && queue.undisturbed()) {
    fill();
    std::array<byte_view, pieces_at_once> pieces;
    std::array<header_room, frames_at_once> heads;
    const std::optional<std::size_t> waiting = out.look(std::span(pieces).first(pieces_at_once - 2 * frames_at_once));
    if (!waiting) return gone;
    const std::size_t ahead = out.pending_bytes();
    std::size_t frames = 0, offered = ahead;
    if (!to.queue && !queue.has_ready()) {
      byte_view rest = message.subspan(gone);
      std::size_t credit = std::min(to.out.payload_max(), queue.credit.payload_max());
      std::size_t room = committed_max() - std::min(offered, committed_max());
      while (frames < frames_at_once && !rest.empty()) {
        const std::size_t most = std::min(credit, room - std::min(room, header_bytes_max + 1));
        const byte_view payload = rest.first(std::min({rest.size(), std::size_t{peer_frame_pages} * frame_page_bytes, most}));
        // Not in smaller pieces than what is queued.
        if (payload.size() < std::min<std::size_t>(rest.size(), frame_bytes_max)) break;
        credit -= std::min(credit, payload.size() + frame_cost);
        room -= payload.size() + header_bytes_max;
        rest = rest.subspan(payload.size());
        const std::size_t head = put_header(heads[frames].data(), frame_type::data, rest.empty() ? frame_flag::none : frame_flag::more, to.id,
                                            static_cast<std::uint32_t>(payload.size()));
        pieces[*waiting + 2 * frames] = byte_view(heads[frames]).first(head);
        pieces[*waiting + 2 * frames + 1] = payload;
        offered += head + payload.size();
        ++frames;
      }
    }
    if (offered == 0) return gone;
    std::size_t taken = now_to.try_send(std::span(pieces).first(*waiting + 2 * frames));
    if (taken == 0) return gone;
    pulse.handle_sent(now);
    bytes_sent += taken;
    const bool all = taken == offered;
    out.took(std::min(taken, ahead));
    taken -= std::min(taken, ahead);
    for (std::size_t i = *waiting; taken != 0; i += 2) {
      const auto size = static_cast<std::uint32_t>(pieces[i + 1].size());
      to.out.spend(size + frame_cost);
      queue.credit.spend(size + frame_cost);
      queue.note_bulk(to.id, size);
      meter.frames_sent(1);
      gone += size;
      const std::size_t whole = pieces[i].size() + size;
      if (taken < whole) put_rest(pieces[i], pieces[i + 1], taken);
      taken -= std::min(taken, whole);
    }
    to.last_frame_at = 0;
    if (!all) return gone;
  }
  return gone;
}

// The rest of a frame that has begun to leave.
void connection::parts::put_rest(byte_view head, byte_view payload, std::size_t gone) {
  const byte_view first = head.subspan(std::min(gone, head.size()));
  const byte_view second = payload.subspan(gone - (head.size() - first.size()));
  std::byte* at = out.reserve(first.size() + second.size());
  if (!first.empty()) std::memcpy(at, first.data(), first.size());
  if (!second.empty()) std::memcpy(at + first.size(), second.data(), second.size());
  out.wrote(first.size() + second.size());
}

result<> connection::send(channel_id id, byte_view message, outlet& now) {
  parts& p = *parts_;
  channel* to = nullptr;
  std::error_code why;
  const bool may_go_through = message.size() >= through_bytes_min && message.size() <= p.peer_message_bytes_max && (to = p.sendable(id, why)) != nullptr &&
                              kind_has_messages(to->kind) && p.accepts(*to, message.size());
  if (!may_go_through) return send(id, message);
  const std::size_t gone = p.send_through(*to, message, now);
  if (gone == 0) return send(id, message);
  if (gone < message.size()) {
    p.queue_message(*to, message.subspan(gone));
    to->queue->in_message = true;
  }
  ++p.messages_sent;
  return {};
}

}  // namespace hawser::inline v0::proto
