// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "proto/alias_table.hpp"
#include "proto/bucket.hpp"
#include "proto/channel_table.hpp"
#include "proto/credit.hpp"
#include "proto/frame.hpp"
#include "proto/hello.hpp"
#include "proto/keepalive.hpp"
#include "proto/mux/outbox.hpp"
#include "proto/mux/send_queue.hpp"
#include "proto/open_block.hpp"

#include <hawser/proto/connection.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hawser::inline v0::proto {

// What is held in front of accept(): the floors of section 1, with headers and open blocks; and the rest of one read.
inline constexpr std::size_t held_bytes_max = 96 * 1024;

// Of a payload that is copied: two of these fill a segment of 64 KiB.
inline constexpr std::size_t copied_frame_bytes_max = 32 * 1024 - frame_cost;

// Unit of parts::peer_frame_pages.
inline constexpr std::uint32_t frame_page_bytes = 4096;

// A channel on which nothing more is sent.
inline constexpr std::uint32_t ended_for_sending = channel_flag::reset_sent | channel_flag::reset_received | channel_flag::reset_due |
                                                   channel_flag::stop_received | channel_flag::fin_due;

// Pings of the peer that wait for their answers.
inline constexpr std::size_t pings_answered_max = 4;

// A message that is not complete. Its bytes grow in one buffer; itself it lies in a small one.
struct assembly {
  chunk self;
  chunk bytes;
  std::uint32_t cost = 0;
  bool as_before = false;   // see expects_as_before

  static assembly* make(buffer_pool& pool) {
    chunk room = pool.allocate(sizeof(assembly));
    auto* made = new (room.mutable_data()) assembly;
    made->self = std::move(room);
    return made;
  }
  static void drop(assembly*& gone) noexcept {
    const chunk room = std::move(gone->self);
    gone->~assembly();
    gone = nullptr;
  }
};

// Of the beginning, and what the peer said in its HELLO for as long as somebody may ask (forget_hello()).
struct handshake {
  std::vector<std::byte> greeting;       // preface and HELLO, until they are framed
  std::string application;
  preface theirs{};
  instant until = never;                 // the peer's HELLO must be here
  chunk held;                            // what came before accept()
  remote_hello hello;                    // its views point into `payload`
  std::unique_ptr<std::byte[]> payload;
};

// What a connection has only at times: made in a small buffer when it is needed, gone as soon as it is not.
struct rarity {
  explicit rarity(const settings& with) noexcept : budget(with.reassembly_bytes_max, with.announced.message_bytes_max) {}

  chunk self;                            // the buffer
  chunk stitch;                          // an incomplete control frame
  chunk replayed;                        // what `in` points into while `replaying`
  byte_view in_after;                    // follows `in` when that is a replay
  instant drain_at = never;
  std::uint64_t opens_processed = UINT64_MAX;   // by the peer, as its GOAWAY says
  std::array<std::uint64_t, pings_answered_max> pongs{};
  std::string go_away_reason;
  reassembly_budget budget;
  std::uint32_t drain_ms = 0;

  bool is_needed() const noexcept {
    return stitch.capacity() != 0 || replayed.capacity() != 0 || drain_at != never || budget.taken() != 0 || opens_processed != UINT64_MAX;
  }
};

// A code as the application sees it: 0 is an orderly end, what the wire does not define is internal.
inline std::uint32_t code_from_wire(std::uint32_t code) noexcept {
  return code == 0 ? 0 : static_cast<std::uint32_t>(error_from_wire(code).value());
}

// The state of a connection. receive.cpp parses, messages.cpp takes whole messages, requests.cpp whole requests and answers, data.cpp other
// DATA, control.cpp what is not, grants.cpp gives credit, sending.cpp takes what is to be said, through.cpp hands on what is large,
// transmit.cpp frames the rest, channels.cpp opens and ends channels, closing.cpp ends the connection, connection.cpp begins it.
struct connection::parts final : mux::commit_observer {
  parts(role side_, const settings& with_, const identity& who, buffer_pool& pool_, instant now_, std::uint64_t seed);
  ~parts();

  enum class stage : std::uint8_t { preface, header, gather, data };
  enum class progress : std::uint8_t { starved, nothing, event };

  // -- receive.cpp
  bool poll_event(event& to);
  progress parse(event& to);
  progress parse_preface();
  progress parse_header(event& to);
  progress parse_gather(event& to);
  progress begin_frame(event& to);
  progress handle_control(byte_view payload, event& to);
  progress handle_hello(byte_view payload, event& to);
  progress handle_open(byte_view available, event& to);
  progress handle_head(byte_view payload, event& to);
  progress handle_reset(byte_view payload, event& to);
  progress handle_stop(byte_view payload, event& to);
  progress handle_credit(byte_view payload);
  progress handle_release();
  progress handle_ping(byte_view payload, event& to);
  progress handle_go_away(byte_view payload, event& to);
  progress hold_back();
  void replay(chunk bytes);
  // The channel that a frame of the peer may name. One whose OPEN still waits here is free as far as the peer knows.
  channel* heard(channel_id id) noexcept {
    channel* of = table.find(id);
    return of && of->has(channel_flag::open_due) ? nullptr : of;
  }
  void advance_input(std::size_t count) noexcept { in = in.subspan(count); }
  // Payload came: remembers when it was last much, and when somebody has last said little, and not merely the rest of much, after
  // somebody else.
  void note_heard(channel& by, std::size_t bytes) noexcept {
    if (by.id != last_heard || bytes >= mux::small_send_bytes) note_change(by, bytes);
  }
  void note_change(channel& by, std::size_t bytes) noexcept;
  // In units of 2^20 ns. It wraps: what was 52 days ago counts once more.
  static std::uint32_t coarse(instant when) noexcept { return static_cast<std::uint32_t>(when.time_since_epoch().count() >> 20); }
  // Somebody says little here beside somebody else's bulk.
  bool hears_both() const noexcept { return is_recent(bulk_heard_at) && is_recent(small_heard_at); }
  // Within the last 0.13 s: somebody who speaks ten times a second is there all the time.
  bool is_recent(std::uint32_t coarse_time) const noexcept { return coarse(now) - coarse_time < 128; }
  bool next_notification(event& to);
  void refuse_open(channel& of, errc code);

  // -- messages.cpp
  bool expects_plain() const noexcept;
  bool take_plain(channel& of, std::size_t head, std::uint32_t length, plain_message& to) noexcept;
  bool take_plain_of_any(std::uint32_t word, plain_message& to) noexcept;

  // -- data.cpp
  progress parse_whole(event& to);
  progress parse_data(event& to);
  progress begin_data();
  progress gather_message(channel& of, byte_view part, std::uint32_t cost, event& to);
  void widen(assembly& whole, std::size_t count);
  void drop_incoming(channel& of) noexcept;
  progress end_data(channel& of, event& to, progress so_far);
  void drop_assembly(channel& of);

  // -- transmit.cpp
  void fill();
  void put_control();
  void put_channel_control(channel& of);
  void put_reset_frame(channel& of, std::string_view reason);
  void put_release_frame(channel& of);
  void frame_release(channel& of);
  void handle_progress(channel& of) noexcept override;
  void handle_freed(channel& of) noexcept override;
  void settle_freed(channel& of) noexcept;
  bool close_freed(channel& of) noexcept;
  void wait_for_connection(const channel& of) noexcept;
  void check_connection_writable() noexcept;
  void check_writable(channel& of) noexcept;
  void drop_queued(channel& of) noexcept;
  std::size_t committed_max() const noexcept;
  std::size_t shared_committed_max() const noexcept;
  // For a small frame that ends something: it may go a little beyond, so that full outboxes do not hold up every end.
  bool has_room_for_end() const noexcept { return out.has_slots() && out.committed_bytes() < with.committed_bytes_max + 16 * 1024; }
  bool wants_transmit() const noexcept;
  void emit_greeting();
  void mark_dirty(channel& of, std::uint32_t bits) noexcept;
  void notify(channel& of, std::uint32_t bits) noexcept;

  // -- grants.cpp
  void give_back(channel& of, std::uint32_t cost);
  void check_channel_credit(channel& of) noexcept;
  void tune(channel& of, std::uint32_t granted) noexcept;
  std::uint32_t held_of(const channel& of) const noexcept;
  void want(channel& of, std::size_t bytes);
  void end_want(channel& of) noexcept;
  void excuse(channel& of, std::uint32_t cost);
  void consume(channel& of, std::uint32_t cost);
  void seek_budget(channel& of);
  void enter_budget(channel& of);
  void grant_from_budget(channel& of);
  // Beside bulk a small message waits for what is unread here. The sender bounds that by what it is told: soon, but once a DATA frame at
  // most, as CREDIT is paid for by those (spec/wire.md, section 8).
  bool may_grant_early(std::size_t bytes_min) const noexcept {
    return received.credit().returnable() >= bytes_min && granted_frame != static_cast<std::uint8_t>(frames_received) && hears_both();
  }
  void grant_connection();
  void leave_budget(channel& of);

  // -- sending.cpp
  channel* sendable(channel_id id, std::error_code& why) noexcept;
  // Nothing waits that should go first, and credit and room are there. Small frames may use all of the room.
  bool may_send_now(const channel& of, std::uint32_t cost, std::size_t frame_bytes) const noexcept {
    const std::size_t most = frame_bytes < mux::small_send_bytes ? with.committed_bytes_max : committed_max();
    return !of.queue && !queue.has_ready() && of.out.covers(cost) && queue.credit.covers(cost) &&
           out.committed_bytes() + frame_bytes < most && out.has_slots();
  }
  bool send_short(channel& to, byte_view message);
  bool send_frame(channel& to, byte_view message);
  result<> send(channel_id id, byte_view message);
  bool may_send_free(const channel& of, std::size_t frame_bytes) const noexcept;
  bool accepts(channel& of, std::size_t copied_bytes) noexcept;
  std::size_t reserve() noexcept;
  void queue_message(channel& to, byte_view bytes);
  std::size_t queue_bytes(channel& to, byte_view bytes);
  std::size_t write_now(channel& to, byte_view bytes);
  std::size_t write(channel& to, byte_view bytes);
  result<> finish(channel& of);
  channel_step frame_fin(channel& of);

  // -- through.cpp
  std::size_t send_through(channel& to, byte_view message, outlet& now_to);
  void put_rest(byte_view head, byte_view payload, std::size_t gone);

  // -- channels.cpp
  void stop(channel& of, std::uint32_t code);
  channel* let_go(channel_id id) noexcept;
  bool work_done(channel& of);
  bool conclude(channel& of);
  result<channel_id> open(const open_options& options, byte_view first, end_mark end);
  void end_locally(channel& of, std::uint32_t code, std::string_view reason);
  void raise_initial_credit(channel& of, byte_view meta) noexcept;

  // -- requests.cpp
  bool is_between_frames() const noexcept;
  void note_frame(std::uint32_t cost) noexcept;

  // -- closing.cpp
  progress fail(errc code, std::string_view reason = {});
  void end(std::uint32_t code) noexcept;
  void go_away(std::uint32_t code, duration drain, std::string_view reason);
  void check_drained();
  void put_goodbye(errc code, std::string_view reason);
  void handle_timeout();
  void handle_deadlines();
  void handle_stalls();
  void expire(channel& of, errc code);
  instant poll_timeout() const noexcept;
  bool has_events() const noexcept { return first_event || connection_writable || (over && !closed_told); }

  rarity& need_rare() { return rare ? *rare : make_rare(); }
  rarity& make_rare();
  void free_rare() noexcept;
  void drop_rare() noexcept {
    if (rare && pongs_due == 0 && !go_away_due && !rare->is_needed()) [[unlikely]] free_rare();
  }

  bool server() const noexcept { return side == role::server; }
  // Frames of ours may go: the greeting is out.
  bool started() const noexcept { return greeted; }
  bool ready() const noexcept { return hello_here && greeted; }

  // What every message touches comes first, in about the order in which it does: one that was silent for long costs as many misses of
  // the cache as there are lines.
  const settings& with;
  buffer_pool& pool;
  instant now;

  // input
  byte_view in;
  stage reading = stage::preface;
  std::uint8_t stash_size = 0;
  role side;
  std::uint8_t pongs_due = 0;
  std::uint8_t pings_due = 0;        // asked for by ping()
  std::uint8_t ping_kinds = 0;       // unanswered pings, oldest first: 1 = its answer is an event
  // Bytes where every frame writes, bits elsewhere.
  bool first_part = false;           // of the DATA frame under way
  bool meter_touched = false;
  std::uint8_t granted_frame = 0;    // frames_received modulo 2^8 when the connection gave credit back last, and what came since but DATA and OPEN
  std::uint8_t peer_frame_pages = 1; // payload of 4 KiB each that the peer accepts in a frame; not more than we would send
  bool greeted : 1 = false;          // our preface and HELLO are in the outbox
  bool hello_here : 1 = false;
  bool over : 1 = false;
  bool connection_writable : 1 = false;      // event to report
  bool preface_here : 1 = false;
  bool closed_told : 1 = false;
  bool replaying : 1 = false;
  bool go_away_sent : 1 = false;
  bool go_away_due : 1 = false;
  bool go_away_here : 1 = false;
  bool wants_connection_writable : 1 = false;
  bool several_refused : 1 = false;      // for want of room in the connection, not refused_first alone
  bool reserve_refused : 1 = false;      // to one with nothing waiting
  bool expects_as_before : 1 = false;    // one assembly has room for a message as large as the last
  bool commit_was_full : 1 = false;
  bool quiet_ping_due : 1 = false;   // for liveness or a measurement
  std::uint32_t left = 0;            // payload of the DATA frame that is still to come
  channel* first_event = nullptr;
  frame_header frame{};
  channel_id last_heard = 0;
  std::uint32_t small_heard_at = coarse({}) - 128, bulk_heard_at = coarse({}) - 128;
  std::uint32_t frame_bytes_max = 0; // payload of a frame that we make
  instant frame_at = never;          // the frame under way must be complete
  instant deadline_at = never;       // no channel's deadline is earlier
  rarity* rare = nullptr;
  chunk lent;                        // what the last event points into

  // output
  channel* first_dirty = nullptr;
  mux::outbox out;

  channel_table table;
  recv_ledger received;
  mux::send_queue queue;
  std::uint64_t bytes_received = 0, bytes_sent = 0, messages_received = 0, messages_sent = 0, frames_received = 0;
  keepalive pulse;
  abuse_meter meter;
  std::uint32_t peer_message_bytes_max = 0;

  // what a message does not touch
  std::uint32_t peer_channel_credit = 0;
  std::uint16_t peer_open_block_bytes_max = 0;
  std::uint16_t peer_alias_slots = 0;
  std::array<std::byte, 8> stash{};  // an incomplete header or preface
  std::uint32_t assembled_bytes = 0; // of the last message that came in parts
  channel* last_dirty = nullptr;
  channel* last_event = nullptr;
  std::uint32_t widened[2] = {};     // all windows of channels beyond what was announced: of bytes, of messages
  channel_id refused_first = 0;      // for want of room in the connection, since that was told writable last
  std::uint32_t closed_code = 0;
  std::unique_ptr<handshake> shake;
  std::unique_ptr<remote_open> opening;    // of the last `opened` event; kept for the next one
  alias_sender aliases_out;
  alias_receiver aliases_in;
  instant stall_at = never;
  std::uint64_t opens_received = 0, opens_sent = 0, opens_accepted = 0;
};

}  // namespace hawser::inline v0::proto
