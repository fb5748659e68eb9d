// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/program.hpp"

#include "common/affinity.hpp"
#include "common/clock.hpp"
#include "common/process.hpp"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hawser::bench {

program::program(const std::vector<std::string>& command, int core) {
  int to[2], from[2];
  if (::pipe2(to, O_CLOEXEC) != 0) return;
  if (::pipe2(from, O_CLOEXEC) != 0) {
    ::close(to[0]);
    ::close(to[1]);
    return;
  }
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  const pid_t parent = ::getpid();
  process_ = ::fork();
  if (process_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(1);
    const pinned here(core);
    allow_many_descriptors();
    ::dup2(to[0], STDIN_FILENO);
    ::dup2(from[1], STDOUT_FILENO);
    ::execv(words.front(), words.data());
    ::_exit(127);
  }
  ::close(to[0]);
  ::close(from[1]);
  input_ = to[1];
  output_ = from[0];
}

program::~program() {
  close_input();
  if (output_ >= 0) ::close(output_);
  if (process_ > 0) {
    ::kill(process_, SIGKILL);
    wait();
  }
}

std::optional<std::string> program::line(int timeout_ms) {
  const std::int64_t until = now_ns() + std::int64_t{timeout_ms} * 1'000'000;
  for (;;) {
    if (const std::size_t end = read_.find('\n'); end != read_.npos) {
      std::string first = read_.substr(0, end);
      read_.erase(0, end + 1);
      return first;
    }
    pollfd waits{output_, POLLIN, 0};
    const auto left_ms = static_cast<int>(std::max<std::int64_t>((until - now_ns()) / 1'000'000, 0));
    const int ready = ::poll(&waits, 1, left_ms);
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return std::nullopt;
    char room[4096];
    const ssize_t n = ::read(output_, room, sizeof room);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return std::nullopt;
    read_.append(room, static_cast<std::size_t>(n));
  }
}

void program::close_input() noexcept {
  if (input_ >= 0) ::close(input_);
  input_ = -1;
}

int program::wait() noexcept {
  if (process_ <= 0) return -1;
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0) {
    if (errno != EINTR) break;
  }
  process_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace hawser::bench
