// SPDX-License-Identifier: Apache-2.0 OR MIT
// What goes one way: frames that are looked at, blocks that are not.
#include "raw/sides.hpp"

#include <algorithm>
#include <vector>

namespace hawser::bench::raw {
namespace {

void sink_small(wire& from, const job& of, tally& counted, meter& measured) {
  frame_reader in(of.size);
  arrival_order order(of.threads);
  for (;;) {
    const bytes_view bytes = from.receive();
    if (bytes.empty()) return;
    in.feed(bytes);
    const std::int64_t now = now_ns();
    std::uint64_t frames = 0;
    while (const std::byte* at = in.next()) {
      payload_head got;
      std::memcpy(&got, at, sizeof got);
      if (!order.follows(got.sequence)) return counted.fail("a frame out of order");
      ++frames;
      counted.sum += of.size == payload_bytes ? sum_of(at) : bench::sum_of(bytes_view(at, of.size));
      if (got.stamp_ns != 0) measured.took(now - got.stamp_ns);
    }
    if (in.is_broken()) return counted.fail("a frame of a wrong length");
    measured.arrived(now, frames);
  }
}

// Nobody puts a large frame together: it is summed as it comes.
void sink_large(wire& from, const job& of, tally& counted, meter& measured) {
  const std::size_t frame = header_bytes + of.size;
  std::byte start[header_bytes + sizeof(payload_head)];
  running_sum sum;
  std::uint64_t expected = 0;
  std::size_t position = 0;                // in the current frame
  for (;;) {
    bytes_view bytes = from.receive();
    if (bytes.empty()) break;
    while (!bytes.empty()) {
      const bytes_view part = bytes.first(std::min(bytes.size(), frame - position));
      if (position < sizeof start) std::memcpy(start + position, part.data(), std::min(part.size(), sizeof start - position));
      const std::size_t header = position < header_bytes ? std::min(header_bytes - position, part.size()) : 0;
      sum.add(part.subspan(header));
      position += part.size();
      bytes = bytes.subspan(part.size());
      if (position < frame) break;
      position = 0;
      std::uint32_t length;
      payload_head got;
      std::memcpy(&length, start, sizeof length);
      std::memcpy(&got, start + header_bytes, sizeof got);
      if (length != of.size || got.sequence != expected) return counted.fail("a frame out of order");
      ++expected;
      counted.sum += sum.take();
      const std::int64_t now = now_ns();
      measured.took(now - got.stamp_ns);
      measured.arrived(now, 1);
    }
  }
  if (position != 0) counted.fail("a frame is not whole");
}

}  // namespace

void sink(wire& from, const job& of, tally& counted) {
  meter measured(of, counted);
  if (is_large(of)) sink_large(from, of, counted, measured);
  else sink_small(from, of, counted, measured);
}

void pour(wire& to, const job& of, tally& counted) {
  frame_writer out(of.size);
  message_source source(of.size);
  const std::int64_t until = end_of(of);
  for (std::int64_t now = now_ns(); now < until; now = now_ns()) {
    if (!to.flush()) return;
    out.clear();
    for (std::int64_t stamp = now; out.has_space(); stamp = 0) {       // only the first frame of a buffer carries the time
      out.append(source.next(stamp).data());
      counted.sum += source.sum();
    }
    if (!to.send(out.data(), out.bytes())) return;
    counted.count = source.count();
  }
  to.flush();
}

// -- blocks

void swallow(wire& from, const job& of, tally& counted) {
  meter measured(of, counted);
  payload_head head;
  std::uint64_t expected = 0;
  std::size_t position = 0;                // in the current block
  for (;;) {
    bytes_view bytes = from.receive();
    if (bytes.empty()) break;
    std::int64_t now = 0;
    const std::uint64_t before = expected;
    while (!bytes.empty()) {
      const std::size_t step = std::min(bytes.size(), of.size - position);
      if (position < sizeof head) std::memcpy(reinterpret_cast<std::byte*>(&head) + position, bytes.data(), std::min(step, sizeof head - position));
      bytes = bytes.subspan(step);
      position += step;
      if (position < of.size) break;
      position = 0;
      if (now == 0) now = now_ns();
      if (head.sequence != expected) return counted.fail("a block out of order");
      ++expected;
      counted.sum += head.sequence + static_cast<std::uint64_t>(head.stamp_ns);
      measured.took(now - head.stamp_ns);
    }
    if (now != 0) measured.arrived(now, expected - before);
  }
  if (position != 0) counted.fail("a block is not whole");
}

void shovel(wire& to, const job& of, tally& counted) {
  std::vector<std::byte> block(of.size, std::byte{0x5a});
  payload_head head;
  const std::int64_t until = end_of(of);
  for (std::int64_t now = now_ns(); now < until; now = now_ns()) {
    if (!to.flush()) return;
    head.stamp_ns = now;
    std::memcpy(block.data(), &head, sizeof head);
    if (!to.send(block.data(), block.size())) return;
    counted.sum += head.sequence + static_cast<std::uint64_t>(head.stamp_ns);
    counted.count = ++head.sequence;
  }
  to.flush();
}

}  // namespace hawser::bench::raw
