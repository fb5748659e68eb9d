// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "testing/world.hpp"

#include <algorithm>
#include <cstring>

// How bytes get from one side to the other: into the sender's system, over the wire, into the receiver's buffer, and back as
// acknowledgements. Congestion is not modelled: a link carries what its speed allows from the first segment on.

namespace hawser::inline v0::testing::sim {

using namespace std::chrono_literals;

namespace {

constexpr std::uint64_t default_window = std::uint64_t{6} << 20;
constexpr std::uint64_t default_send_buffer = std::uint64_t{4} << 20;
constexpr std::uint64_t smallest_fixed_buffer = std::uint64_t{1} << 20;
// What one connection sends before the next in line has its turn: about a millisecond's worth, at least a frame of Ethernet.
constexpr std::uint64_t segment_min = 1460;
constexpr std::uint64_t segment_max = 64 * 1024;
constexpr std::size_t store_piece_max = 64 * 1024;
// Linux gives up on unacknowledged bytes after 15 retransmissions.
constexpr duration system_timeout = 924s;

std::uint64_t segment_size(const link_options& how) noexcept {
  return std::clamp(how.bytes_per_second / 1000, segment_min, segment_max);
}

std::uint64_t fixed_buffer(std::uint32_t wanted, const io::socket_options& options) noexcept {
  return options.exact_buffers ? wanted : std::max<std::uint64_t>(wanted, smallest_fixed_buffer);
}

}  // namespace

wire& world::outgoing(connection& c, unsigned which) noexcept { return c.route->directions[c.flipped ? which ^ 1u : which]; }

duration world::delay_by_chance(const link_options& how) noexcept {
  if (how.jitter <= duration::zero()) return duration::zero();
  return duration(static_cast<duration::rep>(chance_.below(static_cast<std::uint64_t>(how.jitter.count()) + 1)));
}

duration world::round_trip(connection& c) noexcept { return outgoing(c, 0).how.lag + outgoing(c, 1).how.lag; }

// What the receiver of `sender`'s bytes can hold, under way included.
std::uint64_t world::window(connection& c, unsigned sender) noexcept {
  const io::socket_options& receiving = c.sides[sender ^ 1].options;
  if (receiving.receive_buffer_bytes) return fixed_buffer(receiving.receive_buffer_bytes, receiving);
  const link_options& how = outgoing(c, sender).how;
  if (how.window_bytes) return how.window_bytes;
  const auto product = static_cast<unsigned __int128>(how.bytes_per_second) * static_cast<std::uint64_t>(round_trip(c).count()) * 2 / 1'000'000'000u;
  return std::max(default_window, static_cast<std::uint64_t>(std::min<unsigned __int128>(product, std::uint64_t{1} << 40)));
}

// Bytes that the sender's system takes right now.
std::uint64_t world::room(connection& c, unsigned which) noexcept {
  const side& s = c.sides[which];
  const pipe& p = s.out;
  std::uint64_t buffer = default_send_buffer + window(c, which);
  if (s.options.send_buffer_bytes) buffer = fixed_buffer(s.options.send_buffer_bytes, s.options);
  else if (outgoing(c, which).how.send_buffer_bytes) buffer = outgoing(c, which).how.send_buffer_bytes;
  const std::uint64_t kept = p.written - p.acked;
  const std::uint64_t unsent = p.written - p.sent;
  const std::uint64_t unsent_max = s.options.unsent_bytes_max ? s.options.unsent_bytes_max : default_send_buffer;
  if (kept >= buffer || unsent >= unsent_max) return 0;
  return std::min(buffer - kept, unsent_max - unsent);
}

void world::append(pipe& p, byte_view bytes) {
  while (!bytes.empty()) {
    if (p.store.empty() || p.store.back().room() == 0) {
      p.store.push(pool_.allocate(p.store.empty() ? std::min(bytes.size(), store_piece_max) : store_piece_max));
    }
    chunk& tail = p.store.back();
    const std::size_t size = std::min(bytes.size(), tail.room());
    std::memcpy(tail.mutable_data() + tail.size(), bytes.data(), size);
    tail.grow(size);
    p.written += size;
    bytes = bytes.subspan(size);
  }
}

// Moves bytes of the send in flight into the system. True when some moved.
bool world::copy_in(connection& c, unsigned which) {
  side& s = c.sides[which];
  if (!s.sending) return false;
  begin_waiting(s);
  bool moved = false;
  while (!s.sending->empty()) {
    const byte_view first = (*s.sending)[0].view();
    const std::uint64_t size = std::min<std::uint64_t>(first.size(), room(c, which));
    if (size == 0) return moved;
    append(s.out, first.first(static_cast<std::size_t>(size)));
    s.sending->drop_front(static_cast<std::size_t>(size));
    moved = true;
  }
  s.sending.reset();
  if (s.state == phase::open) {
    s.sent_due = true;
    make_ready(c, which);
  } else if (s.state == phase::draining) {
    drained(c, which);
  }
  return true;
}

void world::send(connection& c, unsigned which, chain& bytes) {
  side& s = c.sides[which];
  s.sending_bytes = bytes.bytes();
  std::uint64_t content = 0;
  if (options_.hash_bytes) {
    for (std::size_t i = 0; i < bytes.count(); ++i) content = mix(content ^ hash_of(bytes[i]));
  }
  note(c, which, happening::send, s.sending_bytes, content);
  s.sending.emplace(std::move(bytes));
  if (s.state == phase::open) proceed(c, which);
}

std::size_t world::try_send(connection& c, unsigned which, std::span<const byte_view> pieces) {
  side& s = c.sides[which];
  begin_waiting(s);
  std::size_t taken = 0;
  for (const byte_view piece : pieces) {
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), room(c, which)));
    append(s.out, piece.first(size));
    taken += size;
    if (size < piece.size()) break;
  }
  if (taken == 0) return 0;
  note(c, which, happening::send, taken);
  line_up(c, which);
  return taken;
}

void world::shut(connection& c, unsigned which) {
  if (c.sides[which].out.end_wanted || c.sides[which].failure) return;
  note(c, which, happening::shutdown);
  begin_waiting(c.sides[which]);
  c.sides[which].out.end_wanted = true;
  if (c.sides[which].state == phase::open) proceed(c, which);
}

void world::proceed(connection& c, unsigned which) {
  const std::uint32_t generation = c.generation;
  apply_acks(c.sides[which].out);
  copy_in(c, which);
  if (c.generation == generation) line_up(c, which);
}

bool world::sendable(connection& c, unsigned which) noexcept {
  const side& s = c.sides[which];
  const pipe& p = s.out;
  if (p.stopped || s.state == phase::connecting || s.state == phase::absent) return false;
  if (std::min(p.written, p.edge) > p.sent) return true;
  return p.end_wanted && !p.end_sent && p.sent == p.written && !s.sending;
}

void world::line_up(connection& c, unsigned which) {
  pipe& p = c.sides[which].out;
  if (outstanding(c.sides[which])) arm_timeout(c, which);
  if (p.in_line) return;
  if (!sendable(c, which)) return settle(c, which);
  if (c.route->down || p.stalled) {
    if (!p.stalled) p.stalled_since = now_;
    p.stalled = true;
    return;
  }
  p.in_line = true;
  wire& w = outgoing(c, which);
  w.line.push({.slot = c.slot, .generation = c.generation, .side = static_cast<std::uint8_t>(which)});
  run_wire(w, *c.route);
}

void world::run_wire(wire& w, link& of) {
  while (!w.line.empty()) {
    if (w.busy_until > now_) {
      if (w.armed) return;
      w.armed = true;
      const bool back = &w == &of.directions[1];
      push({.at = w.busy_until, .order = 0, .position = 0, .slot = static_cast<std::uint32_t>(of.number), .generation = 0, .epoch = 0,
            .kind = event_kind::wire_free, .side = static_cast<std::uint8_t>(back), .flag = false});
      return;
    }
    const side_name named = w.line.pop();
    connection& c = *connections_[named.slot];
    if (c.generation != named.generation) continue;
    c.sides[named.side].out.in_line = false;
    if (!sendable(c, named.side)) {
      settle(c, named.side);
      continue;
    }
    transmit(c, named.side, w);
    // Closing the sender may have ended in a release.
    copy_in(c, named.side);
    if (c.generation != named.generation) continue;
    if (sendable(c, named.side)) {
      c.sides[named.side].out.in_line = true;
      w.line.push(named);
    } else {
      settle(c, named.side);
    }
  }
}

void world::transmit(connection& c, unsigned which, wire& w) {
  pipe& p = c.sides[which].out;
  std::uint64_t size = std::min(p.written, p.edge) - std::min(p.sent, p.edge);
  if (w.busy_until < now_) {
    w.busy_until = now_;
    w.remainder = 0;
  }
  if (w.how.bytes_per_second) {
    size = std::min(size, segment_size(w.how));
    const auto work = static_cast<unsigned __int128>(size) * 1'000'000'000u + w.remainder;
    w.busy_until += duration(static_cast<duration::rep>(work / w.how.bytes_per_second));
    w.remainder = static_cast<std::uint64_t>(work % w.how.bytes_per_second);
  }
  p.sent += size;
  const bool end = p.end_wanted && p.sent == p.written && !c.sides[which].sending;
  p.end_sent = p.end_sent || end;
  const instant arrival = w.busy_until + w.how.lag + delay_by_chance(w.how);
  p.last_arrival = std::max(p.last_arrival, arrival);
  schedule(event_kind::arrive, p.last_arrival, c, which, p.sent, end);
}

// Bytes that can go nowhere wait for the receiver's system to say that it has room.
void world::settle(connection& c, unsigned which) {
  side& s = c.sides[which];
  s.out.ack_wanted = !s.out.stopped && (s.sending || s.out.written > s.out.sent);
  arm_ack(c, which);
}

bool world::outstanding(const side& s) noexcept {
  const pipe& p = s.out;
  return !p.stopped && (p.acked < p.written || (p.end_wanted && !p.end_arrived));
}

// Called before something new has to be acknowledged: the time limit counts from here when nothing else was.
void world::begin_waiting(side& s) noexcept {
  apply_acks(s.out);
  if (!outstanding(s)) s.out.progress = now_;
}

duration world::user_timeout(const side& s) const noexcept {
  return s.options.unacked_ms_max ? duration(std::chrono::milliseconds(s.options.unacked_ms_max)) : system_timeout;
}

void world::arm_timeout(connection& c, unsigned which) {
  side& s = c.sides[which];
  if (s.out.timeout_armed || c.unix_path) return;
  s.out.timeout_armed = true;
  schedule(event_kind::unacknowledged, std::max(s.out.progress, now_) + user_timeout(s), c, which);
}

void world::handle_timeout(connection& c, unsigned which) {
  side& s = c.sides[which];
  s.out.timeout_armed = false;
  apply_acks(s.out);
  if (!outstanding(s)) return;
  // The system's own limit counts retransmissions; a receiver that answers "no room" is not silent.
  const bool only_full = s.out.arrived == s.out.sent && !c.route->down;
  if (!s.options.unacked_ms_max && only_full) s.out.progress = now_;
  const instant limit = s.out.progress + user_timeout(s);
  if (now_ < limit) {
    s.out.timeout_armed = true;
    return schedule(event_kind::unacknowledged, limit, c, which);
  }
  send_reset(c, which);
  fail(c, which, errc::write_timeout);
}

void world::handle_arrival(connection& c, unsigned sender, std::uint64_t position, bool end) {
  side& from = c.sides[sender];
  side& to = c.sides[sender ^ 1];
  pipe& p = from.out;
  const bool fresh = position > p.arrived;
  p.arrived = std::max(p.arrived, position);
  if (to.state == phase::orphan || to.state == phase::gone || to.state == phase::failed || to.state == phase::draining) {
    // Nobody will read it.
    discard(c, sender ^ 1);
    if (fresh && (to.state == phase::orphan || to.state == phase::gone)) return die(c, sender ^ 1);
  }
  if (end) p.end_arrived = true;
  acknowledge(c, sender);
  make_ready(c, sender ^ 1);
  const std::uint32_t generation = c.generation;
  if (end && to.state == phase::draining && !to.sending) leave_to_system(c, sender ^ 1);
  if (end && c.generation == generation) finish_orphan(c, sender);
}

// The receiver's system tells the sender how far it is.
void world::acknowledge(connection& c, unsigned sender) {
  if (c.route->down) return;
  pipe& p = c.sides[sender].out;
  const instant at = now_ + incoming(c, sender).how.lag;
  const std::uint64_t edge = p.read + window(c, sender);
  if (!p.acks.empty() && p.acks.back().at >= at) {
    p.acks.back().arrived = std::max(p.acks.back().arrived, p.arrived);
    p.acks.back().edge = std::max(p.acks.back().edge, edge);
  } else {
    p.acks.push({.at = at, .arrived = p.arrived, .edge = edge});
  }
  arm_ack(c, sender);
}

void world::apply_acks(pipe& p) noexcept {
  while (!p.acks.empty() && p.acks.front().at <= now_) {
    const acknowledgement a = p.acks.pop();
    if (a.arrived > p.acked || a.edge > p.edge) p.progress = a.at;
    p.acked = std::max(p.acked, a.arrived);
    p.edge = std::max(p.edge, a.edge);
  }
}

void world::arm_ack(connection& c, unsigned sender) {
  pipe& p = c.sides[sender].out;
  if (!p.ack_wanted || p.ack_armed || p.acks.empty()) return;
  p.ack_armed = true;
  schedule(event_kind::acknowledge, p.acks.front().at, c, sender);
}

std::uint64_t world::readable(const connection& c, unsigned which) noexcept {
  const pipe& in = c.sides[which ^ 1].out;
  return in.arrived - in.read;
}

chunk world::take(connection& c, unsigned which, std::size_t most) {
  pipe& in = c.sides[which ^ 1].out;
  chunk& first = in.store.front();
  const std::size_t size = std::min(first.size(), most);
  chunk piece = first.take_front(size);
  if (first.empty()) in.store.pop();
  in.read += size;
  acknowledge(c, which ^ 1);
  return piece;
}

// Throws away what has arrived.
void world::discard(connection& c, unsigned which) {
  while (const std::uint64_t left = readable(c, which)) take(c, which, static_cast<std::size_t>(left));
}

void world::make_ready(connection& c, unsigned which) {
  side& s = c.sides[which];
  if (s.queued || !s.owner || !s.started) return;
  const pipe& in = c.sides[which ^ 1].out;
  const bool receives = s.state == phase::open && !s.paused &&
                        (in.arrived > in.read || (in.end_arrived && !s.end_delivered));
  if (!receives && !failure_due(s, in) && !s.connected_due && !s.sent_due) return;
  s.queued = true;
  mark_due(*s.owner);
  s.owner->ready.push({.is_listener = false, .slot = c.slot, .generation = c.generation, .side = static_cast<std::uint8_t>(which)});
}

void world::make_ready(std::uint32_t slot, listener& l) {
  if (l.queued || l.pausing || l.backlog.empty()) return;
  l.queued = true;
  mark_due(*l.owner);
  l.owner->ready.push({.is_listener = true, .slot = slot, .generation = l.generation, .side = 0});
}

}  // namespace hawser::inline v0::testing::sim
