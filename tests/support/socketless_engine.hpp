// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/engine.hpp>

namespace hawser::test {

// What an engine answers that has no sockets: for tests of what stands on a loop but not on a network. Turns and time are the test's.
class socketless_engine : public io::engine {
 public:
  void use_buffers(buffer_pool&) override {}
  result<io::listener_id> listen(const endpoint&, const io::listen_options&, const io::socket_options&, io::listener_events&) override {
    return failure(errc::not_supported);
  }
  endpoint local_endpoint(io::listener_id) const override { return {}; }
  void close(io::listener_id) override {}
  void start(io::socket_id, io::socket_events&) override {}
  result<io::socket_id> connect(const endpoint&, const io::socket_options&, io::socket_events&) override {
    return failure(errc::not_supported);
  }
  void send(io::socket_id, chain&) override {}
  void pause_receiving(io::socket_id) override {}
  void resume_receiving(io::socket_id) override {}
  void shutdown_sending(io::socket_id) override {}
  void close(io::socket_id) override {}
  void abort(io::socket_id) override {}
  void hand_over(io::socket_id, io::socket_events&) override {}
  endpoint local_endpoint(io::socket_id) const override { return {}; }
  endpoint remote_endpoint(io::socket_id) const override { return {}; }
  std::size_t open_sockets() const noexcept override { return 0; }
};

}  // namespace hawser::test
