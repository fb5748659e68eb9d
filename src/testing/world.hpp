// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "testing/connection.hpp"
#include "testing/random.hpp"
#include "testing/trace.hpp"

#include <hawser/base/buffer.hpp>
#include <hawser/io/entropy.hpp>
#include <hawser/io/loop.hpp>
#include <hawser/testing/network.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace hawser::inline v0::testing::sim {

class host_engine;

struct machine {
  std::string name;
  std::uint32_t index = 0;
  std::array<std::byte, 4> address4{};
  std::array<std::byte, 16> address6{};
  std::size_t descriptors_max = 0;
  std::uint16_t next_port = 32768;
  bool frozen = false;
  bool refusing = false;
  process* current = nullptr;
  std::multimap<std::uint16_t, std::uint32_t> ports;      // listeners
  std::map<std::string, std::uint32_t, std::less<>> paths;
};

struct ready_item {
  bool is_listener;
  std::uint32_t slot;
  std::uint32_t generation;
  std::uint8_t side;
};

// A program on a machine: one loop.
struct process {
  machine* home = nullptr;
  std::size_t index = 0;       // in the world's list
  std::unique_ptr<loop> on;
  host_engine* engine = nullptr;
  bool dead = false;
  std::size_t open_sockets = 0;
  std::size_t descriptors = 0;
  unsigned empty_polls = 0;
  fifo<ready_item> ready;
  std::atomic<bool> woken{false};
};

enum class event_kind : std::uint8_t {
  syn, syn_ack, syn_retry, arrive, reset, acknowledge, wire_free, unacknowledged, linger, resume, listener_retry, action,
};

struct event {
  instant at;
  std::uint64_t order;
  std::uint64_t position;      // arrive: up to here; action: its key; wire_free: the wire's number
  std::uint32_t slot;
  std::uint32_t generation;
  std::uint32_t epoch;
  event_kind kind;
  std::uint8_t side;
  bool flag;                   // arrive: with FIN
};

class world {
 public:
  explicit world(const network_options& options);
  ~world();

  // hosts.cpp
  machine& make_machine(std::string_view name, const host_options& options);
  machine* find_machine(std::string_view name) noexcept;
  machine& machine_named(std::string_view name);       // makes it when there is none
  machine& known_machine(std::string_view name);
  machine* machine_at(const endpoint& where) noexcept;
  process& make_process(machine& home, loop_options options);
  link& link_between(machine& a, machine& b);
  void set_link(machine& a, machine& b, const link_options& from_a, const link_options& from_b);
  void cut(machine& a, machine& b);
  void heal(machine& a, machine& b);
  void kill(machine& host);
  void add_name(std::string_view name, std::vector<endpoint> addresses);
  void silence_name(std::string_view name);
  io::name_answer look_up(process& by, const endpoint& host);

  // world.cpp
  instant now() const noexcept { return now_; }
  instant start() const noexcept { return start_; }
  void run_until(instant limit, const std::function<bool()>* done, bool& held);
  std::size_t turn(process& driver, instant until, instant& now);
  void wake(process& sleeper) noexcept;
  void at(instant when, std::move_only_function<void()> action);
  void note(const machine& host, happening what, std::uint64_t connection = 0, std::uint64_t count = 0, std::uint64_t content = 0);
  void note(const connection& c, unsigned which, happening what, std::uint64_t count = 0, std::uint64_t content = 0);
  std::uint64_t content_of(byte_view bytes) const noexcept { return options_.hash_bytes ? hash_of(bytes) : 0; }

  // handshake.cpp
  result<io::listener_id> listen(process& by, const endpoint& where, const io::listen_options& options, const io::socket_options& accepted,
                                 io::listener_events& events);
  listener* find(process& by, io::listener_id id) noexcept;
  void close(process& by, io::listener_id id);
  result<io::socket_id> connect(process& by, const endpoint& where, const io::socket_options& options, io::socket_events& events);
  connection* find(process& by, io::socket_id id) noexcept;

  // flow.cpp
  void send(connection& c, unsigned which, chain& bytes);
  std::size_t try_send(connection& c, unsigned which, std::span<const byte_view> pieces);
  // Up to `most` bytes that have arrived, as one piece; the caller has something to read.
  chunk take(connection& c, unsigned which, std::size_t most);
  static std::uint64_t readable(const connection& c, unsigned which) noexcept;
  void discard(connection& c, unsigned which);
  void shut(connection& c, unsigned which);
  void make_ready(connection& c, unsigned which);
  void make_ready(std::uint32_t slot, listener& l);

  // closing.cpp
  void close(connection& c, unsigned which);
  void abort(connection& c, unsigned which);

  random& chance() noexcept { return chance_; }
  trace& record() noexcept { return trace_; }
  buffer_pool& kernel() noexcept { return pool_; }
  const network_options& options() const noexcept { return options_; }
  connection* connection_at(std::uint32_t slot) noexcept { return connections_[slot].get(); }
  listener* listener_at(std::uint32_t slot) noexcept { return listeners_[slot].get(); }
  void schedule_listener_retry(std::uint32_t slot, instant at);

 private:
  friend class driving;

  // world.cpp
  void schedule(event_kind kind, instant at, const connection& c, unsigned which, std::uint64_t position = 0, bool flag = false);
  void push(event e);
  bool run_due_events();
  void dispatch(const event& e);
  bool pass(process* driver);
  void mark_due(const process& p) noexcept { due_[p.index] = 1; }
  void ask_when(const process& p) noexcept;
  void ask_all_when() noexcept;
  void read_clocks() noexcept;
  bool advance(instant limit, process* driver);
  void set_now(instant now) noexcept;
  void drive(process& driver, instant until);
  void wait_outside(process& driver);
  void expect_alive(const process& driver) const;

  // handshake.cpp
  result<endpoint> bind(machine& home, const endpoint& where, const io::listen_options& options);
  bool taken(machine& home, const endpoint& where, const io::listen_options& options);
  std::uint16_t free_port(machine& home);
  listener* listener_for(machine& home, const endpoint& where, std::uint32_t& slot);
  connection& make_connection();
  void release(connection& c);
  void release_if_gone(connection& c);
  void send_syn(connection& c);
  void handle_syn(connection& c);
  void handle_syn_ack(connection& c);
  void handle_syn_retry(connection& c);

  // flow.cpp
  wire& outgoing(connection& c, unsigned which) noexcept;
  wire& incoming(connection& c, unsigned which) noexcept { return outgoing(c, which ^ 1u); }
  std::uint64_t window(connection& c, unsigned sender) noexcept;
  std::uint64_t room(connection& c, unsigned which) noexcept;
  void append(pipe& p, byte_view bytes);
  bool copy_in(connection& c, unsigned which);
  void proceed(connection& c, unsigned which);
  bool sendable(connection& c, unsigned which) noexcept;
  void line_up(connection& c, unsigned which);
  void run_wire(wire& w, link& of);
  void transmit(connection& c, unsigned which, wire& w);
  void settle(connection& c, unsigned which);
  void handle_arrival(connection& c, unsigned sender, std::uint64_t position, bool end);
  void acknowledge(connection& c, unsigned sender);
  void apply_acks(pipe& p) noexcept;
  void arm_ack(connection& c, unsigned sender);
  void arm_timeout(connection& c, unsigned which);
  void handle_timeout(connection& c, unsigned which);
  static bool outstanding(const side& s) noexcept;
  void begin_waiting(side& s) noexcept;
  duration user_timeout(const side& s) const noexcept;
  duration round_trip(connection& c) noexcept;
  duration delay_by_chance(const link_options& how) noexcept;

  // closing.cpp
  void drained(connection& c, unsigned which);
  void leave_to_system(connection& c, unsigned which);
  void vanish(connection& c, unsigned which);
  void send_reset(connection& c, unsigned from);
  void handle_reset(connection& c, unsigned which);
  void fail(connection& c, unsigned which, std::error_code reason);
  void drop_owner(side& s) noexcept;
  void finish_orphan(connection& c, unsigned which);
  void die(connection& c, unsigned which);
  void lose_flight(connection& c);
  void plan_resume(connection& c, unsigned which);

  network_options options_;
  dangerous_fixed_entropy entropy_;      // ids and hash seeds of the programs follow from the seed, too
  instant start_;
  instant now_;
  random chance_;
  trace trace_;
  buffer_pool pool_;                 // the memory of the simulated systems
  std::vector<std::unique_ptr<machine>> machines_;
  std::map<std::string, machine*, std::less<>> machines_by_name_;
  std::map<std::string, std::vector<endpoint>, std::less<>> names_;
  std::map<std::string, bool, std::less<>> silent_names_;
  std::vector<std::unique_ptr<process>> processes_;
  // Beside the processes, so that a look for who has something to do stays in a few cache lines.
  std::vector<std::uint8_t> due_;          // has completions, or was woken
  std::vector<instant> wake_at_;           // when its loop wants a turn, as it was asked last
  std::uint64_t jumps_ = 0;
  std::atomic<bool> any_woken_{false};
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::unique_ptr<link>> links_;
  std::vector<link*> links_by_number_;
  std::vector<std::unique_ptr<connection>> connections_;
  std::vector<std::uint32_t> free_connections_;
  std::vector<std::unique_ptr<listener>> listeners_;
  std::vector<std::uint32_t> free_listeners_;
  std::vector<event> events_;
  std::map<std::uint64_t, std::move_only_function<void()>> actions_;
  std::uint64_t next_order_ = 0;
  std::uint64_t next_serial_ = 1;
  std::uint64_t steps_at_instant_ = 0;
  bool driving_ = false;
  process* turning_ = nullptr;
  std::mutex outside_;
  std::condition_variable outside_woke_;
};

}  // namespace hawser::inline v0::testing::sim
