// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "testing/world.hpp"

#include <hawser/io/engine.hpp>

namespace hawser::inline v0::testing::sim {

// The engine of one loop in the simulation: checks what its owner asks for, passes it to the world, and hands out what the world
// has made ready. See io/engine.hpp for the contract.
class host_engine final : public io::engine {
 public:
  host_engine(world& w, process& self) noexcept : world_(w), self_(self) {}
  ~host_engine() override;

  std::string_view name() const noexcept override { return "sim"; }
  void use_buffers(buffer_pool&) override {}
  instant now() noexcept override { return world_.now(); }
  std::size_t turn(instant until, instant& now) override { return world_.turn(self_, until, now); }
  void wake() noexcept override { world_.wake(self_); }
  int descriptor() const noexcept override { return -1; }
  bool pending() const noexcept override { return !self_.dead && !self_.ready.empty(); }
  bool stopped() const noexcept override { return self_.dead; }

  result<io::listener_id> listen(const endpoint& where, const io::listen_options& options, const io::socket_options& accepted,
                                 io::listener_events& events) override;
  endpoint local_endpoint(io::listener_id id) const override;
  void close(io::listener_id id) override;
  void start(io::socket_id id, io::socket_events& events) override;
  result<io::socket_id> connect(const endpoint& where, const io::socket_options& options, io::socket_events& events) override;
  void send(io::socket_id id, chain& bytes) override;
  std::size_t try_send(io::socket_id id, std::span<const byte_view> pieces) override;
  void pause_receiving(io::socket_id id) override;
  void resume_receiving(io::socket_id id) override;
  void shutdown_sending(io::socket_id id) override;
  void close(io::socket_id id) override;
  void abort(io::socket_id id) override;
  void hand_over(io::socket_id id, io::socket_events& events) override;
  endpoint local_endpoint(io::socket_id id) const override;
  endpoint remote_endpoint(io::socket_id id) const override;
  std::optional<io::name_answer> look_up(const endpoint& host) override { return world_.look_up(self_, host); }
  std::size_t open_sockets() const noexcept override { return self_.open_sockets; }

  // Calls the handlers of what is ready now; what becomes ready meanwhile waits for the next turn.
  std::size_t hand_out();

 private:
  std::size_t hand_out(std::uint32_t slot, listener& l);
  std::size_t hand_out(connection& c, unsigned which);
  bool hand_out_bytes(connection& c, unsigned which);

  world& world_;
  process& self_;
};

}  // namespace hawser::inline v0::testing::sim
