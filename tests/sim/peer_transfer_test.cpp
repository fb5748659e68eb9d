// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "sim/peers.hpp"

#include <numeric>

// How peers use a link: all of it, in fair shares, and without making small things wait.

namespace hawser::peer_sim {
namespace {

// Writes for ever, from one shared block.
task<> pour(channel strand, chunk block) {
  for (;;) {
    const result<> written = co_await strand.write(block);
    if (!written) co_return;
  }
}

testing::network_options plain(std::uint64_t seed = 1) {
  testing::network_options options;
  options.seed = seed;
  options.hash_bytes = false;
  return options;
}

TEST(sim_peers_transfer, one_stream_fills_80_percent_of_a_gigabit_with_100_ms_round_trip_within_20_of_them_in_bounded_memory) {
  constexpr std::uint64_t link_bytes_per_second = 125'000'000;
  constexpr duration round_trip = 100ms;
  testing::network net(plain());
  loop &here = net.host("here"), &there = net.host("there");
  net.link("here", "there", {.lag = round_trip / 2, .bytes_per_second = link_bytes_per_second});
  peer receiver(there, {.name = "receiver", .listen = "there:7000"}), sender(here, {.name = "sender"});
  std::uint64_t got = 0;
  receiver.on_stream([&](channel& opened) -> task<> {
    for (;;) {
      const auto piece = co_await opened.read();
      if (!piece || piece->empty()) co_return;
      got += piece->size();
    }
  });
  const connection to = connect(net, sender, "there:7000");
  scope work(here);
  const std::string zeros(256 * 1024, '\0');
  auto stream = sender.open_stream(to);
  ASSERT_TRUE(succeeded(stream));
  work.spawn(pour(std::move(*stream), here.buffers().copy(as_bytes(zeros))));

  const auto enough = static_cast<std::uint64_t>(0.8 * link_bytes_per_second * 0.1);     // in one round trip
  std::vector<std::uint64_t> per_round_trip;
  std::size_t most_here = 0, most_there = 0;
  for (int i = 0; i < 25; ++i) {
    const std::uint64_t before = got;
    for (int step = 0; step < 10; ++step) {
      net.run_for(round_trip / 10);
      most_here = std::max(most_here, here.buffers().bytes_in_use());
      most_there = std::max(most_there, there.buffers().bytes_in_use());
    }
    per_round_trip.push_back(got - before);
  }
  std::string curve;
  for (const auto bytes : per_round_trip) curve += std::to_string(bytes * 100 / (link_bytes_per_second / 10)) + "% ";
  for (std::size_t i = 20; i < per_round_trip.size(); ++i) EXPECT_GE(per_round_trip[i], enough) << "round trip " << i << " of: " << curve;
  // The watermarks of the connection, and what its transport was given; a reader that reads holds next to nothing.
  EXPECT_LT(most_here, 5u << 20);
  EXPECT_LT(most_there, 4u << 20);
  work.cancel();
}

TEST(sim_peers_transfer, a_hundred_bulk_channels_share_a_link_within_5_percent) {
  testing::network net(plain());
  loop &here = net.host("here"), &there = net.host("there");
  net.link("here", "there", {.lag = 1ms, .bytes_per_second = 50'000'000});
  peer receiver(there, {.name = "receiver", .listen = "there:7000"}), sender(here, {.name = "sender"});
  constexpr std::size_t channels = 100;
  std::vector<std::uint64_t> got(channels);
  receiver.on_stream([&](channel& opened) -> task<> {
    const std::size_t index = std::stoul(std::string(opened.operation()));
    for (;;) {
      const auto piece = co_await opened.read();
      if (!piece || piece->empty()) co_return;
      got[index] += piece->size();
    }
  });
  const connection to = connect(net, sender, "there:7000");
  const std::string zeros(64 * 1024, '\0');
  scope work(here);
  for (std::size_t i = 0; i < channels; ++i) {
    auto stream = sender.open_stream(to, std::to_string(i));
    ASSERT_TRUE(succeeded(stream));
    work.spawn(pour(std::move(*stream), here.buffers().copy(as_bytes(zeros))));
  }
  net.run_for(500ms);
  const std::vector<std::uint64_t> before = got;
  net.run_for(8s);                                         // a turn more or less is then below the 5 %
  std::uint64_t total = 0, least = UINT64_MAX, most = 0;
  for (std::size_t i = 0; i < channels; ++i) {
    const std::uint64_t bytes = got[i] - before[i];
    total += bytes, least = std::min(least, bytes), most = std::max(most, bytes);
  }
  const double mean = static_cast<double>(total) / channels;
  EXPECT_GT(total, 320'000'000u) << "and they use the link";
  EXPECT_GE(static_cast<double>(least), 0.95 * mean) << "mean " << mean;
  EXPECT_LE(static_cast<double>(most), 1.05 * mean) << "mean " << mean;
  work.cancel();
}

TEST(sim_peers_transfer, a_small_message_on_a_busy_connection_waits_for_less_than_256_kib_of_others) {
  for (const std::size_t bulk_channels : {1u, 10u, 100u}) {
    testing::network net(plain());
    loop &here = net.host("here"), &there = net.host("there");
    const duration lag = 100us;
    net.link("here", "there", {.lag = lag, .bytes_per_second = 12'500'000});
    peer receiver(there, {.name = "receiver", .listen = "there:7000"}), sender(here, {.name = "sender"});
    std::uint64_t bulk = 0, bulk_when_sent = 0, most = 0;
    int messages = 0;
    receiver.on_stream([&](channel& opened) -> task<> {
      for (;;) {
        const auto piece = co_await opened.read();
        if (!piece || piece->empty()) co_return;
        bulk += piece->size();
      }
    });
    receiver.on_message([&](connection&, byte_view) {
      most = std::max(most, bulk - bulk_when_sent);
      ++messages;
    });
    const connection to = connect(net, sender, "there:7000");
    const std::string zeros(64 * 1024, '\0');
    scope work(here);
    for (std::size_t i = 0; i < bulk_channels; ++i) {
      auto stream = sender.open_stream(to);
      ASSERT_TRUE(succeeded(stream));
      work.spawn(pour(std::move(*stream), here.buffers().copy(as_bytes(zeros))));
    }
    net.run_for(1s);
    EXPECT_GT(bulk, 10'000'000u) << "it is no test when the connection is not busy";
    for (int i = 0; i < 20; ++i) {
      bulk_when_sent = bulk;
      ASSERT_TRUE(succeeded(to.send("a small message")));
      ASSERT_TRUE(net.run_until([&] { return messages == i + 1; }, 10s));
      net.run_for(7ms);
    }
    EXPECT_LT(most, 256u * 1024) << "beside " << bulk_channels << " bulk channels";
    work.cancel();
  }
}

TEST(sim_peers_transfer, urgent_bulk_goes_first_and_the_other_still_moves) {
  testing::network net(plain());
  loop &here = net.host("here"), &there = net.host("there");
  net.link("here", "there", {.lag = 1ms, .bytes_per_second = 20'000'000});
  peer receiver(there, {.name = "receiver", .listen = "there:7000"}), sender(here, {.name = "sender"});
  std::uint64_t got[2] = {};
  receiver.on_stream([&](channel& opened) -> task<> {
    const bool urgent = opened.operation() == "urgent";
    for (;;) {
      const auto piece = co_await opened.read();
      if (!piece || piece->empty()) co_return;
      got[urgent ? 0 : 1] += piece->size();
    }
  });
  const connection to = connect(net, sender, "there:7000");
  const std::string zeros(64 * 1024, '\0');
  scope work(here);
  auto patient = sender.open_stream(to, "patient", {.urgency = 7}), urgent = sender.open_stream(to, "urgent", {.urgency = 0});
  ASSERT_TRUE(succeeded(patient) && succeeded(urgent));
  work.spawn(pour(std::move(*patient), here.buffers().copy(as_bytes(zeros))));
  work.spawn(pour(std::move(*urgent), here.buffers().copy(as_bytes(zeros))));
  net.run_for(3s);
  EXPECT_GT(got[0] + got[1], 50'000'000u) << "and they use the link";
  EXPECT_GT(got[0], 3 * got[1]);
  EXPECT_GT(got[1], (got[0] + got[1]) / 20) << "nobody starves";
  work.cancel();
}

TEST(sim_peers_transfer, a_request_beside_a_bulk_answer_keeps_its_latency) {
  testing::network net(plain());
  loop &here = net.host("here"), &there = net.host("there");
  net.link("here", "there", {.lag = 1ms, .bytes_per_second = 125'000'000});
  peer server(there, {.name = "server", .listen = "there:7000"}), client(here, {.name = "client"});
  server.on("echo", echo);
  server.on("flood", [&](request& rq) -> task<> {
    const std::string zeros(64 * 1024, '\0');
    for (;;) {
      const result<> written = co_await rq.write(zeros);
      if (!written) co_return;
    }
  });
  const connection to = connect(net, client, "there:7000");
  const auto drain = [&]() -> task<> {
    auto rq = client.start(to, "flood");
    HAWSER_CO_ASSERT(succeeded(rq));
    for (;;) {
      const auto piece = co_await rq->read();
      if (!piece || piece->empty()) co_return;
    }
  };
  scope work(here);
  work.spawn(drain());
  net.run_for(200ms);
  const auto one = [&]() -> duration {
    const instant begin = net.now();
    EXPECT_EQ(finish(net, ask(client, to, "echo", "ping")).value_or("failed"), "ping");
    return net.now() - begin;
  };
  // Two ways of lag and, at 125 MB/s, what was handed over (128 KiB by a flood that was alone), what the system keeps unsent (96 KiB) and
  // what the link has begun with (64 KiB, each way).
  const duration first = one();
  EXPECT_LT(first, 2ms + 1835us + 2 * 525us) << first / 1us << " us";
  duration worst{};
  for (int i = 0; i < 50; ++i) worst = std::max(worst, one());
  // The flood has learnt that it is not alone: 32 KiB.
  EXPECT_LT(worst, 2ms + 1049us + 525us) << worst / 1us << " us";
  work.cancel();
}

TEST(sim_peers_transfer, a_single_message_leaves_at_the_end_of_its_turn_and_takes_the_lag_alone) {
  testing::network net(plain());
  loop &here = net.host("here"), &there = net.host("there");
  net.link("here", "there", {.lag = 10ms});
  peer server(there, {.name = "server", .listen = "there:7000"}), client(here, {.name = "client"});
  server.on_message([](connection& from, byte_view message) { EXPECT_TRUE(succeeded(from.send(message))); });
  int answers = 0;
  client.on_message([&](connection&, byte_view) { ++answers; });
  const connection to = connect(net, client, "there:7000");
  net.run_for(1s);
  for (int i = 1; i <= 20; ++i) {
    const instant begin = net.now();
    ASSERT_TRUE(succeeded(to.send("ping")));
    ASSERT_TRUE(net.run_until([&] { return answers == i; }, 1s));
    EXPECT_LT(net.now() - begin, duration(20ms + 100us)) << "something corked it";
  }
}

TEST(sim_peers_transfer, the_first_call_needs_no_round_trip_beyond_its_own_and_the_handshakes) {
  testing::network net(plain());
  loop &here = net.host("here"), &there = net.host("there");
  net.link("here", "there", {.lag = 50ms});
  peer server(there, {.name = "server", .listen = "there:7000"}), client(here, {.name = "client"});
  server.on("echo", echo);
  const instant begin = net.now();
  const connection to = connect(net, client, "there:7000");
  EXPECT_LT(net.now() - begin, duration(210ms)) << "one for TCP, one for HELLO, and the look-up";
  const instant connected = net.now();
  ASSERT_EQ(finish(net, ask(client, to, "echo", "x")).value_or("failed"), "x");
  EXPECT_LT(net.now() - connected, duration(101ms));
}

}  // namespace
}  // namespace hawser::peer_sim
