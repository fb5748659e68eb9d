// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder.hpp"

#include <hawser/async/sleep.hpp>
#include <hawser/async/task.hpp>
#include <hawser/testing/network.hpp>

#include <list>

namespace hawser::test {
namespace {

using namespace std::chrono_literals;

// Links between hosts of the simulated network: lag, cuts, partial delivery.
class simulated_test : public ::testing::TestWithParam<int>, public listener_events {
 protected:
  simulated_test() : net_(static_cast<std::uint64_t>(GetParam())), a_(net_.host("a")), b_(net_.host("b")) {
    testing::link_options link;
    link.lag = 20ms;
    link.bytes_per_second = 10'000'000;
    link.partial_delivery = true;
    net_.link("a", "b", link);
    here_.emplace(b_, "b:7000", listener_options(), *this);
  }
  void on_connection(io::socket_id id, const endpoint&, admission place) override {
    places_.push_back(std::move(place));
    servers_.emplace_back(b_).wire->accept(id);
  }
  std::unique_ptr<recorder> connect() {
    net_.run_for(10ms);   // the listener's own name
    auto user = std::make_unique<recorder>(a_);
    auto got = net_.run("a", dial(a_, "b:7000"));
    EXPECT_TRUE(got) << got.error().message();
    if (got) user->wire->adopt(std::move(*got));
    EXPECT_TRUE(net_.run_until([&] { return servers_.size() == 1; }, 5s));
    return user;
  }

  testing::network net_;
  loop& a_;
  loop& b_;
  std::vector<admission> places_;
  std::list<recorder> servers_;
  std::optional<listener> here_;
};

TEST_P(simulated_test, bytes_and_an_orderly_close_pass_in_random_pieces) {
  auto user = connect();
  const std::string there = pattern(500'000, 1), back = pattern(300'000, 2);
  servers_.front().send(back);
  servers_.front().on_call = [&](std::string_view what) {
    if (what == "end") servers_.front().wire->close();
  };
  user->send(there);
  EXPECT_TRUE(net_.run_until([&] { return user->received.size() == back.size(); }, 10s));
  user->wire->close();
  ASSERT_TRUE(net_.run_until([&] { return user->closed.size() == 1 && servers_.front().closed.size() == 1; }, 10s));
  EXPECT_TRUE(servers_.front().received == there);
  EXPECT_TRUE(user->received == back);
  EXPECT_FALSE(user->closed[0]);
  EXPECT_FALSE(servers_.front().closed[0]);
}

TEST_P(simulated_test, a_cut_ends_a_sender_with_write_timeout) {
  auto user = connect();
  net_.cut("a", "b");
  user->send("into the void");
  ASSERT_TRUE(net_.run_until([&] { return user->closed.size() == 1; }, 120s));
  EXPECT_EQ(user->closed[0], errc::write_timeout);
}

TEST_P(simulated_test, dialling_through_a_cut_times_out_and_a_refusing_host_refuses) {
  net_.run_for(10ms);
  net_.cut("a", "b");
  EXPECT_EQ(net_.run("a", dial(a_, "b:7000")).error(), errc::connect_timeout);
  net_.heal("a", "b");
  net_.refuse("b");
  EXPECT_EQ(net_.run("a", dial(a_, "b:7000")).error(), errc::connection_refused);
  EXPECT_EQ(net_.run("a", dial(a_, "unheard-of:7000")).error(), errc::name_not_found);
}

TEST_P(simulated_test, a_killed_host_is_heard_of_as_an_end_or_a_reset) {
  auto user = connect();
  servers_.front().wire->pause_reading();
  user->send("unread");
  net_.run_for(100ms);
  net_.kill("b");
  EXPECT_TRUE(net_.run_until([&] { return user->ends.size() == 1; }, 5s));
  user->wire->close();
  EXPECT_TRUE(net_.run_until([&] { return user->closed.size() == 1; }, 10s));
}

INSTANTIATE_TEST_SUITE_P(seeds, simulated_test, ::testing::Range(1, 6));

}  // namespace
}  // namespace hawser::test
