// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/poller.hpp"
#include "raw/sides.hpp"

namespace hawser::bench::raw {

// What a server has to know of a connection that is silent: nothing but its descriptor, and what of a frame it may have cut.
void serve_idle(const std::vector<int>& sockets, const job& of, tally& counted, const memory& before) {
  poller on(sockets, of, counted);
  const auto came = [&](std::size_t which, bytes_view bytes, std::int64_t) {
    if (bytes.size() == sizeof control_frame) {
      growth_of(before, sockets.size(), counted);
      return on.send(which, bytes);
    }
    if (bytes.size() != frame_bytes) return counted.fail("a frame was cut");
    ++counted.count;
    counted.sum += sum_of(bytes.data() + header_bytes);
    on.send(which, bytes);
  };
  for (std::size_t open = sockets.size(); open > 0 && !counted.failed();) on.turn(came, [&](std::size_t) { --open; });
}

void drive_idle(const std::vector<int>& sockets, const job& of, tally& counted) {
  {
    poller on(sockets, of, counted);
    payload sent;
    std::byte frame[frame_bytes];
    write_frame(frame, &sent);
    std::size_t answered = 0;
    const auto came = [&](std::size_t, bytes_view bytes, std::int64_t) {
      if (bytes.size() == frame_bytes && std::memcmp(bytes.data(), frame, frame_bytes) != 0) counted.fail("a wrong answer");
      ++answered;
    };
    const auto over = [&](std::size_t) { counted.fail("a connection has ended"); };
    for (std::size_t which = 0; which < sockets.size(); ++which) {
      on.send(which, frame);
      ++counted.count;
      counted.sum += sum_of(&sent);
    }
    while (answered < sockets.size() && !counted.failed()) on.turn(came, over);
    on.send(0, control_frame);
    while (answered == sockets.size() && !counted.failed()) on.turn(came, over);
  }
  for (const int socket : sockets) reset(socket);
}

}  // namespace hawser::bench::raw
