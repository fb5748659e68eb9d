// SPDX-License-Identifier: Apache-2.0 OR MIT
// One message at a time from another thread to one that sleeps in epoll_wait: onto a queue, and an eventfd that wakes.
#include "common/affinity.hpp"
#include "raw/queue.hpp"
#include "raw/sides.hpp"

#include <semaphore>
#include <thread>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

namespace hawser::bench::raw {
namespace {

class sleeper {
 public:
  sleeper(int socket, const job& of, tally& counted)
      : of_(of), socket_(socket), counted_(counted), measured_(of, counted), poller_(::epoll_create1(EPOLL_CLOEXEC)), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    for (const int one : {socket, event_.get()}) {
      epoll_event interest{};
      interest.events = EPOLLIN;
      interest.data.fd = one;
      if (::epoll_ctl(poller_.get(), EPOLL_CTL_ADD, one, &interest) != 0) counted_.fail("epoll_ctl");
    }
  }

  void run() {
    std::thread other([this] { produce(); });
    while (!is_over_ && !counted_.failed()) {
      if (const payload* message = between_.front()) {
        hand_on(*message);
        between_.taken();
        continue;
      }
      sleep_.announce();
      if (!between_.front()) wait();
      sleep_.retract();
    }
    is_over_ = true;
    answered_.release();
    other.join();
  }

 private:
  // The other thread.
  void produce() {
    const pinned there(of_.server_core);
    payload message;
    for (; !is_over_; ++message.sequence) {
      message.stamp_ns = now_after(silence_before_handover);
      if (!between_.push(message)) return;                   // it holds one at a time
      if (sleep_.is_to_be_woken()) ::eventfd_write(event_.get(), 1);
      answered_.acquire();
    }
  }

  void hand_on(const payload& message) {
    measured_.took(now_ns() - message.stamp_ns);
    counted_.sum += sum_of(&message);
    write_frame(frame_, &message);
    ++counted_.system_calls;
    if (::send(socket_, frame_, sizeof frame_, MSG_NOSIGNAL) != std::ssize(frame_)) counted_.fail("send");
  }

  void wait() {
    epoll_event ready[2];
    ++counted_.system_calls;
    const int count = ::epoll_wait(poller_.get(), ready, 2, -1);
    for (int i = 0; i < count; ++i) {
      ++counted_.system_calls;
      eventfd_t ignored = 0;
      if (ready[i].data.fd == event_.get()) ::eventfd_read(event_.get(), &ignored);
      else take_answer();
    }
  }

  void take_answer() {
    std::byte room[frame_bytes];
    if (::recv(socket_, room, sizeof room, 0) != std::ssize(room) || std::memcmp(room, frame_, sizeof room) != 0) return counted_.fail("a wrong answer");
    const std::int64_t now = now_ns();
    measured_.arrived(now, 1);
    is_over_ = measured_.is_over(now);
    answered_.release();
  }

  const job& of_;
  int socket_;
  tally& counted_;
  meter measured_;
  descriptor poller_, event_;
  queue between_;
  announced_sleep sleep_;
  std::byte frame_[frame_bytes];
  std::atomic<bool> is_over_ = false;
  std::counting_semaphore<2> answered_{0};
};

}  // namespace

void drive_handover(int socket, const job& of, tally& counted) {
  const descriptor owned(socket);
  sleeper(socket, of, counted).run();
}

}  // namespace hawser::bench::raw
