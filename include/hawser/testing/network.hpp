// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/export.hpp>
#include <hawser/base/time.hpp>
#include <hawser/io/endpoint.hpp>
#include <hawser/io/loop.hpp>
#include <hawser/testing/seeds.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// A network of hosts inside one process, on virtual time, all of whose chances come from one seed: the same program with the same
// seed does the same things at the same instants. Programs need no change; they are given loops whose engine is the simulation.
//
//   hawser::testing::network net(7);
//   hawser::loop& a = net.host("a");
//   hawser::loop& b = net.host("b");
//   net.link("a", "b", {.lag = 50ms, .bytes_per_second = 125'000'000});
//   hawser::peer server(b, {.name = "server", .listen = "b:7000"});
//   hawser::peer client(a, {.name = "client"});
//   a.run(ask(client, "b:7000"));          // both hosts take their turns, time jumps from event to event
//
// Running any host's loop runs the whole network. Time moves only while every host waits, so computing costs none; except that a
// program which polls without waiting, more than 1000 times in a row and in vain, spends 100 us with each further poll. One
// thread only; a loop of the network must not be run from inside a handler, a job or a task of another (this aborts). When every
// program waits for ever and nothing is under way, that aborts too, with the command that replays the run.

namespace hawser::inline v0::testing {

// How two hosts are joined. Each direction has its own speed; the connections between the two share it in turns. There is no slow
// start: a link carries what it can from the first segment on.
struct link_options {
  duration lag = std::chrono::microseconds(10);   // one way
  duration jitter{};                              // each segment takes up to this much longer; bytes never overtake each other
  std::uint64_t bytes_per_second = 0;             // 0: no limit
  // Receivers get what has arrived in pieces of random size, single bytes included.
  bool partial_delivery = false;
  // Bytes that may be under way or unread per connection and direction. 0: 6 MiB, or twice what the link holds in a round trip
  // when that is more. socket_options::receive_buffer_bytes takes precedence.
  std::size_t window_bytes = 0;
  // Bytes per connection and direction that the sender's system keeps until they are acknowledged. 0: 4 MiB beyond the window.
  // socket_options::send_buffer_bytes takes precedence.
  std::size_t send_buffer_bytes = 0;
};

struct host_options {
  std::size_t descriptors_max = 20'000;           // listeners and sockets; beyond: errc::too_many_descriptors
  loop_options loop;                              // the wait policy is always `block`: no time passes while one spins
};

struct network_options {
  std::uint64_t seed = 1;
  link_options default_link;                      // between hosts that were not linked
  link_options loopback{.lag = std::chrono::microseconds(5)};
  duration name_delay = std::chrono::milliseconds(1);     // what a look-up of a name takes
  // Whether trace_hash() covers the bytes themselves. Off for programs whose bytes differ from run to run though their schedule
  // does not (TLS keys).
  bool hash_bytes = true;
};

namespace sim { class world; }

// While it lives, ids and seeds that this thread draws (io/entropy.hpp) follow from the seed as well. Of several networks at a time
// the one made last must be destroyed first.
class HAWSER_API network {
 public:
  explicit network(std::uint64_t seed = 1);
  explicit network(const network_options& options);
  // What was built on its loops must be gone before.
  ~network();
  network(const network&) = delete;
  network& operator=(const network&) = delete;

  // The loop of a host. The first mention in host(), address(), link() or name() makes a host. Hosts have the addresses 10.0.0.1,
  // 10.0.0.2, ... and fd00::1, fd00::2, ... in the order in which they are made, and their names resolve ("a:7000").
  loop& host(std::string_view name);
  // Makes a host that was not mentioned yet.
  loop& make_host(std::string_view name, const host_options& options);
  // One more loop on an existing host, as a second program there (or a second thread of the first) would have. Loopback
  // addresses and unix paths reach from one to the other.
  loop& another_loop(std::string_view name, const loop_options& options = {});
  endpoint address(std::string_view host, std::uint16_t port);

  // Joins two hosts, or changes how they are joined: what is under way keeps its time of arrival.
  void link(std::string_view a, std::string_view b, const link_options& both_ways);
  void link(std::string_view a, std::string_view b, const link_options& from_a, const link_options& from_b);
  // From now on nothing gets through between the two. What is under way is lost; the systems on both sides send it again, first after
  // 200 ms and a round trip, then after twice that and so on, until heal() or until socket_options::unacked_ms_max has passed,
  // which ends a connection with errc::write_timeout. A side without anything to send notices nothing.
  void cut(std::string_view a, std::string_view b);
  void heal(std::string_view a, std::string_view b);
  // The programs on the host take no turns, as under SIGSTOP; its system goes on receiving into the buffers.
  void freeze(std::string_view host);
  void thaw(std::string_view host);
  // Ends all programs on the host, as SIGKILL does: no handler of them is called again. Its system sends what it had taken over and a
  // FIN, or a RST to those whose bytes nobody had read. Objects that were built on its loops may stay; their commands do nothing. The
  // loop that turns the network, in its own run(), run_once() or poll(), must not die meanwhile, nor be turned once it is dead: this
  // aborts. Let run_for(), run_until() or another host's loop turn it.
  void kill(std::string_view host);
  // After kill(): a fresh program on the same host. Gives its loop, which is host(name) from now on.
  loop& restart(std::string_view host, const loop_options& options = {});
  // New connections to the host are refused, though programs listen; admit() ends that.
  void refuse(std::string_view host);
  void admit(std::string_view host);

  // One more name, for these hosts in this order. An empty list: the name is known not to exist.
  void name(std::string_view name, const std::vector<std::string>& hosts);
  // Look-ups of the name get no answer at all.
  void silence_name(std::string_view name);

  // Does something once, `from_now` on, between the turns of the programs: the place for faults in the middle of loop.run().
  void at(duration from_now, std::move_only_function<void()> action);

  instant now() const noexcept;
  duration elapsed() const noexcept;              // since the network was made
  void run_for(duration span);
  // Until `done()` holds: true; or until `limit` has passed: false. `done` is asked between turns.
  bool run_until(const std::function<bool()>& done, duration limit);
  // Runs a task to its end on the loop of a host and returns what it returns.
  template <class Task>
  auto run(std::string_view on, Task task) {
    return host(on).run(std::move(task));
  }

  std::uint64_t seed() const noexcept;
  // A hash over everything that happened so far, in order: when, where, on which connection, what, how many bytes, which bytes.
  std::uint64_t trace_hash() const noexcept;
  std::uint64_t events() const noexcept;          // how many things that were
  // From now on writes one line for each event; nullptr ends it. The stream must live as long.
  void trace_to(std::ostream* out);
  // The command line that replays this run, for messages of failing tests.
  std::string replay_command(std::string_view program) const;

 private:
  std::unique_ptr<sim::world> world_;
};

}  // namespace hawser::inline v0::testing
