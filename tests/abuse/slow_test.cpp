// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "abuse/simulated.hpp"
#include "abuse/sockets.hpp"

#include <vector>

// Those who say little, and slowly: every half-done thing has a time by which it must be done.

namespace hawser::abuse {
namespace {

constexpr duration lag = 1ms;
constexpr duration slack = 10ms;      // the line there and back, and the stranger's own clock

// Says these bytes one by one, each that much later than the one before.
script dripping(loop& on, std::string bytes, duration apart) {
  const auto at = std::make_shared<std::size_t>(0);
  const auto due = std::make_shared<instant>(on.now());
  return [&on, bytes, apart, at, due](stranger&) -> std::string {
    if (*at == bytes.size() || on.now() < *due) return {};
    *due += apart;
    return bytes.substr((*at)++, 1);
  };
}

std::string nameless() { return wire::preface() + wire::hello(wire::peer_id()); }

struct sample {
  std::string before, frame;
};
// A frame of each type, with what makes it legal, in the short form and in the long one.
std::vector<sample> frames_of_all_types() {
  const std::string code = wire::u32(static_cast<std::uint32_t>(errc::cancelled));
  const std::string stream = open_kind(3, kind_stream);
  return {
      {"", wire::frame(type::data, 0, 1, "a message")},
      {"", open_operation(3, "echo", 0, "first data")},
      {"", wire::frame(type::open, 0, 5'001, std::string(1, '\0'), 5'000)},
      {stream, wire::frame(type::data, wire::fin, 3, "and bytes")},
      {stream, wire::frame(type::data, 0, 3, std::string(40, 'x'), 5'000)},
      {stream, wire::frame(type::head, 0, 3, wire::tlv(0x80, "\x01k-v"))},
      {stream, wire::frame(type::reset, 0, 3, code + "so it goes")},
      {stream, wire::frame(type::stop, 0, 3, code)},
      {"", wire::frame(type::credit, 0, 0, wire::u32(1'000))},
      {"", wire::frame(type::ping, 0, 0, "are you?")},
      {"", wire::frame(type::go_away, 0, 0, wire::u32(0) + wire::u32(60'000) + std::string(8, '\0') + "bye")},
      {"", wire::frame(type::skip, 0, 0, "skipped")},
  };
}

class slow : public ::testing::Test {
 protected:
  slow() {
    net_.link("evil", "server", {.lag = lag});
    peer_options options = attacked();
    options.listen = "server:7000";
    options.hooks = &hooks_;
    options.wire.announced.channels_max = 4'096;
    server_ = std::make_unique<peer>(net_.host("server"), std::move(options));
    serves_.install(*server_);
    net_.run_for(10ms);
  }
  loop& evil() { return net_.host("evil"); }
  std::unique_ptr<simulated_intruder> intrude(std::string hello, script next = {}) {
    const endpoint there = net_.address("server", 7000);
    return std::make_unique<simulated_intruder>(evil(), there, small_limits().announced, std::move(next), std::move(hello), 2ms);
  }

  testing::network net_{21};
  diary hooks_;
  service serves_;
  std::unique_ptr<peer> server_;
};

TEST_F(slow, handshakes_end_at_their_time_limit_wherever_they_stop) {
  const std::string hello = wire::named("stranger");
  std::vector<std::unique_ptr<simulated_intruder>> all;
  for (std::size_t said = 0; said < hello.size(); ++said) all.push_back(intrude(hello.substr(0, said)));
  net_.run_for(10s);
  for (std::size_t said = 0; said < hello.size(); ++said) {
    ASSERT_TRUE(all[said]->gone()) << said;
    EXPECT_GE(all[said]->lasted(), duration(5s)) << said;
    EXPECT_LE(all[said]->lasted(), duration(5s + slack)) << said;
    // Whoever has not said what it speaks is told nothing.
    EXPECT_EQ(all[said]->farewell.has_value(), said >= 8) << said;
    EXPECT_EQ(all[said]->farewell.value_or(0), said >= 8 ? static_cast<std::uint32_t>(errc::idle) : 0) << said;
  }
  EXPECT_TRUE(hooks_.lines.size() == hello.size() && hooks_.count("accept_socket") == hello.size()) << "nobody was let in";
  EXPECT_EQ(net_.host("server").engine().open_sockets(), 0u);
}

TEST_F(slow, handshakes_gain_no_time_by_going_on) {
  for (const duration apart : {130ms, 1'000ms, 4'900ms}) {
    const auto one = intrude("", dripping(evil(), wire::named("stranger"), apart));
    net_.run_for(10s);
    ASSERT_TRUE(one->gone());
    EXPECT_GE(one->lasted(), duration(5s));
    EXPECT_LE(one->lasted(), duration(5s + slack));
  }
  EXPECT_EQ(hooks_.count("connected"), 0u);
}

TEST_F(slow, frames_end_the_connection_as_stalled_wherever_they_stop) {
  std::vector<std::unique_ptr<simulated_intruder>> all;
  for (const sample& one : frames_of_all_types())
    for (std::size_t said = 1; said < one.frame.size(); ++said) all.push_back(intrude(nameless() + one.before + one.frame.substr(0, said)));
  net_.run_for(1s);
  for (const auto& one : all) ASSERT_FALSE(one->gone());
  net_.run_for(35s);
  for (std::size_t i = 0; i < all.size(); ++i) {
    ASSERT_TRUE(all[i]->gone()) << i;
    EXPECT_GE(all[i]->lasted(), duration(30s)) << i;
    EXPECT_LE(all[i]->lasted(), duration(30s + slack)) << i;
    EXPECT_EQ(all[i]->farewell.value_or(0), static_cast<std::uint32_t>(errc::stalled)) << i;
  }
  for (const std::error_code reason : hooks_.reasons) EXPECT_TRUE(is(reason, errc::stalled));
  EXPECT_EQ(hooks_.reasons.size(), all.size());
  EXPECT_EQ(serves_.running, 0u);
}

TEST_F(slow, frames_gain_no_time_by_going_on) {
  const std::string frame = wire::frame(type::data, 0, 1, std::string(20, 'm'));
  const std::string long_frame = wire::frame(type::data, 0, 1, std::string(5'000, 'm'));
  for (const std::string& which : {frame, long_frame}) {
    for (const duration apart : {2s, 5s, 9s}) {
      const auto one = intrude(nameless());
      net_.run_for(100ms);
      ASSERT_FALSE(one->gone());
      const instant begin = net_.now();
      script next = dripping(evil(), which, apart);
      while (!one->gone() && net_.now() - begin < 70s) {
        if (!one->farewell) one->say(next(*one));
        net_.run_for(10ms);
      }
      EXPECT_GE(net_.now() - begin, duration(30s));
      EXPECT_LE(net_.now() - begin, duration(30s + 3 * slack));
      EXPECT_EQ(one->farewell.value_or(0), static_cast<std::uint32_t>(errc::stalled));
    }
  }
}

TEST_F(slow, frames_that_are_complete_in_time_go_on_for_ever) {
  const auto one = intrude(nameless());
  // Each frame takes 25 s; its last bytes come together with the first of the next.
  const std::string frame = wire::frame(type::data, 0, 1, std::string(20, 'm'));
  one->say(frame.substr(0, 2));
  for (int i = 0; i < 20; ++i) {
    net_.run_for(24s);
    one->say(frame.substr(2, 3));
    net_.run_for(1s);
    one->say(frame.substr(5) + frame.substr(0, 2));
  }
  net_.run_for(1s);
  EXPECT_FALSE(one->gone());
  EXPECT_EQ(serves_.messages, 20u);
}

TEST_F(slow, half_messages_are_no_frames_under_way_and_end_as_idle) {
  const auto one = intrude(nameless() + wire::frame(type::data, wire::more, 1, "the first half"));
  net_.run_for(59s);
  EXPECT_FALSE(one->gone());
  net_.run_for(2s);
  ASSERT_TRUE(one->gone());
  EXPECT_EQ(one->farewell.value_or(0), static_cast<std::uint32_t>(errc::idle));
  EXPECT_EQ(net_.host("server").buffers().bytes_in_use(), 0u);
}

// A few of these positions with real clocks.
class slow_on_sockets : public ::testing::TestWithParam<engine_choice> {};

TEST_P(slow_on_sockets, strangers_are_closed_when_their_time_is_over_and_leave_nothing) {
  peer_options impatient = attacked();
  impatient.wire.handshake_timeout = 60ms;
  impatient.wire.frame_timeout = 60ms;
  attacked_server at(GetParam(), impatient);
  memory_watch watch(at.on);
  const std::string hello = wire::named("stranger");
  const std::string frame = wire::frame(type::data, 0, 1, "a message");
  std::vector<std::unique_ptr<intruder>> all;
  std::vector<std::string> openings{hello + frame.substr(0, 1), hello + frame.substr(0, 4), hello + frame.substr(0, 12)};
  for (const std::size_t count : {0u, 3u, 8u, 11u, 30u}) openings.push_back(hello.substr(0, count));
  for (const std::string& said : openings)
    all.push_back(std::make_unique<intruder>(at.server->local_endpoint(), at.limits().announced, said));
  ASSERT_TRUE(at.until([&] {
    bool over = true;
    for (const auto& one : all) over = (one->turn(), one->gone()) && over;
    return over;
  }));
  EXPECT_EQ(at.hooks.reasons.size(), 3u);
  for (const std::error_code reason : at.hooks.reasons) EXPECT_TRUE(is(reason, errc::stalled));
  all.clear();
  ASSERT_TRUE(at.until([&] { return at.on.engine().open_sockets() <= 2; }));
  at.expect_others_untouched();
  EXPECT_LE(watch.grown(), connection_bytes_max(at.limits()));
}

INSTANTIATE_TEST_SUITE_P(each, slow_on_sockets, ::testing::ValuesIn(engines()), [](const auto& one) { return name_of(one.param); });

}
}  // namespace hawser::abuse
