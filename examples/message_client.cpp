// SPDX-License-Identifier: Apache-2.0 OR MIT
// Sends one message and waits for it to come back.
//   message_client 127.0.0.1:40123    exit code 0: it came back as it was
#include <hawser/hawser.hpp>
#include <iostream>

int main(int argc, char** argv) {
  std::string answer;
  hawser::loop loop;
  hawser::peer client(loop, {.name = "client"});
  client.on_message([&](hawser::connection&, hawser::byte_view message) { answer = hawser::as_text(message), loop.stop(); });
  const auto there = loop.run(client.connect(argc > 1 ? argv[1] : ""));
  if (there && there->send("ahoy")) loop.run();
  if (!there) std::cerr << there.error().message() << '\n';
  return answer == "ahoy" ? 0 : 1;
}
