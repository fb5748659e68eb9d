// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/link.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hawser::test {

// The simplest protocol: sends what it was given, keeps what it got, and lets the test act in any callback.
struct recorder final : protocol {
  explicit recorder(loop& on) : loop_(&on), wire(std::in_place, on, *this) {}

  void handle_bytes(instant now, byte_view bytes) override {
    EXPECT_EQ(now, loop_->now());
    EXPECT_FALSE(bytes.empty());
    EXPECT_TRUE(ends.empty() && closed.empty());
    received_bytes += bytes.size();
    if (keep) received += as_text(bytes);
    tell("bytes");
  }
  void handle_end(instant, std::error_code reason) override {
    EXPECT_TRUE(ends.empty() && closed.empty());
    ends.push_back(reason);
    tell("end");
  }
  std::size_t poll_transmit(instant, chain& out, std::size_t max_bytes) override {
    const std::size_t before = out.bytes();
    std::size_t left = std::min(max_bytes, outgoing.size() - given);
    while (left > 0 && !out.full()) {
      const std::size_t piece = std::min<std::size_t>(left, 16 * 1024);
      out.append(loop_->buffers().copy(as_bytes(std::string_view(outgoing).substr(given, piece))));
      given += piece;
      left -= piece;
    }
    return out.bytes() - before;
  }
  bool poll_end() override { return tells_end && given == outgoing.size(); }
  void handle_sent(instant, std::size_t bytes) override {
    sent += bytes;
    if (given < outgoing.size()) wire->transmit_later();
    tell("sent");
  }
  void handle_timeout(instant now) override {
    EXPECT_GE(now, timeout) << "too early";
    timeouts.push_back(now);
    timeout = never;
    tell("timeout");
  }
  instant poll_timeout() override { return timeout; }
  void on_link_closed(std::error_code reason) override {
    EXPECT_TRUE(closed.empty()) << "closed twice";
    closed.push_back(reason);
    tell("closed");
  }

  void send(std::string_view bytes) {
    outgoing += bytes;
    wire->transmit_later();
  }
  // Last in every callback, as it may destroy the recorder.
  void tell(std::string_view what) {
    if (!on_call) return;
    auto call = on_call;
    call(what);
  }

  loop* loop_;
  std::string outgoing, received;
  std::size_t given = 0, sent = 0, received_bytes = 0;
  bool keep = true;
  bool tells_end = false;
  std::vector<std::error_code> ends, closed;
  instant timeout = never;
  std::vector<instant> timeouts;
  std::function<void(std::string_view)> on_call;
  std::optional<hawser::link> wire;
};

inline std::string pattern(std::size_t bytes, unsigned seed = 1) {
  std::string made(bytes, '\0');
  std::uint32_t x = seed * 2654435761u + 1;
  for (char& c : made) {
    x = x * 1664525 + 1013904223;
    c = static_cast<char>(x >> 24);
  }
  return made;
}

}  // namespace hawser::test
