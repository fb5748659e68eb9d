// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/process.hpp"
#include "own/seat.hpp"

#include <algorithm>
#include <string>

namespace hawser::bench::own {
namespace {

// How many dials are under way at a time, well below what a listener lets wait.
constexpr std::size_t dials_max = 64;

task<> dial(seat& at, const endpoint& where, std::size_t& dialled) {
  while (!at.counted.failed() && dialled < at.of.connections) {
    ++dialled;
    auto made = co_await at.me.connect(where);
    if (at.good(made)) at.servers.push_back(std::move(*made));
  }
}

task<> connect_all(seat& at, const endpoint& where) {
  scope dials(at.on);
  std::size_t dialled = 0;
  for (std::size_t i = 0; i < std::min(dials_max, at.of.connections); ++i) dials.spawn(dial(at, where, dialled));
  co_await dials.join();
  congestion_of_sockets(at.counted.congestion);
}

task<> work_at(seat& at, const endpoint& where) {
  switch (at.of.what) {
    case workload::pingpong:
    case workload::echoes: return ask_and_answer(at);
    case workload::stream: return stream(at);
    case workload::requests:
    case workload::streamed: return requests(at);
    case workload::bulk: return bulk(at);
    case workload::alone:
    case workload::beside: return beside(at);
    case workload::fanout: return subscribe(at);
    case workload::paced: return paced(at);
    case workload::idle: return ask_once(at);
    case workload::channels: return channels(at);
    case workload::open: return open_again_and_again(at);
    case workload::threads: return threads(at);
    case workload::quiet: return quiet(at);
    case workload::handover: return handover(at);
    case workload::connect: break;
  }
  return connect_again_and_again(at, where);
}

task<> play(seat& at, endpoint where) {
  if (at.of.what != workload::connect) co_await connect_all(at, where);
  if (at.counted.failed()) co_return;
  const expenses spent(at.on);
  co_await work_at(at, where);
  spent.tell(at.counted);
  if (at.servers.size() > 1) {
    for (connection& one : at.servers) one.abort();      // leaves no port behind that has to wait
  } else {
    co_await at.me.stop(std::chrono::seconds(5));
  }
}

}  // namespace

void drive(const job& of, std::uint16_t port, tally& counted) {
  loop_options how = loop_for(of);
  if (of.what == workload::paced) how.wait = wait_policy::busy;      // as the baseline: a burst is due within microseconds
  loop on(how);
  seat at(on, of, counted);
  on.run(play(at, "127.0.0.1:" + std::to_string(port)));
}

}  // namespace hawser::bench::own
