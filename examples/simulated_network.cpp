// SPDX-License-Identifier: Apache-2.0 OR MIT
// A test of one's own program in a simulated network: hosts, lag, a cut in the middle, all in one process and on virtual time. The same
// seed does the same things at the same instants, so whatever goes wrong can be repeated.
#include <hawser/hawser.hpp>
#include <hawser/link/entropy.hpp>
#include <hawser/testing/network.hpp>

#include <iostream>
#include <string>

using namespace std::chrono_literals;

namespace {

// The program under test: adds numbers on another machine, and tries again when the network fails it. This code knows nothing
// of the simulation.
hawser::task<> add(hawser::request& rq) {
  const auto body = co_await rq.read_all(100);
  if (!body) co_return;
  const std::string text(hawser::as_text(*body));
  const auto plus = text.find('+');
  static_cast<void>(co_await rq.write(std::to_string(std::stoi(text.substr(0, plus)) + std::stoi(text.substr(plus + 1)))));
}

struct outcome {
  std::string answer;
  int attempts = 0;
};

hawser::task<outcome> add_stubbornly(hawser::peer& me, hawser::endpoint where) {
  outcome so_far;
  while (so_far.attempts < 50) {
    ++so_far.attempts;
    const auto there = co_await me.connect(where);
    if (there) {
      const auto answer = co_await me.call(*there, "add", hawser::as_bytes("40+2"), {.deadline = 1s});
      if (answer) {
        so_far.answer = hawser::as_text(*answer);
        co_return so_far;
      }
      there->abort();
    }
    co_await hawser::sleep(me.home(), 500ms);
  }
  co_return so_far;
}

struct run {
  outcome result;
  std::uint64_t trace = 0;
  hawser::duration took{};
};

run simulate(std::uint64_t seed) {
  hawser::dangerous_fixed_entropy entropy(seed);          // peers draw their ids from the system; here they follow from the seed
  hawser::testing::network net(seed);
  hawser::loop& here = net.host("laptop");
  hawser::loop& there = net.host("server");
  net.link("laptop", "server", {.lag = 40ms, .jitter = 20ms, .bytes_per_second = 100'000, .partial_delivery = true});

  run done;
  {
    hawser::peer server(there, {.name = "server", .listen = "server:7000"});
    server.on("add", add);
    hawser::peer client(here, {.name = "laptop"});
    net.at(50ms, [&] { net.cut("laptop", "server"); });     // in the midst of the handshake
    net.at(8s, [&] { net.heal("laptop", "server"); });
    done.result = net.run("laptop", add_stubbornly(client, "server:7000"));
  }
  done.trace = net.trace_hash();
  done.took = net.elapsed();
  return done;
}

}  // namespace

int main() {
  for (const std::uint64_t seed : hawser::testing::seeds(10)) {
    const run first = simulate(seed), again = simulate(seed);
    if (first.result.answer != "42" || first.trace != again.trace) {
      std::cerr << "failed; repeat it with HAWSER_SEED=" << seed << '\n';
      return 1;
    }
    std::cout << "seed " << seed << ": " << first.result.answer << " after " << first.result.attempts << " attempts and "
              << first.took / 1ms << " ms of simulated time\n";
  }
}
