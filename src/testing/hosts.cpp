// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "testing/host_engine.hpp"
#include "testing/world.hpp"

#include <algorithm>

// Hosts, their programs, the links between them and the names by which they are found.

namespace hawser::inline v0::testing::sim {

machine& world::make_machine(std::string_view name, const host_options& options) {
  HAWSER_EXPECTS(!find_machine(name), "a host of that name exists");
  HAWSER_EXPECTS(!name.empty() && machines_.size() < 0xffff00, "a host needs a name, and the network has room for 16 million");
  auto made = std::make_unique<machine>();
  machine& m = *made;
  machines_.push_back(std::move(made));
  m.name = name;
  m.index = static_cast<std::uint32_t>(machines_.size());
  m.descriptors_max = options.descriptors_max;
  m.address4 = {std::byte{10}, static_cast<std::byte>(m.index >> 16), static_cast<std::byte>(m.index >> 8), static_cast<std::byte>(m.index)};
  m.address6[0] = std::byte{0xfd};
  std::copy(m.address4.begin() + 1, m.address4.end(), m.address6.begin() + 13);
  machines_by_name_.emplace(m.name, &m);
  m.current = &make_process(m, options.loop);
  return m;
}

machine* world::find_machine(std::string_view name) noexcept {
  const auto found = machines_by_name_.find(name);
  return found == machines_by_name_.end() ? nullptr : found->second;
}

machine& world::machine_named(std::string_view name) {
  machine* found = find_machine(name);
  return found ? *found : make_machine(name, {});
}

machine& world::known_machine(std::string_view name) {
  machine* found = find_machine(name);
  HAWSER_EXPECTS(found, "no host of that name; network::host() makes one");
  return *found;
}

machine* world::machine_at(const endpoint& where) noexcept {
  const auto& bytes = where.address();
  const std::size_t at = where.kind() == endpoint::family::ipv4 ? 1 : 13;
  if (where.kind() != endpoint::family::ipv4 && where.kind() != endpoint::family::ipv6) return nullptr;
  const auto index = static_cast<std::uint32_t>(bytes[at]) << 16 | static_cast<std::uint32_t>(bytes[at + 1]) << 8 |
                     static_cast<std::uint32_t>(bytes[at + 2]);
  if (index == 0 || index > machines_.size()) return nullptr;
  machine& m = *machines_[index - 1];
  const bool same = at == 1 ? std::equal(m.address4.begin(), m.address4.end(), bytes.begin()) : m.address6 == bytes;
  return same ? &m : nullptr;
}

process& world::make_process(machine& home, loop_options options) {
  auto made = std::make_unique<process>();
  process& p = *made;
  p.home = &home;
  p.index = processes_.size();
  due_.push_back(1);
  wake_at_.push_back(now_);
  auto engine = std::make_unique<host_engine>(*this, p);
  p.engine = engine.get();
  options.wait = wait_policy::block;
  p.on = std::make_unique<loop>(std::move(engine), options);
  processes_.push_back(std::move(made));
  return p;
}

link& world::link_between(machine& a, machine& b) {
  auto& place = links_[std::minmax(a.index, b.index)];
  if (!place) {
    place = std::make_unique<link>();
    place->number = links_by_number_.size();
    links_by_number_.push_back(place.get());
    place->ends[0] = a.index <= b.index ? &a : &b;
    place->ends[1] = a.index <= b.index ? &b : &a;
    for (wire& w : place->directions) w.how = &a == &b ? options_.loopback : options_.default_link;
  }
  return *place;
}

void world::set_link(machine& a, machine& b, const link_options& from_a, const link_options& from_b) {
  for (const link_options& how : {from_a, from_b}) {
    HAWSER_EXPECTS(how.lag >= duration::zero() && how.jitter >= duration::zero(), "lag and jitter are not negative");
  }
  link& l = link_between(a, b);
  const unsigned first = l.ends[0] == &a ? 0 : 1;
  l.directions[first].how = from_a;
  l.directions[first ^ 1].how = from_b;
}

void world::add_name(std::string_view name, std::vector<endpoint> addresses) {
  silent_names_.erase(std::string(name));
  names_.insert_or_assign(std::string(name), std::move(addresses));
}

void world::silence_name(std::string_view name) { silent_names_.emplace(name, true); }

io::name_answer world::look_up(process& by, const endpoint& host) {
  const std::string_view name = host.name();
  note(*by.home, happening::look_up, 0, name.size(), content_of(as_bytes(name)));
  if (silent_names_.contains(name)) return {.addresses = failure(errc::name_not_found), .delay = duration::max()};
  std::vector<endpoint> found;
  if (const auto entry = names_.find(name); entry != names_.end()) {
    for (const endpoint& address : entry->second) found.push_back(address.with_port(host.port()));
  } else if (const machine* m = find_machine(name)) {
    found.push_back(endpoint::ipv4(m->address4, host.port()));
  } else if (name == "localhost") {
    found.push_back(endpoint::ipv4({std::byte{127}, std::byte{0}, std::byte{0}, std::byte{1}}, host.port()));
  }
  if (found.empty()) return {.addresses = failure(errc::name_not_found), .delay = options_.name_delay};
  return {.addresses = std::move(found), .delay = options_.name_delay};
}

}  // namespace hawser::inline v0::testing::sim
