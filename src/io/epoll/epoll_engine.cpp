// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/epoll/epoll_engine.hpp"

#include <algorithm>

namespace hawser::inline v0::io {

result<std::unique_ptr<engine>> make_epoll_engine() {
  auto set = make_readiness();
  if (!set) return failure(set.error());
  return std::make_unique<epoll_engine>(std::move(*set));
}

epoll_engine::epoll_engine(readiness set) : kernel_engine(std::move(set)) {}

epoll_engine::~epoll_engine() {
  for (std::uint32_t i = 0; i < slots_.size(); ++i) {
    if (slots_.at(i)->phase != socket_phase::free) release(i);
  }
}

// What is ready without an event gets at most half of the budget, so that it never keeps the network waiting. The first bytes of a connection
// that has just been made do not wait for a look.
std::size_t epoll_engine::turn(instant until, instant& now_out) {
  settle_all();
  const std::size_t ready = std::min(ready_count(), turn_budget / 2);
  if (has_news()) {
    now_out = now();
    const std::size_t done = hand_out(ready);
    drop_receive_buffer();
    return done;
  }
  const bool look_only = ready != 0 || until <= now_out;
  const std::size_t count = wait(std::span(events_).first(turn_budget - ready), until, look_only);
  if (count == 0 && ready == 0) {
    if (!look_only) now_out = now();
    return 0;
  }
  now_out = now();
  std::size_t done = hand_out(ready);
  for (std::size_t i = 0; i < count; ++i) done += dispatch(events_[i]);
  drop_receive_buffer();
  return done;
}

// Sent, then failed, after what arrived before the failure: a turn's share at a time.
std::size_t epoll_engine::go_on(socket_id id) {
  socket_slot* s = slots_.at(id.index);
  std::size_t done = 0;
  if (s->sent) {
    done += tell_sent(id);
    s = told(id);
    if (!s) return done;
  }
  if (s->error == 0) return done;
  if (s->paused || s->end_seen) return done + tell_failure(id, s->error);
  received outcome = received::all;
  done += receive(id, outcome);
  s = told(id);
  if (!s) return done;
  if (outcome == received::more) {
    enqueue(id.index, *s);
    return done;
  }
  return done + tell_failure(id, s->error);
}

std::uint8_t epoll_engine::wanted(const socket_slot& s) const noexcept {
  std::uint8_t interests = 0;
  if (!s.end_seen && !s.paused) interests |= EPOLLIN;
  if (s.sending) interests |= EPOLLOUT;
  return interests;
}

}  // namespace hawser::inline v0::io
