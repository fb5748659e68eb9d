// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "raw/frames.hpp"
#include "raw/sockets.hpp"

#include <cerrno>
#include <vector>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace hawser::bench::raw {

// Many sockets on epoll, level-triggered: one recv for each event. Counts its system calls into a tally, and failures too.
class poller {
 public:
  poller(const std::vector<int>& sockets, const job& of, tally& counted)
      : sockets_(sockets), sleeps_(of.wait == wait_mode::block), counted_(counted), poller_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
      epoll_event interest{};
      interest.events = EPOLLIN;
      interest.data.u64 = i;
      if (::epoll_ctl(poller_.get(), EPOLL_CTL_ADD, sockets_[i], &interest) != 0) counted_.fail("epoll_ctl");
    }
  }
  ~poller() { counted_.system_calls = system_calls_; }

  // Waits, then calls came(which, bytes, now) for each socket that has bytes and over(which) for each that has ended.
  template <class Came, class Over>
  void turn(Came&& came, Over&& over) {
    ++system_calls_;
    const int count = ::epoll_wait(poller_.get(), events_, events_per_turn, sleeps_ ? -1 : 0);
    if (count < 0 && errno != EINTR) counted_.fail("epoll_wait");
    const std::int64_t now = count > 0 ? now_ns() : 0;
    for (int i = 0; i < count; ++i) {
      const std::size_t which = events_[i].data.u64;
      ++system_calls_;
      const ssize_t n = ::recv(sockets_[which], room_, sizeof room_, MSG_DONTWAIT);
      if (n > 0) {
        came(which, bytes_view(room_, static_cast<std::size_t>(n)), now);
      } else if (n == 0 || errno == ECONNRESET) {
        ::epoll_ctl(poller_.get(), EPOLL_CTL_DEL, sockets_[which], nullptr);
        over(which);
      } else if (errno != EAGAIN && errno != EINTR) {
        counted_.fail("recv");
      }
    }
  }

  // All of it, at once: what the work has under way on a socket fits into the kernel's buffers.
  void send(std::size_t which, bytes_view bytes) {
    ++system_calls_;
    if (::send(sockets_[which], bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL) != std::ssize(bytes)) counted_.fail("send");
  }

 private:
  static constexpr int events_per_turn = 512;

  const std::vector<int>& sockets_;
  bool sleeps_;
  tally& counted_;
  descriptor poller_;
  std::uint64_t system_calls_ = 0;
  epoll_event events_[events_per_turn];
  std::byte room_[16 << 10];
};

}  // namespace hawser::bench::raw
