// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "server.hpp"
#include "service.hpp"

#include <cstdio>
#include <thread>

#include <unistd.h>

namespace demo {

int serve(int port_to, int alive_from, const hawser::loop_options& on) {
  hawser::loop loop(on);
  hawser::peer peer(loop, {.name = "server", .listen = "127.0.0.1:0", .application = application});
  if (peer.listen_error()) {
    std::fprintf(stderr, "hawser-demo: cannot listen: %s\n", peer.listen_error().message().c_str());
    return 1;
  }
  const service operations(loop, peer);

  const std::uint16_t port = peer.local_endpoint().port();
  if (::write(port_to, &port, sizeof port) != sizeof port) return 1;
  ::close(port_to);

  // A parent that dies, however it dies, takes the server along.
  std::thread([alive_from, remote = loop.remote(), &loop] {
    char byte;
    while (::read(alive_from, &byte, 1) > 0) {
    }
    (void)remote.post([&loop] { loop.stop(); });
  }).detach();
  loop.run();
  return 0;
}

}  // namespace demo
