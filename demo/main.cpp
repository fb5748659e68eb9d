// SPDX-License-Identifier: Apache-2.0 OR MIT
// The demonstration: two processes, one TCP connection, everything verified. Exit code 0 only then.
#include "jobs.hpp"
#include "server.hpp"
#include "service.hpp"

#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

// The server's process: forked while there is no loop, killed (SIGKILL) at the latest by the destructor.
class server_process {
 public:
  explicit server_process(const hawser::loop_options& on) {
    int port[2], alive[2];
    if (::pipe(port) != 0 || ::pipe(alive) != 0) return;
    process_ = ::fork();
    if (process_ == 0) {
      ::close(port[0]);
      ::close(alive[1]);
      ::_exit(demo::serve(port[1], alive[0], on));
    }
    ::close(port[1]);
    ::close(alive[0]);
    if (::read(port[0], &port_, sizeof port_) != sizeof port_) port_ = 0;
    ::close(port[0]);
  }
  ~server_process() { kill(); }
  server_process(const server_process&) = delete;

  std::uint16_t port() const { return port_; }
  void kill() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
  }

 private:
  pid_t process_ = -1;
  std::uint16_t port_ = 0;
};

void pin_to(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  (void)::sched_setaffinity(0, sizeof set, &set);
}

hawser::task<int> show(hawser::loop& loop, const demo::plan& work, server_process& server, demo::report& results) {
  hawser::peer me(loop, {.name = "client", .application = demo::application});
  auto there = co_await me.connect("127.0.0.1:" + std::to_string(server.port()));
  if (!there) {
    std::fprintf(stderr, "hawser-demo: cannot connect: %s\n", there.error().message().c_str());
    co_return 1;
  }
  demo::bench_seat seat{loop, me, *there, work, results, [&server] { server.kill(); }};
  co_await demo::do_all(seat);
  co_return 0;
}

struct seat {
  std::string wait;
  bool pinned = false;
};

// The whole work on one engine, in a pair of processes of its own. True when all of it was verified.
bool verify(const hawser::loop_options& on, const demo::plan& work, const seat& where) {
  if (where.pinned) pin_to(1);              // inherited by the server
  server_process server(on);
  if (where.pinned) pin_to(0);
  if (server.port() == 0) {
    std::fprintf(stderr, "hawser-demo: the server did not start\n");
    return false;
  }
  demo::report results;
  hawser::loop loop(on);
  std::printf("hawser-demo: engine %.*s, waiting: %s, %s, server on 127.0.0.1:%u\n\n", static_cast<int>(loop.engine().name().size()),
              loop.engine().name().data(), where.wait.c_str(), where.pinned ? "client on core 0 and server on core 1" : "not pinned",
              server.port());
  std::fflush(stdout);
  const int outcome = loop.run(show(loop, work, server, results));
  results.print();
  std::printf("\n");
  return outcome == 0 && results.verified();
}

// The engines to verify: the one that was asked for, or both, or epoll alone where io_uring is refused. Nothing: the one that was
// asked for is refused.
std::vector<hawser::engine_choice> engines_of(const std::string& asked) {
  if (asked == "epoll") return {hawser::engine_choice::epoll};
  if (const std::string why = hawser::uring_refusal(); !why.empty()) {
    std::printf("io_uring refused: %s\n", why.c_str());
    if (asked == "uring") return {};
    return {hawser::engine_choice::epoll};
  }
  if (asked == "uring") return {hawser::engine_choice::uring};
  return {hawser::engine_choice::uring, hawser::engine_choice::epoll};
}

}  // namespace

int main(int count, char** arguments) {
  demo::plan work;
  std::string wait = "auto";
  std::string engine = "auto";
  CLI::App app("Two hawser peers in two processes talk over TCP on this machine; each result is verified.\n"
               "Exit code: 0 all verified, 1 something was not, 2 wrong usage.", "hawser-demo");
  app.add_option("--messages", work.messages, "how many messages of 64 bytes")->capture_default_str();
  app.add_option("--requests", work.requests, "how many requests, all at once")->capture_default_str()->check(CLI::Range(1, 60'000));
  app.add_option("--sink-bytes", work.sink_bytes, "how many bytes go one way")->capture_default_str();
  app.add_option("--file", work.file, "stream this file instead of one that is made")->check(CLI::ExistingFile);
  app.add_option("--file-bytes", work.file_bytes, "size of the file that is made")->capture_default_str();
  app.add_option("--wait", wait, "how the loops wait: busy, spin (50 us, then sleep), block; auto: busy with two cores or more")
      ->capture_default_str()->check(CLI::IsMember({"auto", "busy", "spin", "block"}));
  app.add_option("--engine", engine, "uring or epoll; auto: both, one after the other, or epoll alone where io_uring is refused")
      ->capture_default_str()->check(CLI::IsMember({"auto", "uring", "epoll"}));
  app.footer("Examples:\n  hawser-demo\n  hawser-demo --messages 10000000 --wait block\n  hawser-demo --file /usr/bin/gdb");
  try {
    app.parse(count, arguments);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  const bool cores = std::thread::hardware_concurrency() >= 2;
  if (wait == "auto") wait = cores ? "busy" : "spin";
  const hawser::wait_policy policy = wait == "busy"   ? hawser::wait_policy::busy
                                     : wait == "spin" ? hawser::wait_policy::spin_then_block
                                                      : hawser::wait_policy::block;
  work.spinning = wait != "block";

  std::signal(SIGPIPE, SIG_IGN);
  const std::vector<hawser::engine_choice> engines = engines_of(engine);
  bool verified = !engines.empty();
  for (const hawser::engine_choice one : engines) {
    verified = verify({.engine = one, .wait = policy}, work, {wait, cores}) && verified;
  }
  std::printf("%s\n", verified ? "all verified" : "NOT everything was verified");
  return verified ? 0 : 1;
}
