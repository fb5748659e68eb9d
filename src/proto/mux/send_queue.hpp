// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "proto/channel_table.hpp"
#include "proto/frame.hpp"
#include "proto/mux/outbox.hpp"

#include <hawser/base/buffer.hpp>
#include <hawser/proto/limits.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace hawser::inline v0::proto::mux {

// Less than this at a time is a message, a request or an answer; more is bulk.
inline constexpr std::size_t small_send_bytes = 4 * 1024;

// A segment of encoded frames, or one payload that is sent by reference and framed when it goes.
struct queue_node {
  queue_node* next = nullptr;
  chunk piece;
  // Of a segment that holds nothing but whole messages or bytes of a stream: what sending all of it takes.
  std::uint32_t frames = 0;
  std::uint32_t cost = 0;
  bool by_reference = false;
  bool has_others = false;               // OPEN, HEAD, parts of messages: each frame must be looked at
  bool shared = false;                   // a frame in a segment that several channels share: nothing follows it there
};

}  // namespace hawser::inline v0::proto::mux

namespace hawser::inline v0::proto {

// What waits on one channel. Exists only while something does. Its FIN is not queued: channel_flag::fin_due says that it goes
// with the last frame.
struct channel_queue {
  enum class place : std::uint8_t {
    aside,       // in no ring
    ready,       // in the ring of its class
    starved,     // has frames, lacks channel credit
  };
  channel* owner = nullptr;
  mux::queue_node* first = nullptr;
  mux::queue_node* last = nullptr;
  channel_queue* next = nullptr;         // in the ring of its class
  channel_queue* prev = nullptr;
  std::uint32_t bytes = 0;
  std::int32_t deficit = 0;
  std::uint32_t last_frame_offset = 0;   // of the newest frame, in last->piece
  std::uint32_t open_cost = 0;           // of the OPEN that waits here
  place where = place::aside;
  bool in_message = false;               // committed a frame with MORE: the message is finished first
  std::uint8_t stalled_ticks = 0;
};

}  // namespace hawser::inline v0::proto

namespace hawser::inline v0::proto::mux {

// A header that this side wrote. Inline, so that its fields stay in registers.
inline frame_header own_header(const std::byte* at) noexcept {
  frame_header header{};
  const decode_status status = decode_header({at, header_bytes_max}, header);
  HAWSER_EXPECTS(status == decode_status::header, "a queued frame is broken");
  return header;
}
// Puts FIN on a frame of ours that has not left, if it may carry it.
bool amend_fin(std::byte* at, bool messages) noexcept;

// Told by the send queue while it commits. Calls nothing back into it.
struct commit_observer {
  virtual void handle_progress(channel& of) noexcept = 0;     // the channel's queue became shorter
  virtual void handle_freed(channel& of) noexcept = 0;        // its FIN carried the release: the slot is free
 protected:
  ~commit_observer() = default;
};

// Which frame is next, and how large it may be (commit.cpp), of what the channels put in (send_queue.cpp). Urgency classes; in a class deficit round robin with a quantum of 16 KiB; each
// class that waits gets at least a sixteenth of what goes before it.
class send_queue {
 public:
  explicit send_queue(buffer_pool& pool) noexcept : pool_(&pool) {}
  ~send_queue();
  send_queue(const send_queue&) = delete;
  send_queue& operator=(const send_queue&) = delete;

  // reserve() and activate() have nothing to do for it: the channel waits, and so much more goes behind what it has.
  bool has_room_behind(const channel_queue& of, std::size_t count) const noexcept {
    const queue_node* node = of.last;
    return node && !node->by_reference && !node->shared && node->piece.room() >= count && of.where != channel_queue::place::aside;
  }
  // Room for an encoded frame of header + payload in the channel's own segment.
  std::byte* reserve(channel& to, std::size_t count) {
    queue_node* node = to.queue ? to.queue->last : nullptr;
    if (!node || node->by_reference || node->shared || node->piece.room() < count) [[unlikely]] node = new_segment(to, count);
    return node->piece.mutable_data() + node->piece.size();
  }
  // What was reserved is one frame of this size: DATA without flags that costs so much, or (cost 0) any other.
  void wrote_frame(channel& to, std::size_t count, std::uint32_t cost) {
    channel_queue& queue = *to.queue;
    queue_node& node = *queue.last;
    queue.last_frame_offset = static_cast<std::uint32_t>(node.piece.size());
    node.piece.grow(count);
    if (node.shared) {
      work_->shared.grow(count);
      work_->shared.drop_front(count);
    }
    ++node.frames;
    node.cost += cost;
    if (cost == 0 && !node.has_others) {
      node.has_others = true;
      ++nodes_with_others_;
    }
    queue.bytes += static_cast<std::uint32_t>(count);
    queued_bytes_ += count;
  }
  // Lengthens the newest frame, if it is DATA of a byte channel that may grow; returns how many bytes it took.
  std::size_t extend(channel& to, byte_view bytes, std::size_t payload_max);
  void push_payload(channel& to, chunk payload);
  // The queue of a channel, made when there is none: for an OPEN's cost, or for a FIN alone.
  channel_queue& queue_of(channel& of);
  void discard(channel& of);

  // Puts the channel into its ring when it has something and is in none. One with little to say goes first, as long as all that
  // it says in a round is no more than a turn: whoever waits is passed by no more than its fair share.
  void activate(channel& of) {
    if (of.queue && of.queue->where == channel_queue::place::aside) enter_ring(of);
  }
  // The channel got credit.
  void nourish(channel& of);

  // Moves frames into the outbox until committed_max, credit or frames end; returns how many bytes it moved.
  std::size_t commit(outbox& out, std::size_t committed_max, std::size_t frame_bytes_max, commit_observer& observer);

  bool has_ready() const noexcept { return ready_count_ != 0; }
  // Something could go if the outbox had room.
  bool can_commit() const noexcept { return ready_count_ != 0 && (!out_of_credit_ || free_may_wait_); }
  std::size_t ready_count() const noexcept { return ready_count_; }
  std::size_t queued_bytes() const noexcept { return queued_bytes_; }

  // Bytes of a channel were framed, here or straight into the outbox.
  void note_sent(channel_id by, std::size_t bytes) noexcept {
    if (bulk_near_bytes_ != 0 && by != last_sender_ && bytes < small_send_bytes) undisturbed_bytes_ = 0;
    last_sender_ = by;
    if (undisturbed_bytes_ < undisturbed_bytes_min) undisturbed_bytes_ += static_cast<std::uint32_t>(bytes);
    bulk_near_bytes_ -= bytes < bulk_near_bytes_ ? static_cast<std::uint32_t>(bytes) : bulk_near_bytes_;
  }
  // The same of a part of something large.
  void note_bulk(channel_id by, std::size_t bytes) noexcept {
    note_sent(by, bytes);
    bulk_near_bytes_ = undisturbed_bytes_min;
  }
  // Nobody has sent something small beside somebody's bulk for a while.
  bool undisturbed() const noexcept { return undisturbed_bytes_ >= undisturbed_bytes_min; }

  send_credit credit{0};                 // of the connection
  void credit_raised() noexcept {
    out_of_credit_ = false;
    most_credit_ = std::max(most_credit_, available_credit());
  }
  // Sent, and not given back by the peer yet: about what is on the line and unread at the other end. Where a window has grown since it was
  // last unused, less than that.
  std::size_t unreturned_bytes() const noexcept { return most_credit_ - std::min(most_credit_, available_credit()); }
  std::uint32_t opens_committed = 0;     // ever, in the order of the wire
  std::uint32_t frames_committed = 0;    // DATA and OPEN, since somebody set it to 0

 private:
  std::uint32_t available_credit() const noexcept { return static_cast<std::uint32_t>(std::max<std::int64_t>(credit.available(), 0)); }
  struct ring {
    channel_queue* first = nullptr;
    channel_queue* last = nullptr;
    channel_queue* fresh = nullptr;      // the newest of those that went to the front
    channel_queue* round_end = nullptr;  // the round ends when this one has had its turn
    std::uint16_t round = 1;
    std::uint32_t waited_bytes = 0;      // sent by more urgent classes while this one had something
  };
  static constexpr std::size_t ring_count = 8;
  struct workspace {
    ring rings[ring_count];              // one per urgency
    chunk shared;                        // what is left of the segment in which channels with little to say have their frames
  };
  static constexpr std::int32_t quantum_bytes = 16 * 1024;
  static constexpr std::uint32_t undisturbed_bytes_min = 1 << 20;
  struct round {
    outbox& out;
    std::size_t committed_max, frame_bytes_max;
    commit_observer& observer;
    std::size_t room() const noexcept { return committed_max > out.committed_bytes() ? committed_max - out.committed_bytes() : 0; }
  };
  enum class step : std::uint8_t { sent, queue_ended, channel_starved, connection_starved, full };

  union cell {
    cell* next_free;
    queue_node node;
    channel_queue queue;
    cell() noexcept : next_free(nullptr) {}
    ~cell() {}
  };
  cell* new_cell();
  void free_cell(cell* gone) noexcept;
  queue_node* append_node(channel_queue& to);
  queue_node* new_segment(channel& to, std::size_t count);
  bool may_share(const channel& to, std::size_t count) const noexcept;
  void enter_ring(channel& of);
  void drop_first(channel_queue& of) noexcept;
  void drop_queue(channel& of) noexcept;

  ring& ring_of(const channel_queue& of) noexcept { return work_->rings[of.owner->urgency & 7]; }
  void link(channel_queue* before, channel_queue& of) noexcept;
  void to_front(channel_queue& of) noexcept;
  void to_back(channel_queue& of) noexcept;
  void unlink(channel_queue& of) noexcept;
  bool starts_free(const channel_queue& of) const noexcept;
  bool some_cost_nothing() const noexcept { return ready_count_ > 1 && (nodes_with_others_ != 0 || bare_); }
  std::size_t commit_free(round& now);
  void end_turn(channel_queue& of, step why, std::size_t moved) noexcept;
  ring* pick() noexcept;
  std::size_t visit(ring& from, round& now, step& why);
  step send_frames(channel_queue& of, round& now, std::size_t& moved);
  step send_run(channel_queue& of, round& now, std::size_t& moved);
  bool may_send_whole(const channel_queue& of) const noexcept;
  void move_run(channel_queue& of, round& now, std::size_t run, std::size_t last);
  step send_reference(channel_queue& of, round& now, std::size_t& moved);
  step send_fin(channel_queue& of, round& now, std::size_t& moved);
  void frame_fin(channel_queue& of, std::byte* header, round& now);

  buffer_pool* pool_;
  workspace* work_ = nullptr;            // in the oldest slab: it exists while a queue does
  std::uint32_t undisturbed_bytes_ = 0;  // counted up to undisturbed_bytes_min and one frame
  channel_id last_sender_ = 0;
  std::uint32_t nodes_with_others_ = 0;
  std::uint32_t bulk_near_bytes_ = 0;    // until then somebody's bulk counts as being sent
  std::uint32_t most_credit_ = 0;        // of the connection, ever
  std::uint32_t ready_count_ = 0;
  bool out_of_credit_ = false;
  bool free_may_wait_ = false;           // some frame that costs nothing may be behind one that lacks credit
  bool bare_ = false;                    // somebody may wait with nothing but its FIN
  std::size_t queued_bytes_ = 0;
  cell* free_cells_ = nullptr;
  std::uint32_t live_cells_ = 0;
  chunk slab_;                           // newest slab; the first bytes of each hold the one before
};

}  // namespace hawser::inline v0::proto::mux
