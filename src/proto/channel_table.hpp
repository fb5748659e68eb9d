// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/contract.hpp>
#include <hawser/base/time.hpp>
#include <hawser/proto/limits.hpp>
#include <proto/channel_state.hpp>
#include <proto/credit.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

// The channels of one connection: an index by id, in pages that exist only where channels are or were open.

namespace hawser::inline v0::proto {

struct channel_queue;      // what waits to be sent; of the send queue
struct assembly;           // a message that is not complete; of the connection

// Bits of channel::flags. The table gives them no meaning; the connection and its send queue do.
namespace channel_flag {
inline constexpr std::uint32_t dirty = 1u << 0;            // linked in the list of channels with control frames to send
inline constexpr std::uint32_t credit_due = 1u << 1;
inline constexpr std::uint32_t reset_due = 1u << 2;        // with code_reset
inline constexpr std::uint32_t stop_due = 1u << 3;         // with code_stop
inline constexpr std::uint32_t release_due = 1u << 4;
inline constexpr std::uint32_t bulky = 1u << 5;            // the last frame that came was a large one
inline constexpr std::uint32_t fin_due = 1u << 6;          // FIN follows what is queued
inline constexpr std::uint32_t wants_writable = 1u << 10;  // a write answered would_block
inline constexpr std::uint32_t discard = 1u << 11;         // what arrives is dropped, its credit returned
inline constexpr std::uint32_t forgotten = 1u << 12;       // the user let go of it: only the released event is left
inline constexpr std::uint32_t open_due = 1u << 13;        // own: the OPEN is not framed yet
inline constexpr std::uint32_t more_sent = 1u << 14;       // in the middle of an outgoing message
inline constexpr std::uint32_t more_received = 1u << 15;   // in the middle of an incoming one
inline constexpr std::uint32_t refused = 1u << 16;         // ended by refusal: its OPEN stays charged
inline constexpr std::uint32_t abnormal = 1u << 17;        // ended by the opener's RESET or STOP, or for its breach of a limit: likewise
inline constexpr std::uint32_t reset_sent = 1u << 18;
inline constexpr std::uint32_t reset_received = 1u << 19;
inline constexpr std::uint32_t stop_sent = 1u << 20;
inline constexpr std::uint32_t event_due = 1u << 21;       // linked in the list of channels with an event to report
inline constexpr std::uint32_t wanted = 1u << 22;          // a read of a fixed size waits: what it holds is excused
inline constexpr std::uint32_t places_budget = 1u << 23;   // holds a place of the reassembly budget
inline constexpr std::uint32_t waits_budget = 1u << 24;    // waits for one
inline constexpr std::uint32_t finished_event = 1u << 26;  // to report: the peer's FIN
inline constexpr std::uint32_t reset_event = 1u << 27;     // to report: code_reset, by our own timer
inline constexpr std::uint32_t writable_event = 1u << 28;
inline constexpr std::uint32_t stop_received = 1u << 30;   // nothing but FIN or RESET goes any more
inline constexpr std::uint32_t released_event = 1u << 29;  // to report last; then the slot is free
}  // namespace channel_flag

// Everything a connection keeps per open channel but its queued bytes. At a fixed address while it is open. Two lines of the cache: with
// thousands of channels it is they that a frame waits for.
struct channel {
  // what every frame that comes in touches
  channel_state state = channel_state::free_own;
  channel_kind kind = channel_kind::stream;
  std::uint8_t urgency = 3;
  std::uint8_t heads = 0;                       // HEAD frames: low 4 bits sent, high 4 bits received; 2 each at most
  std::uint32_t flags = 0;                      // channel_flag bits
  recv_credit in{0};
  assembly* incoming = nullptr;                 // owned by the connection, nullptr while no message is half here
  void* user = nullptr;
  channel_id id = 0;
  std::uint32_t want_bytes = 0;                 // the reader needs this many at once
  // what every frame that goes out touches
  send_credit out{0};
  channel_queue* queue = nullptr;               // owned by the send queue, nullptr while nothing waits
  std::uint64_t last_frame_at = 0;              // send queue: position of the newest frame in all that was ever framed
  std::uint16_t round = 0;                      // send queue: the round of its class in which it had its last turn
  std::uint16_t round_bytes = 0;                // ... and what it sent in that
  std::uint32_t open_number = 0;                // own: how many OPENs went before it, and itself
  // what few frames touch
  channel* next_dirty = nullptr;                // channels with control frames to send
  channel* next_event = nullptr;                // channels with something to report
  std::uint32_t code_reset = 0;                 // what the pending RESET will say, later what the peer's said
  std::uint32_t code_stop = 0;
  instant deadline = never;

  bool has(std::uint32_t bits) const noexcept { return (flags & bits) != 0; }
  void set(std::uint32_t bits) noexcept { flags |= bits; }
  void clear(std::uint32_t bits) noexcept { flags &= ~bits; }
};
static_assert(sizeof(void*) != 8 || sizeof(channel) <= 128);

// Takes one step of the channel's life. The caller looks at the effects; after `freed` it calls channel_table::close().
inline channel_step advance(channel& of, channel_input input) noexcept {
  const channel_step step = transition(of.state, input);
  of.state = step.next;
  return step;
}

// Ids of one side: which slots are busy, where their channels are. Slot n holds id 2n + 3 (client) or 2n + 2 (server). Owns
// nothing until the first channel; keeps its pages until trim().
class channel_range {
 public:
  channel_range() noexcept = default;
  ~channel_range();
  channel_range(const channel_range&) = delete;
  channel_range& operator=(const channel_range&) = delete;

  static constexpr std::uint32_t page_slots = 16;
  static constexpr std::uint32_t none = UINT32_MAX;

  // The busy channel in the slot, or nullptr.
  channel* find(std::uint32_t slot) const noexcept {
    const std::uint32_t number = slot / page_slots;
    if (number >= page_count_) [[unlikely]] return nullptr;
    page* const at = pages_[number];
    if (at == nullptr || (at->busy >> (slot % page_slots) & 1) == 0) [[unlikely]] return nullptr;
    return &at->slots[slot % page_slots];
  }
  // The lowest free slot below `limit`, or none. Reads at most a few words, however many slots are busy.
  std::uint32_t lowest_free(std::uint32_t limit) const noexcept {
    const std::uint64_t first_group = page_count_ != 0 ? open_words()[0] : 0;
    if (first_group == 0) [[unlikely]] return lowest_free_beyond(limit);
    const std::uint32_t slot = lowest_free_in(0, first_group);
    return slot < limit ? slot : none;
  }
  // The slot must be free. The channel is as constructed.
  [[gnu::always_inline]] channel& occupy(std::uint32_t slot) {
    const std::uint32_t number = slot / page_slots;
    if (number >= page_count_ || pages_[number] == nullptr) [[unlikely]] make_page(number);
    page& at = *pages_[number];
    const std::uint32_t bit = 1u << (slot % page_slots);
    HAWSER_EXPECTS((at.busy & bit) == 0, "channel slot is busy");
    at.busy |= bit;
    ++busy_count_;
    if (at.busy == page_full) {
      std::uint64_t& word = open_pages()[number / word_bits];
      word &= ~(std::uint64_t{1} << (number % word_bits));
      if (word == 0) [[unlikely]] open_words()[number / word_bits / word_bits] &= ~(std::uint64_t{1} << (number / word_bits % word_bits));
    }
    // Here and not in vacate(): what the opener sets then takes the place of it.
    return at.slots[slot % page_slots] = channel{};
  }
  void vacate(std::uint32_t slot) noexcept {
    const std::uint32_t number = slot / page_slots;
    page& at = *pages_[number];
    const std::uint32_t bit = 1u << (slot % page_slots);
    HAWSER_EXPECTS((at.busy & bit) != 0, "channel slot is free already");
    const bool was_full = at.busy == page_full;
    at.busy &= ~bit;
    --busy_count_;
    if (!was_full) return;
    std::uint64_t& word = open_pages()[number / word_bits];
    if (word == 0) [[unlikely]] open_words()[number / word_bits / word_bits] |= std::uint64_t{1} << (number / word_bits % word_bits);
    word |= std::uint64_t{1} << (number % word_bits);
  }
  // Frees the pages without a busy slot.
  void trim() noexcept;
  // The first busy slot that is >= from, or none.
  std::uint32_t next_busy(std::uint32_t from) const noexcept;

  std::uint32_t busy_count() const noexcept { return busy_count_; }
  std::size_t memory_bytes() const noexcept;

 private:
  struct alignas(128) page {             // a channel is two lines of the cache, which the processor fetches together
    channel slots[page_slots];
    std::uint32_t busy = 0;
  };
  static constexpr std::uint32_t page_full = (1u << page_slots) - 1;
  static constexpr std::uint32_t word_bits = 64;
  static constexpr std::uint32_t words_for(std::uint32_t bits) noexcept { return (bits + word_bits - 1) / word_bits; }
  void widen(std::uint32_t number);
  void make_page(std::uint32_t number);
  std::uint32_t lowest_free_in(std::uint32_t group, std::uint64_t with_room) const noexcept {
    const std::uint32_t word = group * word_bits + static_cast<std::uint32_t>(std::countr_zero(with_room));
    const std::uint32_t number = word * word_bits + static_cast<std::uint32_t>(std::countr_zero(open_pages()[word]));
    const page* const at = pages_[number];
    return number * page_slots + (at ? static_cast<std::uint32_t>(std::countr_one(at->busy)) : 0);
  }
  std::uint32_t lowest_free_beyond(std::uint32_t limit) const noexcept;
  // A bit per page: set when it has a free slot (or does not exist yet).
  std::uint64_t* open_pages() const noexcept { return reinterpret_cast<std::uint64_t*>(pages_ + page_count_); }
  // A bit per word of those: set when that word is not 0.
  std::uint64_t* open_words() const noexcept { return open_pages() + words_for(page_count_); }

  page** pages_ = nullptr;               // page_count_ pointers; behind them, in the same block, the bits
  std::uint32_t page_count_ = 0;         // a power of two, at least 64, or 0
  std::uint32_t busy_count_ = 0;
};
static_assert(sizeof(void*) != 8 || sizeof(channel_range) == 16, "two of them are part of every idle connection");

// Both ranges and channel 1.
class channel_table {
 public:
  // peer_channels_max: what this side announces. own_channels_max: what is known of the peer, at first the floor.
  channel_table(role side, std::uint32_t peer_channels_max, std::uint32_t own_channels_max) noexcept;

  // A busy channel, or nullptr (0 is nobody's; free_state() tells whose range a free id is in).
  channel* find(channel_id id) noexcept {
    if (id <= message_channel) return id == message_channel ? &plain_ : nullptr;
    if (recent_->id == id) return recent_;
    channel* const found = (is_own_id(id) ? own_ : peers_).find((id >> 1) - 1);
    if (found) recent_ = found;
    return found;
  }
  const channel* find(channel_id id) const noexcept { return const_cast<channel_table*>(this)->find(id); }
  bool is_own_id(channel_id id) const noexcept { return (id & 1) == own_parity_; }
  channel_state free_state(channel_id id) const noexcept {
    return is_own_id(id) ? channel_state::free_own : channel_state::free_peer;
  }
  // What a frame for this id meets: the channel's state, or free_*.
  channel_state state_of(channel_id id) const noexcept {
    const channel* const busy = find(id);
    return busy ? busy->state : free_state(id);
  }

  channel& plain() noexcept { return plain_; }
  const channel& plain() const noexcept { return plain_; }

  // A channel with the lowest free id, in state free_own until advance(send_open); nullptr: the peer accepts no more.
  [[gnu::always_inline]] channel* open_own() {
    const std::uint32_t slot = own_.busy_count() < own_max_ ? own_.lowest_free(own_max_) : channel_range::none;
    if (slot == channel_range::none) return nullptr;
    channel& fresh = own_.occupy(slot);
    fresh.id = (slot + 1) << 1 | own_parity_;
    recent_ = &fresh;
    return &fresh;
  }
  // The channel for an OPEN of the peer, in state free_peer until advance(receive_open). nullptr: not an id of its range, busy,
  // or beyond what this side announced (errc::protocol).
  [[gnu::always_inline]] channel* open_peers(channel_id id) {
    if (id <= message_channel || is_own_id(id) || id >> 1 > peers_max_) return nullptr;
    const std::uint32_t slot = (id >> 1) - 1;
    if (peers_.find(slot) != nullptr) return nullptr;
    channel& fresh = peers_.occupy(slot);
    fresh.id = id;
    fresh.state = channel_state::free_peer;
    recent_ = &fresh;
    return &fresh;
  }
  // Gives the slot back: the channel must be free again (is_free), and is gone with this call.
  void close(channel& gone) noexcept {
    HAWSER_EXPECTS(is_free(gone.state), "a channel was closed before its release");
    if (recent_ == &gone) recent_ = &plain_;
    (is_own_id(gone.id) ? own_ : peers_).vacate((gone.id >> 1) - 1);
  }

  void set_own_limit(std::uint32_t own_channels_max) noexcept { own_max_ = own_channels_max; }
  std::uint32_t own_limit() const noexcept { return own_max_; }
  bool own_full() const noexcept { return own_.busy_count() >= own_max_; }

  std::uint32_t own_count() const noexcept { return own_.busy_count(); }
  std::uint32_t peers_count() const noexcept { return peers_.busy_count(); }
  std::uint32_t open_count() const noexcept { return own_count() + peers_count(); }

  // Calls visit(channel&) for every busy channel but channel 1. visit may close the channel it is given.
  template <class Visit>
  void for_each(Visit&& visit) {
    for (channel_range* range : {&own_, &peers_}) {
      for (std::uint32_t slot = range->next_busy(0); slot != channel_range::none; slot = range->next_busy(slot + 1)) visit(*range->find(slot));
    }
  }

  // Frees pages without channels: call it when the connection has been quiet for a while, not per channel.
  void trim() noexcept;
  std::size_t memory_bytes() const noexcept { return own_.memory_bytes() + peers_.memory_bytes(); }

 private:
  channel plain_;
  channel_range own_;
  channel_range peers_;
  std::uint32_t own_max_;
  std::uint32_t peers_max_ : 31;
  channel_id own_parity_ : 1;
  channel* recent_ = &plain_;            // a busy one: who is asked for is mostly asked for again
};

}  // namespace hawser::inline v0::proto
