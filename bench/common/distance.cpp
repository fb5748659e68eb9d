// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/distance.hpp"

#include "common/clock.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace hawser::bench {
namespace {

constexpr char device[] = "far";
constexpr std::size_t packet_bytes_max = 65'535;

std::unexpected<std::string> failed(const std::string& what) { return std::unexpected(what + ": " + std::generic_category().message(errno)); }

class owned {
 public:
  explicit owned(int descriptor) noexcept : descriptor_(descriptor) {}
  owned(const owned&) = delete;
  owned& operator=(const owned&) = delete;
  ~owned() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const noexcept { return descriptor_; }

 private:
  int descriptor_;
};

bool write_setting(const std::string& name, char value) {
  const owned file(::open(("/proc/sys/net/ipv4/conf/" + std::string(device) + '/' + name).c_str(), O_WRONLY | O_CLOEXEC));
  return file.get() >= 0 && ::write(file.get(), &value, 1) == 1;
}

// What is sent to 127.0.0.0/8 leaves through the device, and what comes out of it again is for this machine.
constexpr const char* commands =
    "link set lo up\n"
    "link set far mtu 65535 up\n"
    "route add 127.0.0.0/8 dev far src 127.0.0.1 table 100\n"
    "rule add pref 1 iif lo lookup 100\n"
    "rule add pref 2 lookup local\n"
    "rule del pref 0\n";

bool run_commands() {
  std::FILE* to = ::popen("PATH=\"$PATH:/usr/sbin:/sbin\" ip -batch -", "we");
  if (!to) return false;
  std::fputs(commands, to);
  return ::pclose(to) == 0;
}

struct packet {
  std::int64_t due_ns;
  std::vector<std::byte> bytes;
};

// The carrier's life. A packet that the kernel does not take back is lost, as on any network.
int carry(int tun, std::int64_t one_way_ns) {
  ::prctl(PR_SET_TIMERSLACK, 1);           // a timer of a millisecond may otherwise be 50 us late
  ::setpriority(PRIO_PROCESS, 0, -20);     // a network does not wait until the others have computed
  std::deque<packet> under_way;
  std::array<std::byte, packet_bytes_max> room;
  for (;;) {
    std::int64_t now = now_ns();
    for (; !under_way.empty() && under_way.front().due_ns <= now; under_way.pop_front()) {
      const std::vector<std::byte>& first = under_way.front().bytes;
      if (::write(tun, first.data(), first.size()) < 0 && errno == EBADFD) return 1;
    }
    const std::int64_t left_ns = under_way.empty() ? 0 : under_way.front().due_ns - now;
    const timespec left{left_ns / 1'000'000'000, left_ns % 1'000'000'000};
    pollfd waits{tun, POLLIN, 0};
    if (::ppoll(&waits, 1, under_way.empty() ? nullptr : &left, nullptr) <= 0) continue;
    now = now_ns();
    for (ssize_t n = ::read(tun, room.data(), room.size()); n > 0; n = ::read(tun, room.data(), room.size())) {
      under_way.push_back({now + one_way_ns, std::vector<std::byte>(room.begin(), room.begin() + n)});
    }
  }
}

}  // namespace

distance::origin::~origin() {
  if (network_ < 0) return;
  // Whoever went on here would measure in a network without a carrier.
  if (::setns(network_, CLONE_NEWNET) != 0) std::abort();
  ::close(network_);
}

std::expected<distance, std::string> distance::make(std::chrono::nanoseconds round_trip) {
  const owned before(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (before.get() < 0) return failed("/proc/self/ns/net");
  if (::unshare(CLONE_NEWNET) != 0) return failed("a network of its own");
  origin from(::fcntl(before.get(), F_DUPFD_CLOEXEC, 3));
  const owned tun(::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (tun.get() < 0) return failed("/dev/net/tun");
  ifreq wanted{};
  std::copy(std::begin(device), std::end(device), wanted.ifr_name);
  wanted.ifr_flags = IFF_TUN | IFF_NO_PI;
  if (::ioctl(tun.get(), TUNSETIFF, &wanted) != 0) return failed("a TUN device");
  // Addresses of loopback may come from outside, and those of this machine.
  if (!write_setting("route_localnet", '1') || !write_setting("accept_local", '1') || !write_setting("rp_filter", '0')) return failed("the device's settings");
  if (!run_commands()) return std::unexpected("iproute2's `ip` could not set the routes");
  const int kept[] = {tun.get()};
  auto carrier = child::start([&tun, round_trip](reporter&) { return carry(tun.get(), round_trip.count() / 2); }, kept);
  if (!carrier) return std::unexpected(carrier.error().message());
  return distance(std::move(from), std::move(*carrier));
}

}  // namespace hawser::bench
