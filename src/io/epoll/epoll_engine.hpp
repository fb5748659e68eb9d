// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "io/epoll/slots.hpp"
#include "io/epoll/sockets.hpp"

#include <hawser/io/engine.hpp>

#include <sys/epoll.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace hawser::io {

// Errors: too_many_descriptors, or the system's.
result<std::unique_ptr<engine>> make_epoll_engine();

// The contract of engine.hpp on epoll, level triggered. Interests are lazy: one that is no longer wanted is taken back when it
// is reported once more, so that a socket which pauses and resumes, or sends block after block, costs no system call for it.
//   epoll_engine.cpp  turns and what they hand out       listeners.cpp  listening, accepting
//   connecting.cpp    connect                            transfer.cpp   receiving, sending       closing.cpp  all ends
class epoll_engine final : public engine {
 public:
  epoll_engine(sockets::descriptor poller, sockets::descriptor waker, sockets::descriptor clock);
  ~epoll_engine() override;

  std::string_view name() const noexcept override { return "epoll"; }
  void use_buffers(buffer_pool& buffers) override { buffers_ = &buffers; }
  instant now() noexcept override;
  std::size_t turn(instant until, instant& now) override;
  void wake() noexcept override;
  int descriptor() const noexcept override { return poller_.get(); }
  bool pending() const noexcept override { return !ready_.empty(); }

  result<listener_id> listen(const endpoint& where, const listen_options& options, const socket_options& accepted,
                             listener_events& events) override;
  endpoint local_endpoint(listener_id id) const override;
  void close(listener_id id) override;
  void start(socket_id id, socket_events& events) override;

  result<socket_id> connect(const endpoint& where, const socket_options& options, socket_events& events) override;
  void send(socket_id id, chain& bytes) override;
  void pause_receiving(socket_id id) override;
  void resume_receiving(socket_id id) override;
  void shutdown_sending(socket_id id) override;
  void close(socket_id id) override;
  void abort(socket_id id) override;
  void hand_over(socket_id id, socket_events& events) override;

  endpoint local_endpoint(socket_id id) const override;
  endpoint remote_endpoint(socket_id id) const override;
  std::size_t open_sockets() const noexcept override { return slots_.used(); }

 private:
  struct listener {
    sockets::listening socket;
    listener_events* events = nullptr;
    std::uint32_t generation = 0;
    bool loopback_congestion = false;
    bool stumbling = false;            // told; until the next accept succeeds
  };
  enum class alarm_kind : std::uint8_t { drain_over, accept_again, connect_again };
  struct alarm {
    instant when;
    alarm_kind kind;
    std::uint32_t index;
    std::uint32_t generation;
  };
  enum class received : std::uint8_t { all, more, stopped };

  // Live for commands: not closed.
  socket_slot* live(socket_id id) noexcept;
  // The slot if it is still the same socket and may be told something.
  socket_slot* told(socket_id id) noexcept;
  static socket_id id_of(std::uint32_t index, const socket_slot& s) noexcept { return {index, s.generation}; }
  void enqueue(std::uint32_t index, socket_slot& s);
  void arm(std::uint32_t index, socket_slot& s, std::uint8_t interests);
  void disarm(socket_slot& s) noexcept;
  std::uint8_t wanted(const socket_slot& s) const noexcept;
  void set_alarm(instant when, alarm_kind kind, std::uint32_t index, std::uint32_t generation);
  void reset_clock() noexcept;

  std::size_t hand_out(socket_id id);
  std::size_t dispatch(const epoll_event& event);
  std::size_t sound_alarms(instant now);
  int wait(std::span<epoll_event> room, instant until, bool look_only) noexcept;

  listener* find(listener_id id) noexcept;
  std::size_t accept_some(std::uint32_t index);
  bool accept_stumbled(std::uint32_t index, int error);
  void accept_again(std::uint32_t index, std::uint32_t generation);

  int begin_connect(std::uint32_t index, socket_slot& s, const sockets::address& to);
  void connect_again(socket_id id);
  std::size_t finish_connect(socket_id id);

  std::size_t transfer(socket_id id, std::uint32_t events);
  std::size_t receive(socket_id id, received& outcome);
  bool pump(std::uint32_t index, socket_slot& s);
  std::size_t tell_sent(socket_id id);
  std::size_t hung_up(socket_id id, std::uint32_t events);
  void end_sending(socket_slot& s) noexcept;
  std::size_t fail(socket_id id, int error);

  void drain(std::uint32_t index, std::uint32_t events);
  void finish(std::uint32_t index);
  bool discard_input(socket_slot& s) noexcept;
  std::byte* receive_room();
  void release(std::uint32_t index) noexcept;

  sockets::descriptor poller_;
  sockets::descriptor waker_;
  sockets::descriptor clock_;          // a timerfd for the earliest alarm: descriptor() must become readable for it as well
  mutable slot_table slots_;
  std::vector<std::unique_ptr<listener>> listeners_;
  std::uint32_t listener_generation_ = 0;
  std::vector<socket_id> ready_;       // has something to tell without a new event
  std::vector<socket_id> telling_;     // ready_ of the turn before, while it is told
  std::vector<alarm> alarms_;          // a heap, earliest first
  instant clock_set_ = never;
  std::vector<std::pair<socket_id, sockets::address>> connecting_again_;   // unix sockets whose listener's backlog was full
  buffer_pool* buffers_ = nullptr;
  chunk receive_;                      // where bytes are received in this turn; who keeps some of them leaves us without
  std::array<epoll_event, turn_budget> events_;
  bool bbr_ = false;
};

}  // namespace hawser::io
