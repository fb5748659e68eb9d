// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/link.hpp>

#include "abuse/simulated.hpp"
#include "abuse/sockets.hpp"

#include <vector>

// Strangers who connect and do not shake hands, and such as were let in and do not go: their number is bounded, what they hold as well,
// and it comes back by itself.

namespace hawser::abuse {
namespace {

class half_open : public ::testing::TestWithParam<engine_choice> {
 protected:
  using crowd = std::vector<std::unique_ptr<intruder>>;
  static std::size_t present(crowd& all) {
    std::size_t here = 0;
    for (const auto& one : all) here += (one->turn(), !one->gone());
    return here;
  }
};

TEST_P(half_open, connections_are_bounded_in_number_and_bytes_and_make_room_when_their_time_is_over) {
  constexpr std::size_t bound = 16;
  peer_options options = attacked();
  options.handshakes_max = bound;
  options.wire.handshake_timeout = 300ms;
  attacked_server at(GetParam(), options);
  memory_watch watch(at.on);
  const std::string started = wire::preface() + wire::frame(type::hello, 0, 0, "half of it", 16'384);
  crowd all;
  for (int i = 0; i < 100; ++i) all.push_back(std::make_unique<intruder>(at.server->local_endpoint(), at.limits().announced, started));
  ASSERT_TRUE(at.until([&] { return watch.look(), present(all) <= bound; }));
  EXPECT_EQ(present(all), bound) << "the others were reset";
  EXPECT_LE(at.on.engine().open_sockets(), 2 + bound);
  // What a stranger holds before it is let in: the connection, our greeting, and its own HELLO as far as it has come.
  EXPECT_LE(watch.peak(), all.size() * sizeof(intruder) + 100 * 2'048 + bound * (8 * 1024 + 16'384));
  at.expect_others_untouched();

  peer newcomer(at.on, {.name = "newcomer"});
  EXPECT_FALSE(finish(at.on, newcomer.connect(at.server->local_endpoint())).has_value()) << "all places are taken";
  ASSERT_TRUE(at.until([&] { return present(all) == 0; }));
  // Their sockets are given up when they are closed at the other end too, or a second later.
  ASSERT_TRUE(at.until([&] { return at.on.engine().open_sockets() == 2; }));
  EXPECT_TRUE(succeeded(finish(at.on, newcomer.connect(at.server->local_endpoint()))));
  EXPECT_EQ(at.hooks.count("connected"), 2u);
}

TEST_P(half_open, connections_below_the_bound_leave_room_for_honest_ones_all_the_time) {
  constexpr std::size_t bound = 16;
  peer_options options = attacked();
  options.handshakes_max = bound;
  options.wire.handshake_timeout = 40ms;
  attacked_server at(GetParam(), options);
  // As many strangers as leave one place; whoever is thrown out comes again.
  crowd all(bound - 1);
  std::size_t dials = 0;
  const auto come_again = [&] {
    for (auto& one : all) {
      if (one && (one->turn(), !one->gone())) continue;
      one = std::make_unique<intruder>(at.server->local_endpoint(), at.limits().announced, wire::preface());
      ++dials;
    }
  };
  const std::size_t rounds = scaled(40);
  for (std::size_t i = 0; i < rounds; ++i) {
    peer newcomer(at.on, {.name = "newcomer"});
    // One that was closed may still be counted when it comes again: then the place is theirs for a moment.
    const bool in = at.until([&] {
      come_again();
      return finish(at.on, newcomer.connect(at.server->local_endpoint())).has_value();
    },
        5s);
    ASSERT_TRUE(in) << i;
    ASSERT_TRUE(at.until([&] { return come_again(), at.hooks.count("disconnected newcomer") == i; }));
  }
  EXPECT_GE(dials, bound - 1);
  at.expect_others_untouched();
}

// Ended by an error, a connection stays until the other side has closed as well, or for a second: it keeps its place until then.
TEST_P(half_open, connections_that_ended_and_are_not_gone_keep_their_places) {
  constexpr std::size_t bound = 8, handshakes = 4;
  peer_options options = attacked();
  options.connections_max = bound;
  options.handshakes_max = handshakes;
  attacked_server at(GetParam(), options);
  crowd all;
  std::size_t let_in = 0;
  for (int i = 0; i < 60; ++i) {
    all.push_back(std::make_unique<intruder>(at.server->local_endpoint(), at.limits().announced));
    intruder& one = *all.back();
    ASSERT_TRUE(at.until([&] { return one.turn(), one.farewell || one.gone() || one.heard[type::hello] == 1; }));
    if (one.heard[type::hello] == 1) {
      ++let_in;
      one.say(wire::frame(13, 0, 1, "no such type"));
      ASSERT_TRUE(at.until([&] { return one.turn(), one.farewell.has_value(); }));
    }
    ASSERT_LE(at.on.engine().open_sockets(), 1 + bound + handshakes) << "the other end of the honest one, and these";
  }
  EXPECT_GE(let_in, bound - 1);
  at.expect_others_untouched();
  ASSERT_TRUE(at.until([&] { return at.on.engine().open_sockets() == 2; }));
  peer newcomer(at.on, {.name = "newcomer"});
  EXPECT_TRUE(succeeded(finish(at.on, newcomer.connect(at.server->local_endpoint()))));
}

INSTANTIATE_TEST_SUITE_P(each, half_open, ::testing::ValuesIn(engines()), [](const auto& one) { return name_of(one.param); });

// In virtual time: the places come back with the time limit and what a link then waits for the other side's FIN.
TEST(half_open_places, come_back_at_the_time_limit_of_the_handshake) {
  testing::network net(41);
  net.link("evil", "server", {.lag = 1ms});
  net.link("honest", "server", {.lag = 1ms});
  diary hooks;
  peer_options options = attacked();
  options.listen = "server:7000";
  options.handshakes_max = 100;
  options.hooks = &hooks;
  peer server(net.host("server"), std::move(options));
  net.run_for(10ms);
  const instant begin = net.now();
  std::vector<std::unique_ptr<simulated_intruder>> all;
  for (int i = 0; i < 100; ++i)
    all.push_back(std::make_unique<simulated_intruder>(net.host("evil"), net.address("server", 7000), small_limits().announced, script(),
        wire::preface(), 10ms));
  net.run_for(100ms);
  peer client(net.host("honest"), {.name = "honest"});
  std::size_t refused = 0;
  const auto insist = [&]() -> task<> {
    for (;;) {
      const result<connection> in = co_await client.connect("server:7000");
      if (in) co_return;
      ++refused;
      co_await sleep(net.host("honest"), 10ms);
    }
  };
  task<> dial = insist();
  dial.start();
  ASSERT_TRUE(net.run_until([&] { return dial.done(); }, 1min));
  EXPECT_GT(refused, 100u);
  EXPECT_GE(net.now() - begin, duration(5s));
  EXPECT_LE(net.now() - begin, duration(5s + hawser::link::linger_max + 50ms));
  EXPECT_EQ(hooks.count("connected"), 1u);
}

}
}  // namespace hawser::abuse
