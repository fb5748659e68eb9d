// SPDX-License-Identifier: Apache-2.0 OR MIT
// What users of message libraries write first: a server that answers every message, a client that counts the answers.
#include <hawser/hawser.hpp>

#include <cstdio>
#include <string>

hawser::task<int> exchange(hawser::peer& client, hawser::endpoint where) {
  int answers = 0;
  hawser::event all_here(client.home());
  client.on_message([&](hawser::connection&, hawser::byte_view message) {
    if (hawser::as_text(message) == "pong " + std::to_string(answers) && ++answers == 1000) all_here.set();
  });
  auto server = co_await client.connect(where);
  if (!server) co_return 1;
  for (int i = 0; i < 1000;) {
    if (server->send("ping " + std::to_string(i))) ++i;
    else if (!co_await client.writable(*server)) co_return 1;      // over the watermark: wait, then try again
  }
  co_await all_here.wait();
  std::printf("%d answers, in order\n", answers);
  co_return 0;
}

int main() {
  hawser::loop loop;
  hawser::peer server(loop, {.name = "server", .listen = "127.0.0.1:0"});
  server.on_message([&](hawser::connection& from, hawser::byte_view message) {
    const std::string answer = "pong" + std::string(hawser::as_text(message.subspan(4)));
    (void)server.send(from.name(), answer);                        // by the name that the client presented
  });
  hawser::peer client(loop, {.name = "client"});
  return loop.run(exchange(client, server.local_endpoint()));
}
