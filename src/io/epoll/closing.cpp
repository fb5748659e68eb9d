// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/epoll/epoll_engine.hpp"

namespace hawser::inline v0::io {
void epoll_engine::close(socket_id id) {
  socket_slot* s = live(id);
  if (!s) return;
  const bool flows = s->phase == socket_phase::open || s->phase == socket_phase::accepted;
  if (!flows || s->error != 0) {
    release(id.index);
    return;
  }
  s->phase = socket_phase::draining;
  s->events = nullptr;
  s->paused = false;
  if (!s->sending) {
    finish(id.index);
    return;
  }
  // Input is thrown away meanwhile: the other side may be unable to take ours before it is rid of its own.
  arm(id.index, *s, wanted(*s));
  set_alarm(after(now(), drain_limit), alarm_kind::drain_over, id.index, id.generation);
}

void epoll_engine::abort(socket_id id) {
  socket_slot* s = live(id);
  if (!s) return;
  if (s->tcp) sockets::reset_on_close(s->fd);
  release(id.index);
}

// One event of a closed socket that still has something to bring out.
void epoll_engine::drain(std::uint32_t index, std::uint32_t events) {
  socket_slot& s = *slots_.at(index);
  const bool gone = discard_input(s);
  if (s.sending) {
    const bool writable = (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0;
    if (writable && pump(index, s)) {
      finish(index);
    } else if (s.error != 0 || (events & (EPOLLHUP | EPOLLERR)) != 0) {
      release(index);
    } else if (gone) {
      arm(index, s, wanted(s));
    }
    return;
  }
  if (gone || (events & (EPOLLHUP | EPOLLERR)) != 0) release(index);
}

// The kernel has all bytes. close(2) with input unread, or arriving later, answers with RST and drops what the other side has
// not acknowledged: so input is thrown away first, and while something is unacknowledged the socket stays.
void epoll_engine::finish(std::uint32_t index) {
  socket_slot& s = *slots_.at(index);
  const bool ended = discard_input(s);
  const bool unacknowledged = !ended && s.tcp && sockets::has_unacknowledged(s.fd);
  end_sending(s);
  if (!unacknowledged) {
    release(index);
    return;
  }
  const bool watched = s.send_bytes != 0 && !s.sent;
  arm(index, s, EPOLLIN);
  if (!watched) set_alarm(after(now(), drain_limit), alarm_kind::drain_over, index, s.generation);
}

// True when nothing more can come: the other side has ended, or the connection is broken.
bool epoll_engine::discard_input(socket_slot& s) noexcept {
  if (!s.end_seen) s.end_seen = sockets::discard_input(s.fd);
  return s.end_seen;
}

// Out of epoll by hand: after a fork() the other process still holds the descriptor, and close() would leave it there, reporting for ever.
void epoll_engine::release(std::uint32_t index) noexcept {
  disarm(*slots_.at(index));
  give_back(index);
}

}  // namespace hawser::inline v0::io
