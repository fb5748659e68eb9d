// SPDX-License-Identifier: Apache-2.0 OR MIT
// Sends one message and prints what comes back.
//   message_client 127.0.0.1:40123    exit code 0: something came back
#include <hawser/hawser.hpp>
#include <iostream>

int main(int argc, char** argv) {
  hawser::loop loop;
  hawser::peer client(loop, {.name = "client"});
  client.on_message([&](hawser::connection&, hawser::byte_view message) { std::cout << hawser::as_text(message) << '\n', loop.stop(); });
  const auto there = loop.run(client.connect(argc > 1 ? argv[1] : ""));
  return there && there->send("ahoy") ? (loop.run(), 0) : 1;
}
