// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peers/side.hpp"

#include "common/process.hpp"
#include "peers/work.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <iostream>
#include <map>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

char congestion[16] = "system";

// Every socket of these programs is made here, whichever library asks: with the congestion control of the baselines, as if it were the
// system's. Most libraries do not let one reach their sockets, and a paced one would measure the pacer. Accepted ones inherit it.
int made_socket(int domain, int type, int protocol) noexcept {
  const int made = static_cast<int>(::syscall(SYS_socket, domain, type, protocol));
  if (made < 0 || (domain != AF_INET && domain != AF_INET6) || (type & 0xf) != SOCK_STREAM) return made;
  const int before = errno;
  for (std::string_view name : {"cubic", "reno"}) {
    if (::setsockopt(made, IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0) break;
  }
  socklen_t size = sizeof congestion - 1;
  ::getsockopt(made, IPPROTO_TCP, TCP_CONGESTION, congestion, &size);
  errno = before;
  return made;
}

}  // namespace

extern "C" int socket(int domain, int type, int protocol) noexcept { return made_socket(domain, type, protocol); }

namespace hawser::bench::peers {
namespace {

// The blocks of beside without the ping: a stream, on a connection as there.
constexpr const char* alone = "alone";

const std::map<std::string, work> names = {{"pingpong", work::pingpong}, {"stream", work::stream}, {"requests", work::requests},
    {"streamed", work::streamed}, {"echoes", work::echoes}, {"beside", work::beside}, {"fanout", work::fanout},
    {"connect", work::connect}, {"idle", work::idle}, {alone, work::stream}};

std::int64_t process_cpu_ns() noexcept {
  timespec t;
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
}

void print_sample(const ledger& of, const contestant& who) {
  nlohmann::ordered_json line = {{"count", of.count}, {"sum", of.sum}, {"measured_count", of.measured.count()},
      {"measured_ns", of.measured.ns()}, {"p50_ns", of.latency.quantile(0.5)}, {"p99_ns", of.latency.quantile(0.99)},
      {"p999_ns", of.latency.quantile(0.999)}, {"max_ns", of.latency.max()}, {"cpu", of.cpu()}, {"congestion", congestion},
      {"version", who.version}};
  if (of.bulk.ns() > 0) line["bytes_per_s"] = of.bulk.per_second();
  if (of.resident_bytes >= 0) {
    line["resident_bytes"] = of.resident_bytes;
    line["allocated_bytes"] = of.allocated_bytes;
  }
  line["notes"] = of.notes;
  std::cout << line.dump() << std::endl;
}

const offer* offer_of(const contestant& who, work what) {
  const auto found = std::find_if(who.offers.begin(), who.offers.end(), [what](const offer& each) { return each.what == what; });
  return found == who.offers.end() ? nullptr : &*found;
}

void print_offers(const contestant& who) {
  for (const auto& [name, what] : names) {
    const offer* found = offer_of(who, name == alone ? work::beside : what);
    if (found) std::cout << name << (found->can_spin ? " block spin\n" : " block\n");
  }
}

}  // namespace

void ledger::begin() noexcept {
  if (since_ns_ != 0) return;
  since_ns_ = now_ns();
  cpu_from_ns_ = process_cpu_ns();
}

void ledger::finish() noexcept {
  if (since_ns_ == 0 || wall_ns_ != 0) return;
  wall_ns_ = now_ns() - since_ns_;
  cpu_ns_ = process_cpu_ns() - cpu_from_ns_;
}

double ledger::cpu() const noexcept { return wall_ns_ > 0 ? static_cast<double>(cpu_ns_) / static_cast<double>(wall_ns_) : 0; }

void announce(std::uint16_t port) { std::cout << "port " << port << std::endl; }

input_watch::input_watch(std::function<void()> closed) : over_(::eventfd(0, EFD_CLOEXEC)) {
  thread_ = std::thread([this, closed = std::move(closed)] {
    for (;;) {
      pollfd waits[2] = {{STDIN_FILENO, POLLIN, 0}, {over_, POLLIN, 0}};
      if (::poll(waits, 2, -1) < 0) continue;
      if (waits[1].revents != 0) return;
      char ignored[64];
      if (::read(STDIN_FILENO, ignored, sizeof ignored) <= 0) return closed();
    }
  });
}

input_watch::~input_watch() {
  const std::uint64_t one = 1;
  if (::write(over_, &one, sizeof one) != sizeof one) std::abort();
  thread_.join();
  ::close(over_);
}

int run(int argc, char** argv, const contestant& who) {
  ::signal(SIGPIPE, SIG_IGN);
  allow_many_descriptors();
  CLI::App app("A contestant of the bench: " + who.version);
  bool lists = false;
  std::string side, what, wait = "block";
  job of;
  of.in_flight = 0;
  double warm_up_ms = 100, measured_ms = 500;
  app.add_flag("--workloads", lists, "Print what it can do, and how it can wait");
  app.add_option("side", side)->check(CLI::IsMember({"server", "client"}));
  app.add_option("workload", what)->check(CLI::IsMember(names));
  app.add_option("--size", of.size, "Bytes of a message of stream")->check(CLI::Range(64, 64 << 20));
  app.add_option("--in-flight", of.in_flight, "Callers")->check(CLI::Range(1, 65536));
  app.add_option("--connections", of.connections)->check(CLI::Range(1, 65536));
  app.add_option("--wait", wait)->check(CLI::IsMember({"block", "spin"}));
  app.add_option("--warm-up-ms", warm_up_ms)->check(CLI::NonNegativeNumber);
  app.add_option("--measured-ms", measured_ms)->check(CLI::PositiveNumber);
  app.add_option("--port", of.port, "Of the server");
  CLI11_PARSE(app, argc, argv);
  if (lists) {
    print_offers(who);
    return 0;
  }
  try {
    if (side.empty() || what.empty()) fail("wants: server WORKLOAD or client WORKLOAD --port P");
    if (side == "client" && of.port == 0) fail("a client wants --port");
    of.what = names.at(what);
    of.spins = wait == "spin";
    if (of.in_flight == 0) of.in_flight = of.what == work::echoes ? 64 : 1;
    if (of.what == work::echoes) of.in_flight = std::min(of.in_flight, of.connections);
    of.warm_up_ns = static_cast<std::int64_t>(warm_up_ms * 1e6);
    of.measured_ns = static_cast<std::int64_t>(measured_ms * 1e6);
    of.has_short_queues = what == alone || of.what == work::beside;
    if (what == alone) of.size = block_bytes;
    const offer* offered = offer_of(who, of.has_short_queues ? work::beside : of.what);
    if (!offered || (of.spins && !offered->can_spin)) fail(what + " --wait " + wait + " is not among its workloads");
    ledger books(of);
    (side == "server" ? who.serve : who.drive)(of, books);
    books.finish();
    print_sample(books, who);
    return 0;
  } catch (const std::exception& failed) {
    std::cerr << argv[0] << ": " << failed.what() << '\n';
    return 1;
  }
}

}  // namespace hawser::bench::peers
