// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/child.hpp"

#include <chrono>
#include <expected>
#include <string>

namespace hawser::bench {

// A network in which 127.0.0.1 is far away: each packet to it, also the first of a connection, takes half of a round trip. While it lives
// the calling thread is in it, and with it every process that is started meanwhile; afterwards the thread is back where it was. Nothing
// else of the machine sees it.
//
// It does not need the kernel's network emulation, which many kernels lack: the packets go through a TUN device to a process of ours, which
// holds each one back until it is due. It needs the right to make networks (root) and iproute2's `ip`.
class distance {
 public:
  // The error: why this machine or this user cannot, for a person to read.
  static std::expected<distance, std::string> make(std::chrono::nanoseconds round_trip);
  distance(distance&&) noexcept = default;
  distance& operator=(distance&&) = delete;

 private:
  // Where the thread was. Goes back there.
  class origin {
   public:
    explicit origin(int network) noexcept : network_(network) {}
    origin(origin&& other) noexcept : network_(std::exchange(other.network_, -1)) {}
    origin& operator=(origin&&) = delete;
    ~origin();

   private:
    int network_;                          // a descriptor of it
  };
  distance(origin from, child carrier) noexcept : from_(std::move(from)), carrier_(std::move(carrier)) {}

  origin from_;
  child carrier_;
};

}  // namespace hawser::bench
