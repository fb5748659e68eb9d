// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>
#include <hawser/base/error.hpp>
#include <hawser/base/time.hpp>
#include <hawser/io/endpoint.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

// The contract between a loop and what moves its bytes. Three engines fill it: epoll, uring and sim; one conformance suite
// (tests/conformance) holds for all. Kernel operations live in slots that the engine owns and names by index and
// generation: an object that is gone can be named, never touched.
//
// Rules that every engine keeps:
//   E1  No handler is called from inside a command (connect, send, close ...): only from turn().
//   E2  After close() or abort() no handler is called for that socket again; what the kernel still holds drains in the background.
//   E3  Bytes arrive in order; a byte_view is valid for the call only.
//   E4  One send is in flight per socket: send() is allowed when none is, and on_sent() ends it once, when its last byte has been
//       taken by the transport; or take_sent() does, when that is so already.
//   E5  on_failed() comes at most once and is the last call for the socket; what had arrived before is delivered first. While
//       receiving is paused a reset is told only to a socket whose send can no longer complete (what arrived is lost then);
//       otherwise it waits, behind what arrived, for resume_receiving(). The owner still calls close().
//   E6  A turn does bounded work: at most turn_budget completions, and per socket no more bytes than receives_per_turn receive buffers
//       hold.

namespace hawser::inline v0::io {

struct socket_id {
  std::uint32_t index = ~std::uint32_t{0};
  std::uint32_t generation = 0;
  explicit operator bool() const noexcept { return index != ~std::uint32_t{0}; }
  friend bool operator==(socket_id, socket_id) = default;
};
struct listener_id {
  std::uint32_t index = ~std::uint32_t{0};
  std::uint32_t generation = 0;
  explicit operator bool() const noexcept { return index != ~std::uint32_t{0}; }
  friend bool operator==(listener_id, listener_id) = default;
};

// What happens on a connected or connecting socket. Handlers run on the loop's thread and may call any command of the engine,
// close() of this very socket included.
class socket_events {
 public:
  virtual void on_connected() = 0;                          // a connect() has succeeded; receiving has begun
  virtual void on_bytes(byte_view bytes) = 0;               // never empty
  // Right before a receive: where the next bytes belong, if that is known. An engine that can has them written there and tells them by
  // on_filled() before anything else of the socket; the others call on_bytes() all the same.
  virtual std::span<std::byte> poll_room() { return {}; }
  // When there is none: that there will be as soon as the head of what comes next is here. So little should be received before that.
  virtual bool expects_room() const { return false; }
  // What on_bytes() is for bytes that were written into the room just given: its first `count`, at least 1; `rest` came behind them.
  virtual void on_filled([[maybe_unused]] std::size_t count, [[maybe_unused]] byte_view rest) {}
  virtual void on_end() = 0;                                // the other side finished sending (FIN); sending still works
  virtual void on_sent(std::size_t bytes) = 0;              // the whole send was taken by the transport
  virtual void on_failed(std::error_code reason) = 0;       // connect failed, or reset, timed out, ...

 protected:
  ~socket_events() = default;
};

class listener_events {
 public:
  // A connection was accepted; nothing is read from it yet. Within this call the owner answers start(id, events), or close(id) or
  // abort(id) to refuse.
  virtual void on_accept(socket_id id, const endpoint& remote) = 0;
  // Accepting stumbled (descriptors or memory exhausted): the listener stays open, tries again by itself after a pause that the
  // engine chooses (100 ms) and says so once per stumble.
  virtual void on_accept_error(std::error_code reason) = 0;

 protected:
  ~listener_events() = default;
};

struct listen_options {
  int backlog = 1024;             // pending connections in the kernel
  bool reuse_port = false;        // several listeners (one a loop) share the port, the kernel spreads
  bool ipv6_only = false;         // a wildcard IPv6 listener takes IPv4 too unless this is set
};

struct socket_options {
  bool no_delay = true;                              // TCP_NODELAY; coalescing is ours
  std::uint32_t unsent_bytes_max = 96 * 1024;        // TCP_NOTSENT_LOWAT: late binding of frames; 0 = the system's
  std::uint32_t unacked_ms_max = 30'000;             // TCP_USER_TIMEOUT; 0 = the system's
  std::uint32_t send_buffer_bytes = 0;               // 0 = autotuned (best); else clamped to >= 1 MiB unless exact_buffers
  std::uint32_t receive_buffer_bytes = 0;
  bool exact_buffers = false;                        // for tests: take small buffers as they are
  bool loopback_congestion = true;                   // on a loopback connection whose default is BBR: cubic, else reno
};

// Bytes of the receive buffer and number of completions that one turn may handle.
inline constexpr std::size_t receive_buffer_bytes = 64 * 1024;
inline constexpr std::size_t turn_budget = 512;
inline constexpr std::size_t receives_per_turn = 3;

// What an engine that knows names answers to a look-up: the addresses, or the error, that come after `delay`. duration::max():
// a resolver that never answers.
struct name_answer {
  result<std::vector<endpoint>> addresses;
  duration delay{};
};

class engine {
 public:
  virtual ~engine() = default;
  virtual std::string_view name() const noexcept = 0;       // "epoll", "sim", "uring"

  // The loop's buffers; said once, by the loop, before anything else. An engine that receives into segments of them lends each for
  // the length of on_bytes(), so that who keeps much of it need not copy (buffer_pool::keep()).
  virtual void use_buffers(buffer_pool& buffers) = 0;

  // Reads the clock. Monotonic; one epoch for all loops of a process (sim: of a simulation).
  virtual instant now() noexcept = 0;
  // One pass: hands kernel completions to their handlers. Waits for the first one until `until` (an instant that is not after
  // now: does not wait; `never`: as long as it takes) or until wake(). Whenever it has waited or has something to hand out it
  // reads the clock into `now`, before the first handler runs; else `now` stays. Returns the number of completions.
  virtual std::size_t turn(instant until, instant& now) = 0;
  // Hands the kernel what commands have queued for the next turn; calls nobody. For a loop that ends its turns here, or waits at
  // descriptor().
  virtual void submit() {}
  // Ends a waiting turn, or the next one that would wait. Any thread.
  virtual void wake() noexcept = 0;
  // A descriptor that is readable when a turn has something to do, for a foreign loop; -1: there is none (sim).
  virtual int descriptor() const noexcept = 0;
  // True while the engine itself has work that a turn(now) would do without any new completion.
  virtual bool pending() const noexcept = 0;

  // True once the program on this loop is over though the loop still stands (a simulated host that was killed): the loop runs nothing
  // any more.
  virtual bool stopped() const noexcept { return false; }

  // Binds and listens. where: an address or a unix path, resolved. Port 0 is answered by local_endpoint().
  virtual result<listener_id> listen(const endpoint& where, const listen_options& options, const socket_options& accepted,
                                     listener_events& events) = 0;
  virtual endpoint local_endpoint(listener_id id) const = 0;
  virtual void close(listener_id id) = 0;
  virtual void start(socket_id id, socket_events& events) = 0;

  // Begins to connect; completes with on_connected() or on_failed(). Fails at once only for local reasons (descriptors, bad
  // address). A socket that TCP has joined to itself (nobody listens at a port of this machine that the dialer was given) has failed: refused.
  virtual result<socket_id> connect(const endpoint& where, const socket_options& options, socket_events& events) = 0;
  // Takes the chain (which becomes empty). While connecting it waits for the connection, as shutdown_sending() does. See E4.
  virtual void send(socket_id id, chain& bytes) = 0;
  // send() and then shutdown_sending(): engines that can let the FIN leave with the last bytes.
  virtual void send_last(socket_id id, chain& bytes) {
    send(id, bytes);
    shutdown_sending(id);
  }
  // True: the last byte of the send in flight had been taken, the send has ended with this call, and no on_sent() comes. For owners that
  // have just sent: an engine whose sends complete at once spares them a turn. False: on_sent() will tell.
  virtual bool take_sent([[maybe_unused]] socket_id id) { return false; }
  // Hands the pieces, one behind the other, to the transport now, while no send is in flight; returns how many bytes it took. That is no
  // send: nothing more is told of them, and what was not taken is forgotten. 0: nothing, send() them.
  virtual std::size_t try_send([[maybe_unused]] socket_id id, [[maybe_unused]] std::span<const byte_view> pieces) { return 0; }
  // Stops and restarts on_bytes() and on_end(). A buffer that is being handed out is not interrupted. See E5 for resets.
  virtual void pause_receiving(socket_id id) = 0;
  virtual void resume_receiving(socket_id id) = 0;
  // FIN once the send in flight is done; no send() afterwards.
  virtual void shutdown_sending(socket_id id) = 0;
  // close(): bytes of a send in flight still go out (for at most 1 s), then FIN. abort(): RST at once, nothing more goes out (a
  // unix socket knows no RST: the other side sees an end).
  virtual void close(socket_id id) = 0;
  virtual void abort(socket_id id) = 0;
  // Hands the events of a live socket to another owner.
  virtual void hand_over(socket_id id, socket_events& events) = 0;

  virtual endpoint local_endpoint(socket_id id) const = 0;
  virtual endpoint remote_endpoint(socket_id id) const = 0;
  // Answers a host name from the engine's own table (simulation). Nothing: the engine has no table, the system is asked.
  virtual std::optional<name_answer> look_up([[maybe_unused]] const endpoint& host) { return std::nullopt; }

  // Sockets that are not closed yet, draining ones included.
  virtual std::size_t open_sockets() const noexcept = 0;
  // System calls that turns and commands have made: waiting, moving bytes, accepting, changing what is waited for. What only making,
  // connecting and closing a socket takes is not in it, nor is wake(). 0: an engine that makes none.
  virtual std::uint64_t system_calls() const noexcept { return 0; }
};

}  // namespace hawser::inline v0::io
