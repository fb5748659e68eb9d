// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/epoll/epoll_engine.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace hawser::io {
namespace {

// What is thrown away at once when a socket closes with input unread: into a bin of its own, because close() may be called by the very
// handler that looks at the receive buffer.
constexpr std::size_t bin_bytes = 16 * 1024;
constexpr int discards_per_event = 32;

}  // namespace

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
  const bool unacknowledged = s.tcp && sockets::has_unacknowledged(s.fd);
  end_sending(s);
  if (discard_input(s) || !unacknowledged) {
    release(index);
    return;
  }
  const bool watched = s.send_bytes != 0 && !s.sent;
  arm(index, s, EPOLLIN);
  if (!watched) set_alarm(after(now(), drain_limit), alarm_kind::drain_over, index, s.generation);
}

// True when nothing more can come: the other side has ended, or the connection is broken.
bool epoll_engine::discard_input(socket_slot& s) noexcept {
  std::byte bin[bin_bytes];
  for (int i = 0; i < discards_per_event && !s.end_seen; ++i) {
    const ssize_t count = ::recv(s.fd, bin, sizeof bin, MSG_DONTWAIT);
    if (count > 0) continue;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return false;
    s.end_seen = true;
  }
  return s.end_seen;
}

// Out of epoll by hand: after a fork() the other process still holds the descriptor, and close() would leave it there, reporting for ever.
void epoll_engine::release(std::uint32_t index) noexcept {
  disarm(*slots_.at(index));
  give_back(index);
}

}  // namespace hawser::io
