// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/echoes.hpp"
#include "raw/poller.hpp"
#include "raw/sides.hpp"

namespace hawser::bench::raw {

void serve_echoes_by_epoll(const std::vector<int>& sockets, const job& of, tally& counted) {
  std::vector<echo_line> lines = lines_of(sockets);
  poller on(sockets, of, counted);
  echo_server server(counted);
  for (std::size_t open = lines.size(); open > 0 && !counted.failed();) {
    const auto came = [&](std::size_t which, bytes_view bytes, std::int64_t) {
      server.came(lines[which], bytes, [&](const echo_line& line) { on.send(which, line.frame); });
    };
    on.turn(came, [&](std::size_t) { --open; });
  }
}

void drive_echoes_by_epoll(const std::vector<int>& sockets, const job& of, tally& counted) {
  std::vector<echo_line> lines = lines_of(sockets);
  poller on(sockets, of, counted);
  echo_client client(of, counted);
  for (std::size_t which = 0; which < lines.size(); ++which) {
    client.ask(lines[which], now_ns());
    on.send(which, lines[which].frame);
  }
  while (!client.is_over()) {
    const auto came = [&](std::size_t which, bytes_view bytes, std::int64_t now) {
      client.came(lines[which], bytes, now, [&](const echo_line& line) { on.send(which, line.frame); });
    };
    on.turn(came, [&](std::size_t) { counted.fail("a connection has ended"); });
  }
  for (const int socket : sockets) reset(socket);
}

}  // namespace hawser::bench::raw
