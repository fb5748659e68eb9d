// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/echoes.hpp"
#include "raw/sides.hpp"
#include "raw/sockets.hpp"

#include <cerrno>

#include <sys/epoll.h>
#include <sys/socket.h>

namespace hawser::bench::raw {
namespace {

constexpr int events_per_turn = 512;

// Level-triggered; one recv for each event, one send for each frame.
class poller {
 public:
  poller(std::vector<echo_line>& lines, const job& of, tally& counted)
      : lines_(lines), sleeps_(of.wait == wait_mode::block), counted_(counted), poller_(::epoll_create1(EPOLL_CLOEXEC)) {
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      epoll_event interest{};
      interest.events = EPOLLIN;
      interest.data.u64 = i;
      if (::epoll_ctl(poller_.get(), EPOLL_CTL_ADD, lines_[i].socket, &interest) != 0) counted_.fail("epoll_ctl");
    }
  }
  ~poller() { counted_.system_calls = system_calls_; }

  // Calls came(line, bytes, now) for each line that has bytes, over(line) for each that has ended.
  template <class Came, class Over>
  void turn(Came&& came, Over&& over) {
    ++system_calls_;
    const int count = ::epoll_wait(poller_.get(), events_, events_per_turn, sleeps_ ? -1 : 0);
    if (count < 0 && errno != EINTR) counted_.fail("epoll_wait");
    const std::int64_t now = count > 0 ? now_ns() : 0;
    for (int i = 0; i < count; ++i) {
      echo_line& line = lines_[events_[i].data.u64];
      ++system_calls_;
      const ssize_t n = ::recv(line.socket, room_, sizeof room_, MSG_DONTWAIT);
      if (n > 0) {
        came(line, bytes_view(room_, static_cast<std::size_t>(n)), now);
      } else if (n == 0 || errno == ECONNRESET) {
        ::epoll_ctl(poller_.get(), EPOLL_CTL_DEL, line.socket, nullptr);
        over();
      } else if (errno != EAGAIN && errno != EINTR) {
        counted_.fail("recv");
      }
    }
  }

  // A frame always fits: it is the only one under way.
  void send(const echo_line& line) {
    ++system_calls_;
    if (::send(line.socket, line.frame, sizeof line.frame, MSG_DONTWAIT | MSG_NOSIGNAL) != static_cast<ssize_t>(sizeof line.frame)) counted_.fail("send");
  }

 private:
  std::vector<echo_line>& lines_;
  bool sleeps_;
  tally& counted_;
  descriptor poller_;
  std::uint64_t system_calls_ = 0;
  epoll_event events_[events_per_turn];
  std::byte room_[4096];
};

}  // namespace

void serve_echoes_by_epoll(const std::vector<int>& sockets, const job& of, tally& counted) {
  std::vector<echo_line> lines = lines_of(sockets);
  poller on(lines, of, counted);
  echo_server server(counted);
  const auto answer = [&](echo_line& line) { on.send(line); };
  for (std::size_t open = lines.size(); open > 0 && !counted.failed();) {
    on.turn([&](echo_line& line, bytes_view bytes, std::int64_t) { server.came(line, bytes, answer); }, [&] { --open; });
  }
}

void drive_echoes_by_epoll(const std::vector<int>& sockets, const job& of, tally& counted) {
  std::vector<echo_line> lines = lines_of(sockets);
  poller on(lines, of, counted);
  echo_client client(of, counted);
  const auto send = [&](echo_line& line) { on.send(line); };
  for (echo_line& line : lines) {
    client.ask(line, now_ns());
    send(line);
  }
  while (!client.is_over()) {
    on.turn([&](echo_line& line, bytes_view bytes, std::int64_t now) { client.came(line, bytes, now, send); }, [&] { counted.fail("a connection has ended"); });
  }
  for (const int socket : sockets) reset(socket);
}

}  // namespace hawser::bench::raw
