// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "abuse/sockets.hpp"

// Rapid reset: calls that are begun to be thrown away. The bound on the work at hand is that of the channels, whatever the rate; the
// bucket ends who does nothing else (attack_test.cpp), and leaves alone who works and cancels.

namespace hawser::abuse {
namespace {

class open_and_reset : public ::testing::TestWithParam<engine_choice> {};

peer_options without_buckets() {
  peer_options options = attacked();
  options.wire.abuse_buckets = false;
  return options;
}

TEST_P(open_and_reset, by_the_million_runs_no_more_handlers_than_announced_and_the_heap_stays_flat) {
  attacked_server at(GetParam(), without_buckets());
  auto by = at.intrude();
  const script next = attack_named("open_and_reset").begin();
  const std::size_t all = 1'000'000 / HAWSER_COUNT_SCALE;
  const auto run_to = [&](std::size_t count) {
    return at.until([&] {
      by->turn(next);
      return at.serves.started >= count || by->gone();
    },
        4min);
  };
  ASSERT_TRUE(run_to(all / 10));
  memory_watch watch(at.on);
  ASSERT_TRUE(at.until([&] {
    by->turn(next);
    watch.look();
    return at.serves.started >= all || by->gone();
  },
      4min));
  EXPECT_FALSE(by->gone());
  EXPECT_GE(at.serves.started, all);
  EXPECT_LE(at.serves.running_peak, at.limits().announced.channels_max);
  // Between the lowest and the highest of a wave: the channels of one, and what is said about them.
  EXPECT_LE(watch.peak(), at.limits().announced.channels_max * channel_bytes_max + 2 * segment_bytes);
  ASSERT_TRUE(at.until([&] { return by->turn(), at.serves.running == 0; }));
  EXPECT_LE(watch.grown(), 2 * segment_bytes);
  at.expect_others_untouched();
}

TEST_P(open_and_reset, of_handlers_that_take_their_time_gets_no_slot_before_they_have_ended) {
  attacked_server at(GetParam(), without_buckets());
  auto by = at.intrude();
  const std::size_t all = scaled(20'000);
  const script next = [](stranger& of) {
    std::string out;
    while (const auto id = of.take_id()) out += open_operation(*id, "linger") + wire::frame(type::reset, 0, *id, wire::u32(6));
    return out;
  };
  ASSERT_TRUE(at.until([&] {
    by->turn(next);
    return at.serves.started >= all || by->gone();
  }));
  EXPECT_FALSE(by->gone());
  EXPECT_LE(at.serves.running_peak, at.limits().announced.channels_max);
}

TEST_P(open_and_reset, on_an_id_that_was_not_released_ends_the_connection) {
  attacked_server at(GetParam(), without_buckets());
  auto by = at.intrude();
  const std::size_t before = at.serves.started;
  const std::string once = open_operation(3, "linger") + wire::frame(type::reset, 0, 3, wire::u32(6));
  by->say(once + once);
  ASSERT_TRUE(at.until([&] { return by->turn(), at.hooks.count("disconnected stranger") == 1; }));
  EXPECT_TRUE(is(at.hooks.reasons.at(0), errc::protocol));
  EXPECT_EQ(at.serves.started, before + 1);
  ASSERT_TRUE(at.until([&] { return at.serves.running == 0; }));
  at.expect_others_untouched();
}

TEST_P(open_and_reset, of_every_other_call_at_full_speed_is_what_a_client_may_do) {
  attacked_server at(GetParam());
  std::size_t answered = 0;
  const auto work = [&]() -> task<> {
    for (std::size_t i = 0; i < scaled(20'000); ++i) {
      if (i % 2 == 0) {
        auto rq = at.client->start(at.honest, "hold");
        HAWSER_CO_ASSERT(rq.has_value());
        rq->cancel();
      } else {
        const result<chunk> answer = co_await at.client->call(at.honest, "echo", as_bytes("x"));
        HAWSER_CO_ASSERT(answer.has_value());
        ++answered;
      }
    }
  };
  task<> all = work();
  all.start();
  ASSERT_TRUE(at.until([&] { return all.done(); }));
  EXPECT_EQ(answered, scaled(20'000) / 2);
  at.expect_others_untouched();
}

INSTANTIATE_TEST_SUITE_P(each, open_and_reset, ::testing::ValuesIn(engines()), [](const auto& one) { return name_of(one.param); });

}
}  // namespace hawser::abuse
