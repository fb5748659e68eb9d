// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "service.hpp"

#include <cstring>
#include <string>

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

}  // namespace

service::service(hawser::loop& loop, hawser::peer& peer) : loop_(loop) {
  peer.on("echo", echo);
  peer.on("file", echo);       // a file comes back while it still goes there
  peer.on("sink", sink);
  peer.on("clock", [this](hawser::request& rq) { return clock(rq); });
  peer.on("clock.cancelled", [this](hawser::request& rq) { return tell(rq, std::to_string(clocks_cancelled_)); });
  peer.on("messages", [this](hawser::request& rq) { return tell(rq, std::to_string(good_) + " " + std::to_string(bad_)); });
  peer.on_message([this](hawser::connection&, hawser::byte_view message) { check(message); });
}

void service::check(hawser::byte_view message) {
  std::byte expected[message_bytes];
  fill_message(good_, expected);
  if (message.size() == message_bytes && std::memcmp(message.data(), expected, message_bytes) == 0) ++good_;
  else ++bad_;
}

// A tick every 10 ms until nobody listens any more.
hawser::task<> service::clock(hawser::request& rq) {
  for (int tick = 1;; ++tick) {
    const std::string line = "tick " + std::to_string(tick) + "\n";
    if (!co_await rq.write(line)) break;
    co_await hawser::sleep(loop_, 10ms);
  }
  if (rq.error() == hawser::errc::cancelled) ++clocks_cancelled_;
}

hawser::task<> service::tell(hawser::request& rq, std::string answer) { (void)co_await rq.write(answer); }

void fill_message(std::uint64_t number, std::byte (&message)[message_bytes]) {
  for (std::uint64_t word = 0; word < message_bytes / 8; ++word) {
    const std::uint64_t value = word == 0 ? number : (number + word) * 0x9E3779B97F4A7C15u;
    std::memcpy(message + word * 8, &value, 8);
  }
}

}  // namespace demo
