// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/endpoint.hpp>
#include <hawser/io/engine.hpp>

#include <sys/socket.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>

// The socket system calls that both kernel engines need, with hawser's types and errors. Descriptors are plain ints here; who
// owns one says so.

namespace hawser::inline v0::io::sockets {

// A descriptor with an owner; -1: none.
class descriptor {
 public:
  descriptor() noexcept = default;
  explicit descriptor(int fd) noexcept : fd_(fd) {}
  descriptor(descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~descriptor();
  int get() const noexcept { return fd_; }
  int give_up() noexcept { return std::exchange(fd_, -1); }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

struct address {
  sockaddr_storage storage{};
  socklen_t size = sizeof(sockaddr_storage);
  sockaddr* raw() noexcept { return reinterpret_cast<sockaddr*>(&storage); }
  const sockaddr* raw() const noexcept { return reinterpret_cast<const sockaddr*>(&storage); }
  int family() const noexcept { return storage.ss_family; }
  std::uint16_t port() const noexcept;      // 0: of a family without ports
  bool loopback() const noexcept;
};

// Errors: address_invalid for names that are not resolved and for what is no endpoint.
result<address> to_address(const endpoint& where);
// IPv4 in IPv6's clothes comes out as IPv4. An unnamed unix socket, and what is unknown, gives family::none.
endpoint to_endpoint(const address& from);
endpoint local_of(int fd);
endpoint remote_of(int fd);

// A new non-blocking stream socket.
result<descriptor> open_stream(int family);
// Sets what the options ask for. Set on a listener, accepted sockets inherit all of it.
void apply(int fd, int family, const socket_options& options) noexcept;
// The same in two parts: what has to be set before a socket connects, and what may wait until the first bytes are out.
void apply_first(int fd, int family, const socket_options& options) noexcept;
void apply_later(int fd, std::uint32_t unsent_bytes_max, std::uint32_t unacked_ms_max) noexcept;
// Whether this machine's default congestion control is one that starves loopback streams (BBR).
bool default_congestion_is_bbr() noexcept;
// Cubic, or reno where cubic is not permitted.
void avoid_bbr(int fd) noexcept;

// A listening socket, and the file that it made.
struct listening {
  descriptor fd;
  endpoint local;
  int family = 0;
  std::string path;          // to remove at close; empty: none
  dev_t path_device = 0;     // the file is ours only while these are the same
  ino_t path_inode = 0;
};
// Errors: address_in_use, address_invalid, permission_denied, too_many_descriptors, or the system's.
result<listening> open_listener(const endpoint& where, const listen_options& options, const socket_options& accepted);
void remove_path(const listening& of) noexcept;

// SO_ERROR, which reading clears.
int take_error(int fd) noexcept;
std::uint16_t local_port(int fd) noexcept;
// A TCP connect to a free local port may meet itself (simultaneous open): nobody listens there.
bool joined_to_itself(int fd) noexcept;
// Bytes that the kernel has taken and the other side has not acknowledged.
bool has_unacknowledged(int fd) noexcept;
// Reads a few times and throws away what comes. True when nothing more can come: the other side has ended, or the connection is broken.
bool discard_input(int fd) noexcept;
// The next close() sends RST and drops what is queued.
void reset_on_close(int fd) noexcept;
// Sends RST now, whoever else holds the socket, and ends everything that waits for it. TCP only.
void reset_now(int fd) noexcept;

}  // namespace hawser::inline v0::io::sockets
