// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <algorithm>
#include <cstring>

// Output: control frames are made from state bits when they can go, then data by urgency (spec/wire.md, section 8).

namespace hawser::inline v0::proto {

namespace {
constexpr std::size_t control_bytes_per_turn = 16 * 1024;
// Large writes are cheap, and whoever comes next waits behind them: only who has the line to itself makes the largest. Beside small messages
// they are large while little is unread at the other side; small ones let it catch up. Where bulk comes in as well, each turn of the other
// side's writes is followed by one of ours: they are smaller still.
constexpr std::size_t shared_committed_bytes_max = 32 * 1024;
constexpr std::size_t shared_committed_bytes_min = 16 * 1024;
constexpr std::size_t shared_unreturned_bytes_max = 128 * 1024;
constexpr std::size_t mutual_committed_bytes_max = 8 * 1024;
// Worth a CREDIT that tells how much is unread: beside something that goes anyway, and by itself.
constexpr std::size_t early_grant_bytes_min = 16 * 1024;
constexpr std::size_t lone_grant_bytes_min = 128 * 1024;
constexpr std::uint32_t control_bits = channel_flag::credit_due | channel_flag::reset_due | channel_flag::stop_due | channel_flag::release_due;
}  // namespace

std::size_t connection::poll_transmit(instant now, chain& out, std::size_t max_bytes) {
  parts& p = *parts_;
  p.now = std::max(p.now, now);
  std::size_t moved = 0;
  while (moved < max_bytes && !out.full()) {
    if (!p.over && p.greeted) p.fill();
    const std::size_t once = p.out.take(out, max_bytes - moved);
    if (once == 0) break;
    moved += once;
    if (!p.wants_transmit()) break;
  }
  if (moved != 0) {
    p.pulse.handle_sent(p.now);
    p.bytes_sent += moved;
  }
  p.check_drained();
  p.drop_rare();
  return moved;
}

void connection::handle_sent(instant now, std::size_t bytes) {
  parts& p = *parts_;
  p.now = std::max(p.now, now);
  p.commit_was_full = false;
  p.out.sent(bytes);
}

bool connection::wants_transmit() const noexcept { return parts_->wants_transmit(); }

bool connection::parts::wants_transmit() const noexcept {
  if (!out.empty()) return true;
  if (over || !greeted) return false;
  if (first_dirty || pongs_due != 0 || go_away_due || received.due()) return true;
  if ((pings_due != 0 || quiet_ping_due) && hello_here && pulse.may_ping()) return true;
  if (queue.can_commit() && !commit_was_full && out.committed_bytes() < committed_max()) return true;
  return may_grant_early(lone_grant_bytes_min);
}

std::size_t connection::parts::committed_max() const noexcept {
  if (!queue.undisturbed()) return std::min(with.committed_bytes_max, shared_committed_max());
  // Many with a little each keep nobody waiting that would go sooner by less.
  const bool much = queue.ready_count() > 1 && queue.queued_bytes() >= queue.ready_count() * mux::small_send_bytes;
  return much ? with.committed_bytes_max / 2 : with.committed_bytes_max;
}

std::size_t connection::parts::shared_committed_max() const noexcept {
  if (is_recent(bulk_heard_at)) return mutual_committed_bytes_max;
  const std::size_t here = out.committed_bytes();
  const std::size_t away = queue.unreturned_bytes() - std::min(queue.unreturned_bytes(), here);
  return std::clamp(shared_unreturned_bytes_max - std::min(away, shared_unreturned_bytes_max), shared_committed_bytes_min, shared_committed_bytes_max);
}

void connection::parts::fill() {
  put_control();
  if (!queue.can_commit()) return;
  const std::size_t moved = queue.commit(out, committed_max(), frame_bytes_max, *this);
  commit_was_full = moved == 0 && queue.can_commit();
  if (reserve_refused) check_connection_writable();
  if (queue.frames_committed != 0) {
    meter.frames_sent(queue.frames_committed);
    queue.frames_committed = 0;
  }
}

void connection::parts::emit_greeting() {
  if (greeted) return;
  greeted = true;
  const std::size_t size = shake->greeting.size();
  std::memcpy(out.reserve(size), shake->greeting.data(), size);
  out.wrote(size);
  shake->greeting = {};
}

void connection::parts::put_control() {
  const bool grants = received.due() || may_grant_early(out.empty() ? lone_grant_bytes_min : early_grant_bytes_min);
  if (!first_dirty && !go_away_due && pongs_due == 0 && pings_due == 0 && !quiet_ping_due && !grants) [[likely]] return;
  const std::uint64_t begin = out.end();
  const auto may_go_on = [&] { return out.has_slots() && out.end() - begin < control_bytes_per_turn; };
  if (go_away_due && may_go_on()) {
    go_away_due = false;
    out.wrote(put_go_away(out.reserve(go_away_frame_bytes_max), 0, rare->drain_ms, opens_accepted, rare->go_away_reason));
    rare->go_away_reason = {};
  }
  while (pongs_due != 0 && may_go_on()) {
    std::array<std::uint64_t, pings_answered_max>& pongs = rare->pongs;
    out.wrote(put_ping(out.reserve(ping_frame_bytes), ping_kind::answer, pongs[0]));
    --pongs_due;
    std::copy(pongs.begin() + 1, pongs.end(), pongs.begin());
  }
  while (first_dirty && may_go_on()) {
    channel& of = *first_dirty;
    first_dirty = of.next_dirty;
    of.next_dirty = nullptr;
    of.clear(channel_flag::dirty);
    // The peer has not heard of it: these go after its OPEN.
    if (!of.has(channel_flag::open_due)) put_channel_control(of);
  }
  if (grants && may_go_on()) grant_connection();
  while ((pings_due != 0 || quiet_ping_due) && hello_here && may_go_on()) {
    const std::uint8_t place = pulse.in_flight();
    const std::optional<std::uint64_t> bits = pulse.begin_ping(now);
    if (!bits) break;
    if (pings_due != 0) {
      --pings_due;
      ping_kinds = static_cast<std::uint8_t>(ping_kinds | 1u << place);
    }
    quiet_ping_due = false;
    out.wrote(put_ping(out.reserve(ping_frame_bytes), ping_kind::ask, *bits));
  }
}

void connection::parts::put_channel_control(channel& of) {
  if (of.has(channel_flag::reset_due)) put_reset_frame(of, {});
  if (of.has(channel_flag::stop_due)) {
    of.clear(channel_flag::stop_due);
    if (can_receive(of.state)) out.wrote(put_stop(out.reserve(code_frame_bytes_max), of.id, of.code_stop, {}));
  }
  if (of.has(channel_flag::credit_due)) {
    of.clear(channel_flag::credit_due);
    if (can_receive(of.state) && !of.has(channel_flag::discard)) {
      if (const std::uint32_t granted = of.in.take_grant(); granted != 0) {
        out.wrote(put_credit(out.reserve(credit_frame_bytes_max), of.id, granted));
        tune(of, granted);
      }
    }
  }
  if (of.has(channel_flag::release_due)) put_release_frame(of);
}

void connection::parts::put_release_frame(channel& of) {
  frame_release(of);
  handle_freed(of);
}

void connection::parts::frame_release(channel& of) {
  of.clear(channel_flag::release_due);
  advance(of, channel_input::send_release);
  // A FIN that is still here takes the release along.
  constexpr auto examined = std::byte{0x0f | frame_flag::fin | frame_flag::rel};
  std::byte* fin = of.has(channel_flag::reset_sent) ? nullptr : out.amend(of.last_frame_at);
  if (fin && (fin[0] & examined) == std::byte{static_cast<std::uint8_t>(frame_type::data) | frame_flag::fin}) {
    fin[0] |= std::byte{frame_flag::rel};
  } else {
    out.wrote(put_release(out.reserve(release_frame_bytes_max), of.id));
  }
}

void connection::parts::put_reset_frame(channel& of, std::string_view reason) {
  of.clear(channel_flag::reset_due);
  if (transition(of.state, channel_input::send_reset).effects & channel_effect::violation) return;
  const channel_step taken = advance(of, channel_input::send_reset);
  const std::uint8_t flags = taken.effects & channel_effect::carry_release ? frame_flag::rel : frame_flag::none;
  out.wrote(proto::put_reset(out.reserve(code_frame_bytes_max), of.id, flags, of.code_reset, reason));
  of.set(channel_flag::reset_sent);
  if (taken.effects & channel_effect::freed) handle_freed(of);
}

// -- bits and lists

void connection::parts::mark_dirty(channel& of, std::uint32_t bits) noexcept {
  of.set(bits);
  if (of.has(channel_flag::dirty)) return;
  of.set(channel_flag::dirty);
  of.next_dirty = nullptr;
  if (first_dirty) {
    last_dirty->next_dirty = &of;
  } else {
    first_dirty = &of;
  }
  last_dirty = &of;
}

void connection::parts::notify(channel& of, std::uint32_t bits) noexcept {
  of.set(bits);
  if (of.has(channel_flag::event_due)) return;
  of.set(channel_flag::event_due);
  of.next_event = nullptr;
  if (first_event) {
    last_event->next_event = &of;
  } else {
    first_event = &of;
  }
  last_event = &of;
}

// -- the send queue tells

void connection::parts::handle_progress(channel& of) noexcept {
  if (of.has(control_bits) && !of.has(channel_flag::open_due)) mark_dirty(of, 0);
  if (wants_connection_writable) check_connection_writable();
  check_writable(of);
}

void connection::parts::wait_for_connection(const channel& of) noexcept {
  if (!wants_connection_writable) {
    refused_first = of.id;
    several_refused = false;
  }
  several_refused |= of.id != refused_first;
  wants_connection_writable = true;
}

void connection::parts::check_connection_writable() noexcept {
  // Who was refused although nothing of it waits does not wait for what lacks credit.
  if (queue.queued_bytes() > with.send_bytes_max / 2 && !(reserve_refused && !queue.can_commit())) return;
  wants_connection_writable = reserve_refused = false;
  connection_writable = true;
  check_writable(table.plain());
  if (!several_refused) {
    if (channel* only = table.find(refused_first)) check_writable(*only);
    return;
  }
  // The first that was refused goes first: the room may not be enough for all, and always the same would get it.
  table.for_each([&](channel& each) {
    if (each.id >= refused_first) check_writable(each);
  });
  table.for_each([&](channel& each) {
    if (each.id < refused_first) check_writable(each);
  });
}

void connection::parts::check_writable(channel& of) noexcept {
  if (!of.has(channel_flag::wants_writable)) return;
  if (of.queue && of.queue->bytes > with.channel_send_bytes_max / 2) return;
  of.clear(channel_flag::wants_writable);
  notify(of, channel_flag::writable_event);
}

// What waits on the channel is not wanted any more. Others may have waited for that room.
void connection::parts::drop_queued(channel& of) noexcept {
  queue.discard(of);
  if (wants_connection_writable) check_connection_writable();
}

// The slot is free on the wire. The channel itself goes with the released event.
void connection::parts::handle_freed(channel& of) noexcept {
  settle_freed(of);
  notify(of, channel_flag::released_event);
}

// The same where the application learns of it otherwise, unless it is to hear something else of the channel first: false then.
bool connection::parts::close_freed(channel& of) noexcept {
  settle_freed(of);
  if (of.has(channel_flag::event_due)) {
    notify(of, channel_flag::released_event);
    return false;
  }
  table.close(of);
  return true;
}

void connection::parts::settle_freed(channel& of) noexcept {
  if (of.queue || wants_connection_writable) drop_queued(of);
  if (of.incoming || of.has(channel_flag::wanted | channel_flag::places_budget | channel_flag::waits_budget)) drop_assembly(of);
  if (!is_own(of.state) && !of.has(channel_flag::abnormal | channel_flag::refused)) meter.open_completed();
  of.deadline = never;
  std::uint32_t& sum = widened[kind_has_messages(of.kind)];
  sum -= std::min(sum, of.in.window() - with.announced.channel_credit);
  of.clear(control_bits | channel_flag::wants_writable | channel_flag::writable_event | channel_flag::fin_due);
  if (of.has(channel_flag::dirty)) {
    // Rare: a release crossed something that was about to be sent.
    channel** link = &first_dirty;
    channel* before = nullptr;
    while (*link != &of) {
      before = *link;
      link = &(*link)->next_dirty;
    }
    *link = of.next_dirty;
    if (last_dirty == &of) last_dirty = before;
    of.clear(channel_flag::dirty);
  }
}

}  // namespace hawser::inline v0::proto
