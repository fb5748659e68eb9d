// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/link/entropy.hpp>
#include <hawser/testing/network.hpp>

#include "unit/peer/fixture.hpp"

// Whole peers in the simulated network.

namespace hawser::peer_sim {

using namespace std::chrono_literals;
using namespace std::string_literals;
using peer_test::connect;
using peer_test::diary;
using peer_test::echo;
using peer_test::failed_with;
using peer_test::follows_pattern;
using peer_test::is;
using peer_test::pattern;
using peer_test::scaled;
using peer_test::succeeded;

// Runs a task to its end, or throws (which fails the test) when that takes too much virtual time.
template <class T>
T finish(testing::network& net, task<T> work, duration limit = 10min) {
  work.start();
  if (!net.run_until([&] { return work.done(); }, limit)) throw std::runtime_error("the task did not end in time");
  return work.take();
}

inline connection connect(testing::network& net, peer& from, const endpoint& where) {
  const result<connection> with = finish(net, from.connect(where));
  if (!with) throw std::runtime_error("connect: " + with.error().message());
  return *with;
}

inline task<result<std::string>> ask(peer& from, connection to, std::string operation, std::string body, call_options options = {}) {
  const result<chunk> answer = co_await from.call(to, operation, as_bytes(body), options);
  if (!answer) co_return failure(answer.error());
  co_return std::string(as_text(*answer));
}

}  // namespace hawser::peer_sim
