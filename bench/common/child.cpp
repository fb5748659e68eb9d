// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/child.hpp"

#include "common/clock.hpp"

#include <algorithm>
#include <cerrno>
#include <vector>

#include <fcntl.h>
#include <signal.h>
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
  spawned process = spawned::start([&] {
    ::signal(SIGPIPE, SIG_IGN);
    std::vector<int> kept(keep.begin(), keep.end());
    kept.push_back(ends[1]);
    close_all_but(std::move(kept));
    reporter report(ends[1]);
    return work(report);
  });
  const std::error_code failed(errno, std::generic_category());
  ::close(ends[1]);
  if (process) return child(std::move(process), ends[0]);
  ::close(ends[0]);
  return std::unexpected(failed);
}

child::~child() {
  if (pipe_ >= 0) ::close(pipe_);
}

bool child::read(void* to, std::size_t bytes, int timeout_ms) noexcept {
  char* at = static_cast<char*>(to);
  const std::int64_t until = now_ns() + std::int64_t{timeout_ms} * 1'000'000;
  while (bytes > 0) {
    const std::size_t n = read_until(pipe_, at, bytes, until);
    if (n == 0) return false;
    at += n;
    bytes -= n;
  }
  return true;
}

}  // namespace hawser::bench
