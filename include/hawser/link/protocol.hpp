// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>
#include <hawser/base/error.hpp>
#include <hawser/base/time.hpp>

#include <cstddef>
#include <span>

namespace hawser::inline v0 {

// What a link drives: a machine without a socket, in the method families of proto::connection. Called once per buffer, never per
// message, on the loop's thread, and never from inside a call on the link.
//
// Every handle_* may call anything of the link, and may destroy the link, with its protocol: the link touches neither
// afterwards. poll_* only answer.
class protocol {
 public:
  // Bytes from the other side, in order; valid for the call.
  virtual void handle_bytes(instant now, byte_view bytes) = 0;
  // Where the next bytes belong, if the protocol knows; they are then received there, and never seen by handle_bytes(). Asked right before a
  // receive, of links without stages.
  virtual std::span<std::byte> poll_room() { return {}; }
  // When it does not: that it most likely will once a little more is here.
  virtual bool expects_room() const { return false; }
  // The first `count` bytes of that room were filled, at least 1, and `rest` came behind them (maybe nothing): as handle_bytes() of both.
  virtual void handle_filled([[maybe_unused]] instant now, [[maybe_unused]] std::size_t count, [[maybe_unused]] byte_view rest) {}
  // Nothing more will arrive; at most once. reason empty: the other side finished sending (FIN), and sending still works until
  // close(). Otherwise the connection is lost, and on_link_closed(reason) follows at the end of this turn.
  virtual void handle_end(instant now, std::error_code reason) = 0;
  // Moves up to max_bytes to the end of `out`, which has room for some chunks; returns how many bytes. Asked at the end of each turn in
  // which the link was marked: input came, a send was taken that took its time, or transmit_later().
  virtual std::size_t poll_transmit(instant now, chain& out, std::size_t max_bytes) = 0;
  // After close(): that what poll_transmit() has given is all that will come, whatever is taken of it. Then it leaves with the FIN.
  virtual bool poll_end() { return false; }
  // The transport took that many of the bytes that poll_transmit() gave, maybe at once. Whoever has more says transmit_later().
  virtual void handle_sent(instant now, std::size_t bytes) = 0;
  virtual void handle_timeout(instant now) = 0;
  // When handle_timeout() wants to be called: `never` for not at all. Asked after everything that may have changed it.
  virtual instant poll_timeout() = 0;
  // The socket is closed. Exactly once per link that was started, the last call; empty: close() came to its orderly end.
  virtual void on_link_closed(std::error_code reason) = 0;

 protected:
  ~protocol() = default;
};

// A byte-to-byte machine between the socket and the protocol (TLS, WebSocket ...). "Outer" is the side of the socket, "inner" the
// side of the protocol. Sans I/O, owned by its link, never called from inside a call on itself.
class stage {
 public:
  virtual ~stage() = default;

  // -- inward
  // Outer bytes, valid until poll_bytes() has returned false. An error loses the connection with that reason.
  virtual result<> handle_bytes(instant now, byte_view outer) = 0;
  // The next inner bytes, valid until the next call; false: no more for now. A sound stage gives none that is empty.
  virtual bool poll_bytes(byte_view& inner) = 0;
  // The outer side ended. An error says that it ended too early (a truncated record, no closing alert).
  virtual result<> handle_end(instant now) = 0;

  // -- outward
  // Inner bytes that write() would take now: 0 while a handshake runs, or while too much waits to go out.
  virtual std::size_t room() const = 0;
  // Takes all of `inner` (at most room() bytes), which becomes empty.
  virtual void write(instant now, chain& inner) = 0;
  // No inner bytes will follow: what the stage wants to say last goes out after what it holds.
  virtual void finish(instant now) = 0;
  virtual std::size_t poll_transmit(instant now, chain& outer, std::size_t max_bytes) = 0;

  virtual void handle_timeout(instant now) = 0;
  virtual instant poll_timeout() = 0;
};

}  // namespace hawser::inline v0
