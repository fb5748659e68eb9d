// SPDX-License-Identifier: Apache-2.0 OR MIT
// One server tells many clients the same: what it says is framed once, however many they are.
#include <hawser/hawser.hpp>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

constexpr int clients = 20, news = 3;

hawser::task<int> listen_in(std::vector<std::unique_ptr<hawser::peer>>& all, hawser::peer& server) {
  int heard = 0;
  hawser::event everybody_heard(server.home());
  for (auto& one : all) {
    one->on_message([&](hawser::connection&, hawser::byte_view message) {
      if (hawser::as_text(message).starts_with("news ") && ++heard == clients * news) everybody_heard.set();
    });
    const auto connected = co_await one->connect(server.local_endpoint());
    if (!connected || !connected->send("tell me")) co_return 1;
  }
  co_await everybody_heard.wait();
  std::printf("%d clients heard %d things each\n", clients, news);
  co_return 0;
}

int main() {
  hawser::loop loop;
  hawser::peer server(loop, {.listen = "127.0.0.1:0"});
  std::vector<hawser::connection> subscribers;
  server.on_message([&](hawser::connection& from, hawser::byte_view) {
    subscribers.push_back(from);
    if (subscribers.size() < clients) return;
    hawser::framed_messages bulletin(loop.buffers());
    for (int i = 0; i < news; ++i) (void)bulletin.append(hawser::as_bytes("news " + std::to_string(i)));
    for (hawser::connection& one : subscribers) {
      if (!one.send(bulletin)) one.close();                        // too slow for us, or gone
    }
  });
  std::vector<std::unique_ptr<hawser::peer>> all;
  while (all.size() < clients) all.push_back(std::make_unique<hawser::peer>(loop));
  return loop.run(listen_in(all, server));
}
