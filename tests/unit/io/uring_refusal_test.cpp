// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/make_engine.hpp"
#include "io/uring/self_test.hpp"
#include "io/uring/uring_engine.hpp"

#include <hawser/base/log.hpp>
#include <hawser/io/loop.hpp>

#include <gtest/gtest.h>

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>

namespace hawser::io {
namespace {

using namespace std::chrono_literals;

// From here on this process is answered `error` whenever it calls `number`.
void forbid(long number, int error) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(number), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<std::uint32_t>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{std::size(program), program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) ::_exit(100);
}

// What the child process exits with; 200 and more: it was killed by a signal.
int in_child(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::unsetenv("HAWSER_ENGINE");
    ::_exit(work());
  }
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

// A loop that is left to choose runs on epoll and moves a turn; the refusal says what `part` is; uring asked for by name is an error.
int judge_refusal(const std::string& part, const std::string& advice) {
  const std::string why = uring_refusal();
  if (why.find(part) == std::string::npos || why.find(advice) == std::string::npos) {
    std::fprintf(stderr, "the refusal is: %s\n", why.c_str());
    return 1;
  }
  loop chosen;
  if (chosen.engine().name() != "epoll") return 2;
  chosen.poll();
  const auto forced = make_engine(engine_choice::uring);
  if (forced || forced.error().find(part) == std::string::npos) return 3;
  return 0;
}

struct seccomp_case {
  const char* name;
  long number;
};
class uring_seccomp : public testing::TestWithParam<seccomp_case> {};

TEST_P(uring_seccomp, eperm_is_refused_with_its_reason_and_epoll_takes_over) {
  EXPECT_EQ(in_child([] {
    forbid(GetParam().number, EPERM);
    return judge_refusal(GetParam().name, "seccomp");
  }),
      0);
}

TEST_P(uring_seccomp, enosys_is_refused_with_its_reason_and_epoll_takes_over) {
  EXPECT_EQ(in_child([] {
    forbid(GetParam().number, ENOSYS);
    return judge_refusal(GetParam().name, "6.1");
  }),
      0);
}

INSTANTIATE_TEST_SUITE_P(calls, uring_seccomp,
    testing::Values(seccomp_case{"io_uring_setup", SYS_io_uring_setup}, seccomp_case{"io_uring_enter", SYS_io_uring_enter},
        seccomp_case{"io_uring_register", SYS_io_uring_register}),
    [](const auto& which) { return std::string(which.param.name); });

TEST(uring_refusal, a_loop_that_insists_on_a_refused_engine_ends_the_program_and_says_why) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        forbid(SYS_io_uring_setup, EPERM);
        loop insisting({.engine = engine_choice::uring});
      },
      "no engine can be made: io_uring refused: io_uring_setup: Operation not permitted");
}

TEST(uring_refusal, the_environment_overrides_automatic_and_nothing_else) {
  const auto name_with = [](const char* value, engine_choice choice) {
    ::setenv("HAWSER_ENGINE", value, 1);
    return std::string(loop({.engine = choice}).engine().name());
  };
  EXPECT_EQ(in_child([&] { return name_with("epoll", engine_choice::automatic) == "epoll" ? 0 : 1; }), 0);
  EXPECT_EQ(in_child([&] { return name_with("uring", engine_choice::epoll) == "epoll" ? 0 : 1; }), 0);
  const std::string best = uring_refusal().empty() ? "uring" : "epoll";
  EXPECT_EQ(in_child([&] { return name_with("auto", engine_choice::automatic) == best ? 0 : 1; }), 0);
  EXPECT_EQ(in_child([&] { return name_with("kqueue", engine_choice::automatic) == best ? 0 : 1; }), 0);
}

TEST(uring_refusal, is_said_once_for_the_process) {
  EXPECT_EQ(in_child([] {
    forbid(SYS_io_uring_setup, EPERM);
    static int said = 0;
    set_log_level(log_part::io, log_level::info);
    set_log_hook([](const log_record& line, void*) { if (line.text.starts_with("io_uring refused: ")) ++said; }, nullptr);
    { loop first; }
    { loop second; }
    return said;
  }),
      1);
}

TEST(uring_refusal, without_descriptors_is_asked_again_once_there_are_some) {
  if (!uring_refusal().empty()) GTEST_SKIP() << "io_uring refused: " << uring_refusal();
  EXPECT_EQ(in_child([] {
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    rlimit none = before;
    none.rlim_cur = 3;
    ::setrlimit(RLIMIT_NOFILE, &none);
    const auto scarce = self_test();
    if (!scarce || scarce->error != EMFILE || scarce->text().find("RLIMIT_NOFILE") == std::string::npos) return 1;
    ::setrlimit(RLIMIT_NOFILE, &before);
    return self_test() ? 2 : 0;
  }),
      0);
}

TEST(uring_refusal, names_what_is_short_for_the_engine_itself) {
  EXPECT_EQ(in_child([] {
    rlimit none{};
    ::getrlimit(RLIMIT_NOFILE, &none);
    none.rlim_cur = 3;
    ::setrlimit(RLIMIT_NOFILE, &none);
    const auto made = make_uring_engine();
    return !made && made.error().text() == "the epoll set: no more descriptors" ? 0 : 1;
  }),
      0);
}

// Set-up that fails in ways which this machine does not know.
TEST(uring_refusal, names_the_step_the_error_and_what_helps) {
  const auto text_of = [](const ring_calls& calls) {
    const auto refused = self_test(calls);
    return refused ? refused->text() : std::string("accepted");
  };
  ring_calls old;
  old.set_up = [](unsigned, io_uring*, io_uring_params*) { return -EINVAL; };
  EXPECT_EQ(text_of(old), "io_uring_setup: Invalid argument (this kernel's io_uring is older than Linux 6.1)");
  ring_calls poor;
  poor.set_up = [](unsigned, io_uring*, io_uring_params*) { return -ENOMEM; };
  EXPECT_EQ(text_of(poor), "io_uring_setup: Cannot allocate memory (too little memory, or RLIMIT_MEMLOCK is too low)");
  if (!uring_refusal().empty()) GTEST_SKIP() << "io_uring refused: " << uring_refusal();
  ring_calls bare;
  bare.set_up = [](unsigned entries, io_uring* ring, io_uring_params* params) {
    const int answer = io_uring_queue_init_params(entries, ring, params);
    params->features &= ~static_cast<unsigned>(IORING_FEAT_EXT_ARG);
    return answer;
  };
  EXPECT_EQ(text_of(bare), "io_uring_setup: features are missing (Linux 6.1 or later has them)");
  ring_calls without_buffers;
  without_buffers.register_buffers = [](io_uring*, io_uring_buf_reg*, unsigned) { return -EINVAL; };
  EXPECT_TRUE(text_of(without_buffers).starts_with("io_uring_register (provided buffers): Invalid argument"));
  ring_calls disabled;
  disabled.enable = [](io_uring*) { return -EPERM; };
  EXPECT_TRUE(text_of(disabled).starts_with("io_uring_enter: Operation not permitted"));
}

TEST(uring_refusal, every_refused_step_leaves_no_descriptor_behind) {
  const auto open_now = [] {
    const int next = ::dup(0);
    ::close(next);
    return next;
  };
  const int before = open_now();
  ring_calls without_buffers;
  without_buffers.register_buffers = [](io_uring*, io_uring_buf_reg*, unsigned) { return -EINVAL; };
  EXPECT_TRUE(self_test(without_buffers));
  EXPECT_FALSE(make_uring_engine({}, without_buffers));
  ring_calls disabled;
  disabled.enable = [](io_uring*) { return -EPERM; };
  EXPECT_TRUE(self_test(disabled));
  EXPECT_EQ(open_now(), before);
}

TEST(uring_refusal, a_ring_that_completes_nothing_is_refused_in_bounded_time) {
  if (!uring_refusal().empty()) GTEST_SKIP() << "io_uring refused: " << uring_refusal();
  ring_calls mute;
  // Waits as it was asked to, and submits nothing.
  mute.submit_and_wait = [](io_uring* ring, io_uring_cqe** first, unsigned, __kernel_timespec* limit, sigset_t*) {
    return io_uring_wait_cqe_timeout(ring, first, limit);
  };
  const auto begin = std::chrono::steady_clock::now();
  const auto refused = self_test(mute);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->text(), "self-test: operations on a socket do not complete");
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 900ms);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, self_test_limit + 5s);
}

}
}  // namespace hawser::io
