// SPDX-License-Identifier: Apache-2.0 OR MIT
// One peer that listens in several places at once, and one that connects to each of them.
#include <hawser/hawser.hpp>

#include <iostream>
#include <string>

#include <unistd.h>

namespace {

hawser::task<int> visit_everywhere(hawser::peer& client, hawser::peer& server) {
  for (const hawser::endpoint& where : server.local_endpoints()) {
    const auto there = co_await client.connect(where);
    if (!there) {
      std::cerr << where.text() << ": " << there.error().message() << '\n';
      co_return 1;
    }
    std::cout << where.text() << " is " << there->name() << '\n';
  }
  server.stop_listening();                                  // nobody new comes in; who is connected stays
  const auto again = server.listen("127.0.0.1:0");          // any free port
  if (!again || client.connections().size() != 2) co_return 1;

  const auto itself = co_await server.connect(*again);
  co_return !itself && itself.error() == hawser::errc::self_connect ? 0 : 1;
}

}  // namespace

int main() {
  hawser::loop loop;
  const std::string path = "unix:@hawser-example-" + std::to_string(::getpid());
  hawser::peer server(loop, {.name = "server", .listen = {"127.0.0.1:0", path}});
  if (server.listen_error()) return 1;
  hawser::peer client(loop, {.connect_timeout = std::chrono::seconds(2)});
  return loop.run(visit_everywhere(client, server));
}
