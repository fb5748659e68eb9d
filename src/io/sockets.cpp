// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/sockets.hpp"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace hawser::inline v0::io::sockets {
namespace {

// Smaller buffers than this cost throughput (a fixed size switches autotuning off) and save nothing.
constexpr std::uint32_t buffer_bytes_min = 1 << 20;

void set_int(int fd, int level, int name, int value) noexcept { ::setsockopt(fd, level, name, &value, sizeof value); }

void set_buffer(int fd, int name, std::uint32_t bytes, bool exact) noexcept {
  if (bytes == 0) return;
  if (!exact) bytes = std::max(bytes, buffer_bytes_min);
  set_int(fd, SOL_SOCKET, name, static_cast<int>(std::min<std::uint32_t>(bytes, 1u << 30)));
}

std::unexpected<std::error_code> last_error() noexcept { return failure(error_from_errno(errno)); }

// True when a socket file stands at the address and nobody listens on it: its owner died without removing it.
bool is_stale(const address& at) noexcept {
  const auto* un = reinterpret_cast<const sockaddr_un*>(&at.storage);
  struct stat file {};
  if (un->sun_path[0] == '\0' || ::lstat(un->sun_path, &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  const descriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  return probe && ::connect(probe.get(), at.raw(), at.size) != 0 && errno == ECONNREFUSED;
}

// Between bind() and listen() a path looks as if its owner had died. Whoever listens on a path therefore locks its directory for that
// while, and only who holds the lock removes a stale file. Everybody may lock a directory that everybody may read (/tmp), so nobody waits
// for long.
class directory_lock {
 public:
  explicit directory_lock(const address& at) {
    const auto* un = reinterpret_cast<const sockaddr_un*>(&at.storage);
    if (at.family() != AF_UNIX || un->sun_path[0] == '\0') return;
    const std::string_view path = un->sun_path;
    const std::size_t slash = path.rfind('/');
    const std::string directory(slash == std::string_view::npos ? "." : path.substr(0, slash + 1));
    directory_ = descriptor(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int tries = 0; directory_ && tries < tries_max; ++tries) {
      if (::flock(directory_.get(), LOCK_EX | LOCK_NB) == 0) {
        held_ = true;
        return;
      }
      if (errno != EWOULDBLOCK && errno != EINTR) return;
      ::nanosleep(&pause, nullptr);
    }
  }
  // By hand: a process that was forked meanwhile has the descriptor, too.
  ~directory_lock() {
    if (held_) ::flock(directory_.get(), LOCK_UN);
  }
  directory_lock(const directory_lock&) = delete;
  directory_lock& operator=(const directory_lock&) = delete;
  bool held() const noexcept { return held_; }

 private:
  static constexpr int tries_max = 100;
  static constexpr timespec pause{0, 1'000'000};
  descriptor directory_;
  bool held_ = false;
};

int bind_or_errno(int fd, const address& at, bool may_remove) noexcept {
  if (::bind(fd, at.raw(), at.size) == 0) return 0;
  if (errno != EADDRINUSE || at.family() != AF_UNIX) return errno;
  if (!may_remove || !is_stale(at)) return EADDRINUSE;
  ::unlink(reinterpret_cast<const sockaddr_un*>(&at.storage)->sun_path);
  return ::bind(fd, at.raw(), at.size) == 0 ? 0 : errno;
}

result<listening> listen_at(const address& at, bool wildcard, const listen_options& options, const socket_options& accepted) {
  auto fd = open_stream(at.family());
  if (!fd) return failure(fd.error());
  listening made;
  made.fd = std::move(*fd);
  made.family = at.family();
  const int raw = made.fd.get();
  if (made.family != AF_UNIX) {
    set_int(raw, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options.reuse_port) set_int(raw, SOL_SOCKET, SO_REUSEPORT, 1);
  }
  if (made.family == AF_INET6) set_int(raw, IPPROTO_IPV6, IPV6_V6ONLY, wildcard && !options.ipv6_only ? 0 : 1);
  apply(raw, made.family, accepted);
  const directory_lock locked(at);
  if (const int error = bind_or_errno(raw, at, locked.held())) return failure(error_from_errno(error));
  if (made.family == AF_UNIX) {
    const auto* un = reinterpret_cast<const sockaddr_un*>(&at.storage);
    struct stat file {};
    if (un->sun_path[0] != '\0' && ::lstat(un->sun_path, &file) == 0) {
      made.path = un->sun_path;
      made.path_device = file.st_dev;
      made.path_inode = file.st_ino;
    }
  }
  if (::listen(raw, options.backlog) != 0) {
    const auto error = last_error();
    remove_path(made);
    return error;
  }
  made.local = local_of(raw);
  return made;
}

}  // namespace

descriptor::~descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

result<address> to_address(const endpoint& where) {
  address to;
  switch (where.kind()) {
    case endpoint::family::ipv4: {
      auto* in = reinterpret_cast<sockaddr_in*>(&to.storage);
      in->sin_family = AF_INET;
      in->sin_port = htons(where.port());
      std::memcpy(&in->sin_addr, where.address().data(), 4);
      to.size = sizeof(sockaddr_in);
      return to;
    }
    case endpoint::family::ipv6: {
      auto* in6 = reinterpret_cast<sockaddr_in6*>(&to.storage);
      in6->sin6_family = AF_INET6;
      in6->sin6_port = htons(where.port());
      in6->sin6_scope_id = where.scope();
      std::memcpy(&in6->sin6_addr, where.address().data(), 16);
      to.size = sizeof(sockaddr_in6);
      return to;
    }
    case endpoint::family::unix_path: {
      auto* un = reinterpret_cast<sockaddr_un*>(&to.storage);
      un->sun_family = AF_UNIX;
      std::memcpy(un->sun_path, where.name().data(), where.name().size());
      to.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + where.name().size());
      if (un->sun_path[0] == '@') {
        un->sun_path[0] = '\0';
      } else {
        ++to.size;
      }
      return to;
    }
    default:
      return failure(errc::address_invalid);
  }
}

endpoint to_endpoint(const address& from) {
  if (from.family() == AF_INET) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&from.storage);
    std::array<std::byte, 4> bytes;
    std::memcpy(bytes.data(), &in->sin_addr, 4);
    return endpoint::ipv4(bytes, ntohs(in->sin_port));
  }
  if (from.family() == AF_INET6) {
    const auto* in6 = reinterpret_cast<const sockaddr_in6*>(&from.storage);
    if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
      std::array<std::byte, 4> mapped;
      std::memcpy(mapped.data(), &in6->sin6_addr.s6_addr[12], 4);
      return endpoint::ipv4(mapped, ntohs(in6->sin6_port));
    }
    std::array<std::byte, 16> bytes;
    std::memcpy(bytes.data(), &in6->sin6_addr, 16);
    return endpoint::ipv6(bytes, ntohs(in6->sin6_port), in6->sin6_scope_id);
  }
  constexpr std::size_t path_at = offsetof(sockaddr_un, sun_path);
  if (from.family() != AF_UNIX || from.size <= path_at) return {};
  const auto* un = reinterpret_cast<const sockaddr_un*>(&from.storage);
  std::string path(un->sun_path, from.size - path_at);
  if (path[0] == '\0') {
    path[0] = '@';
  } else {
    path.resize(std::strlen(path.c_str()));
  }
  return endpoint::unix_path(path);
}

std::uint16_t address::port() const noexcept {
  if (family() == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&storage)->sin_port);
  return family() == AF_INET6 ? ntohs(reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_port) : std::uint16_t{0};
}

bool address::loopback() const noexcept {
  if (family() == AF_INET) return ntohl(reinterpret_cast<const sockaddr_in*>(&storage)->sin_addr.s_addr) >> 24 == 127;
  return family() == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6*>(&storage)->sin6_addr);
}

endpoint local_of(int fd) {
  address at;
  if (::getsockname(fd, at.raw(), &at.size) != 0) return {};
  return to_endpoint(at);
}

endpoint remote_of(int fd) {
  address at;
  if (::getpeername(fd, at.raw(), &at.size) != 0) return {};
  endpoint remote = to_endpoint(at);
  // The dialling end of a unix connection has no name: the path that it dialled says more than nothing.
  if (!remote.valid() && at.family() == AF_UNIX) return local_of(fd);
  return remote;
}

result<descriptor> open_stream(int family) {
  descriptor made(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!made) return last_error();
  return made;
}

void apply(int fd, int family, const socket_options& options) noexcept {
  apply_first(fd, family, options);
  if (family != AF_UNIX) apply_later(fd, options.unsent_bytes_max, options.unacked_ms_max);
}

void apply_first(int fd, int family, const socket_options& options) noexcept {
  set_buffer(fd, SO_SNDBUF, options.send_buffer_bytes, options.exact_buffers);
  set_buffer(fd, SO_RCVBUF, options.receive_buffer_bytes, options.exact_buffers);
  if (family != AF_UNIX) set_int(fd, IPPROTO_TCP, TCP_NODELAY, options.no_delay ? 1 : 0);
}

void apply_later(int fd, std::uint32_t unsent_bytes_max, std::uint32_t unacked_ms_max) noexcept {
  if (unsent_bytes_max) set_int(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, static_cast<int>(unsent_bytes_max));
  if (unacked_ms_max) set_int(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(unacked_ms_max));
}

bool default_congestion_is_bbr() noexcept {
  const descriptor probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  char name[16] = {};
  socklen_t size = sizeof name;
  if (!probe || ::getsockopt(probe.get(), IPPROTO_TCP, TCP_CONGESTION, name, &size) != 0) return false;
  return std::strncmp(name, "bbr", 3) == 0;
}

void avoid_bbr(int fd) noexcept {
  if (::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "cubic", 5) == 0) return;
  ::setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "reno", 4);
}

result<listening> open_listener(const endpoint& where, const listen_options& options, const socket_options& accepted) {
  const auto at = to_address(where);
  if (!at) return failure(at.error());
  auto made = listen_at(*at, where.wildcard(), options, accepted);
  if (made || where.kind() != endpoint::family::ipv6 || !where.wildcard() || options.ipv6_only) return made;
  // A machine without IPv6: every address is every IPv4 address.
  const std::error_code no_family = error_from_errno(EAFNOSUPPORT);
  if (made.error() != no_family && made.error() != error_from_errno(EADDRNOTAVAIL)) return made;
  const auto ipv4 = to_address(endpoint::ipv4({}, where.port()));
  return listen_at(*ipv4, true, options, accepted);
}

void remove_path(const listening& of) noexcept {
  struct stat file {};
  if (of.path.empty() || ::lstat(of.path.c_str(), &file) != 0) return;
  if (file.st_dev == of.path_device && file.st_ino == of.path_inode) ::unlink(of.path.c_str());
}

int take_error(int fd) noexcept {
  int error = 0;
  socklen_t size = sizeof error;
  return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 ? error : errno;
}

bool joined_to_itself(int fd) noexcept {
  address local;
  address remote;
  if (::getsockname(fd, local.raw(), &local.size) != 0 || ::getpeername(fd, remote.raw(), &remote.size) != 0) return false;
  return local.size == remote.size && std::memcmp(&local.storage, &remote.storage, local.size) == 0;
}

std::uint16_t local_port(int fd) noexcept {
  address local;
  return ::getsockname(fd, local.raw(), &local.size) == 0 ? local.port() : 0;
}

bool has_unacknowledged(int fd) noexcept {
  int bytes = 0;
  return ::ioctl(fd, SIOCOUTQ, &bytes) == 0 && bytes > 0;
}

// Into a bin of its own: the caller may be the very handler that looks at a receive buffer.
bool discard_input(int fd) noexcept {
  constexpr int reads_max = 32;
  std::byte bin[16 * 1024];
  for (int i = 0; i < reads_max; ++i) {
    const ssize_t count = ::recv(fd, bin, sizeof bin, MSG_DONTWAIT);
    if (count > 0 || (count < 0 && errno == EINTR)) continue;
    return count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  }
  return false;
}

void reset_now(int fd) noexcept {
  sockaddr nowhere{};
  nowhere.sa_family = AF_UNSPEC;
  ::connect(fd, &nowhere, sizeof nowhere);
}

void reset_on_close(int fd) noexcept {
  const linger at_once{1, 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

}  // namespace hawser::inline v0::io::sockets
