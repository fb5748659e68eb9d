// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/bytes.hpp>
#include <hawser/base/error.hpp>
#include <hawser/io/loop.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

namespace hawser::inline v0::detail {

class peer_connection;

// What stands behind a remote_sender: messages of other threads on their way to one connection. Producers append to one block under
// a lock that is held for a copy; the loop takes the whole block and sends from it, message by message, as the connection has
// room. The budget covers both.
class lane final : public std::enable_shared_from_this<lane> {
 public:
  lane(remote way, std::size_t bytes_max, std::size_t message_bytes_max, peer_connection& to);

  // -- any thread
  result<> send(byte_view message);
  result<> on_writable(std::move_only_function<void()> work);

  // -- the loop's thread
  void pump();
  void push();                  // as pump(), without telling those who wait for room
  void depart() noexcept;       // the connection takes nothing more
  bool empty();

 private:
  result<> ask_for_pump();      // the lock is held

  const remote way_;
  const std::size_t bytes_max_;
  const std::size_t message_bytes_max_;
  std::mutex lock_;
  // under the lock
  std::vector<std::byte> block_;             // length (4 bytes) | message, repeated
  std::size_t bytes_held_ = 0;               // here and in sending_
  std::vector<std::move_only_function<void()>> waiting_;
  bool pump_asked_ = false;
  bool departed_ = false;
  // the loop's
  std::vector<std::byte> sending_;
  std::size_t sent_ = 0;                     // how far sending_ is through
  bool pushing_ = false;
  peer_connection* to_;                      // the connection owns this lane, and says when it goes
};

}  // namespace hawser::inline v0::detail
