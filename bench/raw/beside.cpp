// SPDX-License-Identifier: Apache-2.0 OR MIT
// A ping and bulk on one connection, or that bulk alone: who writes by hand sends the ping ahead of the next block, and keeps short what the kernel holds.
#include "raw/sides.hpp"

#include <algorithm>
#include <cerrno>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>

namespace hawser::bench::raw {
namespace {

// Half of it halves the ping, and costs bulk a third.
constexpr int unsent_bytes_max = 16 << 10, received_bytes_max = 128 << 10;

void set(int socket, int level, int name, int value) { ::setsockopt(socket, level, name, &value, sizeof value); }

// Cuts what arrives into frames of any size; sums each and keeps its beginning, which is a whole ping.
class mixed_reader {
 public:
  // Calls frame(size, sum, first bytes) for each that ends here.
  template <class Frame>
  void feed(bytes_view bytes, Frame&& frame) {
    while (!bytes.empty()) {
      if (position_ < header_bytes) {
        const std::size_t step = std::min(header_bytes - position_, bytes.size());
        std::memcpy(reinterpret_cast<std::byte*>(&size_) + position_, bytes.data(), step);
        bytes = bytes.subspan(step);
        position_ += step;
        continue;
      }
      const std::size_t at = position_ - header_bytes;
      const bytes_view part = bytes.first(std::min(bytes.size(), size_ - at));
      if (at < sizeof begin_) std::memcpy(begin_ + at, part.data(), std::min(part.size(), sizeof begin_ - at));
      sum_.add(part);
      position_ += part.size();
      bytes = bytes.subspan(part.size());
      if (position_ < header_bytes + size_) return;
      position_ = 0;
      frame(size_, sum_.take(), begin_);
    }
  }

 private:
  std::uint32_t size_ = 0;
  std::size_t position_ = 0;
  std::byte begin_[payload_bytes];
  running_sum sum_;
};

// The client's turn at one socket: when it may write, the rest of what was begun, else a ping if one is due, else a block.
class writer {
 public:
  writer(int socket, const job& of, tally& counted) : socket_(socket), until_ns_(of.what == workload::alone ? end_of(of) : 0), counted_(counted), measured_(of, counted) {}

  void run(bool sleeps) {
    const descriptor poller(::epoll_create1(EPOLL_CLOEXEC));
    epoll_event interest{};
    interest.events = EPOLLIN | EPOLLOUT;
    if (::epoll_ctl(poller.get(), EPOLL_CTL_ADD, socket_, &interest) != 0) return counted_.fail("epoll_ctl");
    while (!counted_.failed() && !(is_over_ && rest_.empty() && !asked_)) {
      if (is_over_ && rest_.empty()) {                     // only the last answer is still to come
        interest.events = EPOLLIN;
        ::epoll_ctl(poller.get(), EPOLL_CTL_MOD, socket_, &interest);
      }
      epoll_event ready{};
      ++counted_.system_calls;
      if (::epoll_wait(poller.get(), &ready, 1, sleeps ? -1 : 0) <= 0) continue;
      if ((ready.events & EPOLLIN) != 0) take_answer();
      if ((ready.events & EPOLLOUT) != 0) write_on();
      if ((ready.events & (EPOLLERR | EPOLLHUP)) != 0) counted_.fail("the connection has ended");
    }
    counted_.count += blocks_.count();
  }

 private:
  void take_answer() {
    ++counted_.system_calls;
    const ssize_t n = ::recv(socket_, room_, sizeof room_, MSG_DONTWAIT);
    if (n <= 0) return errno == EAGAIN && n < 0 ? void() : counted_.fail("the connection has ended");
    in_.feed(bytes_view(room_, static_cast<std::size_t>(n)));
    while (const std::byte* answer = in_.next()) {
      if (!asked_ || std::memcmp(answer, &sent_, payload_bytes) != 0) return counted_.fail("a wrong answer");
      const std::int64_t now = now_ns();
      measured_.took(now - began_ns_);
      measured_.arrived(now, 1);
      is_over_ = measured_.is_over(now);
      ++sent_.sequence;
      asked_ = false;
      began_ns_ = now;                     // the next one is due from now on, whenever it gets its turn
    }
  }

  void write_on() {
    if (rest_.empty()) begin();
    if (rest_.empty()) return;
    ++counted_.system_calls;
    const ssize_t n = ::send(socket_, rest_.data(), rest_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n > 0) rest_ = rest_.subspan(static_cast<std::size_t>(n));
    else if (errno != EAGAIN && errno != EINTR) counted_.fail("send");
  }

  void begin() {
    is_over_ = is_over_ || (until_ns_ != 0 && now_ns() >= until_ns_);
    if (is_over_) return;
    if (!asked_ && until_ns_ == 0) {
      if (began_ns_ == 0) began_ns_ = now_ns();
      write_frame(ping_, &sent_);
      counted_.sum += sum_of(&sent_);
      asked_ = true;
      rest_ = ping_;
      return;
    }
    block_.clear();
    block_.append(blocks_.next(0).data());
    counted_.sum += blocks_.sum();
    rest_ = {block_.data(), block_.bytes()};
  }

  int socket_;
  std::int64_t until_ns_;                  // when there is no ping: nothing else ends it
  tally& counted_;
  meter measured_;
  frame_reader in_;
  payload sent_;
  bool asked_ = false, is_over_ = false;
  std::int64_t began_ns_ = 0;
  message_source blocks_{block_bytes_beside};
  frame_writer block_{block_bytes_beside};
  std::byte ping_[frame_bytes], room_[4096];
  bytes_view rest_;                        // of what was begun
};

}  // namespace

void serve_beside(int socket, const job& of, tally& counted) {
  set(socket, SOL_SOCKET, SO_RCVBUF, received_bytes_max);
  const auto with = make_socket_wire(socket, of, buffer_bytes);
  const auto bulk = std::make_unique<tally>();
  meter measured(of, *bulk);
  mixed_reader in;
  std::uint64_t pings = 0;
  for (bytes_view bytes = with->receive(); !bytes.empty(); bytes = with->receive()) {
    const std::int64_t now = now_ns();
    in.feed(bytes, [&](std::size_t size, std::uint64_t sum, const std::byte* begin) {
      counted.sum += sum;
      if (size == block_bytes_beside) return measured.arrived(now, 1);
      if (size != payload_bytes) return counted.fail("a frame of a wrong length");
      ++pings;
      std::byte answer[frame_bytes];
      write_frame(answer, begin);
      with->send(answer, sizeof answer);
    });
    if (counted.failed()) return;
  }
  counted.count = pings;
  add_blocks(*bulk, of, counted);
  counted.system_calls = with->system_calls();
  if (!with->failure().empty()) counted.fail(with->failure());
}

void drive_beside(int socket, const job& of, tally& counted) {
  const descriptor owned(socket);
  set(socket, IPPROTO_TCP, TCP_NOTSENT_LOWAT, unsent_bytes_max);
  writer(socket, of, counted).run(of.wait == wait_mode::block);
}

}  // namespace hawser::bench::raw
