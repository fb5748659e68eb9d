// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "sim/peers.hpp"
#include "support/seeded.hpp"

#include <memory>

// Every kind of work at once on one connection, through a network that delivers in pieces. What ./dev run does is in tests/demo.

namespace hawser::peer_sim {
namespace {

struct seen {
  std::uint64_t messages = 0, requests = 0, file_bytes = 0, pings = 0;
  bool in_order = true;
  std::uint64_t trace = 0;
};

seen all_jobs(std::uint64_t seed) {
  const dangerous_fixed_entropy entropy(seed);
  seen out;
  testing::network net(seed);
  loop &here = net.host("here"), &there = net.host("there");
  net.link("here", "there", {.lag = 3ms, .jitter = 1ms, .bytes_per_second = 20'000'000, .partial_delivery = true});
  auto server = std::make_unique<peer>(there, peer_options{.name = "server", .listen = "there:7000"});
  peer client(here, {.name = "client"});
  std::string file;
  server->on("echo", echo);
  server->on("hold", [](request& rq) -> task<> {
    for (;;) {
      const auto piece = co_await rq.read();
      if (!piece) co_return;
      if (piece->empty()) break;
    }
    while (co_await rq.write("still here ")) {
    }
  });
  server->on_message([&](connection&, byte_view message) { out.in_order = out.in_order && load_le<std::uint64_t>(message.data()) == out.messages++; });

  const connection to = connect(net, client, "there:7000");
  constexpr std::uint64_t messages = 20'000, requests = 500;
  const auto send_messages = [&]() -> task<> {
    std::byte message[64]{};
    for (std::uint64_t i = 0; i < messages; ++i) {
      store_le(message, i);
      while (!to.send(message)) HAWSER_CO_ASSERT(succeeded(co_await client.writable(to)));
    }
  };
  const auto one_request = [&](std::uint64_t i) -> task<> {
    const std::string body = pattern(i * 4'096, i % 700);
    const result<chunk> answer = co_await client.call(to, "echo", as_bytes(body));
    if (answer && as_text(*answer) == body) ++out.requests;
  };
  const auto there_and_back = [&]() -> task<> {
    constexpr std::uint64_t total = 3'000'000;
    auto rq = client.start(to, "echo");
    HAWSER_CO_ASSERT(succeeded(rq));
    scope writer(here);
    const auto write = [&]() -> task<> {
      for (std::uint64_t at = 0; at < total; at += 50'000) {
        const std::string piece = pattern(at, 50'000);
        HAWSER_CO_ASSERT(succeeded(co_await rq->write(piece)));
      }
      rq->finish();
    };
    writer.spawn(write());
    for (;;) {
      const auto piece = co_await rq->read();
      HAWSER_CO_ASSERT(succeeded(piece));
      if (piece->empty()) break;
      HAWSER_CO_ASSERT(follows_pattern(*piece, out.file_bytes));
      out.file_bytes += piece->size();
    }
  };
  const auto pings = [&]() -> task<> {
    for (int i = 0; i < 20; ++i) {
      const result<chunk> answer = co_await client.call(to, "echo", as_bytes("ping"), {.urgency = 0});
      if (answer && as_text(*answer) == "ping") ++out.pings;
    }
  };
  scope work(here);
  work.spawn(send_messages());
  work.spawn(there_and_back());
  work.spawn(pings());
  for (std::uint64_t i = 0; i < requests; ++i) work.spawn(one_request(i));
  EXPECT_TRUE(net.run_until([&] { return work.count() == 0 && out.messages == messages; }, 10min));
  EXPECT_EQ(out.messages, messages);
  EXPECT_EQ(out.requests, requests);
  EXPECT_EQ(out.file_bytes, 3'000'000u);
  EXPECT_EQ(out.pings, 20u);
  EXPECT_TRUE(out.in_order);

  EXPECT_TRUE(failed_with(finish(net, ask(client, to, "no such operation", "x")), errc::operation_not_found));
  EXPECT_TRUE(failed_with(finish(net, ask(client, to, "hold", "x", {.deadline = 250ms})), errc::deadline));
  auto given_up = client.start(to, "hold");
  EXPECT_TRUE(succeeded(given_up));
  net.run_for(50ms);
  given_up->cancel();
  EXPECT_TRUE(is(given_up->error(), errc::cancelled));
  net.at(100ms, [&] { net.kill("there"); });
  EXPECT_TRUE(failed_with(finish(net, ask(client, to, "hold", "x")), errc::connection_lost));
  EXPECT_TRUE(client.connections().empty());
  out.trace = net.trace_hash();
  return out;
}

TEST(sim_peers_jobs, messages_requests_a_file_and_pings_share_one_connection_and_each_failure_is_typed) {
  seeded::for_each_seed(seeded::share::peer_jobs, [](std::uint64_t seed) { all_jobs(seed); });
}

TEST(sim_peers_jobs, give_the_same_trace_for_the_same_seed) {
  seeded::for_each_seed(seeded::share::peer_jobs_trace, [](std::uint64_t seed) { EXPECT_EQ(all_jobs(seed).trace, all_jobs(seed).trace); });
}

}  // namespace
}  // namespace hawser::peer_sim
