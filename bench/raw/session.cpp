// SPDX-License-Identifier: Apache-2.0 OR MIT
// Both sides of a run: sockets, the server's process, pinning, and the comparison of the books at the end.
#include "common/affinity.hpp"
#include "raw/wire.hpp"

#include <cerrno>
#include <cstdio>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace hawser::bench::raw {

std::string_view to_text(wait_mode mode) noexcept {
  switch (mode) {
    case wait_mode::block: return "block";
    case wait_mode::spin: return "spin";
    case wait_mode::epoll_spin: return "epoll-spin";
  }
  return "unknown";
}

std::expected<wait_mode, std::error_code> wait_mode_from(std::string_view text) {
  for (wait_mode mode : {wait_mode::block, wait_mode::spin, wait_mode::epoll_spin}) {
    if (text == to_text(mode)) return mode;
  }
  return std::unexpected(std::make_error_code(std::errc::invalid_argument));
}

namespace {

std::error_code last_error() { return std::error_code(errno, std::generic_category()); }

class descriptor {
 public:
  explicit descriptor(int number) noexcept : number_(number) {}
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;
  int get() const noexcept { return number_; }
  int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_;
};

void choose_congestion(int socket) {
  for (std::string_view name : {"cubic", "reno"}) {
    if (::setsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name.data(), static_cast<socklen_t>(name.size())) == 0) return;
  }
}

void prepare(int socket) {
  choose_congestion(socket);
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void congestion_of(int socket, char (&name)[16]) {
  socklen_t bytes = sizeof name - 1;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_CONGESTION, name, &bytes) != 0) std::snprintf(name, sizeof name, "unknown");
}

std::error_code serve(int listener, const options& with, const server_part& part, server_report& report) {
  const pinned core(with.server_core);
  report.is_pinned = core.held();
  const int accepted = ::accept(listener, nullptr, nullptr);
  if (accepted < 0) return last_error();
  prepare(accepted);
  congestion_of(accepted, report.congestion);
  wire to(accepted, with.wait);
  const std::int64_t from_ns = now_ns(), cpu_from_ns = thread_cpu_ns();
  if (to.error()) return to.error();
  const std::error_code failed = part(to, report);
  report.cpu = static_cast<double>(thread_cpu_ns() - cpu_from_ns) / static_cast<double>(std::max<std::int64_t>(now_ns() - from_ns, 1));
  return failed;
}

sample sample_of(measured_by side, std::size_t unit_bytes, const server_report& there, const client_result& here) {
  sample made;
  const histogram& latency = side == measured_by::client ? here.latency : there.latency;
  made.count = side == measured_by::client ? here.measured_count : there.measured_count;
  const std::int64_t ns = side == measured_by::client ? here.measured_ns : there.measured_ns;
  if (ns > 0) made.per_second = static_cast<double>(made.count) * 1e9 / static_cast<double>(ns);
  made.bytes_per_second = made.per_second * static_cast<double>(unit_bytes);
  made.p50_ns = latency.quantile(0.5);
  made.p99_ns = latency.quantile(0.99);
  made.p999_ns = latency.quantile(0.999);
  made.max_ns = latency.max();
  made.server_cpu = there.cpu;
  return made;
}

}  // namespace

std::expected<sample, std::error_code> run_both(const options& with, measured_by side, std::size_t unit_bytes,
    const server_part& server, const client_part& client) {
  descriptor listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t address_bytes = sizeof address;
  // An accepted socket inherits the congestion control of its listener, so that no byte is sent under another one.
  choose_congestion(listener.get());
  if (listener.get() < 0 || ::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener.get(), 1) != 0 || ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &address_bytes) != 0) {
    return std::unexpected(last_error());
  }

  const auto work = [&](reporter& to_parent) {
    server_report report;
    report.error = serve(listener.get(), with, server, report).value();
    return to_parent.write(report) ? 0 : 1;
  };
  const int kept[] = {listener.get()};
  auto process = child::start(work, kept);
  if (!process) return std::unexpected(process.error());

  const pinned core(with.client_core);
  descriptor connected(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  prepare(connected.get());
  if (connected.get() < 0 || ::connect(connected.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    return std::unexpected(last_error());
  }
  char congestion[16] = {};
  congestion_of(connected.get(), congestion);

  client_result here;
  double client_cpu = 0;
  {
    wire to(connected.release(), with.wait);
    if (to.error()) return std::unexpected(to.error());
    const std::int64_t from_ns = now_ns(), cpu_from_ns = thread_cpu_ns();
    client(to, here);
    client_cpu = static_cast<double>(thread_cpu_ns() - cpu_from_ns) / static_cast<double>(std::max<std::int64_t>(now_ns() - from_ns, 1));
    to.finish();
    // Closing with unread bytes would reset the connection under the server's last ones.
    std::byte rest[256];
    while (!here.error && to.read_some(rest, sizeof rest) > 0) {}
  }
  server_report there;
  if (!process->read(there)) return std::unexpected(here.error ? here.error : std::make_error_code(std::errc::timed_out));
  process->wait();
  if (here.error) return std::unexpected(here.error);
  if (there.error != 0) return std::unexpected(std::error_code(there.error, std::generic_category()));
  if (there.frames != here.frames_sent || there.sum != here.sum_sent) return std::unexpected(std::make_error_code(std::errc::bad_message));

  sample made = sample_of(side, unit_bytes, there, here);
  made.client_cpu = client_cpu;
  made.is_pinned = core.held() && there.is_pinned;
  const bool same = std::strcmp(congestion, there.congestion) == 0;
  std::snprintf(made.congestion, sizeof made.congestion, "%s", same ? congestion : "mixed");
  return made;
}

}  // namespace hawser::bench::raw
