// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/uring/uring_engine.hpp"

#include <sys/socket.h>
#include <cerrno>

namespace hawser::inline v0::io {

void uring_engine::close(socket_id id) {
  socket_slot* s = live(id);
  if (!s) return;
  const bool flows = s->phase == socket_phase::open || s->phase == socket_phase::accepted;
  if (!flows || s->error != 0 || s->receive_error != 0) {
    release(id.index);
    return;
  }
  disarm(*s);
  drop_arrivals(*s);
  s->phase = socket_phase::draining;
  s->events = nullptr;
  s->paused = false;
  if (!s->sending) {
    finish(id.index);
    return;
  }
  // Input is thrown away meanwhile: the other side may be unable to take ours before it is rid of its own.
  start_receiving(id.index, *s);
  set_alarm(after(now(), drain_limit), alarm_kind::drain_over, id.index, id.generation);
}

void uring_engine::abort(socket_id id) {
  socket_slot* s = live(id);
  if (!s) return;
  if (s->tcp) {
    sockets::reset_on_close(s->fd);
    if (s->in_flight != 0) sockets::reset_now(s->fd);
  }
  release(id.index);
}

// A receive of a closed socket has ended; what it brought is thrown away.
void uring_engine::discarded(socket_id id) {
  socket_slot& s = *slots_.at(id.index);
  if (s.gone) return;
  if (s.receive_error != 0 || (s.end_seen && !s.sending)) {
    release(id.index);
  } else {
    start_receiving(id.index, s);
  }
}

// The kernel has all bytes. close(2) with input unread, or arriving later, answers with RST and drops what the other side has
// not acknowledged: so input is thrown away first, and while something is unacknowledged the socket stays.
void uring_engine::finish(std::uint32_t index) {
  socket_slot& s = *slots_.at(index);
  if (!s.end_seen) s.end_seen = sockets::discard_input(s.fd);
  const bool unacknowledged = !s.end_seen && s.tcp && sockets::has_unacknowledged(s.fd);
  end_sending(s);
  if (!unacknowledged) {
    release(index);
    return;
  }
  start_receiving(index, s);
  const bool timed = s.send_bytes != 0 && !s.sent;
  if (!timed) set_alarm(after(now(), drain_limit), alarm_kind::drain_over, index, s.generation);
}

void uring_engine::drain(std::uint32_t, std::uint32_t) {}      // a draining socket is in no set

void uring_engine::drop_arrivals(socket_slot& s) noexcept {
  while (s.last_arrival != 0) {
    const arrival bytes = arrivals_.pop(s.last_arrival);
    if (bytes.buffer != arrival::none) buffers_->give_back(bytes.buffer);
  }
}

// The descriptor stays while operations name it, queued ones included: its number must not mean another socket to them. Shutting
// down ends them all and tells the other side at once, which close(2) would not while the kernel holds the socket for them.
void uring_engine::release(std::uint32_t index) noexcept {
  socket_slot& s = *slots_.at(index);
  if (s.gone) return;
  disarm(s);
  drop_arrivals(s);
  s.phase = socket_phase::draining;
  s.events = nullptr;
  if (s.in_flight == 0) {
    give_back(index);
    return;
  }
  ::shutdown(s.fd, SHUT_RDWR);
  s.gone = true;
  ++gone_;
}

void uring_engine::free_if_completed(std::uint32_t index) noexcept {
  const socket_slot& s = *slots_.at(index);
  if (!s.gone || s.in_flight != 0) return;
  --gone_;
  give_back(index);
}

// In the thread that issued them, operations are cancelled and waited for. In another one (which may destroy the loop after its own has
// ended) they cannot be: there the sockets are shut down, and what is left of them goes with the ring. Either way the kernel touches no
// buffer once nobody enters.
void uring_engine::end_all_operations() noexcept {
  if (ring_->enterable()) cancel_all_operations();
  if (in_flight_ == 0) return;
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    const socket_slot& s = *slots_.at(i);
    if (s.phase != socket_phase::free && s.in_flight != 0) ::shutdown(s.fd, SHUT_RDWR);
  }
}

void uring_engine::cancel_all_operations() noexcept {
  io_uring_sqe* entry = ring_->next();
  io_uring_prep_cancel(entry, nullptr, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
  entry->user_data = mark(op::stop);
  ++in_flight_;
  for (const instant limit = after(now(), drain_limit); in_flight_ != 0 && now() < limit;) {
    const int answer = ring_->try_enter(std::chrono::milliseconds(10));
    if (answer < 0 && answer != -ETIME && answer != -EINTR) return;
    ring_->take(turn_budget, [this](const io_uring_cqe& completion) {
      if ((completion.flags & IORING_CQE_F_MORE) == 0) --in_flight_;
    });
  }
}

uring_engine::~uring_engine() {
  if (ring_->inherited()) {
    forget_listeners();      // what they made in the file system is the other process's
  } else {
    end_all_operations();
  }
  ring_.reset();
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_.at(i)->phase != socket_phase::free) give_back(i);
  }
}

}  // namespace hawser::inline v0::io
