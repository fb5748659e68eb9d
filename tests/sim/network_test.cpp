// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/testing/network.hpp>

#include "sim/wires.hpp"
#include "support/seeded.hpp"

#include <gtest/gtest.h>

#include <sstream>
#include <string>

// The simulated network itself: what programs may rely on when they are tested on it.

namespace hawser {
namespace {

using namespace std::chrono_literals;
using testing::network;
using wires::caller;
using wires::pair;
using wires::server;

// A conversation with chance in it: jitter and pieces of random size, both ways.
std::uint64_t hash_of_conversation(std::uint64_t seed, duration jitter) {
  network net(seed);
  loop& a = net.host("a");
  loop& b = net.host("b");
  net.link("a", "b", {.lag = 5ms, .jitter = jitter, .bytes_per_second = 10'000'000, .partial_delivery = jitter > 0ms});
  server echo(b, net.address("b", 7000));
  echo.echoes = true;
  caller one(a, net.address("b", 7000));
  caller two(a, net.address("b", 7000));
  one.say(std::string(50'000, 'x'));
  two.say(std::string(70'000, 'y'));
  EXPECT_TRUE(net.run_until([&] { return one.heard.size() == 50'000 && two.heard.size() == 70'000; }, 10s));
  return net.trace_hash();
}

TEST(network, same_seed_gives_the_same_trace) {
  seeded::for_each_seed(seeded::share::network_trace, [](std::uint64_t seed) { EXPECT_EQ(hash_of_conversation(seed, 3ms), hash_of_conversation(seed, 3ms)); });
}

TEST(network, other_seeds_give_other_traces_when_there_is_jitter) {
  EXPECT_NE(hash_of_conversation(1, 3ms), hash_of_conversation(2, 3ms));
}

TEST(network, bytes_are_part_of_the_trace_unless_switched_off) {
  const auto run = [](bool hash_bytes, const char* text) {
    testing::network_options options;
    options.hash_bytes = hash_bytes;
    network net(options);
    pair p(net);
    p.client.say(text);
    net.run_for(1s);
    return net.trace_hash();
  };
  EXPECT_NE(run(true, "one"), run(true, "two"));
  EXPECT_EQ(run(false, "one"), run(false, "two"));
}

TEST(network, connecting_takes_one_round_trip) {
  network net;
  net.host("a");
  net.host("b");
  net.link("a", "b", {.lag = 50ms});
  pair p(net);
  EXPECT_EQ(p.client.connected_at - p.began, 100ms);
}

TEST(network, a_megabyte_at_a_megabyte_per_second_takes_a_second_and_the_lag) {
  network net;
  net.host("a");
  net.host("b");
  net.link("a", "b", {.lag = 30ms, .bytes_per_second = 1'000'000});
  pair p(net);
  const instant start = net.now();
  p.client.say(std::string(1'000'000, 'z'));
  ASSERT_TRUE(net.run_until([&] { return p.far().heard.size() == 1'000'000; }, 10s));
  EXPECT_EQ(net.now() - start, 1s + 30ms);
}

TEST(network, odd_speeds_lose_no_time_to_rounding) {
  network net;
  net.host("a");
  net.host("b");
  net.link("a", "b", {.lag = 0ms, .bytes_per_second = 3'000'007});
  pair p(net);
  const instant start = net.now();
  p.client.say(std::string(6'000'014, 'z'));
  ASSERT_TRUE(net.run_until([&] { return p.far().heard.size() == 6'000'014; }, 10s));
  EXPECT_EQ(net.now() - start, 2s);
}

TEST(network, one_connection_fills_a_gigabit_at_a_hundred_milliseconds) {
  network net;
  net.host("a");
  net.host("b");
  net.link("a", "b", {.lag = 50ms, .bytes_per_second = 125'000'000});
  pair p(net);
  p.far().keeps = false;
  const instant start = net.now();
  for (int i = 0; i < 1000; ++i) p.client.say(std::string(100'000, 'z'));
  ASSERT_TRUE(net.run_until([&] { return p.far().count == 100'000'000; }, 10s));
  EXPECT_EQ(net.now() - start, 800ms + 50ms);
}

TEST(network, connections_share_a_link_in_turns) {
  network net;
  loop& a = net.host("a");
  loop& b = net.host("b");
  net.link("a", "b", {.lag = 1ms, .bytes_per_second = 1'000'000});
  server all(b, net.address("b", 7000));
  caller one(a, net.address("b", 7000));
  caller two(a, net.address("b", 7000));
  one.say(std::string(2'000'000, '1'));
  two.say(std::string(2'000'000, '2'));
  net.run_for(1s);
  ASSERT_EQ(all.accepted.size(), 2u);
  EXPECT_NEAR(static_cast<double>(all.accepted[0]->count), 500'000, 10'000);
  EXPECT_NEAR(static_cast<double>(all.accepted[1]->count), 500'000, 10'000);
}

TEST(network, a_send_ends_when_no_more_than_the_allowed_bytes_are_unsent) {
  network net;
  net.host("a");
  net.host("b");
  net.link("a", "b", {.lag = 1ms, .bytes_per_second = 1'000'000});
  pair p(net);
  const instant start = net.now();
  p.client.say(std::string(1'000'000, 'z'));
  ASSERT_TRUE(net.run_until([&] { return p.client.sent == 1'000'000; }, 10s));
  // 96 KiB may be unsent; the rest has been put on the wire by then.
  const auto left = 1s - (net.now() - start);
  EXPECT_NEAR(static_cast<double>(left.count()), 98'304e3, 2e6);
}

TEST(network, a_receiver_that_pauses_stops_the_sender_within_the_window) {
  network net;
  net.host("a");
  net.host("b");
  net.link("a", "b", {.lag = 1ms, .window_bytes = 1 << 20});
  pair p(net);
  p.far().pause();
  for (int i = 0; i < 100; ++i) p.client.say(std::string(100'000, 'z'));
  net.run_for(20s);
  EXPECT_EQ(p.far().count, 0u);
  EXPECT_LE(p.client.sent, (1u << 20) + 128 * 1024);
  EXPECT_GE(p.client.sent, 900'000u);
  p.far().resume();
  ASSERT_TRUE(net.run_until([&] { return p.far().count == 10'000'000; }, 10s));
}

TEST(network, partial_delivery_gives_every_byte_in_order_and_small_pieces) {
  seeded::for_each_seed(seeded::share::network_pieces, [](std::uint64_t seed) {
    network net(seed);
    net.host("a");
    net.host("b");
    net.link("a", "b", {.lag = 1ms, .jitter = 5ms, .partial_delivery = true});
    pair p(net);
    std::string text;
    for (int i = 0; i < 100'000; ++i) text += static_cast<char>('a' + i % 26);
    for (int i = 0; i < 10; ++i) p.client.say(text.substr(static_cast<std::size_t>(i) * 10'000, 10'000));
    ASSERT_TRUE(net.run_until([&] { return p.far().heard.size() == text.size(); }, 10s));
    EXPECT_EQ(p.far().heard, text);
    EXPECT_LE(p.far().smallest, 16u);
  });
}

TEST(network, a_cut_is_silent_and_a_heal_loses_nothing) {
  network net;
  net.host("a");
  net.host("b");
  net.link("a", "b", {.lag = 10ms, .bytes_per_second = 1'000'000});
  pair p(net);
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += static_cast<char>('a' + i % 26);
  p.client.say(text);
  net.run_for(50ms);
  net.cut("a", "b");
  const std::size_t before = p.far().heard.size();
  EXPECT_GT(before, 30'000u);
  net.run_for(3s);
  EXPECT_EQ(p.far().heard.size(), before);
  EXPECT_FALSE(p.client.failure);
  net.heal("a", "b");
  ASSERT_TRUE(net.run_until([&] { return p.far().heard.size() == text.size(); }, 6s));
  EXPECT_EQ(p.far().heard, text);
}

TEST(network, a_long_cut_ends_a_sender_with_write_timeout_and_the_receiver_hears_nothing) {
  network net;
  pair p(net);
  net.cut("a", "b");
  const instant start = net.now();
  p.client.say("lost");
  ASSERT_TRUE(net.run_until([&] { return static_cast<bool>(p.client.failure); }, 60s));
  EXPECT_EQ(p.client.failure, errc::write_timeout);
  EXPECT_EQ(net.now() - start, 30s);
  EXPECT_FALSE(p.far().failure);
  EXPECT_FALSE(p.far().ended);
  // The other side learns it when it sends to a system that has forgotten the connection.
  p.client.close();
  net.heal("a", "b");
  p.far().say("anybody?");
  ASSERT_TRUE(net.run_until([&] { return static_cast<bool>(p.far().failure); }, 5s));
  EXPECT_EQ(p.far().failure, errc::connection_reset);
}

TEST(network, a_frozen_host_takes_no_turns_but_its_system_receives) {
  network net;
  pair p(net);
  net.freeze("b");
  p.client.say("are you there");
  net.run_for(5s);
  EXPECT_EQ(p.client.sent, 13u);
  EXPECT_EQ(p.far().heard, "");
  net.thaw("b");
  net.run_for(1ms);
  EXPECT_EQ(p.far().heard, "are you there");
}

TEST(network, a_killed_host_ends_its_connections_as_its_system_would) {
  network net;
  pair p(net);
  p.far().say("last words");
  net.run_for(1us);
  net.kill("b");
  net.run_for(1s);
  EXPECT_EQ(p.client.heard, "last words");
  EXPECT_TRUE(p.client.ended);
  EXPECT_FALSE(p.client.failure);
  p.client.say("hello?");
  net.run_for(1s);
  EXPECT_EQ(p.client.failure, errc::connection_reset);
  caller late(net.host("a"), net.address("b", 7000));
  net.run_for(1s);
  EXPECT_EQ(late.failure, errc::connection_refused);
}

TEST(network, a_host_that_kills_itself_runs_nothing_more) {
  network net;
  loop& on = net.host("a");
  struct killing final : io::timer {
    void on_timer() override { net->kill("a"); }
    network* net = nullptr;
  } timer;
  struct counted final : io::job {
    void run() override { ++runs; }
    int runs = 0;
  } job;
  timer.net = &net;
  on.arm(timer, net.now() + 1ms);
  net.at(1ms, [&] { on.post(job); });      // due in the same turn, after the timers
  net.run_for(1s);
  EXPECT_EQ(job.runs, 0);
}

TEST(network, a_host_killed_while_its_own_loop_turns_the_network_aborts_and_is_named) {
  const auto run = [] {
    network net;
    loop& on = net.host("victim");
    net.at(1s, [&] { net.kill("victim"); });
    on.run_once(3s);
  };
  EXPECT_DEATH(run(), "host victim was killed while its own loop turned the simulation");
}

TEST(network, a_host_killed_with_unread_bytes_resets) {
  network net;
  pair p(net);
  net.freeze("b");
  p.client.say("nobody reads this");
  net.run_for(1s);
  net.kill("b");
  net.run_for(1s);
  EXPECT_EQ(p.client.failure, errc::connection_reset);
}

TEST(network, a_killed_host_can_be_restarted) {
  network net;
  pair p(net);
  net.kill("b");
  loop& fresh = net.restart("b");
  EXPECT_EQ(&fresh, &net.host("b"));
  server again(fresh, net.address("b", 7000));
  again.echoes = true;
  caller late(net.host("a"), net.address("b", 7000));
  late.say("hi");
  net.run_for(1s);
  EXPECT_EQ(late.heard, "hi");
}

TEST(network, refused_unreachable_and_silent_dials_fail_each_in_their_own_way) {
  network net;
  loop& a = net.host("a");
  loop& b = net.host("b");
  server all(b, net.address("b", 7000));
  caller nobody(a, net.address("b", 7001));
  caller nowhere(a, "10.9.9.9:7000");
  net.run_for(10s);
  EXPECT_EQ(nobody.failure, errc::connection_refused);
  EXPECT_EQ(nowhere.failure, errc::unreachable);
  net.refuse("b");
  caller turned_away(a, net.address("b", 7000));
  net.run_for(1s);
  EXPECT_EQ(turned_away.failure, errc::connection_refused);
  net.admit("b");
  net.cut("a", "b");
  caller unheard(a, net.address("b", 7000));
  net.run_for(126s);
  EXPECT_FALSE(unheard.failure);
  net.run_for(2s);
  EXPECT_EQ(unheard.failure, errc::connect_timeout);
  caller patient(a, net.address("b", 7000));
  net.run_for(2s);
  net.heal("a", "b");
  net.run_for(2s);
  EXPECT_TRUE(patient.connected);
}

TEST(network, a_full_backlog_delays_the_dialer_by_its_retry) {
  network net;
  loop& a = net.host("a");
  loop& b = net.host("b");
  server all(b, net.address("b", 7000), {.backlog = 1});
  net.freeze("b");
  caller first(a, net.address("b", 7000)), second(a, net.address("b", 7000)), third(a, net.address("b", 7000));
  net.run_for(500ms);
  EXPECT_TRUE(first.connected && second.connected);
  EXPECT_FALSE(third.connected);
  net.thaw("b");
  net.run_for(1s);
  EXPECT_TRUE(third.connected);
}

TEST(network, descriptors_run_out_and_accepting_goes_on_when_some_are_free) {
  network net;
  loop& a = net.host("a");
  loop& b = net.make_host("b", {.descriptors_max = 3, .loop = {}});
  server all(b, net.address("b", 7000));
  caller first(a, net.address("b", 7000)), second(a, net.address("b", 7000)), third(a, net.address("b", 7000));
  net.run_for(150ms);
  EXPECT_EQ(all.accepted.size(), 2u);
  EXPECT_EQ(all.stumbles, 2u);
  EXPECT_EQ(all.stumble, errc::too_many_descriptors);
  all.accepted[0]->close();
  net.run_for(100ms);
  EXPECT_EQ(all.accepted.size(), 3u);
  caller own(b, net.address("a", 1));
  EXPECT_EQ(own.failure, errc::too_many_descriptors);
}

TEST(network, half_closed_connections_go_on_the_other_way) {
  network net;
  pair p(net);
  p.client.say("question");
  p.client.finish();
  net.run_for(1s);
  EXPECT_EQ(p.far().heard, "question");
  EXPECT_TRUE(p.far().ended);
  p.far().say("answer");
  net.run_for(1s);
  EXPECT_EQ(p.client.heard, "answer");
}

TEST(network, closing_with_bytes_in_flight_delivers_them_before_the_end) {
  network net;
  net.host("a");
  net.host("b");
  net.link("a", "b", {.lag = 10ms, .bytes_per_second = 1'000'000});
  pair p(net);
  p.client.say(std::string(300'000, 'q'));
  p.client.close();
  net.run_for(5s);
  EXPECT_EQ(p.far().heard.size(), 300'000u);
  EXPECT_TRUE(p.far().ended);
  p.far().close();
  net.run_for(1s);
  EXPECT_EQ(net.host("a").engine().open_sockets(), 0u);
  EXPECT_EQ(net.host("b").engine().open_sockets(), 0u);
}

TEST(network, what_arrived_before_a_reset_is_delivered_first) {
  network net;
  pair p(net);
  p.client.say("before");
  net.run_for(1us);
  p.client.abort();
  net.run_for(1s);
  EXPECT_EQ(p.far().heard, "before");
  EXPECT_EQ(p.far().failure, errc::connection_reset);
}

TEST(network, loopback_and_unix_paths_stay_within_a_host) {
  network net;
  loop& a = net.host("a");
  loop& again = net.another_loop("a");
  loop& b = net.host("b");
  server by_address(a, "127.0.0.1:0");
  server by_path(a, "unix:/run/here");
  const endpoint port = a.engine().local_endpoint(by_address.listening);
  EXPECT_NE(port.port(), 0);
  caller near(again, port), near_path(again, "unix:/run/here"), far(b, port), far_path(b, "unix:/run/here");
  net.run_for(1s);
  EXPECT_TRUE(near.connected && near_path.connected);
  EXPECT_EQ(far.failure, errc::connection_refused);
  EXPECT_EQ(far_path.failure, errc::connection_refused);
}

TEST(network, addresses_in_use_and_of_others_cannot_be_listened_on) {
  network net;
  loop& a = net.host("a");
  net.host("b");
  server first(a, "a wildcard is not parsed");
  EXPECT_EQ(first.failure, errc::address_invalid);
  server all(a, "0.0.0.0:7000"), one(a, net.address("a", 7000)), other(a, net.address("b", 7000));
  EXPECT_FALSE(all.failure);
  EXPECT_EQ(one.failure, errc::address_in_use);
  EXPECT_EQ(other.failure, errc::address_invalid);
}

TEST(network, ipv6_and_wildcards_reach_the_host) {
  network net;
  loop& a = net.host("a");
  loop& b = net.host("b");
  server all(b, "[::]:7000");
  caller six(a, "[fd00::2]:7000"), four(a, "10.0.0.2:7000");
  net.run_for(1s);
  EXPECT_TRUE(six.connected && four.connected);
}

TEST(network, names_resolve_by_host_by_alias_or_not_at_all) {
  network net;
  loop& a = net.host("a");
  net.host("b");
  net.name("www.example", {"b", "a"});
  net.silence_name("slow.example");
  const auto own = a.engine().look_up("b:7000");
  ASSERT_TRUE(own && own->addresses);
  EXPECT_EQ(own->addresses->at(0), endpoint("10.0.0.2:7000"));
  const auto alias = a.engine().look_up("www.example:1");
  ASSERT_TRUE(alias && alias->addresses);
  EXPECT_EQ(alias->addresses->size(), 2u);
  EXPECT_EQ(a.engine().look_up("nobody:1")->addresses.error(), errc::name_not_found);
  EXPECT_EQ(a.engine().look_up("slow.example:1")->delay, duration::max());
}

TEST(network, timers_fire_at_their_instant_of_virtual_time) {
  network net;
  loop& a = net.host("a");
  loop& b = net.host("b");
  wires::alarm early(a), late(b), year(a);
  early.arm(a.now() + 3ms);
  late.arm(b.now() + 3ms + 1ns);
  year.arm(a.now() + 24h * 365);
  const instant start = net.now();
  net.run_for(24h * 366);
  EXPECT_EQ(early.fired_at - start, 3ms);
  EXPECT_EQ(late.fired_at - start, 3ms + 1ns);
  EXPECT_EQ(year.fired_at - start, 24h * 365);
}

TEST(network, running_one_loop_runs_every_host) {
  network net;
  loop& a = net.host("a");
  loop& b = net.host("b");
  server echo(b, net.address("b", 7000));
  echo.echoes = true;
  caller one(a, net.address("b", 7000));
  one.say("around");
  while (one.heard.size() < 6) a.run_once(1s);
  EXPECT_EQ(one.heard, "around");
  wires::alarm stop(b);
  stop.then = [&] { b.stop(); };
  stop.arm(b.now() + 2h);
  b.run();
  EXPECT_EQ(b.now(), stop.fired_at);
}

TEST(network, a_program_that_only_polls_sees_the_future_too) {
  network net;
  loop& a = net.host("a");
  wires::alarm soon(a);
  soon.arm(a.now() + 1s);
  int polls = 0;
  while (soon.fired_at == instant{} && polls < 100'000) {
    a.poll();
    ++polls;
  }
  EXPECT_NE(soon.fired_at, instant{});
}

TEST(network, actions_happen_in_the_middle_of_a_program) {
  network net;
  pair p(net);
  net.at(2s, [&] { net.kill("b"); });
  const instant start = net.now();
  while (!p.client.ended) net.host("a").run_once(10s);
  EXPECT_GE(net.now() - start, 2s);
  EXPECT_LT(net.now() - start, 2s + 1ms);
}

TEST(network, clocks_outside_of_turns_are_current) {
  network net;
  loop& a = net.host("a");
  net.run_for(1h);
  EXPECT_EQ(a.now(), net.now());
}

TEST(network, the_trace_can_be_read) {
  network net;
  std::ostringstream lines;
  net.trace_to(&lines);
  pair p(net);
  p.client.say("12345");
  net.run_for(1s);
  EXPECT_NE(lines.str().find("bytes 5 "), std::string::npos);
  EXPECT_NE(lines.str().find("connect 7000"), std::string::npos);
  EXPECT_GT(net.events(), 5u);
}

TEST(network, a_failing_seed_prints_its_replay_command) {
  EXPECT_EQ(network(123).replay_command("mesh"), "./dev sim mesh --seed 123");
}

using network_death = ::testing::Test;

TEST(network_death, running_a_loop_from_inside_a_handler_aborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        network net;
        loop& b = net.host("b");
        wires::alarm inside(net.host("a"));
        inside.then = [&] { b.run_once(1s); };
        inside.arm(net.now() + 1s);
        net.run_for(2s);
      },
      "contract broken");
}

TEST(network, a_thousand_hosts_talk) {
  network net;
  constexpr int hosts = 1000 / HAWSER_COUNT_SCALE + 2;
  server echo(net.host("hub"), net.address("hub", 7000));
  echo.echoes = true;
  std::vector<std::unique_ptr<caller>> callers;
  for (int i = 0; i < hosts; ++i) {
    callers.push_back(std::make_unique<caller>(net.host("h" + std::to_string(i)), net.address("hub", 7000)));
    callers.back()->say("hello");
  }
  net.run_for(1s);
  for (auto& c : callers) EXPECT_EQ(c->heard, "hello");
}

}  // namespace
}  // namespace hawser
