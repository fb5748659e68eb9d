// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/send_queue.hpp"

#include "proto/frame.hpp"
#include "proto/open_block.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

// Which of the waiting frames go into the outbox next.

namespace hawser::inline v0::proto::mux {

namespace {

constexpr std::size_t bulk_bytes_min = 64 * 1024;             // of one channel that waits; many with a little each are none
constexpr std::size_t enough_committed_bytes = 48 * 1024;     // then a segment waits until it fits as a whole
constexpr std::int32_t message_overdraft_bytes = 64 * 1024;   // how far a started message may go beyond its turn
constexpr std::uint32_t class_patience_bytes = 15 * 16 * 1024;
constexpr std::size_t copied_run_bytes_max = 4 * 1024;        // shorter runs are copied: cheaper than one more iovec
constexpr std::size_t referenced_run_bytes_min = 1024;        // of a segment that channels share: others will follow
constexpr std::size_t reference_frame_bytes_min = 4 * 1024;   // a payload is not cut smaller than this for lack of credit

}  // namespace

bool amend_fin(std::byte* at, bool messages) noexcept {
  constexpr auto examined = std::byte{0x0f | frame_flag::more | frame_flag::fin | frame_flag::rel};
  const std::byte first = at[0] & examined;
  if (first != std::byte{static_cast<std::uint8_t>(frame_type::data)} && first != std::byte{static_cast<std::uint8_t>(frame_type::open)}) return false;
  // An empty message with FIN would be no message at all.
  if (messages && first == std::byte{static_cast<std::uint8_t>(frame_type::data)} && own_header(at).length == 0) return false;
  at[0] |= std::byte{frame_flag::fin};
  return true;
}

send_queue::ring* send_queue::pick() noexcept {
  ring* const end = work_->rings + ring_count;
  ring* top = work_->rings;
  while (top < end && !top->first) ++top;
  if (top == end) return nullptr;
  for (ring* low = end - 1; low > top; --low)
    if (low->first && low->waited_bytes >= class_patience_bytes) return low;
  return top;
}

std::size_t send_queue::commit(outbox& out, std::size_t committed_max, std::size_t frame_bytes_max, commit_observer& observer) {
  round now{out, committed_max, frame_bytes_max, observer};
  std::size_t total = 0;
  while (ready_count_ != 0 && !out_of_credit_) {
    ring* from = pick();
    step why = step::sent;
    const std::size_t moved = visit(*from, now, why);
    total += moved;
    if (ready_count_ == 0) return total;      // the rings may be gone
    from->waited_bytes -= static_cast<std::uint32_t>(std::min<std::size_t>(from->waited_bytes, moved * 15));
    for (ring* low = from + 1; low < work_->rings + ring_count; ++low)
      if (low->first) low->waited_bytes = static_cast<std::uint32_t>(std::min<std::size_t>(low->waited_bytes + moved, 4 * class_patience_bytes));
    if (why == step::full) return total;
    if (why != step::connection_starved) continue;
    out_of_credit_ = true;
    free_may_wait_ = some_cost_nothing();
  }
  if (ready_count_ != 0 && free_may_wait_) total += commit_free(now);
  return total;
}

// Credit is out: everybody in turn gives what costs none.
std::size_t send_queue::commit_free(round& now) {
  std::size_t total = 0;
  free_may_wait_ = false;
  bare_ = false;
  for (std::size_t i = 0; i < ring_count && work_; ++i) {
    for (channel_queue* next = work_->rings[i].first; next;) {
      channel_queue& of = *std::exchange(next, next->next);
      if (!starts_free(of)) continue;
      channel& owner = *of.owner;
      step why = step::sent;
      std::size_t moved = 0;
      while (why == step::sent) {
        std::size_t once = 0;
        why = send_frames(of, now, once);
        moved += once;
      }
      if (why == step::full) free_may_wait_ = bare_ = true;
      total += moved;
      end_turn(of, why, moved);
      if (moved != 0) now.observer.handle_progress(owner);
      if (is_free(owner.state)) now.observer.handle_freed(owner);
      if (why == step::full) return total;
    }
  }
  return total;
}

// After its turn: behind the others, aside, or gone. What lacks room or the connection's credit stays where it is.
void send_queue::end_turn(channel_queue& of, step why, std::size_t moved) noexcept {
  const bool stays = why == step::full || why == step::connection_starved;
  if (!stays) unlink(of);
  // One that ended the round by its turn has had that of the next.
  channel& owner = *of.owner;
  if (owner.round != ring_of(of).round) owner.round_bytes = 0;
  owner.round = ring_of(of).round;
  owner.round_bytes = static_cast<std::uint16_t>(std::min<std::size_t>(owner.round_bytes + moved, UINT16_MAX));
  if (stays) return;
  if (why == step::queue_ended) {
    drop_queue(owner);
  } else if (why == step::channel_starved) {
    of.where = channel_queue::place::starved;
  } else {
    to_back(of);
  }
}

// One turn of the first channel of a ring.
std::size_t send_queue::visit(ring& from, round& now, step& why) {
  channel_queue& of = *from.first;
  channel& owner = *of.owner;
  const bool has_messages = kind_has_messages(owner.kind);
  std::size_t moved = 0;
  if (of.bytes >= bulk_bytes_min || (of.first && of.first->by_reference)) bulk_near_bytes_ = undisturbed_bytes_min;
  // Who is alone owes nobody a turn.
  if (ready_count_ == 1) of.deficit = quantum_bytes;
  else if (of.deficit <= 0 || from.last == &of) of.deficit = std::min(of.deficit + quantum_bytes, quantum_bytes);
  while (of.deficit > 0 || (has_messages && of.in_message && of.deficit > -message_overdraft_bytes)) {
    std::size_t once = 0;
    why = send_frames(of, now, once);
    moved += once;
    of.deficit -= static_cast<std::int32_t>(once);
    if (why != step::sent) break;
  }
  if (moved != 0) note_sent(owner.id, moved);
  end_turn(of, why, moved);
  if (moved != 0) now.observer.handle_progress(owner);
  if (is_free(owner.state)) now.observer.handle_freed(owner);
  return moved;
}

// Frames from the front of the queue; queue_ended says that nothing is left, not even a FIN.
send_queue::step send_queue::send_frames(channel_queue& of, round& now, std::size_t& moved) {
  if (!now.out.has_slots()) {
    if (!of.first) bare_ = true;
    return step::full;
  }
  step why = step::sent;
  if (of.first) why = of.first->by_reference ? send_reference(of, now, moved) : send_run(of, now, moved);
  if (moved != 0) of.stalled_ticks = 0;
  if (!of.first && why == step::full) bare_ = true;
  if (of.first || why != step::sent) return why;
  return of.owner->has(channel_flag::fin_due) ? send_fin(of, now, moved) : step::queue_ended;
}

void send_queue::frame_fin(channel_queue& of, std::byte* header, round&) {
  of.owner->clear(channel_flag::fin_due);
  const channel_step taken = advance(*of.owner, channel_input::send_fin);
  if (taken.effects & channel_effect::carry_release) header[0] |= std::byte{frame_flag::rel};
}

send_queue::step send_queue::send_fin(channel_queue& of, round& now, std::size_t& moved) {
  std::byte* at = now.out.reserve(header_bytes_max);
  of.owner->last_frame_at = now.out.end();
  const std::size_t size = put_header(at, frame_type::data, frame_flag::fin, of.owner->id, 0);
  frame_fin(of, at, now);
  now.out.wrote(size);
  ++frames_committed;
  moved += size;
  return step::queue_ended;
}

// Nobody waits beside it, and the first segment may go as it is: then none of its frames is looked at again.
bool send_queue::may_send_whole(const channel_queue& of) const noexcept {
  const queue_node& node = *of.first;
  return ready_count_ == 1 && !node.has_others && of.owner->out.covers(node.cost) && credit.covers(node.cost);
}

// As many whole frames of the first segment as credit, the turn and the cap allow, moved as one run.
send_queue::step send_queue::send_run(channel_queue& of, round& now, std::size_t& moved) {
  queue_node* node = of.first;
  if (may_send_whole(of) && (node->piece.size() < now.room() || now.out.committed_bytes() >= enough_committed_bytes)) {
    if (node->piece.size() >= now.room()) return step::full;
    of.owner->out.spend(node->cost);
    credit.spend(node->cost);
    frames_committed += node->frames;
    of.in_message = false;
    moved = node->piece.size();
    // Only the newest frame of the newest segment is ever amended.
    const bool newest = of.last == node;
    channel& owner = *of.owner;
    move_run(of, now, moved, newest ? of.last_frame_offset : 0);
    if (!newest) owner.last_frame_at = 0;
    return step::sent;
  }
  channel& owner = *of.owner;
  const bool has_messages = kind_has_messages(owner.kind);
  const std::size_t room = now.room();
  std::byte* at = node->piece.mutable_data();
  const std::size_t size = node->piece.size();
  std::size_t run = 0, last = 0;
  step why = step::sent;
  while (run < size) {
    const frame_header header = own_header(at + run);
    const std::size_t whole = header.size + header.length;
    std::uint32_t cost = 0;
    if (header.type == frame_type::data) cost = cost_of_data(header.length, fin_mark::absent);
    if (header.type == frame_type::open) cost = of.open_cost;
    if (run + whole >= room && now.out.committed_bytes() + run != 0) {
      why = step::full;
      break;
    }
    if (!owner.out.covers(cost)) {
      why = step::channel_starved;
      break;
    }
    if (!credit.covers(cost)) {
      why = step::connection_starved;
      break;
    }
    owner.out.spend(cost);
    credit.spend(cost);
    ++frames_committed;
    --node->frames;
    if (header.type == frame_type::data) node->cost -= std::min(node->cost, cost);
    if (header.type == frame_type::open) {
      owner.clear(channel_flag::open_due);
      owner.open_number = ++opens_committed;
    }
    of.in_message = (header.flags & frame_flag::more) != 0;
    last = run;
    run += whole;
    const auto turn = static_cast<std::int64_t>(run);
    if (turn >= of.deficit && !(has_messages && of.in_message)) break;
    if (turn >= of.deficit + message_overdraft_bytes) break;
  }
  if (run == 0) return why;
  moved = run;
  move_run(of, now, run, last);
  return why;
}

// The first `run` bytes of the first segment, whose last frame begins at `last`.
void send_queue::move_run(channel_queue& of, round& now, std::size_t run, std::size_t last) {
  queue_node* node = of.first;
  channel& owner = *of.owner;
  const bool has_messages = kind_has_messages(owner.kind);
  std::byte* at = node->piece.mutable_data();
  if (run == node->piece.size() && !node->next && owner.has(channel_flag::fin_due) && amend_fin(at + last, has_messages)) frame_fin(of, at + last, now);
  owner.last_frame_at = now.out.end() + last;
  // What lies behind what went last costs no iovec of its own, and no copy.
  const bool follows = node->shared && (run >= referenced_run_bytes_min || now.out.ends_with(at));
  if (run <= copied_run_bytes_max && !follows) {
    std::memcpy(now.out.reserve(run), at, run);
    now.out.wrote(run);
    node->piece.drop_front(run);
  } else {
    now.out.append(node->piece.take_front(run));
  }
  if (of.last == node) of.last_frame_offset -= static_cast<std::uint32_t>(std::min<std::size_t>(of.last_frame_offset, run));
  of.bytes -= static_cast<std::uint32_t>(run);
  queued_bytes_ -= run;
  if (node->piece.empty()) drop_first(of);
}

send_queue::step send_queue::send_reference(channel_queue& of, round& now, std::size_t& moved) {
  queue_node* node = of.first;
  channel& owner = *of.owner;
  const std::size_t left = node->piece.size();
  const std::size_t room = now.room();
  const std::size_t worthwhile = std::min({left, reference_frame_bytes_min, now.frame_bytes_max});
  if (owner.out.payload_max() < worthwhile) return step::channel_starved;
  if (credit.payload_max() < worthwhile) return step::connection_starved;
  std::size_t count = std::min({left, now.frame_bytes_max, std::size_t{owner.out.payload_max()}, std::size_t{credit.payload_max()}});
  if (count + header_bytes_max >= room) {
    if (now.out.committed_bytes() != 0 && room <= worthwhile + header_bytes_max) return step::full;
    count = std::min(count, std::max(worthwhile, room > header_bytes_max ? room - header_bytes_max - 1 : 0));
  }

  const bool whole = count == left;
  const bool more = !whole && kind_has_messages(owner.kind);
  owner.last_frame_at = now.out.end();
  std::byte* at = now.out.reserve(header_bytes_max);
  const std::size_t head = put_header(at, frame_type::data, more ? frame_flag::more : frame_flag::none, owner.id, static_cast<std::uint32_t>(count));
  if (whole && !node->next && owner.has(channel_flag::fin_due)) {
    at[0] |= std::byte{frame_flag::fin};
    frame_fin(of, at, now);
  }
  now.out.wrote(head);
  now.out.append(node->piece.take_front(count));

  const auto cost = static_cast<std::uint32_t>(count) + frame_cost;
  owner.out.spend(cost);
  credit.spend(cost);
  ++frames_committed;
  of.in_message = more;
  of.bytes -= static_cast<std::uint32_t>(count);
  queued_bytes_ -= count;
  moved = count + head;
  if (whole) drop_first(of);
  return step::sent;
}

}  // namespace hawser::inline v0::proto::mux
