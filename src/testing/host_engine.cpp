// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "testing/host_engine.hpp"

#include <algorithm>
#include <cstring>
#include <span>

namespace hawser::inline v0::testing::sim {

using namespace std::chrono_literals;

namespace {

constexpr duration accept_pause = 100ms;
// Accepted from one listener in a turn, so that a flood of dials leaves room for the rest.
constexpr std::size_t accepts_per_turn = 64;

}  // namespace

host_engine::~host_engine() { self_.dead = true; }

result<io::listener_id> host_engine::listen(const endpoint& where, const io::listen_options& options, const io::socket_options& accepted,
                                            io::listener_events& events) {
  if (self_.dead) return failure(errc::loop_stopped);
  return world_.listen(self_, where, options, accepted, events);
}

endpoint host_engine::local_endpoint(io::listener_id id) const {
  const listener* l = world_.find(self_, id);
  return l ? l->where : endpoint();
}

void host_engine::close(io::listener_id id) {
  if (!self_.dead) world_.close(self_, id);
}

result<io::socket_id> host_engine::connect(const endpoint& where, const io::socket_options& options, io::socket_events& events) {
  if (self_.dead) return failure(errc::loop_stopped);
  return world_.connect(self_, where, options, events);
}

void host_engine::start(io::socket_id id, io::socket_events& events) {
  connection* c = world_.find(self_, id);
  if (!c) return;
  const unsigned which = id.index & 1;
  side& s = c->sides[which];
  HAWSER_EXPECTS(!s.started, "start() twice on one socket");
  s.events = &events;
  s.started = true;
  world_.note(*c, which, happening::start);
  world_.make_ready(*c, which);
}

void host_engine::send(io::socket_id id, chain& bytes) {
  connection* c = world_.find(self_, id);
  if (!c || !sends(c->sides[id.index & 1])) return bytes.clear();
  side& s = c->sides[id.index & 1];
  if (s.failure) {
    bytes.clear();
    s.send_failed = true;
    return world_.make_ready(*c, id.index & 1);
  }
  HAWSER_EXPECTS(!s.sending && !s.sent_due, "one send at a time on a socket (E4)");
  HAWSER_EXPECTS(!s.out.end_wanted, "send() after shutdown_sending()");
  world_.send(*c, id.index & 1, bytes);
}

std::size_t host_engine::try_send(io::socket_id id, std::span<const byte_view> pieces) {
  connection* c = world_.find(self_, id);
  if (!c || c->sides[id.index & 1].state != phase::open) return 0;
  const side& s = c->sides[id.index & 1];
  if (s.failure || s.sending || s.sent_due || s.out.end_wanted) return 0;
  return world_.try_send(*c, id.index & 1, pieces);
}

void host_engine::pause_receiving(io::socket_id id) {
  if (connection* c = world_.find(self_, id)) c->sides[id.index & 1].paused = true;
}

void host_engine::resume_receiving(io::socket_id id) {
  connection* c = world_.find(self_, id);
  if (!c || !c->sides[id.index & 1].paused) return;
  c->sides[id.index & 1].paused = false;
  world_.make_ready(*c, id.index & 1);
}

void host_engine::shutdown_sending(io::socket_id id) {
  connection* c = world_.find(self_, id);
  if (c && sends(c->sides[id.index & 1])) world_.shut(*c, id.index & 1);
}

void host_engine::close(io::socket_id id) {
  if (connection* c = world_.find(self_, id)) world_.close(*c, id.index & 1);
}

void host_engine::abort(io::socket_id id) {
  if (connection* c = world_.find(self_, id)) world_.abort(*c, id.index & 1);
}

void host_engine::hand_over(io::socket_id id, io::socket_events& events) {
  if (connection* c = world_.find(self_, id)) c->sides[id.index & 1].events = &events;
}

endpoint host_engine::local_endpoint(io::socket_id id) const {
  const connection* c = world_.find(self_, id);
  return c ? c->sides[id.index & 1].local : endpoint();
}

endpoint host_engine::remote_endpoint(io::socket_id id) const {
  const connection* c = world_.find(self_, id);
  return c ? c->sides[(id.index & 1) ^ 1].local : endpoint();
}

std::size_t host_engine::hand_out() {
  std::size_t done = 0;
  for (std::size_t left = self_.ready.size(); left > 0 && done < io::turn_budget && !self_.dead; --left) {
    const ready_item item = self_.ready.pop();
    if (item.is_listener) {
      listener& l = *world_.listener_at(item.slot);
      if (l.generation == item.generation && l.open) done += hand_out(item.slot, l);
      continue;
    }
    connection& c = *world_.connection_at(item.slot);
    if (c.generation == item.generation && c.sides[item.side].owner == &self_ && held(c.sides[item.side])) done += hand_out(c, item.side);
  }
  return done;
}

std::size_t host_engine::hand_out(std::uint32_t slot, listener& l) {
  l.queued = false;
  std::size_t done = 0;
  const std::uint32_t generation = l.generation;
  while (done < accepts_per_turn && !l.pausing && !l.backlog.empty()) {
    ++done;
    if (self_.descriptors >= self_.home->descriptors_max) {
      l.pausing = true;
      world_.schedule_listener_retry(slot, world_.now() + accept_pause);
      world_.note(*self_.home, happening::accept_error);
      l.events->on_accept_error(errc::too_many_descriptors);
      return done;
    }
    const side_name named = l.backlog.pop();
    connection& c = *world_.connection_at(named.slot);
    if (c.generation != named.generation || c.sides[1].state != phase::embryo) continue;
    c.sides[1].state = phase::open;
    ++self_.descriptors;
    ++self_.open_sockets;
    world_.note(c, 1, happening::accept);
    l.events->on_accept({.index = c.slot * 2 + 1, .generation = c.generation}, c.sides[0].local);
    if (self_.dead || l.generation != generation || !l.open) return done;
  }
  world_.make_ready(slot, l);
  return done;
}

// What is due on one socket, in the order in which a kernel would tell it: connected, sent, bytes, end, failed. Each handler may close
// the socket, and even make its slot another connection's.
std::size_t host_engine::hand_out(connection& c, unsigned which) {
  side& s = c.sides[which];
  s.queued = false;
  if (!s.started) return 0;
  const std::uint32_t generation = c.generation;
  const auto alive = [&] { return c.generation == generation && s.owner == &self_ && held(s); };
  std::size_t done = 0;
  if (s.connected_due) {
    s.connected_due = false;
    ++done;
    world_.note(c, which, happening::connected);
    s.events->on_connected();
    if (!alive()) return done;
  }
  if (s.sent_due) {
    s.sent_due = false;
    ++done;
    world_.note(c, which, happening::sent, s.sending_bytes);
    s.events->on_sent(s.sending_bytes);
    if (!alive()) return done;
  }
  for (std::size_t receives = 0; receives < io::receives_per_turn && hand_out_bytes(c, which); ++receives) {
    ++done;
    if (!alive()) return done;
  }
  const pipe& in = c.sides[which ^ 1].out;
  if (!s.paused && !s.end_delivered && in.end_arrived && in.read == in.arrived && s.state == phase::open) {
    s.end_delivered = true;
    ++done;
    world_.note(c, which, happening::end);
    s.events->on_end();
    if (!alive()) return done;
  }
  if (failure_due(s, in)) {
    s.state = phase::failed;
    ++done;
    world_.note(c, which, happening::failed, static_cast<std::uint64_t>(s.failure.value()));
    s.events->on_failed(s.failure);
    if (!alive()) return done;
  }
  world_.make_ready(c, which);
  return done;
}

bool host_engine::hand_out_bytes(connection& c, unsigned which) {
  const side& s = c.sides[which];
  if (s.paused || s.state != phase::open) return false;
  std::uint64_t most = std::min<std::uint64_t>(world_.readable(c, which), io::receive_buffer_bytes);
  if (most == 0) return false;
  if (c.route->directions[c.flipped ? which : which ^ 1u].how.partial_delivery) {
    // Every fourth piece is tiny: headers then split at every place.
    const std::uint64_t bound = world_.chance().below(4) == 0 ? std::min<std::uint64_t>(most, 16) : most;
    most = 1 + world_.chance().below(bound);
  }
  // Holds the memory for the length of the call, whatever the handler closes.
  const chunk piece = world_.take(c, which, static_cast<std::size_t>(most));
  world_.note(c, which, happening::bytes, piece.size(), world_.content_of(piece));
  // No engine that is fast does it thus: the copy is for the paths of the owner.
  const std::span<std::byte> room = s.events->poll_room();
  if (room.empty()) {
    s.events->on_bytes(piece.view());
  } else {
    const std::size_t count = std::min(room.size(), piece.size());
    std::memcpy(room.data(), piece.data(), count);
    s.events->on_filled(count, piece.view().subspan(count));
  }
  return true;
}

}  // namespace hawser::inline v0::testing::sim
