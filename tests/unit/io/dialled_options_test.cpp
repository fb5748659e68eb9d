// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/io/loop.hpp>

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

// What is set on a socket that dials: some of it before it connects, the rest when its first bytes are out, all of it soon.

namespace hawser::io {
namespace {

struct dialling final : socket_events {
  void on_connected() override { connected = true; }
  void on_bytes(byte_view) override {}
  void on_end() override {}
  void on_sent(std::size_t) override { sent = true; }
  void on_failed(std::error_code reason) override { failed = reason; }
  bool connected = false, sent = false;
  std::error_code failed;
};

int open_listener(sockaddr_in& at) {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  EXPECT_EQ(::bind(made, reinterpret_cast<const sockaddr*>(&at), size), 0);
  EXPECT_EQ(::listen(made, 8), 0);
  EXPECT_EQ(::getsockname(made, reinterpret_cast<sockaddr*>(&at), &size), 0);
  return made;
}

// The descriptor of this process that is connected to that port.
int connected_to(const sockaddr_in& where) {
  rlimit most{};
  ::getrlimit(RLIMIT_NOFILE, &most);
  for (int fd = 3; fd < static_cast<int>(std::min<rlim_t>(most.rlim_cur, 1024)); ++fd) {
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 && peer.sin_family == AF_INET && peer.sin_port == where.sin_port) return fd;
  }
  return -1;
}

int option(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(fd, IPPROTO_TCP, name, &value, &size), 0);
  return value;
}

TEST(dialled_sockets, have_all_their_options_when_their_first_bytes_are_out) {
  for (const engine_choice choice : {engine_choice::epoll, engine_choice::automatic}) {
    loop on({.engine = choice});
    sockaddr_in where{};
    const int listener = open_listener(where);
    socket_options wanted;
    wanted.unsent_bytes_max = 77'000;
    wanted.unacked_ms_max = 12'345;
    dialling near;
    const auto id = on.engine().connect(endpoint::ipv4({std::byte{127}, std::byte{0}, std::byte{0}, std::byte{1}}, ntohs(where.sin_port)), wanted, near);
    ASSERT_TRUE(id);
    for (int turns = 0; !near.connected && turns < 1'000; ++turns) on.run_once(std::chrono::milliseconds(10));
    ASSERT_TRUE(near.connected) << near.failed.message();
    chain out(on.buffers());
    out.append(on.buffers().copy(as_bytes("hello")));
    on.engine().send(*id, out);
    for (int turns = 0; !near.sent && turns < 1'000; ++turns) on.run_once(std::chrono::milliseconds(10));
    ASSERT_TRUE(near.sent);
    const int fd = connected_to(where);
    ASSERT_GE(fd, 0);
    EXPECT_EQ(option(fd, TCP_NODELAY), 1);
    EXPECT_EQ(option(fd, TCP_NOTSENT_LOWAT), 77'000);
    EXPECT_EQ(option(fd, TCP_USER_TIMEOUT), 12'345);
    on.engine().close(*id);
    ::close(listener);
  }
}

}  // namespace
}  // namespace hawser::io
