// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/poller.hpp"
#include "raw/sides.hpp"

namespace hawser::bench::raw {

// As many publications as the window has room for are one send to each subscriber.
void publish(const std::vector<int>& sockets, const job& of, tally& counted) {
  poller on(sockets, of, counted);
  frame_writer out(publication_bytes);
  message_source source(publication_bytes);
  frame_reader in(control_bytes);
  std::uint64_t confirmed = 0;
  const std::int64_t until = end_of(of);
  while (!counted.failed()) {
    const std::int64_t now = now_ns();
    out.clear();
    while (now < until && source.count() - confirmed < publications_open) {
      out.append(source.next(now).data());
      counted.count += sockets.size();
      counted.sum += sockets.size() * source.sum();
    }
    for (std::size_t which = 0; which < sockets.size() && out.bytes() > 0; ++which) on.send(which, {out.data(), out.bytes()});
    if (confirmed == source.count()) return;
    const auto came = [&](std::size_t, bytes_view bytes, std::int64_t) {
      in.feed(bytes);
      while (const std::byte* confirmation = in.next()) std::memcpy(&confirmed, confirmation, sizeof confirmed);
      if (in.is_broken()) counted.fail("a frame of a wrong length");
    };
    on.turn(came, [&](std::size_t) { counted.fail("a subscriber has ended"); });
  }
}

namespace {

struct subscriber {
  frame_reader in{publication_bytes};
  std::uint64_t next = 0;
};

}  // namespace

void subscribe(const std::vector<int>& sockets, const job& of, tally& counted) {
  std::vector<subscriber> all(sockets.size());
  poller on(sockets, of, counted);
  meter measured(of, counted);
  std::uint64_t seen[publications_open] = {}, seen_by_all = 0, confirmed = 0;
  const auto came = [&](std::size_t which, bytes_view bytes, std::int64_t now) {
    subscriber& one = all[which];
    one.in.feed(bytes);
    const std::uint64_t before = one.next;
    while (const std::byte* at = one.in.next()) {
      payload_head got;
      std::memcpy(&got, at, sizeof got);
      if (got.sequence != one.next) counted.fail("a publication was lost");
      ++one.next;
      counted.sum += bench::sum_of(bytes_view(at, publication_bytes));
      std::uint64_t& of_it = seen[got.sequence % publications_open];
      if (++of_it < all.size()) continue;
      of_it = 0;
      ++seen_by_all;
      measured.took(now - got.stamp_ns);
    }
    if (one.in.is_broken()) counted.fail("a frame of a wrong length");
    measured.arrived(now, one.next - before);
  };
  for (std::size_t open = all.size(); open > 0 && !counted.failed();) {
    on.turn(came, [&](std::size_t) { --open; });
    if (seen_by_all == confirmed) continue;
    confirmed = seen_by_all;
    std::byte frame[header_bytes + control_bytes];
    write_frame(frame, &confirmed, control_bytes);
    on.send(0, frame);
  }
}

}  // namespace hawser::bench::raw
