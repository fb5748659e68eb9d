// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "proto/mux/outbox.hpp"

#include <hawser/base/buffer.hpp>
#include <hawser/proto/limits.hpp>

#include <cstddef>
#include <cstdint>

namespace hawser::proto::mux {

// A segment of encoded frames, or one payload that is sent by reference and framed when it goes.
struct queue_node {
  queue_node* next = nullptr;
  chunk piece;
  bool by_reference = false;
  bool fin = false;               // by reference: its last frame carries FIN
};

enum class lane_state : std::uint8_t {
  empty,
  ready,      // in the ring of its class
  starved,    // has frames, lacks channel credit
};

// The sending side of one channel: its credit and what is framed for it but not committed.
struct lane {
  queue_node* first = nullptr;
  queue_node* last = nullptr;
  lane* next = nullptr;                  // in the ring of its class
  std::int64_t credit = 0;               // of the channel, in bytes of cost
  std::uint64_t last_frame_at = 0;       // in the outbox: the frame that was committed last
  channel_id id = 0;
  std::uint32_t queued_bytes = 0;
  std::int32_t deficit = 0;
  std::uint32_t last_frame_offset = 0;   // in last->piece
  std::uint32_t open_cost = 0;           // of the OPEN that waits here
  lane_state state = lane_state::empty;
  std::uint8_t urgency = 3;
  bool has_messages = false;             // its frames carry messages: a started one is finished first
  bool in_message = false;               // committed a frame with MORE
  bool open_uncommitted = false;         // its OPEN waits in this lane: the peer has never heard of the channel
};

// What a frame costs in both ledgers, beyond its payload (spec/wire.md, section 5, C1).
inline constexpr std::int64_t frame_cost = 16;
constexpr std::int64_t data_cost(std::size_t payload_bytes, std::uint8_t flags) noexcept {
  return payload_bytes == 0 && (flags & 0x20) ? 0 : static_cast<std::int64_t>(payload_bytes) + frame_cost;
}

// Puts FIN on a frame of ours that has not left, if it may carry it.
bool amend_fin(std::byte* at, bool messages) noexcept;

// Which frame is next, and how large it may be. Urgency classes; in a class deficit round robin with a quantum of 16 KiB; each
// class that waits gets at least a sixteenth of what goes before it.
class send_queue {
 public:
  explicit send_queue(buffer_pool& pool) noexcept : pool_(&pool) {}
  ~send_queue();
  send_queue(const send_queue&) = delete;
  send_queue& operator=(const send_queue&) = delete;

  // Room for an encoded frame of header + payload in the lane's own segment.
  std::byte* reserve(lane& to, std::size_t count);
  // What was reserved is one frame of this size.
  void wrote_frame(lane& to, std::size_t count);
  // Lengthens the last frame of the lane, if it is a DATA frame of a byte channel that may grow; returns how many bytes it took.
  std::size_t extend(lane& to, byte_view bytes, std::size_t payload_max);
  void push_payload(lane& to, chunk payload);
  // Puts FIN on the last frame. False: there is none that may carry it.
  bool mark_fin(lane& to);
  void discard(lane& of);

  // Puts the lane into its ring when it has frames and is not there. An active lane of little goes first, once.
  void activate(lane& of);
  // The lane got channel credit.
  void nourish(lane& of);

  // Moves frames into the outbox until `committed_max`, credit or frames end; returns how many bytes it moved.
  std::size_t commit(outbox& out, std::size_t committed_max, std::size_t frame_bytes_max);

  bool has_ready() const noexcept { return ready_count_ != 0; }
  // Something could go if the outbox had room.
  bool can_commit() const noexcept { return ready_count_ != 0 && !out_of_credit_; }
  std::size_t ready_lanes() const noexcept { return ready_count_; }
  std::size_t queued_bytes() const noexcept { return queued_bytes_; }
  bool out_of_credit() const noexcept { return out_of_credit_; }

  std::int64_t credit = 0;               // of the connection
  void credit_raised() noexcept { out_of_credit_ = false; }

  // A lane whose queue fell below its low water is reported here.
  using drained_hook = void (*)(void* context, lane& which);
  void on_progress(drained_hook hook, void* context) noexcept {
    progress_ = hook;
    context_ = context;
  }

 private:
  struct ring {
    lane* last = nullptr;                // last->next is the first
    std::uint32_t waited_bytes = 0;      // sent by more urgent classes while this one had something
  };
  enum class step : std::uint8_t { sent, lane_ended, lane_starved, connection_starved, full };

  queue_node* new_node();
  void free_node(queue_node* node) noexcept;
  void append_node(lane& to, queue_node* node);
  void drop_first(lane& of) noexcept;
  void to_front(lane& of) noexcept;
  void to_back(lane& of) noexcept;
  void remove_first(ring& from) noexcept;
  void unlink(lane& of) noexcept;
  ring* pick() noexcept;
  std::size_t visit(ring& from, outbox& out, std::size_t committed_max, std::size_t frame_bytes_max, step& why);
  step send_frame(lane& of, outbox& out, std::size_t committed_max, std::size_t frame_bytes_max, std::size_t& moved);
  step send_reference(lane& of, outbox& out, std::size_t committed_max, std::size_t frame_bytes_max, std::size_t& moved);

  buffer_pool* pool_;
  ring rings_[8];
  std::uint32_t ready_count_ = 0;
  bool out_of_credit_ = false;
  std::size_t queued_bytes_ = 0;
  drained_hook progress_ = nullptr;
  void* context_ = nullptr;
  queue_node* free_nodes_ = nullptr;
  std::uint32_t live_nodes_ = 0;
  chunk slab_;                           // newest slab; the first 16 bytes of each hold the one before
};

}  // namespace hawser::proto::mux
