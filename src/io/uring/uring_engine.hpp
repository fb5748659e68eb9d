// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "io/kernel/kernel_engine.hpp"
#include "io/uring/arrivals.hpp"
#include "io/uring/receive_buffers.hpp"
#include "io/uring/ring.hpp"
#include "io/uring/send_room.hpp"
#include "io/uring/waiting_line.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>

namespace hawser::inline v0::io {

class uring_engine;
// Nothing is remembered, nothing is tested beyond what set-up shows: see make_engine().
std::expected<std::unique_ptr<uring_engine>, refusal> make_uring_engine(const ring_geometry& geometry = {}, const ring_calls& calls = {});

// The contract of engine.hpp on io_uring. Commands only queue; each turn enters the kernel once, which submits them, moves the bytes and
// brings the completions. A socket has one multishot receive, which takes from the loop's receive buffers, and at most one send in
// flight. Completions name the operation, the slot and its generation, never an address, and a slot stays until the kernel has completed
// all that it was asked for.
//   uring_engine.cpp  turns, the queues      receiving.cpp  from completion to on_bytes()      sending.cpp      closing.cpp  all ends
class uring_engine final : public kernel_engine {
 public:
  uring_engine(readiness set, std::unique_ptr<ring> queues, std::unique_ptr<receive_buffers> buffers);
  ~uring_engine() override;

  std::string_view name() const noexcept override { return "uring"; }
  std::size_t turn(instant until, instant& now) override;
  void submit() override;
  int descriptor() const noexcept override { return ring_->descriptor(); }
  bool pending() const noexcept override;

  using kernel_engine::close;
  void send(socket_id id, chain& bytes) override;
  void send_last(socket_id id, chain& bytes) override;
  bool take_sent(socket_id id) override;
  void pause_receiving(socket_id id) override;
  void resume_receiving(socket_id id) override;
  void close(socket_id id) override;
  void abort(socket_id id) override;
  std::size_t open_sockets() const noexcept override { return slots_.used() - gone_; }

  std::uint64_t system_calls() const noexcept override { return system_calls_ + ring_->enters(); }

 private:
  enum class op : std::uint8_t {
    readiness,
    receive,
    send,
    cancel,
    stop
  };

  void begin_receiving(std::uint32_t index, socket_slot& s) override;
  void settle(std::uint32_t, socket_slot&) override {}
  std::size_t begin_sending(socket_id id) override;
  std::size_t transfer(socket_id id, std::uint32_t events) override;
  void drain(std::uint32_t index, std::uint32_t events) override;
  std::size_t go_on(socket_id id) override;
  void release(std::uint32_t index) noexcept override;

  // uring_engine.cpp
  static std::uint64_t mark(op what, socket_id id = {0, 0}) noexcept;
  // The last word on an entry that has been filled in: whose it is.
  void sign(io_uring_sqe* entry, op what, std::uint32_t index, socket_slot& s) noexcept;
  void watch_readiness();
  std::size_t look_at_readiness();
  std::size_t complete(const io_uring_cqe& completion);

  // receiving.cpp
  bool wants_input(const socket_slot& s) const noexcept;
  void start_receiving(std::uint32_t index, socket_slot& s);
  void submit_receive(std::uint32_t index, socket_slot& s);
  void cancel_receive(std::uint32_t index, socket_slot& s);
  void feed();
  std::size_t received(socket_id id, int answer, std::uint32_t flags);
  std::size_t may_receive(socket_id id, int answer);
  std::size_t receive_now(socket_id id);
  void look_for_room(socket_id id);
  std::size_t arrived(socket_id id, std::uint16_t buffer, std::uint32_t size);
  bool has_share(socket_slot& s) const noexcept;
  std::size_t deliver(socket_id id, arrival bytes);
  arrival kept(arrival bytes);
  std::size_t settle(socket_id id);
  std::size_t fail(socket_id id, int error);

  // sending.cpp
  std::size_t send_now(int fd, const chain& bytes) noexcept;
  void submit_send(std::uint32_t index, socket_slot& s);
  std::size_t sent(socket_id id, int answer);

  // closing.cpp
  void discarded(socket_id id);
  void finish(std::uint32_t index);
  void drop_arrivals(socket_slot& s) noexcept;
  void free_if_completed(std::uint32_t index) noexcept;
  void end_all_operations() noexcept;
  void cancel_all_operations() noexcept;

  std::unique_ptr<ring> ring_;
  std::unique_ptr<receive_buffers> buffers_;
  arrivals arrivals_;
  send_room send_room_;
  waiting_line hungry_;                // got no buffer at all
  waiting_line fed_;                   // got some, and have handed them out
  std::size_t in_flight_ = 0;          // operations, of all sockets and the engine's own
  std::size_t gone_ = 0;
  std::uint16_t turn_ = 0;
  std::array<epoll_event, 64> events_;
};

}  // namespace hawser::inline v0::io
