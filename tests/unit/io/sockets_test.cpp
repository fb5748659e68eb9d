// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/sockets.hpp"

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <utility>

namespace {
// Runs once, in the midst of whoever listens next: after bind(), before listen().
std::function<void()> before_listen;
}  // namespace

// Stands before the C library's.
extern "C" int listen(int fd, int backlog) noexcept {
  if (before_listen) std::exchange(before_listen, nullptr)();
  return static_cast<int>(::syscall(SYS_listen, fd, backlog));
}

namespace hawser::io::sockets {
namespace {

int int_option(int fd, int level, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(::getsockopt(fd, level, name, &value, &size), 0);
  return value;
}

TEST(sockets, accepted_sockets_inherit_the_options_of_their_listener) {
  socket_options wanted;
  wanted.unsent_bytes_max = 77'000;
  wanted.unacked_ms_max = 12'345;
  const auto listener = open_listener("127.0.0.1:0", {}, wanted);
  ASSERT_TRUE(listener);
  const auto dial = open_stream(AF_INET);
  ASSERT_TRUE(dial);
  auto to = to_address(listener->local);
  static_cast<void>(::connect(dial->get(), to->raw(), to->size));
  pollfd ready{listener->fd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&ready, 1, 10'000), 1);
  const descriptor accepted(::accept4(listener->fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  ASSERT_TRUE(accepted);
  EXPECT_EQ(int_option(accepted.get(), IPPROTO_TCP, TCP_NODELAY), 1);
  EXPECT_EQ(int_option(accepted.get(), IPPROTO_TCP, TCP_NOTSENT_LOWAT), 77'000);
  EXPECT_EQ(int_option(accepted.get(), IPPROTO_TCP, TCP_USER_TIMEOUT), 12'345);
}

TEST(sockets, a_socket_that_met_itself_is_recognised) {
  const auto lonely = open_stream(AF_INET);
  ASSERT_TRUE(lonely);
  auto any = to_address("127.0.0.1:0");
  ASSERT_EQ(::bind(lonely->get(), any->raw(), any->size), 0);
  auto self = to_address(local_of(lonely->get()));
  static_cast<void>(::connect(lonely->get(), self->raw(), self->size));
  pollfd ready{lonely->get(), POLLOUT, 0};
  ASSERT_EQ(::poll(&ready, 1, 10'000), 1);
  ASSERT_EQ(take_error(lonely->get()), 0);
  EXPECT_TRUE(joined_to_itself(lonely->get()));

  const auto listener = open_listener("127.0.0.1:0", {}, {});
  const auto dial = open_stream(AF_INET);
  auto to = to_address(listener->local);
  static_cast<void>(::connect(dial->get(), to->raw(), to->size));
  pollfd joined{dial->get(), POLLOUT, 0};
  ASSERT_EQ(::poll(&joined, 1, 10'000), 1);
  EXPECT_FALSE(joined_to_itself(dial->get()));
}

TEST(sockets, addresses_know_their_port_and_whether_they_are_of_this_machine_alone) {
  for (const char* here : {"127.0.0.1:80", "127.9.9.9:80", "[::1]:80"}) {
    EXPECT_TRUE(to_address(here)->loopback()) << here;
    EXPECT_EQ(to_address(here)->port(), 80) << here;
  }
  for (const char* elsewhere : {"126.0.0.1:80", "0.0.0.0:80", "[::2]:80", "unix:/tmp/x"}) EXPECT_FALSE(to_address(elsewhere)->loopback()) << elsewhere;
  EXPECT_EQ(to_address("unix:/tmp/x")->port(), 0);
}

TEST(sockets, buffer_sizes_below_a_mebibyte_are_raised_unless_they_are_to_be_exact) {
  const auto clamped = open_stream(AF_UNIX);
  const auto exact = open_stream(AF_UNIX);
  socket_options small;
  small.send_buffer_bytes = 16 * 1024;
  apply(clamped->get(), AF_UNIX, small);
  small.exact_buffers = true;
  apply(exact->get(), AF_UNIX, small);
  EXPECT_EQ(int_option(exact->get(), SOL_SOCKET, SO_SNDBUF), 2 * 16 * 1024);
  EXPECT_GT(int_option(clamped->get(), SOL_SOCKET, SO_SNDBUF), 4 * 16 * 1024);
}

TEST(sockets, addresses_survive_the_way_to_the_system_and_back) {
  for (const char* text : {"10.1.2.3:80", "[2001:db8::1]:443", "[fe80::1%lo]:9", "unix:/a/b", "unix:@abstract"}) {
    const auto there = to_address(text);
    ASSERT_TRUE(there) << text;
    EXPECT_EQ(to_endpoint(*there), endpoint(text));
  }
  EXPECT_EQ(to_endpoint(*to_address("[::ffff:10.1.2.3]:80")), endpoint("10.1.2.3:80"));
  EXPECT_EQ(to_address("host.example:1").error(), errc::address_invalid);
}

class fresh_directory {
 public:
  fresh_directory() {
    std::string name = (std::filesystem::temp_directory_path() / "hawser-XXXXXX").string();
    if (::mkdtemp(name.data())) path_ = name;
    EXPECT_FALSE(path_.empty());
  }
  ~fresh_directory() { std::filesystem::remove_all(path_); }
  endpoint socket() const { return endpoint("unix:" + path_ + "/socket"); }

 private:
  std::string path_;
};

TEST(sockets, a_path_is_not_taken_from_a_listener_that_is_about_to_listen) {
  const fresh_directory directory;
  std::error_code second;
  bool asked = false;
  before_listen = [&] {
    asked = true;
    const auto taken = open_listener(directory.socket(), {}, {});
    if (!taken) second = taken.error();
  };
  const auto first = open_listener(directory.socket(), {}, {});
  ASSERT_TRUE(first);
  EXPECT_TRUE(asked);
  EXPECT_EQ(second, errc::address_in_use);
  const auto dial = open_stream(AF_UNIX);
  const auto to = to_address(directory.socket());
  EXPECT_EQ(::connect(dial->get(), to->raw(), to->size), 0) << "the path must still be the first one's";
}

TEST(sockets, a_path_whose_listener_died_is_taken_over) {
  const fresh_directory directory;
  { const auto died = open_listener(directory.socket(), {}, {}); ASSERT_TRUE(died); }
  const auto heir = open_listener(directory.socket(), {}, {});
  ASSERT_TRUE(heir);
  EXPECT_EQ(open_listener(directory.socket(), {}, {}).error(), errc::address_in_use);
}

TEST(sockets, a_loopback_socket_can_be_moved_off_bbr) {
  const auto one = open_stream(AF_INET);
  avoid_bbr(one->get());
  char name[16] = {};
  socklen_t size = sizeof name;
  ASSERT_EQ(::getsockopt(one->get(), IPPROTO_TCP, TCP_CONGESTION, name, &size), 0);
  EXPECT_TRUE(std::strcmp(name, "cubic") == 0 || std::strcmp(name, "reno") == 0) << name;
}

}  // namespace
}  // namespace hawser::io::sockets
