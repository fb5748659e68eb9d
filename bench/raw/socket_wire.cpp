// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/wire.hpp"

#include <cerrno>
#include <system_error>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace hawser::bench::raw {

bytes_view wire::failed(const char* call, int error) {
  if (failure_.empty()) failure_ = std::string(call) + ": " + std::generic_category().message(error);
  return {};
}

namespace {

class socket_wire final : public wire {
 public:
  socket_wire(int descriptor, const job& of, std::size_t receive_bytes)
      : descriptor_(descriptor), sleeps_(of.wait == wait_mode::block), room_(new std::byte[receive_bytes]), room_bytes_(receive_bytes) {
    if (of.engine != engine_kind::epoll) return;
    poller_ = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event interest{};
    interest.events = EPOLLIN;
    if (poller_ < 0 || ::epoll_ctl(poller_, EPOLL_CTL_ADD, descriptor, &interest) != 0) failed("epoll", errno);
  }
  ~socket_wire() override {
    if (poller_ >= 0) ::close(poller_);
    ::close(descriptor_);
  }

  bytes_view receive() override {
    while (!ended()) {
      if (poller_ >= 0 && !wait_for_epoll()) return {};
      if (const ssize_t n = receive_once(sleeps_ ? 0 : MSG_DONTWAIT); n > 0) return {room_.get(), static_cast<std::size_t>(n)};
    }
    return {};
  }

  bool send(const void* from, std::size_t bytes) override {
    const char* at = static_cast<const char*>(from);
    while (bytes > 0) {
      const ssize_t n = send_once(at, bytes, sleeps_ ? 0 : MSG_DONTWAIT);
      if (n < 0) return false;
      at += n;
      bytes -= static_cast<std::size_t>(n);
    }
    return true;
  }
  bool flush() override { return failure().empty(); }

  // While the kernel takes no more, answers have to be read, or both sides would wait.
  bytes_view exchange(frame_writer& out) override {
    while (out.bytes() > 0) {
      const ssize_t sent = send_once(out.data(), out.bytes(), MSG_DONTWAIT);
      if (sent < 0) return {};
      out.taken(static_cast<std::size_t>(sent));
      if (out.bytes() == 0) break;
      const ssize_t n = receive_once(MSG_DONTWAIT);
      if (n > 0) return {room_.get(), static_cast<std::size_t>(n)};
      if (ended()) return {};
      if (sleeps_) wait_for_either();
    }
    return receive();
  }

  void finish() override { ::shutdown(descriptor_, SHUT_WR); }
  std::uint64_t system_calls() const noexcept override { return system_calls_; }

 private:
  bool wait_for_epoll() {
    epoll_event ready;
    for (;;) {
      ++system_calls_;
      const int count = ::epoll_wait(poller_, &ready, 1, sleeps_ ? -1 : 0);
      if (count > 0) return true;
      if (count < 0 && errno != EINTR) return failed("epoll_wait", errno), false;
    }
  }

  // -1: nothing now, the end, or a failure.
  ssize_t receive_once(int flags) {
    ++system_calls_;
    const ssize_t n = ::recv(descriptor_, room_.get(), room_bytes_, flags);
    if (n > 0) return n;
    if (n == 0) ended_ = true;
    else if (errno != EAGAIN && errno != EINTR) failed("recv", errno);
    return -1;
  }

  // 0: nothing now.
  ssize_t send_once(const void* from, std::size_t bytes, int flags) {
    ++system_calls_;
    const ssize_t n = ::send(descriptor_, from, bytes, flags | MSG_NOSIGNAL);
    if (n >= 0) return n;
    if (errno == EAGAIN || errno == EINTR) return 0;
    failed("send", errno);
    return -1;
  }

  void wait_for_either() {
    pollfd waits{descriptor_, POLLIN | POLLOUT, 0};
    ++system_calls_;
    if (::poll(&waits, 1, -1) < 0 && errno != EINTR) failed("poll", errno);
  }

  int descriptor_;
  int poller_ = -1;
  bool sleeps_;
  std::unique_ptr<std::byte[]> room_;
  std::size_t room_bytes_;
  std::uint64_t system_calls_ = 0;
};

}  // namespace

std::unique_ptr<wire> make_socket_wire(int descriptor, const job& of, std::size_t receive_bytes) {
  return std::make_unique<socket_wire>(descriptor, of, receive_bytes);
}

}  // namespace hawser::bench::raw
