// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/pacer.hpp"
#include "raw/poller.hpp"
#include "raw/sides.hpp"

namespace hawser::bench::raw {
namespace {

std::vector<frame_reader> readers_for(const job& of) {
  std::vector<frame_reader> readers;
  for (std::size_t i = 0; i < of.connections; ++i) readers.emplace_back(of.size);
  return readers;
}

}  // namespace

// What came in one receive leaves in one send.
void serve_paced(const std::vector<int>& sockets, const job& of, tally& counted) {
  poller on(sockets, of, counted);
  std::vector<frame_reader> readers = readers_for(of);
  frame_writer out(of.size);
  const auto came = [&](std::size_t which, bytes_view bytes, std::int64_t) {
    readers[which].feed(bytes);
    out.clear();
    while (const std::byte* message = readers[which].next()) {
      ++counted.count;
      counted.sum += bench::sum_of(bytes_view(message, of.size));
      out.append(message);
    }
    if (readers[which].is_broken()) counted.fail("a frame of a wrong length");
    if (out.bytes() != 0) on.send(which, {out.data(), out.bytes()});
  };
  for (std::size_t open = sockets.size(); open > 0 && !counted.failed();) on.turn(came, [&](std::size_t) { --open; });
}

// It never sleeps, whatever the server does: a burst is due within microseconds.
void drive_paced(const std::vector<int>& sockets, const job& of, tally& counted) {
  job awake = of;
  awake.wait = wait_mode::spin;
  {
    poller on(sockets, awake, counted);
    std::vector<frame_reader> readers = readers_for(of);
    frame_writer out(of.size);
    pacer pace(of, counted);
    const auto came = [&](std::size_t which, bytes_view bytes, std::int64_t now) {
      readers[which].feed(bytes);
      while (const std::byte* message = readers[which].next()) pace.answered(which, bytes_view(message, of.size), now);
      if (readers[which].is_broken()) counted.fail("a frame of a wrong length");
    };
    while (!pace.is_done()) {
      while (pace.is_due(now_ns())) {
        std::size_t to = 0;
        out.clear();
        pace.burst([&](std::size_t which, bytes_view message) { to = which, out.append(message.data()); });
        on.send(to, {out.data(), out.bytes()});
      }
      on.turn(came, [&](std::size_t) { counted.fail("a connection has ended"); });
    }
  }
  for (const int socket : sockets) reset(socket);
}

}  // namespace hawser::bench::raw
