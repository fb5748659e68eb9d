// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/kernel/pieces.hpp"
#include "io/uring/uring_engine.hpp"

#include <cerrno>
#include <utility>

namespace hawser::inline v0::io {

// How much the socket takes now.
std::size_t uring_engine::send_now(int fd, const chain& bytes) noexcept {
  ++system_calls_;
  const ssize_t taken = send_pieces(fd, bytes, bytes.count());
  return taken > 0 ? static_cast<std::size_t>(taken) : 0;
}

// Much at once: the system call that submitting it with others would save is nothing beside the copy, and its sender can go on.
void uring_engine::send(socket_id id, chain& bytes) {
  socket_slot* s = begin_send(id, bytes);
  if (!s) return;
  if (s->phase == socket_phase::open && bytes.bytes() >= much_bytes) {
    bytes.drop_front(send_now(s->fd, bytes));
    if (bytes.empty()) {
      s->sent = true;
      enqueue(id.index, *s);
      return;
    }
  }
  s->sending.put(sends_, std::move(bytes));
  if (s->phase == socket_phase::open) submit_send(id.index, *s);
}

// Not while the socket is in the list of the ready for what arrived as well: it would be forgotten.
bool uring_engine::take_sent(socket_id id) {
  const socket_slot* s = live(id);
  return s && s->last_arrival == 0 && s->receive_error == 0 && !s->end_seen && kernel_engine::take_sent(id);
}

// At once, as a rule: so the FIN leaves with it, and no turn is needed to learn that it may.
void uring_engine::send_last(socket_id id, chain& bytes) {
  socket_slot* s = begin_send(id, bytes);
  if (!s) return;
  if (s->phase == socket_phase::open && bytes.count() == 1) {
    ++system_calls_;
    const ssize_t taken = send_pieces(s->fd, bytes, 1, MSG_MORE);
    if (taken > 0) bytes.drop_front(static_cast<std::size_t>(taken));
  }
  if (bytes.empty()) {
    s->sent = true;
    enqueue(id.index, *s);
  } else {
    s->sending.put(sends_, std::move(bytes));
    if (s->phase == socket_phase::open) submit_send(id.index, *s);
  }
  shutdown_sending(id);
}

std::size_t uring_engine::begin_sending(socket_id id) {
  socket_slot& s = *slots_.at(id.index);
  // What on_connected() sent is on its way.
  if (!s.send_submitted) submit_send(id.index, s);
  return 0;
}

// Without MSG_WAITALL: what the socket did not take is asked for again, so the kernel never moves a stubborn rest to a worker thread.
void uring_engine::submit_send(std::uint32_t index, socket_slot& s) {
  io_uring_sqe* entry = ring_->next();
  const chain& bytes = *s.sending;
  if (bytes.count() == 1) {
    io_uring_prep_send(entry, s.fd, bytes[0].data(), bytes[0].size(), MSG_NOSIGNAL);
  } else {
    io_uring_prep_sendmsg(entry, s.fd, send_room_.describe(bytes), MSG_NOSIGNAL);
  }
  sign(entry, op::send, index, s);
  s.send_submitted = true;
}

std::size_t uring_engine::sent(socket_id id, int answer) {
  socket_slot* s = slots_.at(id.index);
  s->send_submitted = false;
  if (s->gone || s->phase == socket_phase::failed) {
    s->sending.reset();
    return 0;
  }
  if (answer > 0) {
    s->sending->drop_front(static_cast<std::size_t>(answer));
    if (!s->sending->empty()) {
      submit_send(id.index, *s);
      return 0;
    }
    s->sending.reset();
    if (s->phase == socket_phase::open) return tell_sent(id);
    finish(id.index);
    return 0;
  }
  if (answer == -EINTR || answer == -EAGAIN) {
    submit_send(id.index, *s);
    return 0;
  }
  s->sending.reset();
  if (s->phase == socket_phase::draining) {
    release(id.index);
    return 0;
  }
  // Receiving ends, too, behind what has arrived: then the failure is told.
  s->error = answer == 0 ? EPIPE : -answer;
  ::shutdown(s->fd, SHUT_RD);
  enqueue(id.index, *s);
  return 0;
}

}  // namespace hawser::inline v0::io
