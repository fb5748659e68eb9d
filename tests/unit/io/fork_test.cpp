// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/io/loop.hpp>

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

namespace hawser {
namespace {

using namespace std::chrono_literals;

struct silent final : io::socket_events {
  void on_connected() override {}
  void on_bytes(byte_view) override {}
  void on_end() override {}
  void on_sent(std::size_t) override {}
  void on_failed(std::error_code) override {}
};
struct accepting final : io::listener_events {
  explicit accepting(io::engine& of) : engine(&of) {}
  void on_accept(io::socket_id id, const endpoint&) override {
    accepted = id;
    engine->start(id, events);
  }
  void on_accept_error(std::error_code) override {}
  io::engine* engine;
  io::socket_id accepted;
  silent events;
};

// Holds whatever this process has open at its birth, until it is destroyed.
class forked {
 public:
  forked() {
    EXPECT_EQ(::pipe(pipe_), 0);
    child_ = ::fork();
    if (child_ != 0) return;
    ::close(pipe_[1]);
    char end = 0;
    while (::read(pipe_[0], &end, 1) > 0) {
    }
    ::_exit(0);
  }
  ~forked() {
    ::close(pipe_[1]);
    ::waitpid(child_, nullptr, 0);
    ::close(pipe_[0]);
  }

 private:
  int pipe_[2];
  pid_t child_;
};

class fork_of : public testing::TestWithParam<engine_choice> {
 protected:
  void SetUp() override {
    if (GetParam() == engine_choice::uring && !uring_refusal().empty()) GTEST_SKIP() << "io_uring refused: " << uring_refusal();
  }
};
INSTANTIATE_TEST_SUITE_P(engines, fork_of, testing::Values(engine_choice::epoll, engine_choice::uring),
                         [](const auto& which) { return which.param == engine_choice::epoll ? "epoll" : "uring"; });

TEST_P(fork_of, a_socket_that_another_process_still_holds_does_not_spin_the_loop_once_it_is_closed) {
  loop on({.engine = GetParam(), .wait = wait_policy::block});
  accepting server(on.engine());
  silent client;
  const auto listening = on.engine().listen("127.0.0.1:0", {}, {}, server);
  ASSERT_TRUE(listening);
  const auto near = on.engine().connect(on.engine().local_endpoint(*listening), {}, client);
  ASSERT_TRUE(near);
  while (!server.accepted) on.run_once(1s);
  while (on.run_once(5ms)) {
  }
  {
    const forked other;
    silent late;
    const endpoint where = on.engine().local_endpoint(*listening);
    on.engine().close(*near);
    on.engine().close(server.accepted);
    on.engine().close(*listening);
    while (on.engine().open_sockets() != 0) on.run_once(1s);
    // The kernel goes on listening for the other process: a dial would be reported to a listener that is gone.
    const auto dial = on.engine().connect(where, {}, late);
    ASSERT_TRUE(dial);
    while (on.run_once(5ms)) {
    }
    const std::uint64_t turns = on.turns();
    EXPECT_FALSE(on.run_once(50ms));
    EXPECT_LT(on.turns() - turns, 5u);
  }
}

}  // namespace
}  // namespace hawser
