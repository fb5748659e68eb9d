// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/error.hpp>
#include <hawser/base/export.hpp>
#include <hawser/io/endpoint.hpp>
#include <hawser/io/engine.hpp>
#include <hawser/io/loop.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace hawser::inline v0 {

struct listener_options {
  io::listen_options listen{};
  io::socket_options socket{};                       // of the accepted
  std::size_t connections_max = 100'000;             // alive at once; more are refused. Raised: memory and descriptors of this process
  std::size_t half_open_max = 1'024;                 // of these, not yet established(). Raised: what strangers can hold without a handshake
  duration resolve_timeout = std::chrono::seconds(5);
};

namespace detail { struct admissions; }

// One accepted connection's place in its listener's count, 8 bytes. Its owner keeps it as long as the connection lives, and says
// when its handshake is through. May outlive the listener. Loop thread only.
class HAWSER_API admission {
 public:
  admission() noexcept = default;
  admission(admission&& other) noexcept : counted_(std::exchange(other.counted_, 0)) {}
  admission& operator=(admission&& other) noexcept {
    std::swap(counted_, other.counted_);
    return *this;
  }
  ~admission() { leave(); }
  void established() noexcept;      // no longer half-open; more than once is once
  void leave() noexcept;            // as destroying it

 private:
  friend struct detail::admissions;
  explicit admission(detail::admissions& in) noexcept;
  std::uintptr_t counted_ = 0;      // detail::admissions*, lowest bit: half-open
};

class listener_events {
 public:
  // A stranger: false refuses it (its connection is reset) before anything is allocated for it.
  virtual bool accepts(const endpoint& remote) { return static_cast<void>(remote), true; }
  // A connection to keep: within this call start it (link::accept(id)) or close(id) / abort(id) it on the engine.
  // May stop or destroy the listener.
  virtual void on_connection(io::socket_id id, const endpoint& remote, admission place) = 0;
  // An endpoint could not be listened on (`where` as it was given), or accepting stumbled for now (descriptors exhausted, tried again).
  virtual void on_listener_error(const endpoint& where, std::error_code reason) { static_cast<void>(where), static_cast<void>(reason); }
  // A host name was resolved and is listened on. Endpoints that are addresses are, when start() returns.
  virtual void on_listening(const endpoint& local) { static_cast<void>(local); }

 protected:
  ~listener_events() = default;
};

struct listener_statistics {
  std::uint64_t accepted = 0;          // given to on_connection()
  std::uint64_t refused = 0;           // by accepts()
  std::uint64_t refused_full = 0;      // connections_max or half_open_max
  std::size_t connections = 0;         // admissions alive
  std::size_t half_open = 0;
};

// Listens on one or several endpoints; host names are resolved without blocking, and each of their addresses is listened on.
// Connections survive stop() and the listener. Nothing is called from inside its own calls. Loop thread only.
class HAWSER_API listener {
 public:
  listener(loop& on, std::span<const endpoint> where, const listener_options& options, listener_events& events);
  listener(loop& on, const endpoint& where, const listener_options& options, listener_events& events)
      : listener(on, std::span(&where, 1), options, events) {}
  ~listener();
  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

  // Listens where it does not yet; the constructor has done it once. Errors: that of the first endpoint that failed, also in
  // error(); the others are listened on.
  result<> start();
  void stop();

  // True when at least one socket listens.
  bool listening() const noexcept;
  // Of the last start(): address_invalid, address_in_use, permission_denied, too_many_descriptors, name_not_found,
  // resolve_timeout ...; empty: none (a name that is still being resolved counts as none).
  std::error_code error() const noexcept;
  // Where it really listens (port 0 answered); in the order of the endpoints given. Invalid: it does not listen.
  endpoint local_endpoint() const;
  std::vector<endpoint> local_endpoints() const;
  listener_statistics stats() const noexcept;

 private:
  struct HAWSER_LOCAL parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace hawser::inline v0
