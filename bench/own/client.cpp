// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/affinity.hpp"
#include "common/clock.hpp"
#include "own/sides.hpp"

#include <string>

namespace hawser::bench::own {
namespace {

// One message at a time; the next leaves from the handler of the answer.
task<> pingpong(peer& me, connection server, const job& of, tally& counted) {
  event over(me.home());
  raw::payload sent;
  std::int64_t began = now_ns();
  me.on_message([&](connection& from, byte_view message) {
    const std::int64_t ended = now_ns();
    if (message.size() != sizeof sent || std::memcmp(message.data(), &sent, sizeof sent) != 0) counted.failed = true;
    counted.add(ended, of, 1);
    if (counted.measured_count > 0) counted.latency.record(ended - began);
    if (ended >= of.until_ns || counted.failed) {
      over.set();
      return;
    }
    ++sent.sequence;
    began = ended;
    if (!from.send(byte_view(reinterpret_cast<const std::byte*>(&sent), sizeof sent))) counted.failed = true;
  });
  if (!server.send(byte_view(reinterpret_cast<const std::byte*>(&sent), sizeof sent))) counted.failed = true;
  co_await over.wait();
}

task<> stream(peer& me, connection server, const job& of, tally& counted) {
  raw::payload sent;
  const byte_view bytes(reinterpret_cast<const std::byte*>(&sent), sizeof sent);
  constexpr std::uint64_t between_stamps = raw::buffer_bytes / raw::frame_bytes;
  while (ns_of(me.home().now()) < of.until_ns) {
    sent.sequence = counted.count;
    sent.stamp_ns = sent.sequence % between_stamps == 0 ? now_ns() : 0;
    if (const auto taken = server.send(bytes)) {
      counted.sum += raw::sum_of(&sent);
      ++counted.count;
    } else if (taken.error() != errc::would_block || !co_await me.writable(server)) {
      counted.failed = true;
      co_return;
    }
  }
}

task<> ask(peer& me, connection server, const job& of, std::uint64_t caller, tally& counted) {
  raw::payload sent;
  sent.sequence = caller << 32;
  const byte_view bytes(reinterpret_cast<const std::byte*>(&sent), sizeof sent);
  for (;;) {
    const std::int64_t began = now_ns();
    if (began >= of.until_ns) co_return;
    const auto answer = co_await me.call(server, "echo", bytes);
    const std::int64_t ended = now_ns();
    if (!answer || answer->size() != sizeof sent || std::memcmp(answer->data(), &sent, sizeof sent) != 0) {
      counted.failed = true;
      co_return;
    }
    counted.add(ended, of, 1);
    if (counted.measured_count > 0) counted.latency.record(ended - began);
    ++sent.sequence;
  }
}

task<> requests(peer& me, connection server, const job& of, tally& counted) {
  scope callers(me.home());
  for (std::uint64_t caller = 0; caller < of.in_flight; ++caller) callers.spawn(ask(me, server, of, caller, counted));
  co_await callers.join();
}

task<> bulk(peer& me, connection server, const job& of, tally& counted) {
  chunk block = me.home().buffers().allocate(of.block_bytes);
  block.grow(of.block_bytes);
  std::memset(block.mutable_data(), 0x5a, of.block_bytes);
  auto to = me.open_stream(server);
  if (!to) {
    counted.failed = true;
    co_return;
  }
  while (now_ns() < of.until_ns) {
    chunk shared = block;
    if (!co_await to->write(std::move(shared))) {
      counted.failed = true;
      co_return;
    }
    counted.count += of.block_bytes;
  }
  to->finish();
  (void)co_await to->read();      // the reader's end: everything was counted
}

task<result<tally>> play(loop& on, const job& of, std::uint16_t port) {
  peer me(on, peer_for(of));
  auto server = co_await me.connect("127.0.0.1:" + std::to_string(port));
  if (!server) co_return failure(server.error());
  tally counted;
  const std::int64_t cpu_from = thread_cpu_ns(), since = now_ns();
  switch (of.what) {
    case work::pingpong: co_await pingpong(me, *server, of, counted); break;
    case work::stream: co_await stream(me, *server, of, counted); break;
    case work::requests: co_await requests(me, *server, of, counted); break;
    case work::bulk: co_await bulk(me, *server, of, counted); break;
  }
  counted.cpu = static_cast<double>(thread_cpu_ns() - cpu_from) / static_cast<double>(now_ns() - since);
  co_await me.stop(std::chrono::seconds(5));
  co_return counted;
}

}  // namespace

result<tally> drive(const job& of, std::uint16_t port) {
  const pinned here(of.with.client_core);
  loop on(loop_for(of));
  auto counted = on.run(play(on, of, port));
  if (counted) counted->is_pinned = here.held();
  return counted;
}

}  // namespace hawser::bench::own
