// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/epoll/epoll_engine.hpp"
#include "io/kernel/pieces.hpp"

#include <hawser/base/contract.hpp>

#include <cerrno>
#include <utility>

namespace hawser::inline v0::io {
namespace {

// Hands the kernel as much of the chain as it takes. 0: all of it; EAGAIN: the rest has to wait; else why it failed.
int write_out(int fd, chain& bytes, int flags, std::uint64_t& system_calls) noexcept {
  while (!bytes.empty()) {
    ++system_calls;
    const ssize_t taken = send_pieces(fd, bytes, bytes.count(), flags);
    if (taken < 0) {
      if (errno == EINTR) continue;
      return errno == EWOULDBLOCK ? EAGAIN : errno;
    }
    if (static_cast<std::size_t>(taken) == bytes.bytes()) {
      bytes.clear();
      return 0;
    }
    // A short write means that the socket is full: asking once more would only be told so.
    bytes.drop_front(static_cast<std::size_t>(taken));
    return EAGAIN;
  }
  return 0;
}

}  // namespace

void epoll_engine::send(socket_id id, chain& bytes) { begin_send_with(0, id, bytes); }

// What the kernel holds back because more is to come leaves together with the FIN.
void epoll_engine::send_last(socket_id id, chain& bytes) {
  begin_send_with(MSG_MORE, id, bytes);
  shutdown_sending(id);
}

void epoll_engine::begin_send_with(int flags, socket_id id, chain& bytes) {
  socket_slot* s = begin_send(id, bytes);
  if (!s) return;
  if (s->phase == socket_phase::connecting) {
    s->sending.put(sends_, std::move(bytes));
    return;
  }
  const int error = write_out(s->fd, bytes, flags, system_calls_);
  if (error == 0) {
    s->sent = true;
    enqueue(id.index, *s);
  } else if (error == EAGAIN) {
    s->sending.put(sends_, std::move(bytes));
    arm(id.index, *s, wanted(*s));
  } else {
    bytes.clear();
    s->error = error;
    enqueue(id.index, *s);
  }
}

// Goes on with the send in flight. True when it is done; a failure is left in the slot's error.
bool epoll_engine::pump(std::uint32_t index, socket_slot& s) {
  const int error = write_out(s.fd, *s.sending, 0, system_calls_);
  if (error == EAGAIN) {
    arm(index, s, wanted(s));
    return false;
  }
  s.sending.reset();
  if (error == 0) return true;
  s.error = error;
  if (s.phase != socket_phase::draining) enqueue(index, s);
  return false;
}

std::size_t epoll_engine::begin_sending(socket_id id) { return pump(id.index, *slots_.at(id.index)) ? tell_sent(id) : 0; }

// One event of an open socket: what came in, what may go out, and a hang-up that neither of them has explained.
std::size_t epoll_engine::transfer(socket_id id, std::uint32_t events) {
  socket_slot* s = slots_.at(id.index);
  std::size_t done = 0;
  const bool hang_up = (events & (EPOLLHUP | EPOLLERR)) != 0;
  // Reported although it was not wanted: then it is taken back.
  const bool unwanted = (events & EPOLLIN) != 0 && (wanted(*s) & EPOLLIN) == 0;
  if (((events & EPOLLIN) != 0 || hang_up) && !s->paused && !s->end_seen) {
    received outcome = received::all;
    done += receive(id, outcome);
    s = told(id);
    if (!s) return done;
    // The end has come with the last bytes.
    if ((events & EPOLLRDHUP) != 0 && outcome == received::all && s->error == 0 && !s->end_seen) {
      done += receive(id, outcome);
      s = told(id);
      if (!s) return done;
    }
  }
  if ((events & EPOLLOUT) != 0 || hang_up) {
    if (s->sending) {
      if (pump(id.index, *s)) {
        done += tell_sent(id);
        s = told(id);
        if (!s) return done;
      }
    } else if (s->armed & EPOLLOUT) {
      arm(id.index, *s, wanted(*s));
    }
  }
  if (unwanted && (s->armed & EPOLLIN) != 0) arm(id.index, *s, wanted(*s));
  if (hang_up && s->error == 0) done += hung_up(id, events);
  return done;
}

// A hang-up would be reported in every turn. With nothing left to read it is either an error to tell or the orderly end of both
// directions; while receiving is paused it waits for resume_receiving().
std::size_t epoll_engine::hung_up(socket_id id, std::uint32_t events) {
  socket_slot* s = slots_.at(id.index);
  if (s->end_seen && (events & EPOLLERR) != 0) {
    if (const int error = sockets::take_error(s->fd)) return tell_failure(id, error);
  }
  if (s->end_seen || s->paused) disarm(*s);
  return 0;
}

// Again only when all that was offered came back full: a second receive that finds nothing costs as much as one that finds something.
std::size_t epoll_engine::receive(socket_id id, received& outcome) {
  std::size_t done = 0;
  for (std::size_t share = receive_share_bytes; share >= receive_bytes_min;) {
    const receipt got = receive_once(*slots_.at(id.index), share);
    if (got.bytes > 0) {
      ++done;
      const socket_slot* s = told(id);
      if (!s || s->paused) {
        outcome = received::stopped;
        return done;
      }
      // A socket that has failed is read to its very end: nothing will report it again.
      if (!got.full && s->error == 0) return done;
      continue;
    }
    socket_slot* s = slots_.at(id.index);
    if (got.bytes == 0) {
      s->end_seen = true;
      if (s->error != 0) return done;      // the failure says it better
      s->events->on_end();
      return done + 1;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) return done;
    outcome = received::stopped;
    return done + tell_failure(id, errno);
  }
  outcome = received::more;
  return done;
}

void epoll_engine::pause_receiving(socket_id id) {
  if (socket_slot* s = live(id)) s->paused = true;
}

void epoll_engine::resume_receiving(socket_id id) {
  socket_slot* s = live(id);
  if (!s || !s->paused) return;
  s->paused = false;
  if (s->phase != socket_phase::open || s->end_seen) return;
  if (s->registered) arm(id.index, *s, wanted(*s));
  else settle_later(id.index, *s);
}

}  // namespace hawser::inline v0::io
