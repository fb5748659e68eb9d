// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/kernel/pieces.hpp"
#include "io/uring/uring_engine.hpp"

#include <hawser/base/contract.hpp>

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace hawser::inline v0::io {
namespace {

// Up to this size a copy is cheaper than another buffer for the ring.
constexpr std::uint32_t copied_bytes_max = 16 * 1024;

// So many times in a row no room: then the kernel receives again.
constexpr std::uint8_t asks_in_vain = 15;

// The receive has ended, the connection has not.
bool comes_again(int answer) noexcept {
  return answer == -ENOBUFS || answer == -ECANCELED || answer == -EINTR || answer == -EAGAIN || answer == -ENOMEM;
}

}  // namespace

bool uring_engine::wants_input(const socket_slot& s) const noexcept {
  if (s.end_seen || s.receive_error != 0) return false;
  if (s.phase == socket_phase::draining) return !s.gone;
  return s.phase == socket_phase::open && !s.paused && s.last_arrival == 0;
}

// The set has said that the socket is connected; from here on it would tell a reset ahead of what arrived.
void uring_engine::begin_receiving(std::uint32_t index, socket_slot& s) {
  disarm(s);
  start_receiving(index, s);
}

// Nobody is armed ahead of those who got nothing.
void uring_engine::start_receiving(std::uint32_t index, socket_slot& s) {
  if (s.receiving || s.starving || !wants_input(s)) return;
  if (hungry_.empty() || (s.asks != 0 && s.phase == socket_phase::open)) {
    submit_receive(index, s);
  } else {
    s.starving = true;
    fed_.push(id_of(index, s));
  }
}

void uring_engine::submit_receive(std::uint32_t index, socket_slot& s) {
  s.asking = s.asks != 0 && s.phase == socket_phase::open;
  if (!s.asking && !buffers_->filled()) buffers_->fill();
  io_uring_sqe* entry = ring_->next();
  if (s.asking) {
    io_uring_prep_poll_add(entry, s.fd, POLLIN | POLLRDHUP);
  } else {
    io_uring_prep_recv_multishot(entry, s.fd, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = receive_buffers::group;
  }
  sign(entry, op::receive, index, s);
  s.receiving = true;
  s.fed = false;
}

void uring_engine::cancel_receive(std::uint32_t index, socket_slot& s) {
  if (!s.receiving || s.cancelling) return;
  io_uring_sqe* entry = ring_->next();
  io_uring_prep_cancel64(entry, mark(op::receive, id_of(index, s)), 0);
  sign(entry, op::cancel, index, s);
  s.cancelling = true;
}

// Each socket that is armed here takes at least one buffer if it has input, so no more are armed than there are buffers; those who got
// nothing the last time come first, so that one who always has more cannot take everything again.
void uring_engine::feed() {
  for (std::size_t room = buffers_->with_kernel(); room > 0 && !(hungry_.empty() && fed_.empty());) {
    const socket_id id = (hungry_.empty() ? fed_ : hungry_).pop();
    socket_slot* s = slots_.find(id);
    if (!s) continue;
    s->starving = false;
    if (s->receiving || !wants_input(*s)) continue;
    submit_receive(id.index, *s);
    --room;
  }
}

// The answer to a question: the socket has something.
std::size_t uring_engine::may_receive(socket_id id, int answer) {
  socket_slot* s = slots_.at(id.index);
  s->receiving = s->asking = false;
  if (answer < 0 && !comes_again(answer)) s->receive_error = static_cast<std::uint16_t>(-answer);
  if (s->phase == socket_phase::draining) discarded(id);
  std::size_t done = 0;
  if (answer > 0 && told(id) && !s->paused) done = receive_now(id);
  return told(id) ? done + settle(id) : done;
}

// Until there is nothing more, or the turn's share is used up; then it is asked again. In order, because nothing else of the socket is armed
// and all that arrived before is handed out.
std::size_t uring_engine::receive_now(socket_id id) {
  std::size_t done = 0;
  bool in_rooms = false;
  for (std::size_t share = receive_share_bytes; share >= receive_bytes_min;) {
    const receipt got = receive_once(*slots_.at(id.index), share);
    in_rooms = in_rooms || got.in_room;
    socket_slot* s = told(id);
    if (got.bytes > 0) {
      ++done;
      if (!s || s->paused) return done;
      if (!got.full) break;
      continue;
    }
    if (got.bytes < 0 && errno == EINTR) continue;
    if (got.bytes == 0) s->end_seen = true;
    else if (errno != EAGAIN && errno != EWOULDBLOCK) s->receive_error = static_cast<std::uint16_t>(errno);
    break;
  }
  socket_slot* s = slots_.at(id.index);
  s->asks = in_rooms ? asks_in_vain : static_cast<std::uint8_t>(s->asks - 1);
  return done;
}

std::size_t uring_engine::received(socket_id id, int answer, std::uint32_t flags) {
  socket_slot* s = slots_.at(id.index);
  if (s->asking) return may_receive(id, answer);
  if ((flags & IORING_CQE_F_MORE) == 0) s->receiving = false;
  const bool filled = (flags & IORING_CQE_F_BUFFER) != 0;
  const auto buffer = static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
  if (filled) buffers_->taken(buffer);
  const bool useful = filled && answer > 0 && s->phase == socket_phase::open;
  if (filled && !useful) buffers_->give_back(buffer);
  std::size_t done = 0;
  if (useful) {
    s->fed = true;
    done = arrived(id, buffer, static_cast<std::uint32_t>(answer));
    s = slots_.find(id);
    if (!s) return done;
  }
  if (s->receiving) return done;
  if (answer == 0) s->end_seen = true;
  if (answer < 0 && !comes_again(answer)) s->receive_error = static_cast<std::uint16_t>(-answer);
  if (answer == -ENOBUFS && !s->starving && wants_input(*s)) {
    s->starving = true;
    (s->fed ? fed_ : hungry_).push(id);
  }
  if (s->phase == socket_phase::draining) discarded(id);
  return told(id) ? done + settle(id) : done;
}

bool uring_engine::has_share(socket_slot& s) const noexcept {
  if (s.heard_in != turn_) {
    s.heard_in = turn_;
    s.heard = 0;
  }
  return s.heard < receives_per_turn;
}

std::size_t uring_engine::arrived(socket_id id, std::uint16_t buffer, std::uint32_t size) {
  socket_slot* s = slots_.at(id.index);
  arrival bytes{{}, size, buffer};
  if (!s->paused && s->last_arrival == 0 && has_share(*s)) return deliver(id, std::move(bytes));
  if (s->paused) {
    bytes = kept(std::move(bytes));
    cancel_receive(id.index, *s);
  } else {
    enqueue(id.index, *s);
  }
  arrivals_.push(s->last_arrival, std::move(bytes));
  return 0;
}

std::size_t uring_engine::deliver(socket_id id, arrival bytes) {
  socket_slot* s = slots_.at(id.index);
  ++s->heard;
  const bool own = bytes.buffer == arrival::none;
  const chunk& segment = own ? bytes.own : buffers_->at(bytes.buffer);
  {
    const lending lent(*pool_, segment);
    s->events->on_bytes({segment.data(), bytes.size});
  }
  if (!own) buffers_->give_back(bytes.buffer);
  if (bytes.size >= much_bytes) look_for_room(id);
  return 1;
}

// Of those who receive much some know where it belongs. The kernel's receive, which does not, ends for them.
void uring_engine::look_for_room(socket_id id) {
  socket_slot* s = told(id);
  if (!s || s->paused || s->asks != 0 || (s->events->poll_room().empty() && !s->events->expects_room())) return;
  s->asks = asks_in_vain;
  cancel_receive(id.index, *s);
}

// For a socket that is paused, for who knows how long: a receive buffer would be missing to everybody.
arrival uring_engine::kept(arrival bytes) {
  if (bytes.buffer == arrival::none) return bytes;
  chunk& filled = buffers_->at(bytes.buffer);
  arrival out{{}, bytes.size, arrival::none};
  if (bytes.size <= copied_bytes_max) {
    out.own = pool_->copy({filled.data(), bytes.size});
  } else {
    out.own = std::exchange(filled, chunk());
    out.own.grow(bytes.size);
  }
  buffers_->give_back(bytes.buffer);
  return out;
}

// What a socket has to say behind all that arrived; or else it receives again.
std::size_t uring_engine::settle(socket_id id) {
  socket_slot* s = slots_.at(id.index);
  if (s->paused || s->last_arrival != 0 || s->phase != socket_phase::open) return 0;
  const bool over = s->end_seen || s->receive_error != 0;
  // Of a send that meets a broken connection only receiving knows why it broke.
  if (over && s->error != 0) return fail(id, s->error == EPIPE && s->receive_error != 0 ? s->receive_error : s->error);
  if (s->receive_error != 0) return fail(id, s->receive_error);
  if (!s->end_seen) {
    start_receiving(id.index, *s);
    return 0;
  }
  if (s->end_told) {
    // A reset is still to be told, and no operation is there to meet it. Most are closed before this is asked.
    if (!s->end_watched) arm(id.index, *s, 0);
    s->end_watched = true;
    return 0;
  }
  s->end_told = true;
  s->events->on_end();
  s = told(id);
  if (s) enqueue(id.index, *s);
  return 1;
}

std::size_t uring_engine::fail(socket_id id, int error) {
  drop_arrivals(*slots_.at(id.index));
  return tell_failure(id, error);
}

std::size_t uring_engine::go_on(socket_id id) {
  socket_slot* s = slots_.at(id.index);
  if (s->paused && s->error != 0) return fail(id, s->error);
  std::size_t done = 0;
  if (s->sent) {
    done += tell_sent(id);
    s = told(id);
    if (!s) return done;
  }
  while (s->last_arrival != 0 && !s->paused && has_share(*s)) {
    done += deliver(id, arrivals_.pop(s->last_arrival));
    s = told(id);
    if (!s) return done;
  }
  if (s->last_arrival != 0 && !s->paused) enqueue(id.index, *s);
  return done + settle(id);
}

// The receive stays armed until something arrives: most sockets resume before.
void uring_engine::pause_receiving(socket_id id) {
  socket_slot* s = live(id);
  if (!s || s->paused) return;
  s->paused = true;
  arrivals_.for_each(s->last_arrival, [this](arrival& bytes) { bytes = kept(std::move(bytes)); });
  if (s->error != 0) enqueue(id.index, *s);      // a send has failed, and what arrived is waited for no longer
}

void uring_engine::resume_receiving(socket_id id) {
  socket_slot* s = live(id);
  if (!s || !s->paused) return;
  s->paused = false;
  if (s->phase != socket_phase::open) return;
  const bool has_news = s->last_arrival != 0 || s->receive_error != 0 || (s->end_seen && !s->end_told);
  if (has_news) {
    enqueue(id.index, *s);
  } else {
    start_receiving(id.index, *s);
  }
}

}  // namespace hawser::inline v0::io
