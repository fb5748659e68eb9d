// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "testing/world.hpp"

#include <algorithm>

// Listening, connecting, accepting: from a SYN to two open sides.

namespace hawser::inline v0::testing::sim {

using namespace std::chrono_literals;

namespace {

// A SYN is sent at 0, 1, 3, 7, 15, 31 and 63 s, and given up at 127 s, as Linux does it.
constexpr std::uint8_t syn_attempts_max = 7;
// attempts of a dial to an address that no host has: it ends when the neighbour search does.
constexpr std::uint8_t nobody_there = 255;
constexpr duration neighbour_search = 3s;

constexpr std::uint16_t first_free_port = 32768;
constexpr std::uint16_t last_free_port = 60999;

bool is_ip(const endpoint& where) noexcept { return where.kind() == endpoint::family::ipv4 || where.kind() == endpoint::family::ipv6; }

bool same_address(const endpoint& a, const endpoint& b) noexcept { return a.kind() == b.kind() && a.address() == b.address(); }

bool takes_both_families(const endpoint& where, const io::listen_options& options) noexcept {
  return where.wildcard() && where.kind() == endpoint::family::ipv6 && !options.ipv6_only;
}

// 0: a dial to `to` does not reach this listener; else better matches have higher ranks.
int rank(const listener& l, const endpoint& to) noexcept {
  if (l.where.kind() == to.kind() && l.where.address() == to.address()) return 3;
  if (!l.where.wildcard()) return 0;
  if (l.where.kind() == to.kind()) return 2;
  return takes_both_families(l.where, l.options) ? 1 : 0;
}

endpoint loopback_of(endpoint::family kind, std::uint16_t port) noexcept {
  if (kind == endpoint::family::ipv4) return endpoint::ipv4({std::byte{127}, std::byte{0}, std::byte{0}, std::byte{1}}, port);
  std::array<std::byte, 16> one{};
  one[15] = std::byte{1};
  return endpoint::ipv6(one, port);
}

}  // namespace

bool world::taken(machine& home, const endpoint& where, const io::listen_options& options) {
  const auto [first, last] = home.ports.equal_range(where.port());
  return std::any_of(first, last, [&](const auto& entry) {
    const listener& l = *listeners_[entry.second];
    if (l.options.reuse_port && options.reuse_port) return false;
    if (same_address(l.where, where)) return true;
    if (l.where.kind() == where.kind()) return l.where.wildcard() || where.wildcard();
    return takes_both_families(l.where, l.options) || takes_both_families(where, options);
  });
}

std::uint16_t world::free_port(machine& home) {
  for (unsigned tries = 0; tries <= last_free_port - first_free_port; ++tries) {
    const std::uint16_t port = home.next_port;
    home.next_port = port == last_free_port ? first_free_port : static_cast<std::uint16_t>(port + 1);
    if (!home.ports.contains(port)) return port;
  }
  return 0;
}

result<endpoint> world::bind(machine& home, const endpoint& where, const io::listen_options& options) {
  if (where.kind() == endpoint::family::unix_path) {
    if (where.name().empty()) return failure(errc::address_invalid);
    if (home.paths.contains(where.name())) return failure(errc::address_in_use);
    return where;
  }
  if (!is_ip(where)) return failure(errc::address_invalid);
  if (!where.wildcard() && !where.loopback() && machine_at(where) != &home) return failure(errc::address_invalid);
  if (where.port() == 0) {
    const std::uint16_t port = free_port(home);
    if (port == 0) return failure(errc::address_in_use);
    return where.with_port(port);
  }
  if (taken(home, where, options)) return failure(errc::address_in_use);
  return where;
}

result<io::listener_id> world::listen(process& by, const endpoint& where, const io::listen_options& options,
                                      const io::socket_options& accepted, io::listener_events& events) {
  if (by.descriptors >= by.home->descriptors_max) return failure(errc::too_many_descriptors);
  const result<endpoint> local = bind(*by.home, where, options);
  if (!local) return failure(local.error());
  if (free_listeners_.empty()) {
    free_listeners_.push_back(static_cast<std::uint32_t>(listeners_.size()));
    listeners_.push_back(std::make_unique<listener>());
  }
  const std::uint32_t slot = free_listeners_.back();
  free_listeners_.pop_back();
  listener& l = *listeners_[slot];
  const std::uint32_t generation = l.generation + 1;
  l = listener{};
  l.generation = generation;
  l.open = true;
  l.owner = &by;
  l.events = &events;
  l.where = *local;
  l.options = options;
  l.accepted = accepted;
  ++by.descriptors;
  if (local->kind() == endpoint::family::unix_path) {
    by.home->paths.emplace(local->name(), slot);
  } else {
    by.home->ports.emplace(local->port(), slot);
  }
  note(*by.home, happening::listen, 0, local->port());
  return io::listener_id{.index = slot, .generation = generation};
}

listener* world::find(process& by, io::listener_id id) noexcept {
  if (id.index >= listeners_.size()) return nullptr;
  listener& l = *listeners_[id.index];
  return l.open && l.generation == id.generation && l.owner == &by ? &l : nullptr;
}

void world::close(process& by, io::listener_id id) {
  listener* l = find(by, id);
  if (!l) return;
  l->open = false;
  --by.descriptors;
  if (l->where.kind() == endpoint::family::unix_path) {
    by.home->paths.erase(std::string(l->where.name()));
  } else {
    const auto [first, last] = by.home->ports.equal_range(l->where.port());
    by.home->ports.erase(std::find_if(first, last, [&](const auto& entry) { return entry.second == id.index; }));
  }
  free_listeners_.push_back(id.index);
  fifo<side_name> waiting = std::exchange(l->backlog, {});
  while (!waiting.empty()) {
    const side_name named = waiting.pop();
    connection& c = *connections_[named.slot];
    if (c.generation == named.generation && c.sides[1].state == phase::embryo) vanish(c, 1);
  }
}

connection& world::make_connection() {
  if (free_connections_.empty()) {
    free_connections_.push_back(static_cast<std::uint32_t>(connections_.size()));
    connections_.push_back(std::make_unique<connection>());
    connections_.back()->slot = free_connections_.back();
  }
  connection& c = *connections_[free_connections_.back()];
  free_connections_.pop_back();
  c.serial = next_serial_++;
  return c;
}

// The generation moves on at once: whatever still names this connection finds nobody.
void world::release(connection& c) {
  const std::uint32_t slot = c.slot;
  const std::uint32_t generation = c.generation + 1;
  c = connection{};
  c.slot = slot;
  c.generation = generation;
  free_connections_.push_back(slot);
}

void world::release_if_gone(connection& c) {
  const auto ended = [](const side& s) { return s.state == phase::gone || s.state == phase::absent; };
  if (c.serial != 0 && ended(c.sides[0]) && ended(c.sides[1])) release(c);
}

connection* world::find(process& by, io::socket_id id) noexcept {
  if (by.dead || id.index / 2 >= connections_.size()) return nullptr;
  connection& c = *connections_[id.index / 2];
  return c.generation == id.generation && c.sides[id.index & 1].owner == &by && held(c.sides[id.index & 1]) ? &c : nullptr;
}

result<io::socket_id> world::connect(process& by, const endpoint& where, const io::socket_options& options, io::socket_events& events) {
  if (by.descriptors >= by.home->descriptors_max) return failure(errc::too_many_descriptors);
  const bool by_path = where.kind() == endpoint::family::unix_path;
  if (!by_path && (!is_ip(where) || where.port() == 0)) return failure(errc::address_invalid);
  const endpoint to = !by_path && where.wildcard() ? loopback_of(where.kind(), where.port()) : where;
  machine* there = by_path || to.loopback() ? by.home : machine_at(to);

  connection& c = make_connection();
  side& s = c.sides[0];
  s.state = phase::connecting;
  s.started = true;
  s.home = by.home;
  s.owner = &by;
  s.events = &events;
  s.options = options;
  if (!by_path) {
    const std::uint16_t port = free_port(*by.home);
    if (to.loopback()) s.local = loopback_of(to.kind(), port);
    else if (to.kind() == endpoint::family::ipv4) s.local = endpoint::ipv4(by.home->address4, port);
    else s.local = endpoint::ipv6(by.home->address6, port);
  }
  c.unix_path = by_path;
  c.sides[1].local = to;
  c.sides[1].home = there ? there : by.home;
  ++by.descriptors;
  ++by.open_sockets;
  note(c, 0, happening::connect, to.port());
  if (there) {
    c.route = &link_between(*by.home, *there);
    c.flipped = c.route->ends[0] != by.home;
    send_syn(c);
  } else {
    c.attempts = nobody_there;
    schedule(event_kind::syn_retry, now_ + neighbour_search, c, 0);
  }
  return io::socket_id{.index = c.slot * 2, .generation = c.generation};
}

void world::send_syn(connection& c) {
  const wire& w = outgoing(c, 0);
  if (!c.route->down) schedule(event_kind::syn, now_ + w.how.lag + delay_by_chance(w.how), c, 1);
  schedule(event_kind::syn_retry, now_ + (1s * (1 << c.attempts)), c, 0);
  ++c.attempts;
}

void world::handle_syn_retry(connection& c) {
  if (c.sides[0].state != phase::connecting || c.sides[0].failure || c.sides[0].connected_due) return;
  if (c.attempts == nobody_there) return fail(c, 0, errc::unreachable);
  if (c.attempts >= syn_attempts_max) return fail(c, 0, errc::connect_timeout);
  send_syn(c);
}

listener* world::listener_for(machine& home, const endpoint& where, std::uint32_t& slot) {
  if (where.kind() == endpoint::family::unix_path) {
    const auto found = home.paths.find(where.name());
    if (found == home.paths.end()) return nullptr;
    slot = found->second;
    return listeners_[slot].get();
  }
  int best = 0;
  std::vector<std::uint32_t> equals;
  const auto [first, last] = home.ports.equal_range(where.port());
  for (auto at = first; at != last; ++at) {
    const int value = rank(*listeners_[at->second], where);
    if (value == 0 || value < best) continue;
    if (value > best) equals.clear();
    best = value;
    equals.push_back(at->second);
  }
  if (equals.empty()) return nullptr;
  slot = equals.size() == 1 ? equals[0] : equals[chance_.below(equals.size())];
  return listeners_[slot].get();
}

void world::handle_syn(connection& c) {
  side& dialer = c.sides[0];
  side& taker = c.sides[1];
  if (dialer.state != phase::connecting) return release_if_gone(c);
  if (taker.state == phase::absent) {
    std::uint32_t slot = 0;
    listener* l = taker.home->refusing ? nullptr : listener_for(*taker.home, taker.local, slot);
    if (!l) return send_reset(c, 1);
    // A full backlog drops the SYN; the dialer tries again.
    if (l->backlog.size() > static_cast<std::size_t>(std::max(l->options.backlog, 0))) return;
    taker.state = phase::embryo;
    taker.owner = l->owner;
    taker.options = l->accepted;
    dialer.out.edge = window(c, 0);
    taker.out.edge = window(c, 1);
    l->backlog.push({.slot = c.slot, .generation = c.generation, .side = 1});
    make_ready(slot, *l);
  } else if (taker.state == phase::gone) {
    return send_reset(c, 1);
  }
  const wire& back = outgoing(c, 1);
  if (!c.route->down) schedule(event_kind::syn_ack, now_ + back.how.lag, c, 0);
}

void world::handle_syn_ack(connection& c) {
  side& dialer = c.sides[0];
  if (dialer.state != phase::connecting || dialer.failure) return;
  dialer.state = phase::open;
  dialer.connected_due = true;
  make_ready(c, 0);
  if (!dialer.sending && !dialer.out.end_wanted) return;
  dialer.out.progress = now_;
  proceed(c, 0);
}

}  // namespace hawser::inline v0::testing::sim
