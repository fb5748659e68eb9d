// SPDX-License-Identifier: Apache-2.0 OR MIT
// Sends every message back to whom it came from, until it is killed.
//   message_server 127.0.0.1:0        prints the endpoint that it got; message_client wants it
#include <hawser/hawser.hpp>
#include <iostream>

int main(int argc, char** argv) {
  hawser::loop loop;
  hawser::peer server(loop, {.name = "server", .listen = argc > 1 ? argv[1] : "127.0.0.1:0"});
  server.on_message([](hawser::connection& from, hawser::byte_view message) { if (!from.send(message)) from.close(); });
  std::cout << server.local_endpoint().text() << std::endl;
  loop.run();
}
