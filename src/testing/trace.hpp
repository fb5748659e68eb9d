// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/bytes.hpp>
#include <hawser/base/time.hpp>

#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace hawser::inline v0::testing::sim {

enum class happening : std::uint8_t {
  connect, connected, accept, accept_error, start, bytes, end, send, sent, failed, shutdown, close, abort, listen, look_up,
  cut, heal, freeze, thaw, kill, restart, refuse, admit, action,
};

std::uint64_t hash_of(byte_view bytes) noexcept;

// The record of a run: a running hash, and lines for those who want to read it.
class trace {
 public:
  trace(instant start, std::uint64_t seed) noexcept : start_(start), hash_(seed) {}

  // connection: a serial number and side, never a slot, so that a line names the same connection for the whole run.
  void record(instant at, std::string_view host, std::uint32_t host_index, std::uint64_t connection, happening what, std::uint64_t count,
              std::uint64_t content);
  std::uint64_t hash() const noexcept { return hash_; }
  std::uint64_t events() const noexcept { return events_; }
  void to(std::ostream* out) noexcept { out_ = out; }

 private:
  instant start_;
  std::uint64_t hash_;
  std::uint64_t events_ = 0;
  std::ostream* out_ = nullptr;
};

}  // namespace hawser::inline v0::testing::sim
