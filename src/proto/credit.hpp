// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/contract.hpp>
#include <hawser/base/error.hpp>
#include <hawser/base/time.hpp>
#include <hawser/proto/limits.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

// Flow control: the ledgers of one direction, for a channel or for the connection (spec/wire.md, section 5). Pure arithmetic;
// whoever owns a ledger sends the frames it asks for.

namespace hawser::inline v0::proto {

inline constexpr std::uint32_t frame_cost = 16;                   // C1: what a frame costs beyond its payload
inline constexpr std::int64_t credit_max = 0x7fff'ffff;           // C2: outstanding credit never exceeds 2^31 - 1

enum class fin_mark : std::uint8_t { absent, present };
// C1, DATA: an empty one with FIN is free, it carries no message.
constexpr std::uint32_t cost_of_data(std::uint32_t payload_bytes, fin_mark fin) noexcept {
  return payload_bytes == 0 && fin == fin_mark::present ? 0 : payload_bytes + frame_cost;
}
// C1, OPEN: the bytes behind the block; an OPEN without any carries no message and costs nothing.
constexpr std::uint32_t cost_of_open(std::uint32_t first_bytes) noexcept { return first_bytes == 0 ? 0 : first_bytes + frame_cost; }

// What this side may still send. 8 bytes.
class send_credit {
 public:
  explicit send_credit(std::uint32_t initial) noexcept : available_(initial) {}

  std::int64_t available() const noexcept { return available_; }
  bool covers(std::uint32_t cost) const noexcept { return available_ >= static_cast<std::int64_t>(cost); }
  void spend(std::uint32_t cost) noexcept {
    available_ -= cost;
    HAWSER_EXPECTS(available_ >= 0, "sent beyond the peer's credit");
  }
  // A CREDIT arrived. errc{}; errc::protocol for an increment of 0; errc::flow_control when more than 2^31 - 1 would be outstanding.
  errc grant(std::uint32_t increment) noexcept {
    if (increment == 0) return errc::protocol;
    if (available_ + increment > credit_max) return errc::flow_control;
    available_ += increment;
    return errc{};
  }
  // The peer's HELLO is here: what was used counts against what it announced instead of the floor this ledger started with.
  void announce(std::uint32_t assumed, std::uint32_t announced) noexcept {
    available_ += static_cast<std::int64_t>(announced) - assumed;
  }
  // The largest payload whose frame the credit covers; 0 also when only an empty frame fits.
  std::uint32_t payload_max() const noexcept {
    return available_ <= frame_cost ? 0 : static_cast<std::uint32_t>(available_ - frame_cost);
  }

 private:
  std::int64_t available_;
};
static_assert(sizeof(send_credit) == 8);

// What the peer may still send, and when to let it send more. 32 bytes.
//   outstanding + held by this side + returnable = window + surplus
class recv_credit {
 public:
  explicit recv_credit(std::uint32_t window) noexcept : outstanding_(window), window_(window) {}

  // A frame of this cost arrived. False: it was more than the peer may send (errc::flow_control).
  [[nodiscard]] bool take(std::uint32_t cost) noexcept {
    outstanding_ -= cost;
    return outstanding_ >= 0;
  }
  bool covers(std::uint32_t cost) const noexcept { return outstanding_ >= static_cast<std::int64_t>(cost); }
  // take() and give_back() at once, if nothing but that is to be done. False: nothing was.
  [[nodiscard]] bool pass(std::uint32_t cost) noexcept {
    if (!covers(cost) || surplus_ != 0) [[unlikely]] return false;
    outstanding_ -= cost;
    returnable_ += cost;
    return true;
  }
  // Bytes of that cost were consumed or discarded; they can be granted again.
  void give_back(std::uint32_t cost) noexcept {
    if (surplus_ != 0) [[unlikely]] cost = absorb(cost);
    returnable_ += cost;
  }
  // C4: true when a CREDIT is worth sending: half the window is returnable, or the peer cannot send what is waited for.
  // need: cost of the rest of the current message or read, 0 when there is none.
  bool due(std::uint64_t need = 0) const noexcept {
    return returnable_ != 0 && (returnable_ >= window_ / 2 || outstanding_ < static_cast<std::int64_t>(need));
  }
  // The increment of a CREDIT that is framed now, 0: none. Merges everything that became returnable meanwhile.
  std::uint32_t take_grant() noexcept;
  // True when everything that could be granted at once would still leave the peer short of `need`: only extra() helps.
  bool short_of(std::uint64_t need) const noexcept {
    return outstanding_ + static_cast<std::int64_t>(returnable_) < static_cast<std::int64_t>(need);
  }
  // C4: lets the peer send this much above the window once, from the reassembly budget; it is not returned when consumed.
  // Goes out with the next grant. Cut so that outstanding credit stays legal; returns what was added.
  std::uint32_t extra(std::uint32_t cost) noexcept;
  // OPEN meta 3: the opener's initial credit is larger than announced in HELLO. Only before the first frame arrived.
  void raise(std::uint32_t by) noexcept;

  // C5: call when a grant was taken. When a whole window went by in less than 4 round trips (at least 50 us; never while none is
  // known), the window doubles up to `most`; the difference is returnable at once. Returns how many bytes it grew.
  std::uint32_t tune(std::uint32_t granted, instant now, duration round_trip, std::uint32_t most) noexcept;

  std::int64_t outstanding() const noexcept { return outstanding_; }
  std::uint32_t window() const noexcept { return window_; }
  std::uint32_t returnable() const noexcept { return returnable_; }
  std::uint32_t surplus() const noexcept { return surplus_; }

 private:
  std::uint32_t absorb(std::uint32_t cost) noexcept {
    const std::uint32_t part = std::min(cost, surplus_);
    surplus_ -= part;
    return cost - part;
  }

  std::int64_t outstanding_;
  instant lap_began_{};              // tune(): since when lap_granted_ counts
  std::uint32_t window_;
  std::uint32_t returnable_ = 0;
  std::uint32_t surplus_ = 0;        // part of outstanding and held bytes that is not of the window
  std::uint32_t lap_granted_ = 0;
};
static_assert(sizeof(recv_credit) == 32);

// The connection's receiving side (C3): credit goes back when a frame is parsed, while the application holds little enough;
// above receive_bytes_max all of it waits until the application has consumed. What a read of a fixed size holds until it is
// complete is excused: the application cannot consume it, so withholding credit for it could wait for ever.
class recv_ledger {
 public:
  recv_ledger(std::uint32_t window, std::size_t receive_bytes_max) noexcept : credit_(window), held_max_(receive_bytes_max) {}

  // A frame arrived. False: errc::flow_control.
  [[nodiscard]] bool take(std::uint32_t cost) noexcept { return credit_.take(cost); }
  // ... and its bytes are held until consumed (application buffers, events).
  [[gnu::always_inline]] void hold(std::uint32_t cost) noexcept {
    held_ += cost;
    pass(cost);
  }
  // Both at once, if no limit is met. False: nothing was done.
  [[nodiscard]] bool take_and_hold(std::uint32_t cost) noexcept {
    if (held_ + cost > held_max_ + excused_ || !credit_.pass(cost)) [[unlikely]] return false;
    held_ += cost;
    return true;
  }
  // ... or they were dropped at once, or belong to a message that is not complete, which has a bound of its own.
  [[gnu::always_inline]] void pass(std::uint32_t cost) noexcept {
    if (!above_limit()) [[likely]] credit_.give_back(cost);
    else withheld_ += cost;
  }
  // ... and were passed before; now the application holds them (a message that came in several frames).
  void keep(std::uint32_t cost) noexcept { held_ += cost; }
  // Held bytes were consumed or discarded.
  void let_go(std::uint32_t cost) noexcept {
    HAWSER_EXPECTS(cost <= held_, "more consumed than was received");
    held_ -= cost;
    release_withheld();
  }
  // Held bytes that the application cannot consume yet, and later can again.
  void excuse(std::uint32_t cost) noexcept {
    excused_ += cost;
    release_withheld();
  }
  void accuse(std::uint32_t cost) noexcept {
    HAWSER_EXPECTS(cost <= excused_, "more accused than was excused");
    excused_ -= cost;
  }

  bool due() const noexcept { return credit_.due(); }
  std::uint32_t take_grant() noexcept { return credit_.take_grant(); }
  std::uint32_t tune(std::uint32_t granted, instant now, duration round_trip, std::uint32_t most) noexcept {
    return credit_.tune(granted, now, round_trip, most);
  }
  std::size_t held() const noexcept { return held_; }
  std::size_t withheld() const noexcept { return withheld_; }
  const recv_credit& credit() const noexcept { return credit_; }

 private:
  bool above_limit() const noexcept { return held_ > held_max_ + excused_; }
  void release_withheld() noexcept {
    if (withheld_ != 0 && !above_limit()) [[unlikely]] credit_.give_back(static_cast<std::uint32_t>(std::exchange(withheld_, 0)));
  }

  recv_credit credit_;
  std::size_t held_ = 0;
  std::size_t held_max_;
  std::size_t excused_ = 0;
  std::size_t withheld_ = 0;         // outstanding credit bounds it to 2^31 - 1
};

// Who may receive a message larger than its window (C4): at most bytes_max / message_bytes_max (but one) channels at a time, in
// the order they asked. Two half-received messages can therefore never wait for each other. Owns nothing until someone waits.
class reassembly_budget {
 public:
  reassembly_budget(std::size_t bytes_max, std::uint32_t message_bytes_max) noexcept
      : places_(static_cast<std::uint32_t>(std::clamp<std::size_t>(bytes_max / std::max(1u, message_bytes_max), 1, UINT32_MAX))) {}

  // True: the channel has a place now. False: it waits, and leave() of another will name it. Not twice for one message.
  bool enter(channel_id channel);
  // The channel's message is complete, or the channel is gone: gives up its place. Returns the channel that has got it, or 0.
  channel_id leave();
  // The channel is gone while it was waiting. False: it did not wait.
  bool forget(channel_id channel) noexcept;
  std::uint32_t places() const noexcept { return places_; }
  std::uint32_t taken() const noexcept { return taken_; }

 private:
  std::vector<channel_id> waiting_;
  std::uint32_t places_;
  std::uint32_t taken_ = 0;
};

}  // namespace hawser::inline v0::proto
