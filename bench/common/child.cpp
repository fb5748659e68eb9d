// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/child.hpp"

#include "common/clock.hpp"

#include <algorithm>
#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hawser::bench {

bool reporter::write(const void* from, std::size_t bytes) noexcept {
  const char* at = static_cast<const char*>(from);
  while (bytes > 0) {
    const ssize_t n = ::write(descriptor_, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<std::size_t>(n);
  }
  return true;
}

static void close_all_but(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned from = 3;
  for (int descriptor : keep) {
    const auto kept = static_cast<unsigned>(descriptor);
    if (kept < from) continue;
    if (kept > from) ::close_range(from, kept - 1, 0);
    from = kept + 1;
  }
  ::close_range(from, ~0u, 0);
}

std::expected<child, std::error_code> child::start(const std::function<int(reporter&)>& work, std::span<const int> keep) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return std::unexpected(std::error_code(errno, std::generic_category()));
  const pid_t parent = ::getpid();
  const pid_t process = ::fork();
  if (process < 0) {
    const std::error_code failed(errno, std::generic_category());
    ::close(ends[0]);
    ::close(ends[1]);
    return std::unexpected(failed);
  }
  if (process == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);  // the parent ended before the line above
    ::signal(SIGPIPE, SIG_IGN);
    std::vector<int> kept(keep.begin(), keep.end());
    kept.push_back(ends[1]);
    close_all_but(std::move(kept));
    reporter report(ends[1]);
    ::_exit(work(report));
  }
  ::close(ends[1]);
  return child(process, ends[0]);
}

child::~child() {
  if (pipe_ >= 0) ::close(pipe_);
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    wait();
  }
}

bool child::read(void* to, std::size_t bytes, int timeout_ms) noexcept {
  char* at = static_cast<char*>(to);
  const std::int64_t until = now_ns() + std::int64_t{timeout_ms} * 1'000'000;
  while (bytes > 0) {
    const std::int64_t left_ms = (until - now_ns()) / 1'000'000;
    pollfd waits{pipe_, POLLIN, 0};
    const int ready = ::poll(&waits, 1, static_cast<int>(std::max<std::int64_t>(left_ms, 0)));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const ssize_t n = ::read(pipe_, at, bytes);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    at += n;
    bytes -= static_cast<std::size_t>(n);
  }
  return true;
}

int child::wait() noexcept {
  if (process_ <= 0) return -1;
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0) {
    if (errno != EINTR) break;
  }
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace hawser::bench
