// SPDX-License-Identifier: Apache-2.0 OR MIT
// A user's program, a counter that clients raise over the network, and the user's test of it: while a seed cuts the line again and
// again, no call that was answered is forgotten, and the same seed does the same twice.
#include <hawser/hawser.hpp>
#include <hawser/testing/network.hpp>

#include <iostream>
#include <string>

using namespace std::chrono_literals;

namespace {

// -- the program

hawser::task<int> raise_until(hawser::loop& loop, hawser::peer& me, hawser::endpoint where, int wanted) {
  int answered = 0;
  while (answered < wanted) {
    auto there = co_await me.connect(where);
    while (there && answered < wanted) {
      const auto answer = co_await me.call(*there, "raise", {}, {.deadline = 2s});
      if (!answer) break;
      ++answered;
    }
    if (there) there->abort();
    co_await hawser::sleep(loop, 50ms);
  }
  co_return answered;
}

// -- its test

struct outcome {
  int answered = 0;
  int raised = 0;
  std::uint64_t trace = 0;
  bool operator==(const outcome&) const = default;
};

outcome run(std::uint64_t seed) {
  hawser::testing::network net(seed);
  hawser::loop& server_loop = net.host("server");
  hawser::loop& client_loop = net.host("client");
  net.link("client", "server", {.lag = 5ms, .jitter = 2ms, .partial_delivery = true});
  outcome result;
  {
    hawser::peer server(server_loop, {.listen = "server:7000"});
    server.on("raise", [&result](hawser::request& rq) -> hawser::task<> {
      ++result.raised;
      const auto written = co_await rq.write("done");
      (void)written;
    });
    hawser::peer client(client_loop);
    for (int i = 0; i < 4; ++i) {
      net.at(100ms + i * 700ms + std::chrono::milliseconds(seed * 13 % 50), [&net] { net.cut("client", "server"); });
      net.at(400ms + i * 700ms, [&net] { net.heal("client", "server"); });
    }
    result.answered = client_loop.run(raise_until(client_loop, client, "server:7000", 200));
  }
  result.trace = net.trace_hash();
  return result;
}

}  // namespace

int main() {
  for (const std::uint64_t seed : hawser::testing::seeds(5)) {
    const outcome first = run(seed);
    if (first.answered != 200 || first.raised < 200 || !(first == run(seed))) {
      std::cerr << "answered " << first.answered << ", raised " << first.raised << "; again with HAWSER_SEED=" << seed << '\n';
      return 1;
    }
    std::cout << "seed " << seed << ": " << first.raised << " raised, 200 answered\n";
  }
}
