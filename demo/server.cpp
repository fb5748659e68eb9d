// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "server.hpp"

#include <charconv>
#include <cstdio>
#include <cstring>
#include <string>
#include <thread>

#include <unistd.h>

namespace demo {
namespace {

using namespace std::chrono_literals;

hawser::task<> echo(hawser::request& rq) {
  for (;;) {
    auto chunk = co_await rq.read();
    if (!chunk || chunk->empty()) co_return;
    if (!co_await rq.write(std::move(*chunk))) co_return;
  }
}

hawser::task<> sink(hawser::request& rq) {
  std::uint64_t bytes = 0;
  for (;;) {
    auto chunk = co_await rq.read();
    if (!chunk) co_return;
    if (chunk->empty()) break;
    bytes += chunk->size();
  }
  const std::string answer = std::to_string(bytes);
  (void)co_await rq.write(answer);
}

class service {
 public:
  service(hawser::loop& loop, hawser::peer& peer) : loop_(loop) {
    peer.on("echo", echo);
    peer.on("file", echo);       // a file comes back while it still goes there
    peer.on("sink", sink);
    peer.on("clock", [this](hawser::request& rq) { return clock(rq); });
    peer.on("clock.cancelled", [this](hawser::request& rq) { return tell(rq, std::to_string(clocks_cancelled_)); });
    peer.on("messages", [this](hawser::request& rq) { return tell(rq, std::to_string(good_) + " " + std::to_string(bad_)); });
    peer.on_message([this](hawser::connection&, hawser::byte_view message) { check(message); });
  }

 private:
  void check(hawser::byte_view message) {
    std::byte expected[message_bytes];
    fill_message(good_, expected);
    if (message.size() == message_bytes && std::memcmp(message.data(), expected, message_bytes) == 0) ++good_;
    else ++bad_;
  }

  // A tick every 10 ms until nobody listens any more.
  hawser::task<> clock(hawser::request& rq) {
    for (int tick = 1;; ++tick) {
      const std::string line = "tick " + std::to_string(tick) + "\n";
      if (!co_await rq.write(line)) break;
      co_await hawser::sleep(loop_, 10ms);
    }
    if (rq.error() == hawser::errc::cancelled) ++clocks_cancelled_;
  }

  hawser::task<> tell(hawser::request& rq, std::string answer) { (void)co_await rq.write(answer); }

  hawser::loop& loop_;
  std::uint64_t good_ = 0, bad_ = 0, clocks_cancelled_ = 0;
};

}  // namespace

void fill_message(std::uint64_t number, std::byte (&message)[message_bytes]) {
  for (std::uint64_t word = 0; word < message_bytes / 8; ++word) {
    const std::uint64_t value = word == 0 ? number : (number + word) * 0x9E3779B97F4A7C15u;
    std::memcpy(message + word * 8, &value, 8);
  }
}

int serve(int port_to, int alive_from, const hawser::loop_options& on) {
  hawser::loop loop(on);
  hawser::peer peer(loop, {.name = "server", .listen = "127.0.0.1:0", .application = "hawser-demo"});
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
