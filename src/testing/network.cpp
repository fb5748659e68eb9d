// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/testing/network.hpp>

#include "testing/host_engine.hpp"
#include "testing/world.hpp"

namespace hawser::inline v0::testing {

namespace {

network_options with_seed(std::uint64_t seed) {
  network_options options;
  options.seed = seed;
  return options;
}

}  // namespace

network::network(std::uint64_t seed) : network(with_seed(seed)) {}
network::network(const network_options& options) : world_(std::make_unique<sim::world>(options)) {}
network::~network() = default;

loop& network::host(std::string_view name) {
  return *world_->machine_named(name).current->on;
}

loop& network::make_host(std::string_view name, const host_options& options) { return *world_->make_machine(name, options).current->on; }

loop& network::another_loop(std::string_view name, const loop_options& options) {
  return *world_->make_process(world_->known_machine(name), options).on;
}

endpoint network::address(std::string_view host, std::uint16_t port) {
  return endpoint::ipv4(world_->machine_named(host).address4, port);
}

void network::link(std::string_view a, std::string_view b, const link_options& both_ways) { link(a, b, both_ways, both_ways); }

void network::link(std::string_view a, std::string_view b, const link_options& from_a, const link_options& from_b) {
  sim::machine& first = world_->machine_named(a);
  world_->set_link(first, world_->machine_named(b), from_a, from_b);
}

void network::cut(std::string_view a, std::string_view b) { world_->cut(world_->known_machine(a), world_->known_machine(b)); }
void network::heal(std::string_view a, std::string_view b) { world_->heal(world_->known_machine(a), world_->known_machine(b)); }

void network::freeze(std::string_view host) {
  sim::machine& m = world_->known_machine(host);
  m.frozen = true;
  world_->note(m, sim::happening::freeze);
}

void network::thaw(std::string_view host) {
  sim::machine& m = world_->known_machine(host);
  m.frozen = false;
  world_->note(m, sim::happening::thaw);
}

void network::kill(std::string_view host) { world_->kill(world_->known_machine(host)); }

loop& network::restart(std::string_view host, const loop_options& options) {
  sim::machine& m = world_->known_machine(host);
  HAWSER_EXPECTS(m.current->dead, "restart() needs a host that was killed");
  m.frozen = false;
  m.current = &world_->make_process(m, options);
  world_->note(m, sim::happening::restart);
  return *m.current->on;
}

void network::refuse(std::string_view host) {
  sim::machine& m = world_->known_machine(host);
  m.refusing = true;
  world_->note(m, sim::happening::refuse);
}

void network::admit(std::string_view host) {
  sim::machine& m = world_->known_machine(host);
  m.refusing = false;
  world_->note(m, sim::happening::admit);
}

void network::name(std::string_view name, const std::vector<std::string>& hosts) {
  std::vector<endpoint> addresses;
  for (const std::string& host : hosts) addresses.push_back(address(host, 0));
  world_->add_name(name, std::move(addresses));
}

void network::silence_name(std::string_view name) { world_->silence_name(name); }

void network::at(duration from_now, std::move_only_function<void()> action) { world_->at(after(now(), from_now), std::move(action)); }

instant network::now() const noexcept { return world_->now(); }
duration network::elapsed() const noexcept { return world_->now() - world_->start(); }

void network::run_for(duration span) {
  bool held = false;
  world_->run_until(after(now(), span), nullptr, held);
}

bool network::run_until(const std::function<bool()>& done, duration limit) {
  bool held = false;
  world_->run_until(after(now(), limit), &done, held);
  return held;
}

std::uint64_t network::seed() const noexcept { return world_->options().seed; }
std::uint64_t network::trace_hash() const noexcept { return world_->record().hash(); }
std::uint64_t network::events() const noexcept { return world_->record().events(); }
void network::trace_to(std::ostream* out) { world_->record().to(out); }
std::string network::replay_command(std::string_view program) const { return testing::replay_command(seed(), program); }

}  // namespace hawser::inline v0::testing
