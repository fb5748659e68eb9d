// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/send_queue.hpp"

#include "proto/frame.hpp"
#include "proto/open_block.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace hawser::proto::mux {

namespace {

constexpr std::int32_t quantum_bytes = 16 * 1024;
constexpr std::int32_t message_overdraft_bytes = 64 * 1024;   // how far a started message may go beyond its turn
constexpr std::uint32_t class_patience_bytes = 15 * 16 * 1024;
constexpr std::size_t copied_run_bytes_max = 4 * 1024;        // shorter runs are copied: cheaper than one more iovec
constexpr std::size_t reference_frame_bytes_min = 4 * 1024;   // a payload is not cut smaller than this for lack of credit
constexpr std::size_t segment_bytes_first = 1024;
constexpr std::size_t segment_bytes_max = 64 * 1024;
constexpr std::size_t slab_bytes = 4 * 1024;

// A header that this side wrote.
frame_header own_header(const std::byte* at) noexcept {
  frame_header header{};
  const decode_status status = decode_header({at, header_bytes_max}, header);
  HAWSER_EXPECTS(status == decode_status::header, "a queued frame is broken");
  return header;
}

}  // namespace

bool amend_fin(std::byte* at, bool messages) noexcept {
  const frame_header header = own_header(at);
  if (header.type != frame_type::data && header.type != frame_type::open) return false;
  if (header.flags != frame_flag::none) return false;
  // An empty message with FIN would be no message at all.
  if (messages && header.type == frame_type::data && header.length == 0) return false;
  at[0] |= std::byte{frame_flag::fin};
  return true;
}

// -- memory

send_queue::~send_queue() {
  while (slab_.capacity() != 0) slab_ = chunk(std::move(*reinterpret_cast<chunk*>(slab_.mutable_data())));
}

send_queue::cell* send_queue::new_cell() {
  if (!free_cells_) {
    chunk slab = pool_->allocate(slab_bytes);
    slab.grow(slab_bytes);
    std::byte* at = slab.mutable_data();
    new (at) chunk(std::move(slab_));
    slab_ = std::move(slab);
    std::size_t begin = sizeof(chunk);
    if (!rings_) {
      rings_ = new (at + begin) ring[ring_count];
      begin += sizeof(ring) * ring_count;
    }
    for (std::size_t offset = begin; offset + sizeof(cell) <= slab_bytes; offset += sizeof(cell)) {
      cell* each = new (at + offset) cell;
      each->next_free = free_cells_;
      free_cells_ = each;
    }
  }
  cell* taken = free_cells_;
  free_cells_ = taken->next_free;
  ++live_cells_;
  return taken;
}

void send_queue::free_cell(cell* gone) noexcept {
  gone->next_free = free_cells_;
  free_cells_ = gone;
  if (--live_cells_ != 0) return;
  free_cells_ = nullptr;
  rings_ = nullptr;
  while (slab_.capacity() != 0) slab_ = chunk(std::move(*reinterpret_cast<chunk*>(slab_.mutable_data())));
}

queue_node* send_queue::append_node(channel_queue& to) {
  auto* node = new (&new_cell()->node) queue_node;
  (to.last ? to.last->next : to.first) = node;
  to.last = node;
  return node;
}

void send_queue::drop_first(channel_queue& of) noexcept {
  queue_node* node = of.first;
  of.first = node->next;
  if (!of.first) of.last = nullptr;
  node->~queue_node();
  free_cell(reinterpret_cast<cell*>(node));
}

channel_queue& send_queue::queue_of(channel& of) {
  if (!of.queue) {
    of.queue = new (&new_cell()->queue) channel_queue;
    of.queue->owner = &of;
  }
  return *of.queue;
}

void send_queue::drop_queue(channel& of) noexcept {
  channel_queue* gone = of.queue;
  of.queue = nullptr;
  free_cell(reinterpret_cast<cell*>(gone));
}

// -- what the channels put in

std::byte* send_queue::reserve(channel& to, std::size_t count) {
  channel_queue& queue = queue_of(to);
  queue_node* node = queue.last;
  if (!node || node->by_reference || node->piece.room() < count) {
    std::size_t wanted = segment_bytes_first;
    if (node && !node->by_reference) wanted = std::min(node->piece.capacity() * 4, segment_bytes_max);
    node = append_node(queue);
    node->piece = pool_->allocate(std::max(wanted, count));
  }
  return node->piece.mutable_data() + node->piece.size();
}

void send_queue::wrote_frame(channel& to, std::size_t count) {
  channel_queue& queue = *to.queue;
  queue.last_frame_offset = static_cast<std::uint32_t>(queue.last->piece.size());
  queue.last->piece.grow(count);
  queue.bytes += static_cast<std::uint32_t>(count);
  queued_bytes_ += count;
}

std::size_t send_queue::extend(channel& to, byte_view bytes, std::size_t payload_max) {
  if (!to.queue || !to.queue->last) return 0;
  queue_node* node = to.queue->last;
  if (node->by_reference || node->piece.size() <= to.queue->last_frame_offset) return 0;
  std::byte* at = node->piece.mutable_data() + to.queue->last_frame_offset;
  const frame_header header = own_header(at);
  if (header.type != frame_type::data || header.flags != 0 || header.length == 0 || header.length >= payload_max) return 0;

  const std::size_t taken = std::min({bytes.size(), payload_max - header.length, node->piece.room()});
  if (taken == 0) return 0;
  const auto length = static_cast<std::uint32_t>(header.length + taken);
  const std::size_t growth = header_size(header.channel, length) - header.size;
  if (growth != 0) {
    if (taken + growth > node->piece.room()) return 0;
    std::memmove(at + header.size + growth, at + header.size, header.length);
  }
  put_header(at, frame_type::data, header.flags, header.channel, length);
  std::memcpy(at + header.size + growth + header.length, bytes.data(), taken);
  node->piece.grow(taken + growth);
  to.queue->bytes += static_cast<std::uint32_t>(taken + growth);
  queued_bytes_ += taken + growth;
  return taken;
}

void send_queue::push_payload(channel& to, chunk payload) {
  channel_queue& queue = queue_of(to);
  queue_node* node = append_node(queue);
  queue.bytes += static_cast<std::uint32_t>(payload.size());
  queued_bytes_ += payload.size();
  node->piece = std::move(payload);
  node->by_reference = true;
}

void send_queue::discard(channel& of) {
  if (!of.queue) return;
  if (of.queue->where == channel_queue::place::ready) unlink(*of.queue);
  queued_bytes_ -= of.queue->bytes;
  while (of.queue->first) drop_first(*of.queue);
  drop_queue(of);
}

// -- rings

void send_queue::link(channel_queue* before, channel_queue& of) noexcept {
  ring& in = ring_of(of);
  if (!in.first) {
    in.waited_bytes = 0;
    in.round_end = &of;
    ++in.round;
  }
  of.prev = before;
  of.next = before ? before->next : in.first;
  (of.prev ? of.prev->next : in.first) = &of;
  (of.next ? of.next->prev : in.last) = &of;
  ++ready_count_;
}

void send_queue::to_back(channel_queue& of) noexcept { link(ring_of(of).last, of); }

void send_queue::to_front(channel_queue& of) noexcept {
  ring& in = ring_of(of);
  link(in.fresh, of);
  in.fresh = &of;
}

void send_queue::unlink(channel_queue& of) noexcept {
  ring& in = ring_of(of);
  // Whoever is in front of a fresh one is fresh too.
  if (in.fresh == &of) in.fresh = of.prev;
  (of.prev ? of.prev->next : in.first) = of.next;
  (of.next ? of.next->prev : in.last) = of.prev;
  of.next = of.prev = nullptr;
  if (in.round_end == &of) {
    in.round_end = in.last;
    ++in.round;
  }
  --ready_count_;
}

// Its first frame costs no credit.
bool send_queue::starts_free(const channel_queue& of) const noexcept {
  if (!of.first) return true;
  if (of.first->by_reference) return false;
  const frame_type type = own_header(of.first->piece.data()).type;
  return type == frame_type::open ? of.open_cost == 0 : type != frame_type::data;
}

void send_queue::activate(channel& of) {
  if (!of.queue || of.queue->where != channel_queue::place::aside) return;
  of.queue->where = channel_queue::place::ready;
  if (out_of_credit_ && starts_free(*of.queue)) free_may_wait_ = true;
  const std::uint32_t said = of.round == ring_of(*of.queue).round ? of.round_bytes : 0;
  if (said + of.queue->bytes <= static_cast<std::uint32_t>(quantum_bytes)) {
    to_front(*of.queue);
  } else {
    to_back(*of.queue);
  }
}

void send_queue::nourish(channel& of) {
  if (!of.queue || of.queue->where != channel_queue::place::starved) return;
  of.queue->where = channel_queue::place::ready;
  to_back(*of.queue);
}

// -- committing

send_queue::ring* send_queue::pick() noexcept {
  ring* const end = rings_ + ring_count;
  ring* top = rings_;
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
    for (ring* low = from + 1; low < rings_ + ring_count; ++low)
      if (low->first) low->waited_bytes = static_cast<std::uint32_t>(std::min<std::size_t>(low->waited_bytes + moved, 4 * class_patience_bytes));
    if (why == step::full) return total;
    if (why != step::connection_starved) continue;
    out_of_credit_ = true;
    free_may_wait_ = ready_count_ > 1;
  }
  if (ready_count_ != 0 && free_may_wait_) total += commit_free(now);
  return total;
}

// Credit is out: everybody in turn gives what costs none.
std::size_t send_queue::commit_free(round& now) {
  std::size_t total = 0;
  free_may_wait_ = false;
  for (std::size_t i = 0; i < ring_count && rings_; ++i) {
    for (channel_queue* next = rings_[i].first; next;) {
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
      if (why == step::full) free_may_wait_ = true;
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
  if (of.deficit <= 0 || from.last == &of) of.deficit = std::min(of.deficit + quantum_bytes, quantum_bytes);
  while (of.deficit > 0 || (has_messages && of.in_message && of.deficit > -message_overdraft_bytes)) {
    std::size_t once = 0;
    why = send_frames(of, now, once);
    moved += once;
    of.deficit -= static_cast<std::int32_t>(once);
    if (why != step::sent) break;
  }
  end_turn(of, why, moved);
  if (moved != 0) now.observer.handle_progress(owner);
  if (is_free(owner.state)) now.observer.handle_freed(owner);
  return moved;
}

// Frames from the front of the queue; queue_ended says that nothing is left, not even a FIN.
send_queue::step send_queue::send_frames(channel_queue& of, round& now, std::size_t& moved) {
  if (!now.out.has_slots()) return step::full;
  step why = step::sent;
  if (of.first) why = of.first->by_reference ? send_reference(of, now, moved) : send_run(of, now, moved);
  if (moved != 0) of.stalled_ticks = 0;
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

// As many whole frames of the first segment as credit, the turn and the cap allow, moved as one run.
send_queue::step send_queue::send_run(channel_queue& of, round& now, std::size_t& moved) {
  queue_node* node = of.first;
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

  if (run == size && !node->next && owner.has(channel_flag::fin_due) && amend_fin(at + last, has_messages)) frame_fin(of, at + last, now);
  owner.last_frame_at = now.out.end() + last;
  if (run <= copied_run_bytes_max) {
    std::memcpy(now.out.reserve(run), at, run);
    now.out.wrote(run);
    node->piece.drop_front(run);
  } else {
    now.out.append(node->piece.take_front(run));
  }
  if (of.last == node) of.last_frame_offset -= static_cast<std::uint32_t>(std::min<std::size_t>(of.last_frame_offset, run));
  of.bytes -= static_cast<std::uint32_t>(run);
  queued_bytes_ -= run;
  moved = run;
  if (node->piece.empty()) drop_first(of);
  return why;
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

}  // namespace hawser::proto::mux
