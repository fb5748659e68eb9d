// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/spawned.hpp"

#include "common/clock.hpp"

#include <algorithm>
#include <cerrno>

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hawser::bench {

spawned spawned::start(const std::function<int()>& work) {
  const pid_t parent = ::getpid();
  const pid_t process = ::fork();
  if (process != 0) return spawned(process);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);   // the parent ended before the line above
  ::_exit(work());
}

spawned::~spawned() {
  if (process_ <= 0) return;
  ::kill(process_, SIGKILL);
  wait();
}

int spawned::wait() noexcept {
  if (process_ <= 0) return -1;
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0) {
    if (errno != EINTR) break;
  }
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::size_t read_until(int descriptor, void* to, std::size_t bytes, std::int64_t until_ns) noexcept {
  for (;;) {
    const auto left_ms = static_cast<int>(std::max<std::int64_t>((until_ns - now_ns()) / 1'000'000, 0));
    pollfd waits{descriptor, POLLIN, 0};
    const int ready = ::poll(&waits, 1, left_ms);
    if (ready == 0 || (ready < 0 && errno != EINTR)) return 0;
    if (ready < 0) continue;
    const ssize_t n = ::read(descriptor, to, bytes);
    if (n >= 0 || errno != EINTR) return n > 0 ? static_cast<std::size_t>(n) : 0;
  }
}

}  // namespace hawser::bench
