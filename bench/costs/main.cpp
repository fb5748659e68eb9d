// SPDX-License-Identifier: Apache-2.0 OR MIT
// bench_costs JOB COUNT: does a fixed piece of work COUNT times between two peers in a simulated network, for valgrind to count the
// instructions of (check.sh). The same JOB and COUNT always execute the same instructions.
#include <hawser/hawser.hpp>
#include <hawser/testing/network.hpp>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace hawser;

constexpr std::size_t small_bytes = 64;
constexpr std::size_t block_bytes = 64 * 1024;
constexpr std::size_t spread_channels = 200;
constexpr std::size_t subscribers = 50;
constexpr std::size_t published_at_once = 16;
std::uint64_t done_there = 0;

task<> echo(request& rq) {
  for (;;) {
    auto piece = co_await rq.read();
    if (!piece || piece->empty()) co_return;
    if (!co_await rq.write(std::move(*piece))) co_return;
  }
}

task<> swallow(channel& from) {
  for (;;) {
    const auto piece = co_await from.read();
    if (!piece || piece->empty()) co_return;
    done_there += piece->size();
  }
}

task<> messages(peer& me, connection server, std::uint64_t count) {
  std::byte sent[small_bytes]{};
  for (std::uint64_t i = 0; i < count;) {
    if (server.send(byte_view(sent))) ++i;
    else if (!co_await me.writable(server)) std::abort();
  }
}

task<> count_messages(channel& from) {
  for (;;) {
    const auto message = co_await from.read();
    if (!message || message->empty()) co_return;
    ++done_there;
  }
}

// Channels of kind message, one message after the other on each.
task<> on_channels(peer& me, connection server, std::size_t channels, std::uint64_t count) {
  std::byte sent[small_bytes]{};
  std::vector<channel> open;
  while (open.size() < channels) {
    auto one = me.open_messages(server);
    if (!one) std::abort();
    open.push_back(std::move(*one));
  }
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto written = co_await open[i % channels].write(byte_view(sent));
    if (!written) std::abort();
  }
  for (channel& one : open) one.finish();
  for (channel& one : open) (void)co_await one.read();
}

// The same to all connections.
task<> publish(peer& me, std::vector<connection> to, std::uint64_t count) {
  std::byte sent[small_bytes]{};
  framed_messages all(me.home().buffers());
  while (all.count() < published_at_once) {
    if (!all.append(byte_view(sent))) std::abort();
  }
  for (std::uint64_t i = 0; i < count / (subscribers * published_at_once); ++i) {
    for (connection& one : to) {
      if (!one.send(all)) std::abort();
    }
    co_await sleep(me.home(), std::chrono::milliseconds(1));
  }
}

task<> round_trips(peer& me, connection server, std::uint64_t count) {
  std::byte sent[small_bytes]{};
  event over(me.home());
  me.on_message([&](connection& from, byte_view got) {
    if (--count == 0) over.set();
    else if (!from.send(got)) std::abort();
  });
  if (!server.send(byte_view(sent))) std::abort();
  co_await over.wait();
}

task<> ask(peer& me, connection server, std::uint64_t count) {
  std::byte sent[small_bytes]{};
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto answer = co_await me.call(server, "echo", byte_view(sent));
    if (!answer || answer->size() != small_bytes) std::abort();
  }
}

task<> requests(peer& me, connection server, std::uint64_t count) {
  constexpr std::uint64_t callers = 64;
  scope all(me.home());
  for (std::uint64_t i = 0; i < callers; ++i) all.spawn(ask(me, server, count / callers));
  co_await all.join();
}

// Piece by piece there and, as they come, back.
task<> stream_pieces(peer& me, connection server, std::uint64_t count) {
  std::byte piece[small_bytes]{};
  for (std::uint64_t i = 0; i < count; ++i) {
    auto rq = me.start(server, "echo");
    if (!rq) std::abort();
    for (int k = 0; k < 64; ++k) {
      const auto written = co_await rq->write(byte_view(piece));
      if (!written) std::abort();
    }
    rq->finish();
    const auto answer = co_await rq->read_all(64 * small_bytes);
    if (!answer || answer->size() != 64 * small_bytes) std::abort();
  }
}

task<> streamed(peer& me, connection server, std::uint64_t count) {
  constexpr std::uint64_t callers = 16;
  scope all(me.home());
  for (std::uint64_t i = 0; i < callers; ++i) all.spawn(stream_pieces(me, server, count / callers));
  co_await all.join();
}

task<> blocks(peer& me, connection server, std::uint64_t count) {
  chunk block = me.home().buffers().allocate(block_bytes);
  block.grow(block_bytes);
  std::memset(block.mutable_data(), 0x5a, block_bytes);
  auto to = me.open_stream(server);
  if (!to) std::abort();
  for (std::uint64_t i = 0; i < count; ++i) {
    chunk shared = block;
    if (!co_await to->write(std::move(shared))) std::abort();
  }
  to->finish();
  if (!co_await to->read()) std::abort();
}

task<bool> work(peer& me, endpoint where, std::string_view job, std::uint64_t count) {
  const auto server = co_await me.connect(where);
  if (!server) co_return false;
  if (job == "fan-out") {
    std::vector<connection> all{*server};
    while (all.size() < subscribers) {
      const auto one = co_await me.connect(where);
      if (!one) co_return false;
      all.push_back(*one);
    }
    co_await publish(me, std::move(all), count);
    co_await me.stop(std::chrono::seconds(60));
    co_return true;
  }
  if (job == "messages") co_await messages(me, *server, count);
  else if (job == "channel-messages") co_await on_channels(me, *server, 1, count);
  else if (job == "spread-messages") co_await on_channels(me, *server, spread_channels, count);
  else if (job == "round-trips") co_await round_trips(me, *server, count);
  else if (job == "requests") co_await requests(me, *server, count);
  else if (job == "streamed") co_await streamed(me, *server, count);
  else if (job == "blocks") co_await blocks(me, *server, count);
  else co_return false;
  co_await me.stop(std::chrono::seconds(60));
  co_return true;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fputs("bench_costs messages|channel-messages|spread-messages|fan-out|round-trips|requests|streamed|blocks COUNT\n", stderr);
    return 2;
  }
  const std::string_view job = argv[1];
  testing::network_options options;
  options.hash_bytes = false;
  testing::network net(options);
  loop& here = net.host("client");
  loop& there = net.host("server");
  peer server(there, {.listen = "server:7000"});
  server.on("echo", echo);
  server.on_stream(swallow);
  server.on_messages(count_messages);
  if (job == "round-trips") server.on_message([](connection& from, byte_view got) { (void)from.send(got); });
  else server.on_message([](connection&, byte_view) { ++done_there; });
  peer client(here);
  const std::uint64_t count = std::strtoull(argv[2], nullptr, 10);
  if (!net.run("client", work(client, "server:7000", job, count))) return 1;
  const bool counts_messages = job == "messages" || job == "channel-messages" || job == "spread-messages" || job == "fan-out";
  const std::uint64_t expected = counts_messages ? count : job == "blocks" ? count * block_bytes : 0;
  return done_there == expected ? 0 : 1;
}
