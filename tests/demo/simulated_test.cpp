// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "demo/jobs.hpp"
#include "demo/service.hpp"
#include "support/seeded.hpp"

#include <hawser/testing/network.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

// The two sides of `./dev run`, the same object code, on loops of the simulated network instead of two processes.

namespace hawser {
namespace {

using namespace std::chrono_literals;

struct outcome {
  std::vector<demo::report::line> rows;
  std::uint64_t trace = 0;
  std::uint64_t events = 0;
};

task<std::error_code> run_client(loop& on, testing::network& net, const demo::plan& work, demo::report& results) {
  peer me(on, {.name = "client", .application = demo::application});
  const auto there = co_await me.connect("there:7000");
  if (!there) co_return there.error();
  demo::bench_seat seat{on, me, *there, work, results, [&net] { net.kill("there"); }};
  co_await demo::do_all(seat);
  co_return std::error_code();
}

outcome run_demonstration(std::uint64_t seed) {
  demo::plan work;
  work.messages = 20'000 / HAWSER_COUNT_SCALE;
  work.requests = 500 / HAWSER_COUNT_SCALE;
  work.sink_bytes = 1'000'000;
  work.file_bytes = 1 << 20;
  work.spinning = work.shows_progress = false;

  testing::network net(seed);
  loop &here = net.host("here"), &there = net.host("there");
  net.link("here", "there", {.lag = 300us, .jitter = 200us, .bytes_per_second = 50'000'000, .partial_delivery = true});
  peer server(there, {.name = "server", .listen = "there:7000", .application = demo::application});
  const demo::service operations(there, server);
  demo::report results;
  // The network is turned from outside, so that the client may kill the server in the middle of its own turn.
  task<std::error_code> client = run_client(here, net, work, results);
  client.start();
  EXPECT_TRUE(net.run_until([&] { return client.done(); }, 10min)) << "a job that never ends";
  if (client.done()) {
    EXPECT_EQ(client.take(), std::error_code());
  }
  return {results.lines(), net.trace_hash(), net.events()};
}

TEST(demo_in_simulation, runs_unmodified_with_every_row_verified_and_the_same_trace_twice) {
  seeded::for_each_seed(seeded::share::demonstration, [](std::uint64_t seed) {
    const outcome first = run_demonstration(seed), again = run_demonstration(seed);
    for (const char* row : {"messages", "requests", "sink", "file", "ping idle", "ping beside the file", "cancelled", "past its deadline of 100 ms",
             "unknown operation", "server killed in mid-request"}) {
      const auto found = std::find_if(first.rows.begin(), first.rows.end(), [row](const demo::report::line& one) { return one.what == row; });
      ASSERT_TRUE(found != first.rows.end()) << row;
      EXPECT_TRUE(found->verified) << row << ": " << found->figures;
    }
    EXPECT_EQ(first.rows.size(), 10u) << "a row that this test does not know";
    EXPECT_EQ(first.trace, again.trace);
    EXPECT_EQ(first.events, again.events);
    EXPECT_TRUE(first.rows == again.rows) << "figures come from another clock than the network's";
    EXPECT_NE(first.trace, run_demonstration(seed + 1'000).trace) << "the hash covers nothing";
  });
}

}  // namespace
}  // namespace hawser
