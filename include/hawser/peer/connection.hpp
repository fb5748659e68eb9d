// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>
#include <hawser/base/error.hpp>
#include <hawser/base/export.hpp>
#include <hawser/base/time.hpp>
#include <hawser/io/endpoint.hpp>
#include <hawser/proto/framed_messages.hpp>

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace hawser::inline v0 {

class peer;
namespace detail { class peer_connection; }

using peer_id = std::array<std::byte, 16>;

struct connection_statistics {
  std::uint64_t messages_sent = 0, messages_received = 0;
  std::uint64_t bytes_sent = 0, bytes_received = 0;          // on the wire, headers included
  std::uint64_t requests_sent = 0, requests_received = 0;
  duration round_trip{};                                     // smoothed; 0: not measured yet
  std::size_t bytes_queued = 0;                              // written here, not yet taken by the transport
  std::size_t bytes_buffered = 0;                            // received, not yet consumed by the application
};

// A handle to one connection with another peer: 8 bytes, copied freely, loop thread only. It stays valid after the connection
// has ended: then is_open() is false and everything that would send answers errc::not_connected.
class HAWSER_API connection {
 public:
  connection() noexcept = default;
  connection(const connection&) noexcept;
  connection(connection&&) noexcept;
  connection& operator=(connection) noexcept;
  ~connection();

  explicit operator bool() const noexcept { return state_ != nullptr; }
  bool is_open() const noexcept;                   // handshake done and not closing
  std::uint64_t number() const noexcept;           // unique in this process; in log lines
  std::string_view name() const noexcept;          // what the other side presented; empty: nothing
  const peer_id& id() const noexcept;
  byte_view metadata() const noexcept;             // opaque, as the other side presented it
  endpoint local_endpoint() const;
  endpoint remote_endpoint() const;                // still known when the other side has reset the connection, if it was asked for before
  peer* owner() const noexcept;                    // nullptr once the peer is gone
  connection_statistics statistics() const;

  // Queues one plain message; copied before this returns. Errors: would_block (over the watermark: peer::writable() tells when),
  // message_too_big, not_connected. Sent at the end of the loop's turn, together with whatever else is ready.
  result<> send(byte_view message) const;
  result<> send(std::string_view text) const { return send(as_bytes(text)); }
  // Queues several messages that go to others as well, all of them or none: they are framed once, and their bytes are shared.
  result<> send(const framed_messages& messages) const;

  // Between the two nothing leaves at the end of a turn, unless 64 KiB are waiting: for who knows that more is to come soon. Everything
  // waits then, answers to the other side's liveness pings too. close() uncorks.
  void cork() const;
  void uncork() const;

  // Orderly: what is queued goes out, open requests end with errc::closed here and errc::connection_lost or the answer there.
  void close() const;
  void close(errc reason, std::string_view text = {}) const;      // the other side learns the reason
  void abort() const;                                             // RST, nothing more goes out

  // Anything of the user's that belongs to this connection; released when the last handle is gone.
  void set_user_state(std::shared_ptr<void> state) const;
  template <class T>
  T* user_state() const noexcept { return static_cast<T*>(user_pointer()); }

  friend bool operator==(const connection& a, const connection& b) noexcept { return a.state_ == b.state_; }

 private:
  friend class peer;
  friend class detail::peer_connection;
  explicit connection(detail::peer_connection* state) noexcept;
  void* user_pointer() const noexcept;
  detail::peer_connection* state_ = nullptr;
};

}  // namespace hawser::inline v0
