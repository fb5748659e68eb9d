// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder.hpp"
#include "support/heap.hpp"

#include <hawser/async/sleep.hpp>
#include <hawser/async/task.hpp>

#include <cstdint>
#include <list>

#include <unistd.h>

namespace hawser::test {
namespace {

using namespace std::chrono_literals;

// Links over real sockets of this machine, both ends in one loop.
class loopback_test : public ::testing::Test, public listener_events {
 protected:
  void on_connection(io::socket_id id, const endpoint&, admission place) override {
    places_.push_back(std::move(place));
    servers_.emplace_back(loop_).wire->accept(id);
  }
  // Turns until it holds; a test that waits for 20 s has failed.
  template <class Condition>
  bool until(Condition holds) {
    const instant give_up = loop_.engine().now() + 20s;
    while (!holds() && loop_.engine().now() < give_up) loop_.run_once(50ms);
    return holds();
  }
  std::unique_ptr<recorder> connect(const endpoint& where) {
    auto user = std::make_unique<recorder>(loop_);
    auto got = loop_.run(dial(loop_, where));
    EXPECT_TRUE(got) << got.error().message();
    if (got) user->wire->adopt(std::move(*got));
    return user;
  }

  loop loop_;
  std::vector<admission> places_;
  std::list<recorder> servers_;
};

TEST_F(loopback_test, sixteen_megabytes_pass_both_ways_unharmed) {
  listener here(loop_, "127.0.0.1:0", {}, *this);
  ASSERT_FALSE(here.error()) << here.error().message();
  const std::string there = pattern(16'000'000, 1), back = pattern(16'000'000, 2);
  auto user = connect(here.local_endpoint());
  ASSERT_TRUE(until([&] { return servers_.size() == 1; }));
  user->send(there);
  servers_.front().send(back);
  EXPECT_TRUE(until([&] { return servers_.front().received.size() == there.size() && user->received.size() == back.size() && user->sent == there.size(); }));
  EXPECT_TRUE(servers_.front().received == there);
  EXPECT_TRUE(user->received == back);
  EXPECT_EQ(user->wire->stats().bytes_received, back.size());
  EXPECT_EQ(user->wire->remote(), here.local_endpoint());
}

TEST_F(loopback_test, an_orderly_close_with_megabytes_queued_loses_nothing) {
  listener here(loop_, "127.0.0.1:0", {}, *this);
  const std::string last = pattern(8'000'000);
  auto user = connect(here.local_endpoint());
  ASSERT_TRUE(until([&] { return servers_.size() == 1; }));
  servers_.front().on_call = [&](std::string_view what) {
    if (what == "end") servers_.front().wire->close();
  };
  user->send(last);
  user->wire->close();
  ASSERT_TRUE(until([&] { return user->closed.size() == 1 && servers_.front().closed.size() == 1; }));
  EXPECT_TRUE(servers_.front().received == last);
  EXPECT_FALSE(user->closed[0]) << user->closed[0].message();
  EXPECT_FALSE(servers_.front().closed[0]) << servers_.front().closed[0].message();
  EXPECT_TRUE(until([&] { return loop_.engine().open_sockets() == 0; }));
}

TEST_F(loopback_test, an_end_that_is_told_in_advance_leaves_with_the_last_bytes_and_loses_nothing) {
  listener here(loop_, "127.0.0.1:0", {}, *this);
  for (const std::size_t count : {0, 20, 200'000, 8'000'000}) {
    const std::string last = pattern(count);
    servers_.clear();
    auto user = connect(here.local_endpoint());
    ASSERT_TRUE(until([&] { return servers_.size() == 1; }));
    recorder& server = servers_.front();
    server.tells_end = user->tells_end = true;
    server.on_call = [&](std::string_view what) {
      if (what != "end") return;
      server.send("so long");
      server.wire->close();
    };
    user->send(last);
    user->wire->close();
    ASSERT_TRUE(until([&] { return user->closed.size() == 1 && server.closed.size() == 1; }));
    EXPECT_TRUE(server.received == last);
    EXPECT_EQ(user->sent, count);
    EXPECT_EQ(server.sent, 7u);
    EXPECT_FALSE(user->closed[0]) << user->closed[0].message();
    EXPECT_FALSE(server.closed[0]) << server.closed[0].message();
    EXPECT_TRUE(until([&] { return loop_.engine().open_sockets() == 0; }));
  }
}

TEST_F(loopback_test, an_abort_arrives_as_a_reset) {
  listener here(loop_, "127.0.0.1:0", {}, *this);
  auto user = connect(here.local_endpoint());
  ASSERT_TRUE(until([&] { return servers_.size() == 1; }));
  user->wire->abort();
  ASSERT_TRUE(until([&] { return servers_.front().closed.size() == 1; }));
  EXPECT_EQ(servers_.front().closed[0], errc::connection_reset);
  EXPECT_EQ(user->closed.size(), 1u);
}

TEST_F(loopback_test, a_paused_reader_holds_the_sender_back) {
  listener here(loop_, "127.0.0.1:0", {}, *this);
  auto user = connect(here.local_endpoint());
  ASSERT_TRUE(until([&] { return servers_.size() == 1; }));
  recorder& server = servers_.front();
  server.wire->pause_reading();
  const std::string big = pattern(64'000'000);
  user->send(big);
  // Sending comes to rest when the kernel's buffers are full; how much they take is theirs to say, but never all of it.
  std::size_t given = 0;
  ASSERT_TRUE(until([&] {
    const bool rests = user->given == given && user->wire->stats().bytes_in_flight > 0;
    given = user->given;
    return rests;
  }));
  EXPECT_LT(user->sent, big.size());
  EXPECT_EQ(server.received_bytes, 0u);
  server.keep = false;
  server.wire->resume_reading();
  EXPECT_TRUE(until([&] { return server.received_bytes == big.size(); }));
}

TEST_F(loopback_test, connections_survive_the_listener_and_a_restart_finds_its_port) {
  auto here = std::make_unique<listener>(loop_, "127.0.0.1:0", listener_options(), *this);
  const endpoint where = here->local_endpoint();
  auto user = connect(where);
  ASSERT_TRUE(until([&] { return servers_.size() == 1; }));
  here->stop();
  EXPECT_FALSE(here->listening());
  EXPECT_EQ(loop_.run(dial(loop_, where)).error(), errc::connection_refused);
  here.reset();
  user->send("still");
  EXPECT_TRUE(until([&] { return servers_.front().received == "still"; }));
  listener again(loop_, where, {}, *this);
  EXPECT_FALSE(again.error()) << again.error().message();
  auto second = connect(where);
  EXPECT_TRUE(until([&] { return servers_.size() == 2; }));
}

TEST_F(loopback_test, a_port_in_use_is_a_typed_error_and_the_listener_stays_usable) {
  listener here(loop_, "127.0.0.1:0", {}, *this);
  listener there(loop_, here.local_endpoint(), {}, *this);
  EXPECT_EQ(there.error(), errc::address_in_use);
  EXPECT_FALSE(there.listening());
  EXPECT_FALSE(there.local_endpoint().valid());
  here.stop();
  EXPECT_TRUE(until([&] { return there.start().has_value(); }));
}

TEST_F(loopback_test, several_endpoints_listen_at_once) {
  const std::string path = "unix:" + ::testing::TempDir() + "hawser-link-" + std::to_string(::getpid());
  const endpoint where[] = {"127.0.0.1:0", "[::1]:0", path};
  listener here(loop_, where, {}, *this);
  std::size_t expected = 0;
  std::vector<std::unique_ptr<recorder>> users;
  for (const endpoint& one : here.local_endpoints()) {
    users.push_back(connect(one));
    ++expected;
  }
  EXPECT_GE(expected, 2u) << "IPv6 may be absent on this machine";
  EXPECT_TRUE(until([&] { return servers_.size() == expected; }));
  for (auto& user : users) user->send("hello");
  EXPECT_TRUE(until([&] {
    for (const recorder& server : servers_)
      if (server.received != "hello") return false;
    return true;
  }));
}

TEST_F(loopback_test, localhost_resolves_for_listening_and_dialling) {
  listener here(loop_, "localhost:0", {}, *this);
  ASSERT_TRUE(until([&] { return here.listening() || here.error(); }));
  ASSERT_FALSE(here.error()) << here.error().message();
  const endpoint by_name("localhost:" + std::to_string(here.local_endpoint().port()));
  auto user = connect(by_name);
  EXPECT_TRUE(until([&] { return servers_.size() == 1; }));
}

TEST_F(loopback_test, a_thousand_connections_come_and_go) {
  listener here(loop_, "127.0.0.1:0", {}, *this);
  const int count = 1'000 / HAWSER_COUNT_SCALE;
  for (int i = 0; i < count; ++i) {
    auto user = connect(here.local_endpoint());
    user->send("one");
    ASSERT_TRUE(until([&] { return servers_.size() == 1 && servers_.front().received == "one"; })) << i;
    servers_.front().wire->close();
    user->wire->close();
    ASSERT_TRUE(until([&] { return servers_.front().closed.size() == 1 && user->closed.size() == 1; })) << i;
    servers_.clear();
    places_.clear();
  }
  EXPECT_EQ(here.stats().connections, 0u);
  EXPECT_EQ(here.stats().accepted, static_cast<std::uint64_t>(count));
  EXPECT_TRUE(until([&] { return loop_.engine().open_sockets() == 0; }));
}

// Answers each byte with one, out of strings that never grow.
TEST_F(loopback_test, steady_state_allocates_nothing) {
  listener here(loop_, "127.0.0.1:0", {}, *this);
  auto user = connect(here.local_endpoint());
  ASSERT_TRUE(until([&] { return servers_.size() == 1; }));
  recorder& server = servers_.front();
  const auto answer = [](recorder& one) {
    one.outgoing.clear();
    one.given = 0;
    one.received.clear();
    one.send("x");
  };
  int rounds = 0;
  auto ask_again = [&](std::string_view what) {
    if (what != "bytes") return;
    ++rounds;
    answer(*user);
  };
  auto reply = [&](std::string_view what) {
    if (what == "bytes") answer(server);
  };
  user->on_call = std::ref(ask_again);   // a copy of which costs nothing
  server.on_call = std::ref(reply);
  user->send("x");
  const auto run_until = [&](int count) {
    while (rounds < count) loop_.run_once(50ms);
  };
  run_until(100);
  const std::uint64_t before = heap_allocations;
  run_until(1'100);
  EXPECT_EQ(heap_allocations - before, 0u);
}

TEST_F(loopback_test, entropy_differs_and_a_fixed_seed_repeats) {
  EXPECT_NE(draw_seed(), draw_seed());
  const auto three = [](std::uint64_t seed) {
    const dangerous_fixed_entropy fixed(seed);
    return std::vector{draw_seed(), draw_seed(), draw_seed()};
  };
  EXPECT_EQ(three(1), three(1));
  EXPECT_NE(three(1), three(2));
}

}  // namespace
}  // namespace hawser::test
