// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/uring/uring_engine.hpp"

#include <hawser/base/contract.hpp>

#include <poll.h>

#include <algorithm>

namespace hawser::inline v0::io {

std::expected<std::unique_ptr<uring_engine>, refusal> make_uring_engine(const ring_geometry& geometry, const ring_calls& calls) {
  auto set = make_readiness();
  if (!set) return std::unexpected(refusal{"the epoll set: " + set.error().message()});
  auto queues = ring::make(geometry, calls);
  if (!queues) return std::unexpected(queues.error());
  auto buffers = receive_buffers::make(**queues, geometry, calls);
  if (!buffers) return std::unexpected(buffers.error());
  return std::make_unique<uring_engine>(std::move(*set), std::move(*queues), std::move(*buffers));
}

uring_engine::uring_engine(readiness set, std::unique_ptr<ring> queues, std::unique_ptr<receive_buffers> buffers)
    : kernel_engine(std::move(set)), ring_(std::move(queues)), buffers_(std::move(buffers)) {
  watch_readiness();
}

// What an operation is, and the socket that it is about; the generation loses its highest bits.
std::uint64_t uring_engine::mark(op what, socket_id id) noexcept {
  return (std::uint64_t{static_cast<std::uint8_t>(what)} << 60) | (std::uint64_t{id.generation & 0x0fff'ffff} << 32) | id.index;
}

void uring_engine::sign(io_uring_sqe* entry, op what, std::uint32_t index, socket_slot& s) noexcept {
  entry->user_data = mark(what, id_of(index, s));
  ++s.in_flight;
  ++in_flight_;
}

void uring_engine::watch_readiness() {
  io_uring_sqe* entry = ring_->next();
  io_uring_prep_poll_add(entry, poller(), POLLIN);
  entry->user_data = mark(op::readiness);
  ++in_flight_;
}

// Asked for once more afterwards, and not for ever at once: so what is left over is reported again.
std::size_t uring_engine::look_at_readiness() {
  const std::size_t count = wait(events_, {}, true);
  std::size_t done = 0;
  for (std::size_t i = 0; i < count; ++i) done += dispatch(events_[i]);
  watch_readiness();
  return done;
}

bool uring_engine::pending() const noexcept {
  return ready_count() != 0 || !hungry_.empty() || !fed_.empty() || ring_->completions() != 0;
}

// What is ready without a completion gets at most half of the budget, so that it never keeps the network waiting. The first bytes of a
// connection that has just been made wait for one enter, not for two.
std::size_t uring_engine::turn(instant until, instant& now_out) {
  feed();
  settle_all();
  const std::size_t ready = std::min(ready_count(), turn_budget / 2);
  if (has_news()) {
    now_out = now();
    ++turn_;
    return hand_out(ready);
  }
  const bool look_only = pending() || until <= now_out;
  duration span = duration::zero();
  if (!look_only) span = until == never ? duration::max() : std::max(until - now(), duration(1));
  buffers_->publish();
  ring_->enter(span);
  if (ring_->unsubmitted() == 0) send_room_.clear();
  if (ring_->completions() == 0 && ready == 0) {
    if (!look_only) now_out = now();
    return 0;
  }
  now_out = now();
  ++turn_;
  std::size_t done = hand_out(ready);
  ring_->take(turn_budget - ready, [&](const io_uring_cqe& completion) { done += complete(completion); });
  drop_receive_buffer();
  return done;
}

void uring_engine::submit() {
  settle_all();
  buffers_->publish();
  if (ring_->unsubmitted() == 0) return;
  ring_->submit();
  if (ring_->unsubmitted() == 0) send_room_.clear();
}

std::size_t uring_engine::complete(const io_uring_cqe& completion) {
  const op what = static_cast<op>(completion.user_data >> 60);
  const bool last = (completion.flags & IORING_CQE_F_MORE) == 0;
  if (last) --in_flight_;
  if (what == op::readiness) return look_at_readiness();
  if (what == op::stop) return 0;
  const auto index = static_cast<std::uint32_t>(completion.user_data);
  socket_slot* s = slots_.at(index);
  HAWSER_EXPECTS(s && completion.user_data == mark(what, id_of(index, *s)), "a completion outlives its socket");
  const socket_id id = id_of(index, *s);
  if (last) --s->in_flight;
  std::size_t done = 0;
  if (what == op::receive) {
    done = received(id, completion.res, completion.flags);
  } else if (what == op::send) {
    done = sent(id, completion.res);
  } else {
    s->cancelling = false;
  }
  free_if_completed(index);
  return done;
}

// A socket that is in the set while it is open has ended its input; a hang-up is then either an error to tell or the orderly end of
// both directions.
std::size_t uring_engine::transfer(socket_id id, std::uint32_t events) {
  socket_slot* s = slots_.at(id.index);
  disarm(*s);
  if ((events & EPOLLERR) == 0) return 0;
  const int error = sockets::take_error(s->fd);
  return error != 0 ? fail(id, error) : 0;
}

}  // namespace hawser::inline v0::io
