// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/send_queue.hpp"

#include "proto/frame.hpp"

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
constexpr std::size_t lane_segment_bytes_max = 64 * 1024;

// A header that this side wrote.
frame_header own_header(const std::byte* at) noexcept {
  frame_header header;
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

send_queue::~send_queue() {
  // Lanes are discarded by their owner before; the slabs go here in any case.
  while (slab_.capacity() != 0) {
    chunk before = std::move(*reinterpret_cast<chunk*>(slab_.mutable_data()));
    slab_ = std::move(before);
  }
}

queue_node* send_queue::new_node() {
  if (!free_nodes_) {
    constexpr std::size_t slab_bytes = 1024;
    chunk slab = pool_->allocate(slab_bytes);
    slab.grow(slab_bytes);
    std::byte* at = slab.mutable_data();
    new (at) chunk(std::move(slab_));
    slab_ = std::move(slab);
    for (std::size_t offset = sizeof(chunk); offset + sizeof(queue_node) <= slab_bytes; offset += sizeof(queue_node)) {
      auto* node = new (at + offset) queue_node;
      node->next = free_nodes_;
      free_nodes_ = node;
    }
  }
  queue_node* node = free_nodes_;
  free_nodes_ = node->next;
  ++live_nodes_;
  node->next = nullptr;
  node->by_reference = node->fin = false;
  return node;
}

void send_queue::free_node(queue_node* node) noexcept {
  node->piece = chunk();
  node->next = free_nodes_;
  free_nodes_ = node;
  if (--live_nodes_ != 0) return;
  free_nodes_ = nullptr;
  while (slab_.capacity() != 0) {
    chunk before = std::move(*reinterpret_cast<chunk*>(slab_.mutable_data()));
    slab_ = std::move(before);
  }
}

void send_queue::append_node(lane& to, queue_node* node) {
  if (to.last) {
    to.last->next = node;
  } else {
    to.first = node;
  }
  to.last = node;
}

std::byte* send_queue::reserve(lane& to, std::size_t count) {
  queue_node* node = to.last;
  if (!node || node->by_reference || node->piece.room() < count) {
    std::size_t wanted = 1024;
    if (node && !node->by_reference) wanted = std::min(node->piece.capacity() * 4, lane_segment_bytes_max);
    node = new_node();
    node->piece = pool_->allocate(std::max(wanted, count));
    append_node(to, node);
  }
  return node->piece.mutable_data() + node->piece.size();
}

void send_queue::wrote_frame(lane& to, std::size_t count) {
  to.last_frame_offset = static_cast<std::uint32_t>(to.last->piece.size());
  to.last->piece.grow(count);
  to.queued_bytes += static_cast<std::uint32_t>(count);
  queued_bytes_ += count;
}

std::size_t send_queue::extend(lane& to, byte_view bytes, std::size_t payload_max) {
  queue_node* node = to.last;
  if (!node || node->by_reference || node->piece.size() <= to.last_frame_offset) return 0;
  std::byte* at = node->piece.mutable_data() + to.last_frame_offset;
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
  to.queued_bytes += static_cast<std::uint32_t>(taken + growth);
  queued_bytes_ += taken + growth;
  return taken;
}

void send_queue::push_payload(lane& to, chunk payload) {
  queue_node* node = new_node();
  const std::size_t count = payload.size();
  node->piece = std::move(payload);
  node->by_reference = true;
  append_node(to, node);
  to.queued_bytes += static_cast<std::uint32_t>(count);
  queued_bytes_ += count;
}

bool send_queue::mark_fin(lane& to) {
  queue_node* node = to.last;
  if (!node) return false;
  if (node->by_reference) {
    node->fin = true;
    return true;
  }
  if (node->piece.size() <= to.last_frame_offset) return false;
  return amend_fin(node->piece.mutable_data() + to.last_frame_offset, to.has_messages);
}

void send_queue::discard(lane& of) {
  if (of.state == lane_state::ready) unlink(of);
  of.state = lane_state::empty;
  queued_bytes_ -= of.queued_bytes;
  of.queued_bytes = 0;
  of.deficit = 0;
  of.in_message = false;
  while (queue_node* node = of.first) {
    of.first = node->next;
    free_node(node);
  }
  of.last = nullptr;
}

// -- rings

void send_queue::to_back(lane& of) noexcept {
  ring& in = rings_[of.urgency & 7];
  if (in.last) {
    of.next = in.last->next;
    in.last->next = &of;
  } else {
    of.next = &of;
    in.waited_bytes = 0;
  }
  in.last = &of;
  ++ready_count_;
}

void send_queue::to_front(lane& of) noexcept {
  ring& in = rings_[of.urgency & 7];
  lane* end = in.last;
  to_back(of);
  if (end) in.last = end;
}

void send_queue::remove_first(ring& from) noexcept {
  lane* first = from.last->next;
  if (first == from.last) {
    from.last = nullptr;
  } else {
    from.last->next = first->next;
  }
  first->next = nullptr;
  --ready_count_;
}

void send_queue::unlink(lane& of) noexcept {
  ring& in = rings_[of.urgency & 7];
  lane* before = in.last;
  while (before->next != &of) before = before->next;
  if (before == &of) {
    in.last = nullptr;
  } else {
    before->next = of.next;
    if (in.last == &of) in.last = before;
  }
  of.next = nullptr;
  --ready_count_;
}

void send_queue::activate(lane& of) {
  if (of.state != lane_state::empty || !of.first) return;
  of.state = lane_state::ready;
  of.deficit = 0;
  if (of.queued_bytes <= static_cast<std::uint32_t>(quantum_bytes)) {
    to_front(of);
  } else {
    to_back(of);
  }
}

void send_queue::nourish(lane& of) {
  if (of.state != lane_state::starved) return;
  of.state = lane_state::ready;
  to_back(of);
}

// -- committing

send_queue::ring* send_queue::pick() noexcept {
  ring* top = nullptr;
  for (ring& each : rings_) {
    if (!each.last) continue;
    if (!top) top = &each;
  }
  if (!top) return nullptr;
  for (ring* low = rings_ + 7; low > top; --low)
    if (low->last && low->waited_bytes >= class_patience_bytes) return low;
  return top;
}

std::size_t send_queue::commit(outbox& out, std::size_t committed_max, std::size_t frame_bytes_max) {
  std::size_t total = 0;
  while (!out_of_credit_) {
    ring* from = pick();
    if (!from) break;
    step why = step::sent;
    const std::size_t moved = visit(*from, out, committed_max, frame_bytes_max, why);
    total += moved;
    if (moved != 0) {
      from->waited_bytes -= std::min<std::uint32_t>(from->waited_bytes, static_cast<std::uint32_t>(moved * 15));
      for (ring* low = from + 1; low < rings_ + 8; ++low)
        if (low->last) low->waited_bytes = std::min<std::uint32_t>(low->waited_bytes + static_cast<std::uint32_t>(moved), 4 * class_patience_bytes);
    }
    if (why == step::full) break;
    if (why == step::connection_starved) out_of_credit_ = true;
  }
  return total;
}

// One turn of the first lane of a ring.
std::size_t send_queue::visit(ring& from, outbox& out, std::size_t committed_max, std::size_t frame_bytes_max, step& why) {
  lane& of = *from.last->next;
  std::size_t moved = 0;
  if (of.deficit <= 0 || from.last == &of) of.deficit = std::min(of.deficit + quantum_bytes, 4 * quantum_bytes);
  for (;;) {
    const bool may_finish = of.has_messages && of.in_message && of.deficit > -message_overdraft_bytes;
    if (of.deficit <= 0 && !may_finish) break;
    std::size_t once = 0;
    why = send_frame(of, out, committed_max, frame_bytes_max, once);
    moved += once;
    of.deficit -= static_cast<std::int32_t>(once);
    if (why != step::sent) break;
  }
  if (moved != 0 && progress_) progress_(context_, of);
  if (why == step::full || why == step::connection_starved) return moved;
  remove_first(from);
  if (why == step::lane_ended) {
    of.state = lane_state::empty;
  } else if (why == step::lane_starved) {
    of.state = lane_state::starved;
  } else {
    to_back(of);
  }
  return moved;
}

void send_queue::drop_first(lane& of) noexcept {
  queue_node* node = of.first;
  of.first = node->next;
  if (!of.first) of.last = nullptr;
  free_node(node);
}

send_queue::step send_queue::send_frame(lane& of, outbox& out, std::size_t committed_max, std::size_t frame_bytes_max,
                                        std::size_t& moved) {
  queue_node* node = of.first;
  if (!node) return step::lane_ended;
  if (!out.has_slots()) return step::full;
  if (node->by_reference) return send_reference(of, out, committed_max, frame_bytes_max, moved);

  // As many whole frames as credit, the turn and the cap allow, moved as one run.
  const std::size_t room = committed_max > out.committed_bytes() ? committed_max - out.committed_bytes() : 0;
  const std::byte* at = node->piece.data();
  const std::size_t size = node->piece.size();
  std::size_t run = 0, last = 0;
  step why = step::sent;
  while (run < size) {
    const frame_header header = own_header(at + run);
    const std::size_t whole = header.size + header.length;
    std::int64_t cost = 0;
    if (header.type == frame_type::data) cost = data_cost(header.length, header.flags);
    if (header.type == frame_type::open) cost = of.open_cost;
    if (run + whole > room && out.committed_bytes() + run != 0) {
      why = step::full;
      break;
    }
    if (cost > of.credit) {
      why = step::lane_starved;
      break;
    }
    if (cost > credit) {
      why = step::connection_starved;
      break;
    }
    of.credit -= cost;
    credit -= cost;
    of.open_uncommitted = false;
    last = run;
    run += whole;
    of.in_message = (header.flags & frame_flag::more) != 0;
    if (static_cast<std::int64_t>(run) >= of.deficit && !(of.has_messages && of.in_message)) break;
    if (static_cast<std::int64_t>(run) >= of.deficit + message_overdraft_bytes) break;
  }
  if (run == 0) return why;

  of.last_frame_at = out.end() + last;
  if (run <= copied_run_bytes_max) {
    std::byte* to = out.reserve(run);
    std::memcpy(to, at, run);
    out.wrote(run);
    node->piece.drop_front(run);
  } else {
    out.append(node->piece.take_front(run));
  }
  if (&*of.last == node) of.last_frame_offset -= static_cast<std::uint32_t>(std::min<std::size_t>(of.last_frame_offset, run));
  of.queued_bytes -= static_cast<std::uint32_t>(run);
  queued_bytes_ -= run;
  moved = run;
  if (node->piece.empty()) drop_first(of);
  if (!of.first) return step::lane_ended;
  return why;
}

send_queue::step send_queue::send_reference(lane& of, outbox& out, std::size_t committed_max, std::size_t frame_bytes_max,
                                            std::size_t& moved) {
  queue_node* node = of.first;
  const std::size_t left = node->piece.size();
  const std::size_t room = committed_max > out.committed_bytes() ? committed_max - out.committed_bytes() : 0;
  const std::size_t worthwhile = std::min({left, reference_frame_bytes_min, frame_bytes_max});
  const auto affordable = [](std::int64_t ledger) {
    return ledger > frame_cost ? static_cast<std::size_t>(ledger - frame_cost) : std::size_t{0};
  };
  if (affordable(of.credit) < worthwhile) return step::lane_starved;
  if (affordable(credit) < worthwhile) return step::connection_starved;
  std::size_t count = std::min({left, frame_bytes_max, affordable(of.credit), affordable(credit)});
  if (count + 8 > room) {
    if (out.committed_bytes() != 0 && room < worthwhile + 8) return step::full;
    count = std::min(count, std::max(worthwhile, room > 8 ? room - 8 : 0));
  }

  const bool whole = count == left;
  std::uint8_t flags = frame_flag::none;
  if (whole && node->fin) flags = frame_flag::fin;
  if (!whole && of.has_messages) flags = frame_flag::more;
  of.last_frame_at = out.end();
  const std::size_t head = put_header(out.reserve(header_bytes_max), frame_type::data, flags, of.id, static_cast<std::uint32_t>(count));
  out.wrote(head);
  out.append(node->piece.take_front(count));

  const std::int64_t cost = static_cast<std::int64_t>(count) + frame_cost;
  of.credit -= cost;
  credit -= cost;
  of.in_message = flags == frame_flag::more;
  of.queued_bytes -= static_cast<std::uint32_t>(count);
  queued_bytes_ -= count;
  moved = count + head;
  if (whole) drop_first(of);
  return of.first ? step::sent : step::lane_ended;
}

}  // namespace hawser::proto::mux
