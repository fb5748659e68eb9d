// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "testing/world.hpp"

#include <algorithm>

// How connections end: close, abort, reset, failure; and what a cut takes from them.

namespace hawser::inline v0::testing::sim {

using namespace std::chrono_literals;

namespace {

// How long a closed socket is kept for what it has still to bring out (io/engine.hpp, close()).
constexpr duration linger = 1s;
constexpr duration first_retransmission = 200ms;
constexpr duration last_retransmission = 120s;

}  // namespace

void world::drop_owner(side& s) noexcept {
  if (s.owner && s.state != phase::embryo) {
    --s.owner->descriptors;
    --s.owner->open_sockets;
  }
  s.owner = nullptr;
  s.events = nullptr;
  s.started = false;
  s.sending.reset();
}

void world::close(connection& c, unsigned which) {
  side& s = c.sides[which];
  note(c, which, happening::close);
  if (s.state != phase::open || s.failure) return vanish(c, which);
  s.state = phase::draining;
  s.events = nullptr;
  s.started = false;
  s.paused = false;
  discard(c, which);
  schedule(event_kind::linger, now_ + linger, c, which);
  if (!s.sending) drained(c, which);
}

// The system has all bytes of a closed socket. While some of them may get lost, the socket stays and throws away what comes: a system
// answers bytes for a socket that is gone with a reset, and forgets what the other side has not acknowledged.
void world::drained(connection& c, unsigned which) {
  side& s = c.sides[which];
  apply_acks(s.out);
  if (c.unix_path || s.out.acked == s.out.written || c.sides[which ^ 1].out.end_arrived) return leave_to_system(c, which);
  begin_waiting(s);
  s.out.end_wanted = true;
  line_up(c, which);
}

void world::abort(connection& c, unsigned which) {
  note(c, which, happening::abort);
  vanish(c, which);
}

// The owner has let go: the system sends what it took over, and the end.
void world::leave_to_system(connection& c, unsigned which) {
  side& s = c.sides[which];
  begin_waiting(s);
  drop_owner(s);
  s.state = phase::orphan;
  s.out.end_wanted = true;
  if (s.out.stopped || s.out.end_arrived) return finish_orphan(c, which);
  line_up(c, which);
}

// Nothing more goes out but a reset, or from a unix socket an end. A connect that is under way is forgotten.
void world::vanish(connection& c, unsigned which) {
  side& s = c.sides[which];
  pipe& p = s.out;
  const bool met = s.state != phase::connecting || c.sides[1].state != phase::absent;
  const bool tells = met && !s.failure && s.state != phase::failed;
  // A unix socket tells its writer nothing; bytes that find nobody do, so let them come.
  if (c.unix_path) discard(c, which);
  drop_owner(s);
  s.state = phase::gone;
  p.stopped = true;
  if (tells && c.unix_path && !p.end_sent) {
    p.end_sent = true;
    schedule(event_kind::arrive, std::max(p.last_arrival, now_ + outgoing(c, which).how.lag), c, which, p.sent, true);
  } else if (tells && !c.unix_path) {
    send_reset(c, which);
  }
  release_if_gone(c);
}

void world::send_reset(connection& c, unsigned from) {
  if (c.route->down) return;
  const instant at = std::max(c.sides[from].out.last_arrival, now_ + outgoing(c, from).how.lag);
  schedule(event_kind::reset, at, c, from ^ 1u);
}

void world::handle_reset(connection& c, unsigned which) {
  switch (c.sides[which].state) {
    case phase::connecting: return fail(c, which, errc::connection_refused);
    case phase::embryo:
    case phase::open:
    case phase::draining:
    case phase::orphan: return fail(c, which, errc::connection_reset);
    default: return;
  }
}

void world::fail(connection& c, unsigned which, std::error_code reason) {
  side& s = c.sides[which];
  s.out.stopped = true;
  s.send_failed = s.sending.has_value();
  s.sending.reset();
  if (s.state == phase::draining || s.state == phase::orphan) {
    drop_owner(s);
    s.state = phase::gone;
    return release_if_gone(c);
  }
  if (!s.failure) s.failure = reason;
  make_ready(c, which);
}

void world::finish_orphan(connection& c, unsigned which) {
  if (c.sides[which].state != phase::orphan) return;
  c.sides[which].state = phase::gone;
  release_if_gone(c);
}

// Bytes came for a socket that nobody has any more.
void world::die(connection& c, unsigned which) {
  c.sides[which].out.stopped = true;
  send_reset(c, which);
  finish_orphan(c, which);
}

// A cut: what was under way will have to be sent again.
void world::lose_flight(connection& c) {
  ++c.epoch;
  for (side& s : c.sides) {
    pipe& p = s.out;
    apply_acks(p);
    p.acks.clear();
    p.sent = p.arrived;
    if (!p.end_arrived) p.end_sent = false;
    p.last_arrival = now_;
    p.in_line = false;
    if (!p.stalled && outstanding(s)) {
      p.stalled = true;
      p.stalled_since = now_;
    }
  }
}

// After a heal: the next of the ever rarer retransmissions that began with the stall finds the way open.
void world::plan_resume(connection& c, unsigned which) {
  duration step = first_retransmission + round_trip(c);
  instant at = c.sides[which].out.stalled_since + step;
  while (at < now_) {
    step = std::min(step * 2, last_retransmission);
    at += step;
  }
  schedule(event_kind::resume, at, c, which);
}

void world::cut(machine& a, machine& b) {
  link& l = link_between(a, b);
  if (l.down) return;
  note(a, happening::cut, 0, b.index);
  l.down = true;
  for (wire& w : l.directions) {
    w.line.clear();
    w.busy_until = now_;
    w.remainder = 0;
  }
  for (auto& c : connections_) {
    if (c->route == &l) lose_flight(*c);
  }
}

void world::heal(machine& a, machine& b) {
  link& l = link_between(a, b);
  if (!l.down) return;
  note(a, happening::heal, 0, b.index);
  l.down = false;
  for (auto& c : connections_) {
    if (c->route != &l) continue;
    for (unsigned which = 0; which < 2; ++which) {
      if (c->sides[which].out.stalled) plan_resume(*c, which);
      else acknowledge(*c, which);
    }
  }
}

void world::kill(machine& host) {
  note(host, happening::kill);
  for (auto& p : processes_) {
    if (p->home != &host || p->dead) continue;
    for (std::uint32_t slot = 0; slot < listeners_.size(); ++slot) {
      if (listeners_[slot]->open && listeners_[slot]->owner == p.get()) close(*p, {.index = slot, .generation = listeners_[slot]->generation});
    }
    for (auto& c : connections_) {
      for (unsigned which = 0; which < 2; ++which) {
        side& s = c->sides[which];
        if (s.owner != p.get()) continue;
        const bool unread = readable(*c, which) > 0;
        if (unread || s.failure || s.state == phase::connecting || s.state == phase::failed) vanish(*c, which);
        else leave_to_system(*c, which);
      }
    }
    p->ready.clear();
    p->dead = true;
  }
}

}  // namespace hawser::inline v0::testing::sim
