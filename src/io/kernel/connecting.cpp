// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/kernel/kernel_engine.hpp"

#include <algorithm>
#include <cerrno>

namespace hawser::inline v0::io {
namespace {

// How long a dial waits for room in the backlog of a unix listener, which answers EAGAIN where TCP would queue.
constexpr duration backlog_pause = std::chrono::milliseconds(5);

// What is wrong on this side; the rest is the other side's answer and comes through on_failed().
bool is_local(int error) noexcept {
  switch (error) {
    case EADDRNOTAVAIL:      // no free port
    case EAFNOSUPPORT:
    case EINVAL:
    case EACCES:
    case EPERM:
    case ENOBUFS:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
      return true;
    default:
      return false;
  }
}

}  // namespace

result<socket_id> kernel_engine::connect(const endpoint& where, const socket_options& options, socket_events& events) {
  const auto to = sockets::to_address(where);
  if (!to) return failure(to.error());
  auto fd = sockets::open_stream(to->family());
  if (!fd) return failure(fd.error());
  sockets::apply_first(fd->get(), to->family(), options);
  if (bbr_ && options.loopback_congestion && where.loopback() && to->family() != AF_UNIX) sockets::avoid_bbr(fd->get());
  const socket_id id = slots_.take();
  socket_slot& s = *slots_.at(id.index);
  s.fd = fd->give_up();
  s.phase = socket_phase::connecting;
  s.tcp = to->family() != AF_UNIX;
  s.events = &events;
  if (s.tcp) {
    s.unsent_bytes_max = options.unsent_bytes_max;
    s.unacked_ms_max = options.unacked_ms_max;
  }
  const int error = begin_connect(id.index, s, *to);
  if (error == 0) return id;
  release(id.index);
  return failure(error_from_errno(error));
}

// 0, or the errno of a local failure.
int kernel_engine::begin_connect(std::uint32_t index, socket_slot& s, const sockets::address& to) {
  int error = ::connect(s.fd, to.raw(), to.size) == 0 ? 0 : errno;
  // On loopback the handshake is over when connect() returns, and asking once more says how it ended.
  if (error == EINPROGRESS && to.loopback()) {
    error = ::connect(s.fd, to.raw(), to.size) == 0 ? 0 : errno;
    if (error == EALREADY) error = EINPROGRESS;
  }
  if (error == 0 && s.tcp && sockets::local_port(s.fd) == to.port() && sockets::joined_to_itself(s.fd)) error = ECONNREFUSED;
  if (error == 0) {
    s.connected = news_ = true;
    enqueue(index, s);
    return 0;
  }
  if (error == EINPROGRESS || error == EINTR) {
    arm(index, s, EPOLLOUT);
    return 0;
  }
  if (error == EAGAIN && !s.tcp) {
    connecting_again_.emplace_back(id_of(index, s), to);
    set_alarm(after(now(), backlog_pause), alarm_kind::connect_again, index, s.generation);
    return 0;
  }
  if (is_local(error)) return error;
  // A path that is not there is a listener that is not there.
  s.error = error == ENOENT ? ECONNREFUSED : error;
  enqueue(index, s);
  return 0;
}

void kernel_engine::connect_again(socket_id id) {
  const auto waiting = std::ranges::find(connecting_again_, id, &std::pair<socket_id, sockets::address>::first);
  if (waiting == connecting_again_.end()) return;
  const sockets::address to = waiting->second;
  connecting_again_.erase(waiting);
  socket_slot* s = told(id);
  if (!s || s->phase != socket_phase::connecting) return;
  if (const int error = begin_connect(id.index, *s, to)) {
    s->error = error;
    enqueue(id.index, *s);
  }
}

std::size_t kernel_engine::finish_connect(socket_id id) {
  socket_slot* s = slots_.at(id.index);
  int error = 0;
  if (!s->connected) {
    error = sockets::take_error(s->fd);
    if (error == 0 && s->tcp && sockets::joined_to_itself(s->fd)) error = ECONNREFUSED;
  }
  if (error != 0) return tell_failure(id, error);
  s->connected = false;
  s->phase = socket_phase::open;
  begin_receiving(id.index, *s);
  settle_later(id.index, *s);
  s->events->on_connected();
  s = told(id);
  if (!s) return 1;
  // What was sent while it connected.
  if (s->sending && s->error == 0) return 1 + begin_sending(id);
  if (s->end_wanted && !s->sending) end_sending(*s);
  return 1;
}

}  // namespace hawser::inline v0::io
