// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "raw/frames.hpp"

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

namespace hawser::bench::raw {

// One connected socket, on the engine and in the way of waiting that a job asks for.
class wire {
 public:
  virtual ~wire() = default;

  // Waits for bytes, which stay until the next call. Empty: the other side has finished, or failure().
  virtual bytes_view receive() = 0;
  // Hands over all of it, which must stay as it is until flush().
  virtual bool send(const void* from, std::size_t bytes) = 0;
  // The kernel has taken everything.
  virtual bool flush() = 0;
  // Hands over what it can of `out` and waits for bytes, or, while some of it is left, for room: then the answer may be empty.
  virtual bytes_view exchange(frame_writer& out) = 0;
  // No more will be written.
  virtual void finish() = 0;

  virtual std::uint64_t system_calls() const noexcept = 0;
  const std::string& failure() const noexcept { return failure_; }      // empty: none
  bool ended() const noexcept { return ended_ || !failure_.empty(); }

 protected:
  bytes_view failed(const char* call, int error);
  bool ended_ = false;

 private:
  std::string failure_;
};

// Takes the descriptor. receive_bytes: what one receive may bring, at most.
std::unique_ptr<wire> make_socket_wire(int descriptor, const job& of, std::size_t receive_bytes);     // engines none and epoll
std::expected<std::unique_ptr<wire>, std::string> make_ring_wire(int descriptor, const job& of, std::size_t receive_bytes);

}  // namespace hawser::bench::raw
