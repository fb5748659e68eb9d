// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "io/kernel/kernel_engine.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace hawser::inline v0::io {

// Errors: too_many_descriptors, or the system's.
result<std::unique_ptr<engine>> make_epoll_engine();

// The contract of engine.hpp on epoll, level triggered. Interests are lazy: one that is no longer wanted is taken back when it
// is reported once more, so that a socket which pauses and resumes, or sends block after block, costs no system call for it.
//   epoll_engine.cpp  turns and what they hand out       transfer.cpp   receiving, sending       closing.cpp  all ends
class epoll_engine final : public kernel_engine {
 public:
  explicit epoll_engine(readiness set);
  ~epoll_engine() override;

  std::string_view name() const noexcept override { return "epoll"; }
  std::size_t turn(instant until, instant& now) override;
  int descriptor() const noexcept override { return poller(); }
  void submit() override { settle_all(); }

  using kernel_engine::close;
  void send(socket_id id, chain& bytes) override;
  void send_last(socket_id id, chain& bytes) override;
  void pause_receiving(socket_id id) override;
  void resume_receiving(socket_id id) override;
  void close(socket_id id) override;
  void abort(socket_id id) override;
  std::size_t open_sockets() const noexcept override { return slots_.used(); }

 private:
  enum class received : std::uint8_t { all, more, stopped };

  void begin_receiving(std::uint32_t index, socket_slot& s) override { settle_later(index, s); }
  void settle(std::uint32_t index, socket_slot& s) override { arm(index, s, wanted(s)); }
  std::size_t begin_sending(socket_id id) override;
  std::size_t transfer(socket_id id, std::uint32_t events) override;
  void drain(std::uint32_t index, std::uint32_t events) override;
  std::size_t go_on(socket_id id) override;
  void release(std::uint32_t index) noexcept override;

  void begin_send_with(int flags, socket_id id, chain& bytes);
  std::uint8_t wanted(const socket_slot& s) const noexcept;
  std::size_t receive(socket_id id, received& outcome);
  bool pump(std::uint32_t index, socket_slot& s);
  std::size_t hung_up(socket_id id, std::uint32_t events);
  void finish(std::uint32_t index);
  bool discard_input(socket_slot& s) noexcept;

  std::array<epoll_event, turn_budget> events_;
};

}  // namespace hawser::inline v0::io
