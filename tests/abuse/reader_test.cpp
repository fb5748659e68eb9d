// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "abuse/simulated.hpp"
#include "abuse/sockets.hpp"

// Readers that do not read: they never grant credit, or do not even take bytes off their sockets. What is written for them is bounded,
// whoever writes is told, and what else they ask for goes on.

namespace hawser::abuse {
namespace {

// What hawser assumes of a peer that announces nothing.
constexpr std::size_t silent_credit = 65'536;

// Asked once a turn: whether a sum that has begun to grow stayed the same for that many turns.
auto quiet_for(int turns) {
  return [turns, same = 0, last = std::size_t{0}](std::size_t sum) mutable {
    same = sum == last ? same + 1 : 0;
    last = sum;
    return sum != 0 && same > turns;
  };
}

class reader : public ::testing::TestWithParam<engine_choice> {};

TEST_P(reader, that_grants_no_credit_bounds_its_writers_and_its_other_channels_go_on) {
  constexpr std::size_t channels = 8;
  attacked_server at(GetParam());
  memory_watch watch(at.on);
  auto by = at.intrude();
  for (std::uint32_t i = 0; i < channels; ++i) by->say(open_operation(2 * i + 3, "pour", wire::fin));
  const auto turn = [&] {
    by->turn();
    watch.look();
  };
  ASSERT_TRUE(at.until([&, still = quiet_for(100)]() mutable { return turn(), still(at.serves.poured_bytes); }));
  ASSERT_EQ(by->data_bytes.size(), channels);

  // Each writer has put down what credit covers and what a channel keeps, and waits.
  const std::size_t kept = at.limits().channel_send_bytes_max;
  EXPECT_LE(at.serves.poured_bytes, channels * (silent_credit + kept + 4'000));
  EXPECT_GE(at.serves.poured_bytes, channels * kept);
  EXPECT_EQ(at.serves.running, channels);
  const std::size_t each = kept + 2 * segment_bytes + channel_bytes_max;
  EXPECT_LE(watch.peak(), connection_bytes_max(at.limits()) + channels * each + 2 * segment_bytes);

  const std::size_t before = at.serves.poured_bytes;
  by->say(open_operation(101, "echo", wire::fin, "still there?") + wire::frame(type::ping, 0, 0, "and you?"));
  ASSERT_TRUE(at.until([&] { return turn(), by->data_bytes[101] == 12 && by->answers == 1; }));
  EXPECT_EQ(at.serves.poured_bytes, before);
  at.expect_others_untouched();
}

TEST_P(reader, that_takes_nothing_off_its_socket_bounds_all_its_writers_together) {
  attacked_server at(GetParam());
  memory_watch watch(at.on);
  auto by = at.intrude();
  by->deaf = true;
  // More credit than anybody could use: only the watermarks are left.
  const std::string plenty = wire::u32(1 << 30);
  std::string opens = wire::frame(type::credit, 0, 0, plenty);
  for (std::uint32_t id = 3; id < 123; id += 2) opens += open_operation(id, "pour", wire::fin) + wire::frame(type::credit, 0, id, plenty);
  by->say(opens);
  ASSERT_TRUE(at.until([&, still = quiet_for(500)]() mutable { return by->turn(), watch.look(), still(at.serves.poured_bytes); }));
  EXPECT_EQ(at.serves.running, 60u);
  const std::size_t channels = 60 * (channel_bytes_max + segment_bytes);
  EXPECT_LE(watch.peak(), connection_bytes_max(at.limits()) + sent_bytes_max(at.limits(), 4'000) + channels);
  at.expect_others_untouched();
}

TEST_P(reader, that_stalls_longer_than_it_may_is_reset_as_stalled_and_its_other_channels_go_on) {
  peer_options impatient = attacked();
  impatient.wire.stall_timeout = 80ms;
  attacked_server at(GetParam(), impatient);
  auto by = at.intrude();
  by->say(open_operation(3, "pour", wire::fin) + open_operation(5, "hold"));
  ASSERT_TRUE(at.until([&] { return by->turn(), by->resets.contains(static_cast<std::uint32_t>(errc::stalled)); }));
  EXPECT_EQ(by->resets.size(), 1u);
  ASSERT_TRUE(at.until([&] { return at.serves.running == 1; })) << "the one that holds is not concerned";
  by->say(open_operation(7, "echo", wire::fin, "still there?"));
  ASSERT_TRUE(at.until([&] { return by->turn(), by->data_bytes[7] == 12; }));
  EXPECT_TRUE(at.until([&] { return at.on.buffers().bytes_in_use() <= at.idle_bytes; }));
}

TEST_P(reader, that_takes_no_plain_messages_for_too_long_loses_its_connection_as_stalled) {
  peer_options impatient = attacked();
  impatient.wire.stall_timeout = 80ms;
  attacked_server at(GetParam(), impatient);
  auto by = at.intrude();
  const std::string message(4'000, 'm');
  result<> sent;
  while ((sent = at.server->send("stranger", message))) {
  }
  EXPECT_TRUE(failed_with(sent, errc::would_block));
  ASSERT_TRUE(at.until([&] { return by->turn(), at.hooks.count("disconnected stranger") == 1; }));
  EXPECT_TRUE(is(at.hooks.reasons.at(0), errc::stalled));
  ASSERT_TRUE(at.until([&] { return by->turn(), by->farewell.has_value(); }));
  EXPECT_EQ(*by->farewell, static_cast<std::uint32_t>(errc::stalled));
  at.expect_others_untouched();
}

INSTANTIATE_TEST_SUITE_P(each, reader, ::testing::ValuesIn(engines()), [](const auto& one) { return name_of(one.param); });

// The limit in virtual time: progress is looked at in quarters of it.
TEST(stalled_reader, is_given_up_within_a_limit_and_a_half) {
  testing::network net(31);
  net.link("evil", "server", {.lag = 1ms});
  service serves;
  peer_options options = attacked();
  options.listen = "server:7000";
  options.wire.stall_timeout = 10s;
  peer server(net.host("server"), std::move(options));
  serves.install(server);
  net.run_for(10ms);
  simulated_intruder by(net.host("evil"), net.address("server", 7000), small_limits().announced);
  by.say(open_operation(3, "pour", wire::fin));
  net.run_for(9'900ms);
  EXPECT_EQ(serves.running, 1u);
  net.run_for(5'200ms);
  EXPECT_EQ(serves.running, 0u);
  EXPECT_EQ(by.resets[static_cast<std::uint32_t>(errc::stalled)], 1u);
  EXPECT_FALSE(by.gone());
}

}
}  // namespace hawser::abuse
