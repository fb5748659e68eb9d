// SPDX-License-Identifier: Apache-2.0 OR MIT
// A game that draws 60 frames a second: in each frame it gives the network one bounded turn, which never waits. Here the game's
// server runs in the same loop, to have somebody to play with.
#include <hawser/hawser.hpp>

#include <chrono>
#include <cstring>
#include <iostream>
#include <thread>

namespace {

struct position {
  float x, y;
};

hawser::byte_view bytes_of(const position& p) { return std::as_bytes(std::span(&p, 1)); }

}  // namespace

int main() {
  hawser::loop loop({.wait = hawser::wait_policy::block});
  hawser::peer server(loop, {.name = "world", .listen = "127.0.0.1:0"});
  server.on_message([](hawser::connection& from, hawser::byte_view input) {
    if (!from.send(input)) from.close();                    // the world's answer; a player who cannot keep up is shown out
  });

  position shown{};
  int snapshots = 0;
  hawser::peer player(loop, {.name = "player"});
  player.on_message([&](hawser::connection&, hawser::byte_view snapshot) {
    if (snapshot.size() == sizeof shown) std::memcpy(&shown, snapshot.data(), sizeof shown), ++snapshots;
  });

  const auto world = loop.run(player.connect(server.local_endpoint()));
  if (!world) return 1;

  constexpr int frames = 30;
  auto next_frame = std::chrono::steady_clock::now();
  for (int frame = 0; frame < frames; ++frame) {
    const position mine{static_cast<float>(frame), static_cast<float>(frame) / 2};
    // A full queue is no reason to wait: the next frame carries newer input anyway.
    if (!world->send(bytes_of(mine))) std::cerr << "frame " << frame << " was skipped\n";
    loop.poll();                                            // what has arrived is delivered, what was sent leaves
    // ... draw `shown` ...
    next_frame += std::chrono::microseconds(16'667);
    std::this_thread::sleep_until(next_frame);
  }
  // The last inputs are still on their way.
  for (int turns = 0; snapshots < frames && turns < 100'000; ++turns) loop.poll();
  std::cout << snapshots << " snapshots in " << frames << " frames\n";
  return snapshots == frames && shown.x == frames - 1 ? 0 : 1;
}
