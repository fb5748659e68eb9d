// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/async/task.hpp>
#include <hawser/base/error.hpp>
#include <hawser/base/export.hpp>
#include <hawser/io/endpoint.hpp>
#include <hawser/io/engine.hpp>
#include <hawser/io/loop.hpp>

#include <functional>
#include <memory>

namespace hawser::inline v0 {

struct dial_options {
  duration timeout = std::chrono::seconds(10);               // for all of it: look-up, every attempt
  duration resolve_timeout = std::chrono::seconds(5);
  duration attempt_delay = std::chrono::milliseconds(250);   // the next address starts this long after the previous, or at its failure
  std::size_t attempts_max = 16;                             // addresses tried
  io::socket_options socket{};
};

// A connected socket on its way to its owner: reading is paused, so nothing that arrives is lost. Closed when dropped. Loop thread only.
class HAWSER_API connected_socket {
 public:
  connected_socket() noexcept;
  connected_socket(connected_socket&&) noexcept;
  connected_socket& operator=(connected_socket&&) noexcept;
  ~connected_socket();

  explicit operator bool() const noexcept;
  io::socket_id id() const noexcept;
  endpoint local() const;
  endpoint remote() const;
  // Why it was lost since it was connected; empty: it was not.
  std::error_code failure() const noexcept;
  // Gives the socket, with what happens on it, to another owner and resumes reading. `this` is empty afterwards. If it
  // was lost meanwhile the answer is that error, nothing was handed over and it is closed. (link::adopt() does this.)
  result<io::socket_id> release(io::socket_events& events);

 private:
  friend class dialer;
  struct HAWSER_LOCAL parked;
  explicit connected_socket(std::unique_ptr<parked> socket) noexcept;
  std::unique_ptr<parked> parked_;
};

// Connects to an endpoint. A host name is looked up, and its addresses race (RFC 8305): first to connect wins, the others are closed.
// Destroying it gives up: nothing is called any more. Allocates a handful of blocks per dial.
class HAWSER_API dialer {
 public:
  // Errors: address_invalid, name_not_found, resolve_timeout, connect_timeout, connection_refused, unreachable, permission_denied,
  // too_many_descriptors, out_of_memory_budget; of several addresses, the most telling. Called once, from a turn of the loop, never from inside the constructor; it may destroy the dialer.
  using handler = std::move_only_function<void(result<connected_socket>)>;

  dialer(loop& on, const endpoint& where, const dial_options& options, handler done);
  ~dialer();
  dialer(const dialer&) = delete;
  dialer& operator=(const dialer&) = delete;

 private:
  struct HAWSER_LOCAL race;
  std::unique_ptr<race> race_;
};

// The same as a coroutine. Dropping the task gives up.
HAWSER_API task<result<connected_socket>> dial(loop& on, endpoint where, dial_options options = {});

}  // namespace hawser::inline v0
