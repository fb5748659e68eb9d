// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/sockets.hpp"

#include <cerrno>
#include <string_view>
#include <system_error>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

namespace hawser::bench::raw {
namespace {

std::unexpected<std::string> failed(const char* call) { return std::unexpected(std::string(call) + ": " + std::generic_category().message(errno)); }

// An accepted socket inherits both from its listener, so that no byte is sent without them.
void prepare(int socket) {
  for (std::string_view name : {"cubic", "reno"}) {
    if (::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0) break;
  }
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

made_descriptor open_listener() {
  descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (listener.get() < 0) return failed("socket");
  prepare(listener.get());
  const sockaddr_in address = loopback(0);
  if (::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return failed("bind");
  if (::listen(listener.get(), 4096) != 0) return failed("listen");
  return listener;
}

std::uint16_t port_of(const descriptor& listener) {
  sockaddr_in address{};
  socklen_t bytes = sizeof address;
  return ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &bytes) == 0 ? ntohs(address.sin_port) : std::uint16_t{0};
}

made_descriptor accept_from(const descriptor& listener) {
  descriptor accepted(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (accepted.get() < 0) return failed("accept");
  return accepted;
}

made_descriptor connect_to(std::uint16_t port) {
  descriptor connected(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connected.get() < 0) return failed("socket");
  prepare(connected.get());
  const sockaddr_in address = loopback(port);
  if (::connect(connected.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return failed("connect");
  return connected;
}

void reset(int socket) {
  const sockaddr nobody{AF_UNSPEC, {}};
  ::connect(socket, &nobody, sizeof nobody);
}

}  // namespace hawser::bench::raw
