// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <algorithm>

// Credit that the peer gets: what comes back, windows that widen, and what goes beyond them for a message or a read that is
// larger than its window (spec/wire.md, section 7).

namespace hawser::inline v0::proto {

namespace {

constexpr duration slow_line = std::chrono::seconds(10);      // on which every window is too small

// What a read of that many bytes may cost: with the overhead of small frames, and room for a last frame that is larger than
// needed. While a message is half here, half a window: no sensible frame is larger.
std::uint64_t wanted_cost(const channel& of) noexcept {
  if (of.incoming && of.want_bytes == 0) return of.in.window() / 2;
  return of.want_bytes == 0 ? 0 : std::uint64_t{of.want_bytes} + of.want_bytes / 256 + of.in.window() / 2 + frame_cost;
}

}  // namespace

// -- what comes back

void connection::parts::give_back(channel& of, std::uint32_t cost) {
  of.in.give_back(cost);
  check_channel_credit(of);
}

void connection::parts::check_channel_credit(channel& of) noexcept {
  if (of.has(channel_flag::credit_due | channel_flag::discard) || !can_receive(of.state)) return;
  if (of.in.due(wanted_cost(of))) mark_dirty(of, channel_flag::credit_due);
}

// Cost of what the application holds of a channel.
std::uint32_t connection::parts::held_of(const channel& of) const noexcept {
  std::int64_t cost = std::int64_t{of.in.window()} + of.in.surplus() - of.in.outstanding() - of.in.returnable();
  if (of.incoming) cost -= of.incoming->cost;
  // The frame under way is paid for as a whole.
  if (reading == stage::data && frame.channel == of.id) cost -= left + (first_part ? frame_cost : 0);
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(cost, 0, credit_max));
}

void connection::parts::consume(channel& of, std::uint32_t cost) {
  // Never more than the channel holds: what a caller counts twice must not become credit.
  cost = static_cast<std::uint32_t>(std::min<std::size_t>({cost, held_of(of), received.held()}));
  if (cost == 0) return;
  if (of.has(channel_flag::wanted)) {
    received.accuse(cost);
    of.want_bytes -= std::min(of.want_bytes, cost);
  }
  received.let_go(cost);
  // A channel that is over and only waits for its released event grants nothing more.
  if (is_free(of.state)) {
    of.in.give_back(cost);
    return;
  }
  give_back(of, cost);
  if (of.has(channel_flag::wanted) && of.want_bytes == 0) end_want(of);
  if (of.incoming && of.has(channel_flag::more_received)) seek_budget(of);
}

// One window widens at the cost of the others: all of a kind together stay within one bound, but for channel 1, which is alone.
void connection::parts::tune(channel& of, std::uint32_t granted) noexcept {
  const bool messages = kind_has_messages(of.kind);
  std::size_t most = with.window_bytes_max;
  if (of.id != message_channel) {
    const std::size_t bound = messages ? std::min(with.reassembly_bytes_max, with.window_bytes_max) : with.window_bytes_max;
    most = std::min(most, of.in.window() + (bound - std::min<std::size_t>(bound, widened[messages])));
  }
  // A message that is put together is given back as a whole: a window that does not hold the next one beside it makes both sides wait in turn.
  duration round_trip = pulse.shortest_round_trip();
  const bool puts_together = of.incoming && of.in.window() / 2 < std::max<std::size_t>(assembled_bytes, of.incoming->bytes.size());
  if (puts_together && !hears_both()) round_trip = std::max(round_trip, slow_line);
  const std::uint32_t grown = of.in.tune(granted, now, round_trip, static_cast<std::uint32_t>(std::min<std::size_t>(most, credit_max)));
  if (of.id != message_channel) widened[messages] += grown;
  // Without a round trip a window cannot tell that it is too small for a long line.
  if (hello_here && pulse.wants_measurement(now)) quiet_ping_due = true;
  check_channel_credit(of);
}

void connection::parts::grant_connection() {
  const std::uint32_t granted = received.take_grant();
  if (granted == 0) return;
  granted_frame = static_cast<std::uint8_t>(frames_received);
  out.wrote(put_credit(out.reserve(credit_frame_bytes_max), 0, granted));
  received.tune(granted, now, pulse.shortest_round_trip(), static_cast<std::uint32_t>(with.window_bytes_max));
  if (hello_here && pulse.wants_measurement(now)) quiet_ping_due = true;
}

// -- reads of a fixed size

void connection::parts::want(channel& of, std::size_t bytes) {
  const bool possible = bytes != 0 && can_receive(of.state) && !of.has(channel_flag::discard);
  if (!possible || kind_has_messages(of.kind)) {
    end_want(of);
    return;
  }
  of.want_bytes = static_cast<std::uint32_t>(std::min({bytes, with.reassembly_bytes_max, std::size_t{1} << 30}));
  if (!of.has(channel_flag::wanted)) {
    of.set(channel_flag::wanted);
    received.excuse(held_of(of));
  }
  if (of.in.short_of(wanted_cost(of))) {
    enter_budget(of);
  } else {
    check_channel_credit(of);
  }
}

// A part of it arrived.
void connection::parts::excuse(channel& of, std::uint32_t cost) {
  received.excuse(cost);
  if (of.has(channel_flag::places_budget) && of.in.short_of(of.in.window() / 4)) grant_from_budget(of);
}

// The read is complete, or nothing more will come.
void connection::parts::end_want(channel& of) noexcept {
  of.want_bytes = 0;
  if (!of.has(channel_flag::wanted)) return;
  of.clear(channel_flag::wanted);
  received.accuse(held_of(of));
  leave_budget(of);
}

// -- beyond the window (C4)

// A message is half here and the peer may lack the credit for the rest.
void connection::parts::seek_budget(channel& of) {
  // What is returnable may be all the peer waits for.
  if (!of.in.short_of(of.in.window() / 2)) return check_channel_credit(of);
  // The application has the window: it is for it to give back.
  if (held_of(of) != 0) return check_channel_credit(of);
  enter_budget(of);
}

void connection::parts::enter_budget(channel& of) {
  if (of.has(channel_flag::waits_budget)) return;
  if (!of.has(channel_flag::places_budget)) {
    if (!need_rare().budget.enter(of.id)) {
      of.set(channel_flag::waits_budget);
      check_channel_credit(of);
      return;
    }
    of.set(channel_flag::places_budget);
  }
  grant_from_budget(of);
}

void connection::parts::grant_from_budget(channel& of) {
  std::uint64_t wanted = wanted_cost(of);
  // Frames that are smaller than expected cost more than expected: then it gets more, a little at a time.
  std::uint64_t most = 4 * wanted;
  if (of.in.surplus() != 0) wanted = of.in.window() / 2;
  if (of.incoming) {
    const std::uint64_t here = of.incoming->bytes.size();
    const std::uint64_t rest = with.announced.message_bytes_max - std::min<std::uint64_t>(here, with.announced.message_bytes_max);
    // As much again as is here: a large message comes quickly, and one that ends early leaves little behind.
    wanted = std::max<std::uint64_t>(of.in.window() / 2, std::min(rest + frame_cost, here));
    most = UINT32_MAX;
  }
  if (!of.in.short_of(wanted)) return check_channel_credit(of);
  const std::int64_t lacking = static_cast<std::int64_t>(wanted) - of.in.outstanding() - of.in.returnable();
  const std::int64_t room = static_cast<std::int64_t>(most) - of.in.surplus();
  if (room > 0) of.in.extra(static_cast<std::uint32_t>(std::min(lacking, room)));
  if (of.in.returnable() != 0) mark_dirty(of, channel_flag::credit_due);
}

void connection::parts::leave_budget(channel& of) {
  if (of.has(channel_flag::waits_budget)) {
    of.clear(channel_flag::waits_budget);
    if (rare) rare->budget.forget(of.id);
  }
  if (!of.has(channel_flag::places_budget)) return;
  of.clear(channel_flag::places_budget);
  channel* next = rare ? table.find(rare->budget.leave()) : nullptr;
  if (!next) return;
  next->clear(channel_flag::waits_budget);
  next->set(channel_flag::places_budget);
  grant_from_budget(*next);
}

}  // namespace hawser::inline v0::proto
