// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/process.hpp"

#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>

namespace hawser::bench {

void allow_many_descriptors() noexcept {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

void congestion_of_sockets(char (&name)[16]) noexcept {
  std::snprintf(name, sizeof name, "none");
  int found = 0;
  for (int descriptor = 3; descriptor < 1024 && found < 16; ++descriptor) {
    sockaddr_storage remote{};
    socklen_t remote_bytes = sizeof remote;
    if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&remote), &remote_bytes) != 0) continue;
    char one[16] = {};
    socklen_t bytes = sizeof one - 1;
    if (::getsockopt(descriptor, IPPROTO_TCP, TCP_CONGESTION, one, &bytes) != 0) continue;
    if (++found > 1 && std::strcmp(name, one) != 0) {
      std::snprintf(name, sizeof name, "mixed");
      return;
    }
    std::memcpy(name, one, sizeof one);
  }
}

memory memory_now() {
  memory now;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("RssAnon:")) now.resident_bytes = std::stoll(line.substr(8)) * 1024;
  }
  const struct mallinfo2 given = ::mallinfo2();
  now.allocated_bytes = static_cast<std::int64_t>(given.uordblks + given.hblkhd);
  return now;
}

}  // namespace hawser::bench
