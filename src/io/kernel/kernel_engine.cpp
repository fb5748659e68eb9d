// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/kernel/kernel_engine.hpp"
#include "io/kernel/pieces.hpp"

#include <hawser/base/contract.hpp>

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

namespace hawser::inline v0::io {
namespace {

// What an event is about: a socket's index, a listener's with listener_bit, or one of two descriptors of the engine's own. The
// generation stands in the upper half.
constexpr std::uint32_t waker_index = ~std::uint32_t{0};
constexpr std::uint32_t clock_index = waker_index - 1;

constexpr auto later_first = [](const auto& a, const auto& b) { return a.when > b.when; };

ssize_t receive_both(int fd, std::span<std::byte> room, std::span<std::byte> behind) noexcept {
  if (room.empty()) return ::recv(fd, behind.data(), behind.size(), MSG_DONTWAIT);
  iovec pieces[2] = {{room.data(), room.size()}, {behind.data(), behind.size()}};
  msghdr message{};
  message.msg_iov = pieces;
  message.msg_iovlen = behind.empty() ? 1 : 2;
  return ::recvmsg(fd, &message, MSG_DONTWAIT);
}

bool watch(int poller, int fd, std::uint32_t index) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = index;
  return ::epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) == 0;
}

timespec to_timespec(duration span) noexcept {
  const auto count = span.count();
  return {count / 1'000'000'000, count % 1'000'000'000};
}

void drain_counter(int fd) noexcept {
  std::uint64_t count = 0;
  while (::read(fd, &count, sizeof count) < 0 && errno == EINTR) {
  }
}

// EPIPE says that the connection was reset before; programs decide on one code.
std::error_code reason_of(int error) noexcept { return error_from_errno(error == EPIPE ? ECONNRESET : error); }

}  // namespace

result<readiness> make_readiness() {
  readiness made;
  made.poller = sockets::descriptor(::epoll_create1(EPOLL_CLOEXEC));
  if (!made.poller) return failure(error_from_errno(errno));
  made.waker = sockets::descriptor(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!made.waker) return failure(error_from_errno(errno));
  made.clock = sockets::descriptor(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!made.clock) return failure(error_from_errno(errno));
  if (!watch(made.poller.get(), made.waker.get(), waker_index) || !watch(made.poller.get(), made.clock.get(), clock_index)) {
    return failure(error_from_errno(errno));
  }
  return made;
}

kernel_engine::kernel_engine(readiness set) : readiness_(std::move(set)), bbr_(sockets::default_congestion_is_bbr()) {}

kernel_engine::~kernel_engine() {
  for (const auto& open : listeners_) {
    if (open) sockets::remove_path(open->socket);
  }
}

instant kernel_engine::now() noexcept {
  timespec reading{};
  ::clock_gettime(CLOCK_MONOTONIC, &reading);
  return instant(std::chrono::seconds(reading.tv_sec) + std::chrono::nanoseconds(reading.tv_nsec));
}

void kernel_engine::wake() noexcept {
  const std::uint64_t one = 1;
  // Full (2^64 - 2 wakes unread) is awake enough.
  while (::write(readiness_.waker.get(), &one, sizeof one) < 0 && errno == EINTR) {
  }
}

std::size_t kernel_engine::wait(std::span<epoll_event> room, instant until, bool look_only) noexcept {
  ++system_calls_;
  const auto found = [&] {
    const int most = static_cast<int>(room.size());
    if (look_only) return ::epoll_wait(poller(), room.data(), most, 0);
    if (until == never) return ::epoll_wait(poller(), room.data(), most, -1);
    const duration span = std::max(until - now(), duration::zero());
    const timespec limit = to_timespec(span);
    const int count = ::epoll_pwait2(poller(), room.data(), most, &limit, nullptr);
    if (count >= 0 || errno != ENOSYS) return count;
    // Linux before 5.11 knows milliseconds only; rounded up, so that the turn after it finds its timers due.
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(span).count();
    return ::epoll_wait(poller(), room.data(), most, static_cast<int>(std::min<std::int64_t>(ms, std::numeric_limits<int>::max())));
  }();
  return found > 0 ? static_cast<std::size_t>(found) : 0;
}

std::size_t kernel_engine::dispatch(const epoll_event& event) {
  const auto index = static_cast<std::uint32_t>(event.data.u64);
  const auto generation = static_cast<std::uint32_t>(event.data.u64 >> 32);
  if (index == waker_index) {
    ++system_calls_;
    drain_counter(readiness_.waker.get());
    return 0;
  }
  if (index == clock_index) {
    ++system_calls_;
    drain_counter(readiness_.clock.get());
    return sound_alarms(now());
  }
  if (index & listener_bit) {
    const std::uint32_t at = index & ~listener_bit;
    return find(listener_id{at, generation}) ? accept_some(at) : 0;
  }
  const socket_id id{index, generation};
  const socket_slot* s = slots_.find(id);
  if (!s) return 0;
  switch (s->phase) {
    case socket_phase::connecting:
      return finish_connect(id);
    case socket_phase::open:
      return transfer(id, event.events);
    case socket_phase::draining:
      drain(index, event.events);
      return 0;
    default:
      return 0;
  }
}

void kernel_engine::enqueue(std::uint32_t index, socket_slot& s) {
  if (s.queued) return;
  s.queued = true;
  ready_.push_back(id_of(index, s));
}

bool kernel_engine::dequeue_newest(socket_id id, socket_slot& s) noexcept {
  if (!s.queued || ready_.empty() || ready_.back() != id) return false;
  ready_.pop_back();
  s.queued = false;
  return true;
}

std::size_t kernel_engine::hand_out(std::size_t count) {
  if (count == 0) return 0;
  telling_.assign(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(count));
  ready_.erase(ready_.begin(), ready_.begin() + static_cast<std::ptrdiff_t>(count));
  std::size_t done = 0;
  for (const socket_id id : telling_) done += hand_out(id);
  return done;
}

// Tells what a socket has to say without a new event.
std::size_t kernel_engine::hand_out(socket_id id) {
  socket_slot* s = told(id);
  if (!s) return 0;
  s->queued = false;
  if (s->phase == socket_phase::open) return go_on(id);
  if (s->error != 0) return tell_failure(id, s->error);
  return s->connected ? finish_connect(id) : 0;
}

void kernel_engine::settle_some() {
  for (const socket_id id : unsettled_) {
    socket_slot* s = live(id);
    if (!s || s->phase != socket_phase::open) continue;
    if (s->unsent_bytes_max != 0 || s->unacked_ms_max != 0) {
      sockets::apply_later(s->fd, std::exchange(s->unsent_bytes_max, 0), std::exchange(s->unacked_ms_max, 0));
    }
    settle(id.index, *s);
  }
  unsettled_.clear();
}

socket_slot* kernel_engine::begin_send(socket_id id, chain& bytes) {
  socket_slot* s = live(id);
  if (!s || s->phase == socket_phase::failed || s->error != 0) {
    bytes.clear();
    return nullptr;
  }
  HAWSER_EXPECTS(s->phase != socket_phase::accepted, "send() before start()");
  HAWSER_EXPECTS(s->send_bytes == 0, "send() while a send is in flight");
  HAWSER_EXPECTS(!s->end_wanted, "send() after shutdown_sending()");
  HAWSER_EXPECTS(!bytes.empty(), "send() of nothing");
  s->send_bytes = bytes.bytes();
  return s;
}

bool kernel_engine::take_sent(socket_id id) {
  socket_slot* s = live(id);
  if (!s || !s->sent || s->error != 0 || s->phase != socket_phase::open || s->end_wanted != s->end_sent || !dequeue_newest(id, *s)) return false;
  s->sent = false;
  s->send_bytes = 0;
  return true;
}

kernel_engine::receipt kernel_engine::receive_once(socket_slot& s, std::size_t& share) {
  if (!receive_.unique()) receive_ = pool_->allocate(receive_buffer_bytes);
  std::span<std::byte> room = s.events->poll_room();
  room = room.first(std::min(room.size(), share));
  // Behind a room, or before one, little is read into the buffer: it would have to be copied.
  const bool little = !room.empty() || s.events->expects_room();
  const std::span<std::byte> behind(receive_.mutable_data(), std::min(little ? receive_bytes_min : receive_buffer_bytes, share - room.size()));
  ++system_calls_;
  const ssize_t answer = receive_both(s.fd, room, behind);
  if (answer <= 0) return {answer, false, false};
  const auto count = static_cast<std::size_t>(answer);
  const std::size_t in_room = std::min(count, room.size());
  share -= count;
  const lending lent(*pool_, receive_);
  if (room.empty()) s.events->on_bytes(behind.first(count));
  else s.events->on_filled(in_room, behind.first(count - in_room));
  const bool full = count == room.size() + behind.size();
  return {answer, full, !room.empty() || (little && full)};
}

// Whatever is wrong with the socket the next send(), or receiving, finds out.
std::size_t kernel_engine::try_send(socket_id id, std::span<const byte_view> pieces) {
  const socket_slot* s = live(id);
  if (!s || s->phase != socket_phase::open || s->error != 0 || s->send_bytes != 0 || s->end_wanted || pieces.empty() || pieces.size() > chain::slots) return 0;
  ++system_calls_;
  const ssize_t answer = send_pieces(s->fd, pieces, pieces.size());
  return answer > 0 ? static_cast<std::size_t>(answer) : 0;
}

std::size_t kernel_engine::tell_sent(socket_id id) {
  socket_slot* s = slots_.at(id.index);
  s->sent = false;
  const std::size_t bytes = std::exchange(s->send_bytes, 0);
  if (s->end_wanted) end_sending(*s);
  s->events->on_sent(bytes);
  return 1;
}

void kernel_engine::end_sending(socket_slot& s) noexcept {
  if (s.end_sent) return;
  s.end_sent = true;
  ++system_calls_;
  ::shutdown(s.fd, SHUT_WR);
}

void kernel_engine::shutdown_sending(socket_id id) {
  socket_slot* s = live(id);
  if (!s || s->end_wanted) return;
  s->end_wanted = true;
  if (s->phase == socket_phase::open && !s->sending && s->error == 0) end_sending(*s);
}

std::size_t kernel_engine::tell_failure(socket_id id, int error) {
  socket_slot* s = slots_.at(id.index);
  disarm(*s);
  if (!s->send_submitted) s->sending.reset();
  s->send_bytes = 0;
  s->sent = false;
  s->error = error;
  s->phase = socket_phase::failed;
  s->events->on_failed(reason_of(error));
  return 1;
}

socket_slot* kernel_engine::live(socket_id id) noexcept {
  socket_slot* s = slots_.find(id);
  return s && s->phase != socket_phase::draining ? s : nullptr;
}

socket_slot* kernel_engine::told(socket_id id) noexcept {
  socket_slot* s = live(id);
  return s && (s->phase == socket_phase::open || s->phase == socket_phase::connecting) ? s : nullptr;
}

// A registration that the kernel refuses (memory, its limit of watches) costs this connection.
void kernel_engine::arm(std::uint32_t index, socket_slot& s, std::uint8_t interests) {
  if (s.registered && s.armed == interests) return;
  epoll_event event{};
  event.events = interests;
  if (interests & EPOLLIN) event.events |= EPOLLRDHUP;
  event.data.u64 = (std::uint64_t{s.generation} << 32) | index;
  ++system_calls_;
  if (::epoll_ctl(poller(), s.registered ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, s.fd, &event) == 0) {
    s.registered = true;
    s.armed = interests;
    return;
  }
  if (s.error == 0) s.error = errno;
  if (s.phase != socket_phase::draining) enqueue(index, s);
}

// A hang-up is reported whatever the interests are; only a socket that epoll does not know is silent.
void kernel_engine::disarm(socket_slot& s) noexcept {
  if (!s.registered) return;
  ++system_calls_;
  ::epoll_ctl(poller(), EPOLL_CTL_DEL, s.fd, nullptr);
  s.registered = false;
  s.armed = 0;
}

void kernel_engine::set_alarm(instant when, alarm_kind kind, std::uint32_t index, std::uint32_t generation) {
  alarms_.push_back({when, kind, index, generation});
  std::ranges::push_heap(alarms_, later_first);
  reset_clock();
}

void kernel_engine::reset_clock() noexcept {
  const instant earliest = alarms_.empty() ? never : alarms_.front().when;
  if (earliest == clock_set_) return;
  clock_set_ = earliest;
  itimerspec setting{};
  if (earliest != never) setting.it_value = to_timespec(earliest.time_since_epoch());
  ++system_calls_;
  ::timerfd_settime(readiness_.clock.get(), TFD_TIMER_ABSTIME, &setting, nullptr);
}

std::size_t kernel_engine::sound_alarms(instant at) {
  clock_set_ = never;
  while (!alarms_.empty() && alarms_.front().when <= at) {
    std::ranges::pop_heap(alarms_, later_first);
    const alarm due = alarms_.back();
    alarms_.pop_back();
    const socket_id id{due.index, due.generation};
    switch (due.kind) {
      case alarm_kind::accept_again:
        accept_again(due.index, due.generation);
        break;
      case alarm_kind::connect_again:
        connect_again(id);
        break;
      case alarm_kind::drain_over:
        if (const socket_slot* s = slots_.find(id); s && s->phase == socket_phase::draining) {
          if (s->sending) sockets::reset_on_close(s->fd);
          release(id.index);
        }
        break;
    }
  }
  reset_clock();
  return 0;
}

void kernel_engine::give_back(std::uint32_t index) noexcept {
  ::close(slots_.at(index)->fd);
  slots_.give_back(index);
}

endpoint kernel_engine::local_endpoint(socket_id id) const {
  const socket_slot* s = slots_.find(id);
  return s ? sockets::local_of(s->fd) : endpoint{};
}

endpoint kernel_engine::remote_endpoint(socket_id id) const {
  const socket_slot* s = slots_.find(id);
  return s ? sockets::remote_of(s->fd) : endpoint{};
}

void kernel_engine::hand_over(socket_id id, socket_events& events) {
  socket_slot* s = live(id);
  if (s && s->phase != socket_phase::accepted) s->events = &events;
}

}  // namespace hawser::inline v0::io
