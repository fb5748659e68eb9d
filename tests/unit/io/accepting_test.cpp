// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/io/loop.hpp>

#include <gtest/gtest.h>

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

// How often a listener is asked: finding nobody costs as much as accepting somebody.

namespace hawser::io {
namespace {

class accepting : public ::testing::Test, protected listener_events {
 protected:
  accepting() {
    auto made = on.engine().listen("127.0.0.1:0", {}, {}, *this);
    EXPECT_TRUE(made);
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    where.sin_port = htons(on.engine().local_endpoint(*made).port());
  }
  ~accepting() {
    for (const int fd : dialled) ::close(fd);
  }
  void on_accept(socket_id id, const endpoint&) override {
    ++accepted;
    on.engine().abort(id);
  }
  void on_accept_error(std::error_code) override { ADD_FAILURE(); }
  void dial() {
    dialled.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(dialled.back(), reinterpret_cast<const sockaddr*>(&where), sizeof where), 0);
  }
  // System calls of the turns until so many have been accepted.
  std::uint64_t calls_until(std::size_t count) {
    const std::uint64_t before = on.engine().system_calls();
    for (turns = 0; accepted < count && turns < 1'000; ++turns) on.run_once(std::chrono::milliseconds(10));
    return on.engine().system_calls() - before;
  }

  loop on{{.engine = engine_choice::epoll, .wait = wait_policy::block}};
  sockaddr_in where{};
  std::vector<int> dialled;
  std::size_t accepted = 0, turns = 0;
};

TEST_F(accepting, of_one_at_a_time_looks_for_a_second_now_and_then_only) {
  std::vector<std::uint64_t> calls;
  for (std::size_t i = 1; i <= 36; ++i) {
    dial();
    calls.push_back(calls_until(i));
    ASSERT_EQ(accepted, i);
  }
  const std::uint64_t least = *std::min_element(calls.begin(), calls.end());
  const auto more = std::count_if(calls.begin(), calls.end(), [&](std::uint64_t count) { return count > least; });
  EXPECT_GE(more, 1) << "it never looks";
  EXPECT_LE(more, 6);
}

TEST_F(accepting, of_many_at_once_takes_more_and_more_of_them_in_a_turn) {
  for (int i = 0; i < 64; ++i) dial();
  calls_until(64);
  EXPECT_EQ(accepted, 64u);
  EXPECT_LE(turns, 32u);
}

}  // namespace
}  // namespace hawser::io
