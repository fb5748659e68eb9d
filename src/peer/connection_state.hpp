// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peer/channel_state.hpp"
#include "peer/core.hpp"
#include "peer/counted.hpp"
#include "peer/id_tree.hpp"

#include <hawser/async/wait.hpp>
#include <hawser/link.hpp>
#include <hawser/peer.hpp>
#include <hawser/proto/connection.hpp>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace hawser::inline v0::detail {

class lane;
class self_pair;

// The coroutine in peer::connect() that waits for the verdict. Lies in its frame; dropping it gives the connection up.
class handshake_wait final : public waiter {
 public:
  explicit handshake_wait(peer_connection& on) noexcept;
  ~handshake_wait();
  bool await_ready() const noexcept { return done_; }
  void await_suspend(std::coroutine_handle<> coroutine) noexcept { suspend(coroutine); }
  result<connection> await_resume() { return std::move(outcome_); }

 private:
  friend class peer_connection;
  peer_connection* on_;
  result<connection> outcome_;
  std::optional<std::size_t> ahead_bytes_;      // of the message that left with HELLO: it is told to hooks when it may be
  bool done_ = false;
};

struct connection_node : list_hook {};

// One connection of a peer: joins a link (or the other half of a self_pair) with a protocol core, and turns the core's events into
// what users see. Counted by handles, by channels and, until nothing can happen to it any more, by its peer; what remains then
// is a shell that answers questions.
class peer_connection final : public counted<peer_connection>, public connection_node, private protocol, private io::job {
 public:
  enum class phase : std::uint8_t {
    handshake,
    undecided,   // a second connection to the same peer; the peer with the smaller id says which one stays
    open,
    closing,     // nothing new; what runs may end
    over,        // the core has said closed
  };

  peer_connection(peer_core& core, proto::role side);
  ~peer_connection();
  static connection handle(peer_connection* to) noexcept { return connection(to); }
  static peer_connection* state(const connection& of) noexcept { return of.state_; }

  // -- how it begins
  void accept(io::socket_id id);
  void adopt(connected_socket socket, handshake_wait& waiting);
  void join(self_pair& pair);
  void abandon_dial() noexcept;
  // Before the verdict. False: it has to wait for that.
  bool send_ahead(byte_view message);

  // -- commands of users
  result<> send(byte_view message);
  result<> send(const framed_messages& messages);
  void cork() noexcept { corked_ = phase_ == phase::open; }
  void uncork() noexcept;
  void close(std::uint32_t code, duration drain, std::string_view text);
  void abort();
  void begin_drain(duration drain);
  result<> start(channel_state& call);
  void forget_queued(channel_state& call) noexcept;

  // -- for channels
  proto::connection* wire() noexcept { return wire_ ? &*wire_ : nullptr; }
  // A command was given: something may be to be sent. drain() looks by itself, when it is through.
  void touch() noexcept {
    if (!draining_) transmit_later();
  }
  // A command was given that may have caused events.
  void changed() noexcept {
    if (!draining_) transmit_and_drain_later();
  }
  intrusive_list<channel_link>& channels() noexcept { return channels_; }
  intrusive_list<waiting_link>& blocked_writers();
  bool is_closing_here() const noexcept { return closed_here_; }
  // A call opens its channel without further ado: there is no queue before it, and nobody who would be told.
  bool opens_at_once() const noexcept { return phase_ == phase::open && (!extras_ || !has_queued()) && !core_->stopping() && !core_->hooks(); }
  void count_request_sent() noexcept { ++requests_sent_; }

  // -- for the peer
  void tear_down();
  void promote();
  void close_as_duplicate();
  void answer_dial(result<connection> with);
  void add_lane(std::shared_ptr<lane> one);
  wait_list& writable_waiters();

  // -- what is known
  peer_core* core() const noexcept { return core_.get(); }
  phase now_in() const noexcept { return phase_; }
  bool is_open() const noexcept { return phase_ == phase::open; }
  bool is_self() const noexcept { return self_; }
  bool dialled_here() const noexcept { return side_ == proto::role::client; }
  bool blocked() const noexcept { return send_blocked_; }
  std::size_t message_bytes_max() const noexcept;
  bool announced() const noexcept { return announced_; }
  instant began() const noexcept { return began_; }
  instant established() const noexcept { return established_; }
  std::uint64_t number() const noexcept { return number_; }
  std::string_view name() const noexcept { return {words_.get(), name_bytes_}; }
  const peer_id& id() const noexcept { return id_; }
  byte_view metadata() const noexcept { return as_bytes(std::string_view(words_.get() + name_bytes_, metadata_bytes_)); }
  std::error_code reason() const noexcept;
  endpoint local() const;
  endpoint remote();
  connection_statistics statistics() const;
  void set_user_state(std::shared_ptr<void> state);
  void* user_pointer() const noexcept;

  id_tree_hook in_tree;      // the peer's, while it is registered

  // -- between the halves of a self_pair
  protocol& machine() noexcept { return *this; }
  void leave_pair() noexcept;

 private:
  void handle_bytes(instant now, byte_view bytes) override;
  std::span<std::byte> poll_room() override;
  bool expects_room() const override;
  void handle_filled(instant now, std::size_t count, byte_view rest) override;
  void handle_end(instant now, std::error_code reason) override;
  std::size_t poll_transmit(instant now, chain& out, std::size_t max_bytes) override;
  bool poll_end() override;
  void handle_sent(instant now, std::size_t bytes) override;
  void handle_timeout(instant now) override;
  instant poll_timeout() override;
  void on_link_closed(std::error_code reason) override;
  void run() override;

  void transmit_later() noexcept;
  void transmit_and_drain_later() noexcept;
  void drain();
  void work_off();
  void dispatch(const proto::event& e);
  void on_hello();
  void on_dialled_hello();
  void on_accepted_hello();
  void remember(const proto::remote_hello& hello);
  void establish();
  void announce();
  void on_opened(const proto::event& e);
  void on_request(const proto::plain_request& asked);
  void on_answer(const proto::plain_answer& answer);
  operation_entry* find_operation(std::string_view name, errc& refusal);
  void deliver(connection& from, message_record* handler, byte_view message);
  void on_message(const proto::event& e);
  std::size_t take_messages();
  void on_writable(proto::channel_id channel);
  void on_go_away();
  void on_closed(std::error_code reason);
  void open_queued();
  void fail_queued(std::error_code reason);
  void retire_lanes();
  bool settle();
  result<> send_large(byte_view message);
  void tell_sending(peer_hooks& hooks, std::size_t bytes);
  result<> refused(std::error_code why) noexcept;
  void leave_handshake() noexcept;
  void leave_register();
  bool take_announced() noexcept;
  void decide();
  void keep_remains();
  void drop_wire();
  void forget_wire();

  // What few connections have, and none for long (connection_extras.hpp). Made when it is needed, kept until the end.
  struct extras;
  extras& need_extras();
  bool has_queued() const noexcept;

  // What every message touches, then what a request does, then the rest.
  const ref<peer_core> core_;           // its owner() is null once the peer is gone
  std::optional<proto::connection> wire_;
  phase phase_ = phase::handshake;
  proto::role side_;
  bool draining_ : 1 = false;
  bool torn_ : 1 = false;               // the peer is gone, the stack may still be inside drain()
  bool aborted_ : 1 = false;
  bool corked_ : 1 = false;
  bool overflowing_ : 1 = false;        // corked, but too much waits
  bool flushing_ : 1 = false;           // closes as soon as everything queued is out
  bool closed_here_ : 1 = false;
  bool announced_ : 1 = false;
  bool half_open_ : 1 = false;          // counted among the peer's handshakes: until it is open, or gone
  bool registered_ : 1 = false;         // found by name and id
  bool silent_ : 1 = false;             // never to be announced
  bool send_blocked_ : 1 = false;
  bool reading_paused_ : 1 = false;
  bool link_over_ : 1 = false;
  bool self_ : 1 = false;               // one half of a self_pair
  std::uint8_t name_bytes_ = 0;
  std::uint16_t metadata_bytes_ = 0;
  link link_;
  std::unique_ptr<extras> extras_;
  intrusive_list<channel_link> channels_;
  std::uint64_t requests_sent_ = 0;
  std::uint64_t requests_received_ = 0;
  std::uint64_t number_;
  std::unique_ptr<char[]> words_;       // of the other side: its name and its metadata
  peer_id id_{};
  handshake_wait* dialling_ = nullptr;
  instant began_;
  instant established_ = never;
};

// What an idle connection owns is this (its link included), the protocol core's parts (src/proto/mux/connection.cpp has their figure),
// what the other side said in its HELLO, and the engine's slot.
static_assert(sizeof(void*) != 8 || sizeof(peer_connection) <= 328, "what an idle connection costs: say why before raising it");

std::error_code error_of_code(std::uint32_t code) noexcept;

}  // namespace hawser::inline v0::detail
