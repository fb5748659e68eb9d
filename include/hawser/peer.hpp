// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/async/task.hpp>
#include <hawser/base/buffer.hpp>
#include <hawser/base/error.hpp>
#include <hawser/base/export.hpp>
#include <hawser/base/time.hpp>
#include <hawser/io/endpoint.hpp>
#include <hawser/io/loop.hpp>
#include <hawser/peer/channel.hpp>
#include <hawser/peer/connection.hpp>
#include <hawser/proto/limits.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hawser::inline v0 {

namespace detail {
class channel_state;
class lane;
class peer_connection;
class peer_core;
}  // namespace detail

// One endpoint or several, written as text.
struct endpoint_list : std::vector<endpoint> {
  endpoint_list() = default;
  endpoint_list(const char* one) { emplace_back(one); }
  endpoint_list(std::string_view one) { emplace_back(one); }
  endpoint_list(const std::string& one) { emplace_back(one); }
  endpoint_list(endpoint one) { push_back(std::move(one)); }
  endpoint_list(std::initializer_list<endpoint> several) : std::vector<endpoint>(several) {}
};

// What the other side said of itself, before it is let in. Views are valid for the call.
struct introduction {
  std::string_view name;             // empty: none
  peer_id id;
  byte_view metadata;
  byte_view token;
  std::string_view software;
  const endpoint& remote;
};

// What a peer tells its owner. Every hook is optional; they run on the loop's thread, must not throw, and may call everything.
// Order per connection: accept_socket (listener only), admit (listener only), connected, then received and sending in the order
// of the traffic, disconnected. connected and disconnected come in pairs, exactly once each: a connection that was never
// connected is never disconnected.
class HAWSER_API peer_hooks {
 public:
  virtual bool accept_socket(const endpoint& remote);                 // false: reset it before a byte is read
  virtual result<> admit(const introduction& who);                    // an error (errc::veto, forbidden ...) is what the dialer gets
  virtual void connected(connection& with);
  virtual void disconnected(connection& with, std::error_code reason);   // no error: orderly, by either side
  enum class traffic : std::uint8_t { message, request };
  virtual void sending(connection& to, traffic what, std::string_view operation, std::size_t bytes);
  virtual void received(connection& from, traffic what, std::string_view operation, std::size_t bytes);
  virtual void writable(connection& with);                            // a message that answered would_block may be tried again

 protected:
  ~peer_hooks() = default;
};

// How a peer behaves; one object, every member with a default.
struct peer_options {
  std::string name = {};                          // presented to others; 1-64 bytes of UTF-8, or empty: none
  endpoint_list listen = {};                      // where to listen from the start; listen_error() tells what failed
  std::string application = {};                   // must be equal on both sides, at most 64 bytes
  std::string metadata = {};                      // opaque, for the other side's hooks; at most 4,096 bytes
  std::string token = {};                         // opaque, checked by the other side's admit()
  enum class names : std::uint8_t { optional, required } listener_names = names::optional;   // required: errc::name_absent for dialers without one
  peer_hooks* hooks = nullptr;                    // must outlive the peer
  std::size_t connections_max = 10'000;           // accepted and dialled, until their sockets are gone; a dialer beyond it gets errc::refused
  std::size_t handshakes_max = 1'024;             // accepted and not yet through
  duration connect_timeout = std::chrono::seconds(10);      // the look-up and every address, up to the handshake
  duration resolve_timeout = std::chrono::seconds(5);
  duration stop_timeout = std::chrono::seconds(5);          // of the destructor's implied abort: none; of stop(): the default drain
  std::size_t calls_queued_max = 65'536;          // beyond the other side's channel limit, per connection
  std::size_t calls_queued_bytes_max = std::size_t{4} << 20;
  // Two connections between the same two peers (found by their random ids): `one` keeps a single one, the same at both ends.
  enum class parallel_connections : std::uint8_t { one, many } parallel = parallel_connections::many;
  proto::settings wire = {};                      // limits, watermarks, time-outs of each connection
};

struct call_options {
  std::optional<duration> deadline = {};
  std::uint8_t urgency = 3;                       // 0 (first) - 7 (last)
  std::span<const header> headers = {};
  std::size_t answer_bytes_max = std::size_t{16} << 20;     // call() only
};

struct operation_options {
  std::size_t in_flight_max = SIZE_MAX;           // handlers of this operation at a time; beyond it: errc::refused
  enum class on_cancel : std::uint8_t { tell, drop } cancel = on_cancel::tell;   // drop: the handler's task is destroyed when nobody waits any more
};

// How often an operation was called here, and how it ended. Sums: started = answered + failed + cancelled + expired + lost + running.
struct HAWSER_API operation_statistics {
  std::string_view operation;                     // valid while the peer lives
  std::uint64_t started = 0, answered = 0, failed = 0, cancelled = 0, expired = 0, lost = 0, refused = 0, running = 0;
  std::array<std::uint64_t, 40> latency{};        // [i]: requests answered in [2^i, 2^(i+1)) ns. Of those answered in one turn of the loop, one in 16 is timed and counted 16 times
  duration percentile(double part) const noexcept;   // 0.5, 0.99 ...: the upper bound of its bucket
};
struct call_statistics {                          // calls made by this peer. Sums as above
  std::uint64_t started = 0, answered = 0, failed = 0, refused = 0, cancelled = 0, expired = 0, lost = 0, running = 0, queued = 0;
};

// Whom to talk to: a connection, or a name that a connected peer has presented.
class target {
 public:
  target(const connection& with) noexcept : connection_(with) {}
  target(std::string_view name) noexcept : name_(name) {}
  target(const char* name) noexcept : name_(name) {}
  target(const std::string& name) noexcept : name_(name) {}

 private:
  friend class peer;
  connection connection_;
  std::string_view name_;
};

// Messages from other threads to one peer's connection. One per producing thread: its messages keep their order. Copying one
// makes another producer. Any thread; may outlive the peer.
class HAWSER_API remote_sender {
 public:
  // Hands a message over. Errors: would_block (over the limit; on_writable() tells when), not_connected, message_too_big, loop_stopped.
  // Never waits. A message that was taken goes out unless the connection ends before.
  result<> send(byte_view message);
  result<> send(std::string_view text) { return send(as_bytes(text)); }
  // Calls `work` once, on the loop's thread, when there is room again.
  result<> on_writable(std::move_only_function<void()> work);

 private:
  friend class peer;
  std::shared_ptr<detail::lane> lane_;
};

class call_operation;

// One participant: it listens, connects, serves operations and calls those of others. Symmetric: who dialled does not matter
// once a connection stands. Belongs to its loop's thread; the loop must outlive it. Destroying it aborts what is open.
class HAWSER_API peer {
 public:
  using message_handler = std::move_only_function<void(connection& from, byte_view message)>;
  using request_handler = std::move_only_function<task<>(request& rq)>;
  using channel_handler = std::move_only_function<task<>(channel& opened)>;

  explicit peer(loop& on, peer_options options = {});
  ~peer();
  peer(const peer&) = delete;
  peer& operator=(const peer&) = delete;

  loop& home() noexcept;
  const peer_id& id() const noexcept;
  const std::string& name() const noexcept;

  // -- listening
  result<endpoint> listen(const endpoint& where);          // the endpoint with the port that was given
  void stop_listening(const endpoint& where);              // as local_endpoints() gives it; connections survive
  void stop_listening();                                   // all of them
  std::error_code listen_error() const noexcept;           // of peer_options::listen; the peer is usable all the same
  endpoint local_endpoint() const;                         // the first; family none: not listening
  std::vector<endpoint> local_endpoints() const;

  // -- connecting
  // Resolves, races the addresses, connects and shakes hands. Errors: name_not_found, resolve_timeout, connection_refused,
  // connect_timeout, unreachable, handshake_timeout, version, application_tag, id_taken, name_invalid, name_absent, veto (or what
  // the other side's admit() answered), self_connect, too_many_connections ...
  [[nodiscard]] task<result<connection>> connect(endpoint where);
  // The same with a first plain message, which leaves together with the introduction: its answer costs no round trip more. It is
  // delivered only if the listener lets this peer in. `first` stays the caller's until this has completed. Also: message_too_big.
  [[nodiscard]] task<result<connection>> connect(endpoint where, byte_view first);
  [[nodiscard]] task<result<connection>> connect(endpoint where, std::string_view first) { return connect(std::move(where), as_bytes(first)); }
  std::vector<connection> connections() const;
  std::optional<connection> find(std::string_view name) const;      // by presented name; own name: self()
  std::optional<connection> find(const peer_id& id) const;
  std::optional<unsigned> has_route(std::string_view name) const;   // hops: 0 itself, 1 a neighbour
  connection self();                                                // calls on it run locally, through the same handlers

  // -- plain messages
  void on_message(message_handler handler);                // the span is valid for the call
  result<> send(const target& to, byte_view message);      // see connection::send; not_connected: no such name
  result<> send(const target& to, std::string_view text) { return send(to, as_bytes(text)); }
  [[nodiscard]] task<result<>> writable(connection with);  // until a message can be sent (or the connection ends: its reason)
  result<remote_sender> sender(const target& to, std::size_t bytes_max = std::size_t{1} << 20);

  // -- operations
  void on(std::string operation, request_handler handler, operation_options options = {});    // replaces an earlier one
  void remove(std::string_view operation);                 // requests that run go on
  // Streams and message channels that the other side opens; without a handler they are refused.
  void on_stream(channel_handler handler);
  void on_messages(channel_handler handler);

  // -- requests
  // Sends one body, awaits the whole answer. Dropping it cancels. `operation` and `body` stay the caller's until it has completed.
  [[nodiscard]] call_operation call(const target& to, std::string_view operation, byte_view body = {}, const call_options& options = {});
  outgoing_request prepare(const target& to, std::string_view operation, const call_options& options = {});   // not started
  result<outgoing_request> start(const target& to, std::string_view operation, const call_options& options = {});
  // A channel of raw bytes, or of messages; no round trip. label: what the other side sees as operation().
  result<channel> open_stream(const target& to, std::string_view label = {}, const call_options& options = {});
  result<channel> open_messages(const target& to, std::string_view label = {}, const call_options& options = {});

  // -- the end
  // Stops listening, refuses what is new, lets what runs end for at most `drain`, then aborts the rest. Completes when nothing is
  // left. Every call and request ends answered, refused, failed, expired or lost: the statistics add up.
  [[nodiscard]] task<> stop(duration drain);
  [[nodiscard]] task<> stop();
  bool stopping() const noexcept;

  std::vector<operation_statistics> operations() const;
  call_statistics calls() const noexcept;

 private:
  detail::peer_connection* resolve(const target& to) const;
  detail::channel_state* make(const target& to, proto::channel_kind kind, std::string_view label, const call_options& options);
  detail::peer_core* core_;        // lives until what stands on it has returned
};

// Awaited at once: result<chunk>, the whole answer. Needs no coroutine frame of its own.
class [[nodiscard]] HAWSER_API call_operation {
 public:
  call_operation(const call_operation&) = delete;
  ~call_operation();
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  result<chunk> await_resume();

 private:
  friend class peer;
  friend class detail::channel_state;
  call_operation(outgoing_request request, byte_view body, std::size_t answer_bytes_max);
  outgoing_request request_;
  detail::suspended waiter_;
  byte_view body_;
  result<chunk> outcome_;
  std::size_t answer_bytes_max_;
};

}  // namespace hawser::inline v0
