// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/send_queue.hpp"

#include "proto/frame.hpp"
#include "proto/open_block.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace hawser::inline v0::proto::mux {

namespace {

constexpr std::size_t segment_bytes_first = 1024;
constexpr std::size_t segment_bytes_max = 64 * 1024;
// Channels that wait with little each lie behind one another in such a segment, in the order in which they will mostly leave. One that
// is never given credit keeps it: no more than a channel may queue on a connection that is full.
constexpr std::size_t shared_segment_bytes = 16 * 1024;
constexpr std::size_t shared_frame_bytes_min = 512;     // of smaller ones a channel has several in a segment of its own, and they leave together
constexpr std::size_t slab_bytes = 4 * 1024;

}  // namespace

// -- memory

send_queue::~send_queue() {
  if (work_) work_->~workspace();
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
    if (!work_) {
      work_ = new (at + begin) workspace;
      begin += sizeof(workspace);
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
  work_->~workspace();
  work_ = nullptr;
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
  if (node->has_others) --nodes_with_others_;
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

// Messages only: what is added to a stream lengthens the frame that waits. One for each channel: so one that never gets credit keeps
// one segment alive.
bool send_queue::may_share(const channel& to, std::size_t count) const noexcept {
  const bool first = !to.queue || !to.queue->first;
  return first && ready_count_ != 0 && count >= shared_frame_bytes_min && count <= small_send_bytes && kind_has_messages(to.kind);
}

queue_node* send_queue::new_segment(channel& to, std::size_t count) {
  const bool shares = may_share(to, count);
  channel_queue& queue = queue_of(to);
  const queue_node* before = queue.last;
  std::size_t wanted = segment_bytes_first;
  if (before && !before->by_reference) wanted = std::min(before->shared ? small_send_bytes : before->piece.capacity() * 4, segment_bytes_max);
  queue_node* node = append_node(queue);
  if (shares) {
    if (work_->shared.room() < count) work_->shared = pool_->allocate(shared_segment_bytes);
    node->piece = work_->shared;
    node->shared = true;
    return node;
  }
  node->piece = pool_->allocate(std::max(wanted, count));
  return node;
}

std::size_t send_queue::extend(channel& to, byte_view bytes, std::size_t payload_max) {
  if (!to.queue || !to.queue->last) return 0;
  queue_node* node = to.queue->last;
  if (node->by_reference || node->shared || node->piece.size() <= to.queue->last_frame_offset) return 0;
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
  node->cost += static_cast<std::uint32_t>(taken);
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

void send_queue::enter_ring(channel& of) {
  of.queue->where = channel_queue::place::ready;
  if (!of.queue->first) bare_ = true;
  if (out_of_credit_ && starts_free(*of.queue)) free_may_wait_ = true;
  // It waits beside others: what they send from here on is sent in small pieces.
  if (bulk_near_bytes_ != 0 && ready_count_ != 0 && of.queue->bytes < small_send_bytes && of.id != last_sender_) undisturbed_bytes_ = 0;
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

}  // namespace hawser::inline v0::proto::mux
