// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/kernel/kernel_engine.hpp"

#include <hawser/base/contract.hpp>
#include <hawser/base/log.hpp>

#include <algorithm>
#include <cerrno>

namespace hawser::inline v0::io {
namespace {

constexpr std::size_t accepts_per_event = 16;
constexpr std::uint8_t events_before_more = 8;
constexpr duration accept_pause = std::chrono::milliseconds(100);

// The machine is out of something; everything else that accept() answers concerns the one connection that is already gone.
bool is_exhaustion(int error) noexcept { return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS; }

bool watch_listener(int poller, int operation, int fd, std::uint32_t mark, std::uint32_t generation, std::uint32_t interests) noexcept {
  epoll_event event{};
  event.events = interests;
  event.data.u64 = (std::uint64_t{generation} << 32) | mark;
  return ::epoll_ctl(poller, operation, fd, &event) == 0;
}

}  // namespace

kernel_engine::listener* kernel_engine::find(listener_id id) noexcept {
  if (id.index >= listeners_.size()) return nullptr;
  listener* found = listeners_[id.index].get();
  return found && found->generation == id.generation ? found : nullptr;
}

result<listener_id> kernel_engine::listen(const endpoint& where, const listen_options& options, const socket_options& accepted,
                                         listener_events& events) {
  auto opened = sockets::open_listener(where, options, accepted);
  if (!opened) return failure(opened.error());
  std::uint32_t index = 0;
  while (index < listeners_.size() && listeners_[index]) ++index;
  if (index == listeners_.size()) listeners_.emplace_back();
  const std::uint32_t generation = ++listener_generation_;
  if (!watch_listener(poller(), EPOLL_CTL_ADD, opened->fd.get(), index | listener_bit, generation, EPOLLIN)) {
    const int error = errno;
    sockets::remove_path(*opened);
    return failure(error_from_errno(error));
  }
  auto made = std::make_unique<listener>();
  made->socket = std::move(*opened);
  made->events = &events;
  made->generation = generation;
  const bool tcp = made->socket.family != AF_UNIX;
  made->loopback_congestion = tcp && bbr_ && accepted.loopback_congestion;
  if (made->loopback_congestion && where.loopback()) {
    sockets::avoid_bbr(made->socket.fd.get());      // what it accepts has it from there
    made->loopback_congestion = false;
  }
  listeners_[index] = std::move(made);
  return listener_id{index, generation};
}

endpoint kernel_engine::local_endpoint(listener_id id) const {
  if (id.index >= listeners_.size()) return {};
  const listener* found = listeners_[id.index].get();
  return found && found->generation == id.generation ? found->socket.local : endpoint{};
}

void kernel_engine::close(listener_id id) {
  const listener* closing = find(id);
  if (!closing) return;
  sockets::remove_path(closing->socket);
  ::epoll_ctl(poller(), EPOLL_CTL_DEL, closing->socket.fd.get(), nullptr);   // as in release()
  listeners_[id.index].reset();
}

std::size_t kernel_engine::accept_some(std::uint32_t index) {
  const listener_id id{index, listeners_[index]->generation};
  std::size_t done = 0;
  std::size_t accepted_count = 0;
  // As many as came before, and more only after several events that had no fewer: to ask a listener that has no more costs as much as to
  // accept. What is left is reported again.
  const std::size_t most = listeners_[index]->expected;
  for (std::size_t tries = 0; tries < most; ++tries) {
    listener* from = find(id);
    if (!from) break;
    sockets::address remote_address;
    ++system_calls_;
    sockets::descriptor fd(
        ::accept4(from->socket.fd.get(), remote_address.raw(), &remote_address.size, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      const int error = errno;
      if (error == EAGAIN || error == EWOULDBLOCK) {
        from->expected = static_cast<std::uint8_t>(std::max<std::size_t>(accepted_count, 1));
        from->events_met = 0;
        break;
      }
      if (!is_exhaustion(error)) continue;
      return done + (accept_stumbled(index, error) ? 1 : 0);
    }
    from->stumbling = false;
    ++accepted_count;
    if (accepted_count == most && ++from->events_met == events_before_more) {
      from->expected = static_cast<std::uint8_t>(std::min(2 * most, accepts_per_event));
      from->events_met = 0;
    }
    endpoint remote = sockets::to_endpoint(remote_address);
    if (!remote.valid()) remote = from->socket.local;
    const bool tcp = from->socket.family != AF_UNIX;
    if (from->loopback_congestion && remote.loopback()) sockets::avoid_bbr(fd.get());
    const socket_id accepted = slots_.take();
    socket_slot& s = *slots_.at(accepted.index);
    s.fd = fd.give_up();
    s.phase = socket_phase::accepted;
    s.tcp = tcp;
    ++done;
    from->events->on_accept(accepted, remote);
    const socket_slot* after_call = slots_.find(accepted);
    HAWSER_EXPECTS(!after_call || after_call->phase != socket_phase::accepted,
                   "on_accept must answer start(), close() or abort()");
  }
  return done;
}

// The connection that could not be accepted stays in the backlog, so the listener would be reported in every turn: it is set
// aside until the pause is over. True when the owner was told.
bool kernel_engine::accept_stumbled(std::uint32_t index, int error) {
  listener& at = *listeners_[index];
  watch_listener(poller(), EPOLL_CTL_MOD, at.socket.fd.get(), index | listener_bit, at.generation, 0);
  set_alarm(after(now(), accept_pause), alarm_kind::accept_again, index, at.generation);
  if (at.stumbling) return false;
  at.stumbling = true;
  HAWSER_LOG(log_level::warning, log_part::io, {}, 0, "accepting on %s pauses for 100 ms: %s", at.socket.local.text().c_str(),
             error_from_errno(error).message().c_str());
  at.events->on_accept_error(error_from_errno(error));
  return true;
}

void kernel_engine::accept_again(std::uint32_t index, std::uint32_t generation) {
  listener* at = find(listener_id{index, generation});
  if (at) watch_listener(poller(), EPOLL_CTL_MOD, at->socket.fd.get(), index | listener_bit, generation, EPOLLIN);
}

void kernel_engine::start(socket_id id, socket_events& events) {
  socket_slot* s = live(id);
  if (!s) return;
  HAWSER_EXPECTS(s->phase == socket_phase::accepted, "start() is for a socket that was just accepted");
  s->phase = socket_phase::open;
  s->events = &events;
  begin_receiving(id.index, *s);
}

}  // namespace hawser::inline v0::io
