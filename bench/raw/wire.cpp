// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/wire.hpp"

#include <cerrno>

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace hawser::bench::raw {

static constexpr std::int64_t idle_limit_ns = 10'000'000'000;

wire::wire(int descriptor, wait_mode wait) : descriptor_(descriptor), wait_(wait) {
  if (wait == wait_mode::epoll_spin) {
    epoll_ = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event interest{};
    interest.events = EPOLLIN;
    if (epoll_ < 0 || ::epoll_ctl(epoll_, EPOLL_CTL_ADD, descriptor, &interest) != 0) failed(errno);
  }
  // A blocking side ends as well when the other one hangs; set in all modes, for finish() and the last bytes.
  const timeval limit{idle_limit_ns / 1'000'000'000, 0};
  ::setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(descriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
}

wire::~wire() {
  if (epoll_ >= 0) ::close(epoll_);
  ::close(descriptor_);
}

ssize_t wire::failed(int number) noexcept {
  error_ = std::error_code(number, std::generic_category());
  return -1;
}

// Counts turns that found nothing; the clock is read only now and then, so that it does not belong to what is measured.
bool wire::is_late() {
  if ((++idle_turns_ & 0xffff) != 0) return false;
  const std::int64_t now = now_ns();
  if (idle_since_ns_ == 0) idle_since_ns_ = now;
  if (now - idle_since_ns_ < idle_limit_ns) return false;
  failed(ETIMEDOUT);
  return true;
}

ssize_t wire::try_read(void* to, std::size_t bytes_max) {
  const ssize_t n = ::recv(descriptor_, to, bytes_max, MSG_DONTWAIT);
  if (n >= 0) {
    idle_turns_ = 0;
    idle_since_ns_ = 0;
    return n;
  }
  if (errno == EAGAIN || errno == EINTR) return -2;
  return failed(errno);
}

ssize_t wire::try_write(const void* from, std::size_t bytes) {
  const ssize_t n = ::send(descriptor_, from, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n >= 0) {
    idle_turns_ = 0;
    idle_since_ns_ = 0;
    return n;
  }
  if (errno == EAGAIN || errno == EINTR) return 0;
  return failed(errno);
}

ssize_t wire::read_some(void* to, std::size_t bytes_max) {
  if (wait_ == wait_mode::block) {
    for (;;) {
      const ssize_t n = ::recv(descriptor_, to, bytes_max, 0);
      if (n >= 0) return n;
      if (errno != EINTR) return failed(errno == EAGAIN ? ETIMEDOUT : errno);
    }
  }
  for (;;) {
    if (wait_ == wait_mode::epoll_spin) {
      epoll_event ready;
      while (::epoll_wait(epoll_, &ready, 1, 0) == 0) {
        if (is_late()) return -1;
      }
    }
    const ssize_t n = try_read(to, bytes_max);
    if (n != -2) return n;
    if (is_late()) return -1;
  }
}

bool wire::write_all(const void* from, std::size_t bytes) {
  const char* at = static_cast<const char*>(from);
  while (bytes > 0) {
    ssize_t n;
    if (wait_ == wait_mode::block) {
      n = ::send(descriptor_, at, bytes, MSG_NOSIGNAL);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return failed(errno == EAGAIN ? ETIMEDOUT : errno) == 0;
    } else {
      n = try_write(at, bytes);
      if (n < 0 || (n == 0 && is_late())) return false;
    }
    at += n;
    bytes -= static_cast<std::size_t>(n);
  }
  return true;
}

bool wire::wait_either() {
  if (wait_ != wait_mode::block) return !is_late();
  pollfd waits{descriptor_, POLLIN | POLLOUT, 0};
  const int ready = ::poll(&waits, 1, static_cast<int>(idle_limit_ns / 1'000'000));
  if (ready > 0 || (ready < 0 && errno == EINTR)) return true;
  failed(ready == 0 ? ETIMEDOUT : errno);
  return false;
}

void wire::finish() { ::shutdown(descriptor_, SHUT_WR); }

std::error_code echo(wire& to, server_report& report) {
  frame_reader in;
  frame_writer out;
  for (;;) {
    const ssize_t n = to.read_some(in.space(), in.space_bytes());
    if (n <= 0) return n == 0 ? std::error_code() : to.error();
    in.filled(static_cast<std::size_t>(n));
    report.bytes += static_cast<std::uint64_t>(n);
    while (const std::byte* payload = in.next()) {
      ++report.frames;
      report.sum += sum_of(payload);
      out.append(payload);                 // what was read fits: both buffers are of one size
    }
    if (in.is_broken()) return std::make_error_code(std::errc::bad_message);
    if (out.bytes() > 0) {
      if (!to.write_all(out.data(), out.bytes())) return to.error();
      out.taken(out.bytes());
    }
  }
}

}  // namespace hawser::bench::raw
