// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/program.hpp"

#include "common/affinity.hpp"
#include "common/clock.hpp"
#include "common/process.hpp"

#include <fcntl.h>
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
  process_ = spawned::start([&] {
    const pinned here(core);
    allow_many_descriptors();
    ::dup2(to[0], STDIN_FILENO);
    ::dup2(from[1], STDOUT_FILENO);
    ::execv(words.front(), words.data());
    return 127;
  });
  ::close(to[0]);
  ::close(from[1]);
  input_ = to[1];
  output_ = from[0];
}

program::~program() {
  close_input();
  if (output_ >= 0) ::close(output_);
}

std::optional<std::string> program::line(int timeout_ms) {
  const std::int64_t until = now_ns() + std::int64_t{timeout_ms} * 1'000'000;
  for (;;) {
    if (const std::size_t end = read_.find('\n'); end != read_.npos) {
      std::string first = read_.substr(0, end);
      read_.erase(0, end + 1);
      return first;
    }
    char room[4096];
    const std::size_t n = read_until(output_, room, sizeof room, until);
    if (n == 0) return std::nullopt;
    read_.append(room, n);
  }
}

void program::close_input() noexcept {
  if (input_ >= 0) ::close(input_);
  input_ = -1;
}

}  // namespace hawser::bench
