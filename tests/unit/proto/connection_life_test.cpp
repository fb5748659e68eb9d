// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/frame.hpp"
#include "unit/proto/connection_pair.hpp"

#include <gtest/gtest.h>

namespace hawser::proto::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t number(errc code) { return static_cast<std::uint32_t>(code); }

channel_id ask(pair& p, std::string_view body = {}, end_mark end = end_mark::open) {
  return p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "op"}, as_bytes(body), end).value_or(0);
}

TEST(connection_life, every_order_of_finish_reset_stop_and_work_done_gives_the_slot_back) {
  // Each digit is one step; both sides do theirs in every order, with the wire in between or not.
  const auto step = [](side& of, channel_id id, int what) {
    if (what == 0) (void)of.c.finish(id);
    if (what == 1) of.c.reset(id, 6);
    if (what == 2) of.c.stop(id, 6);
    if (what == 3) of.work_done(id);
  };
  for (int script = 0; script < 4 * 4 * 4 * 4 * 16; ++script) {
    pair p;
    p.settle();
    const channel_id id = ask(p, "body");
    p.settle();
    int rest = script;
    const int mask = rest % 16;
    rest /= 16;
    for (int i = 0; i < 4; ++i, rest /= 4) {
      step(i % 2 ? p.client : p.server, id, rest % 4);
      if (mask >> i & 1) p.settle();
    }
    p.settle();
    p.server.work_done(id);
    p.settle();
    p.client.c.reset(id, 6);
    p.settle();
    ASSERT_EQ(p.client.c.open_channels(), 0u) << script;
    ASSERT_EQ(p.server.c.open_channels(), 0u) << script;
    ASSERT_EQ(p.client.of(event_kind::released, id).size(), 1u) << script;
    ASSERT_EQ(p.server.of(event_kind::released, id).size(), 1u) << script;
    ASSERT_FALSE(p.client.c.over()) << script;
    ASSERT_FALSE(p.server.c.over()) << script;
    ASSERT_EQ(ask(p), id);
  }
}

TEST(connection_life, calls_beyond_the_limit_would_block_and_go_on_after_a_release) {
  settings few;
  few.announced.channels_max = 16;
  pair p({}, few);
  p.settle();
  std::vector<channel_id> ids;
  for (;;) {
    const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "op"}, {}, end_mark::end);
    if (!id) {
      EXPECT_EQ(id.error(), errc::would_block);
      break;
    }
    ids.push_back(*id);
  }
  EXPECT_EQ(ids.size(), 16u);
  p.settle();
  p.server.c.finish(ids[5]);
  p.settle();
  EXPECT_EQ(ask(p), 0u);                       // finished is not released
  p.server.work_done(ids[5]);
  p.settle();
  EXPECT_EQ(p.client.of(event_kind::released, ids[5]).size(), 1u);
  EXPECT_EQ(ask(p), ids[5]);                   // the lowest free id
}

TEST(connection_life, a_peer_that_opens_beyond_the_limit_loses_the_connection) {
  settings few;
  few.announced.channels_max = 16;
  pair p({}, few);
  p.settle();
  p.server.give(std::string("\x02\x23\x10\x00\x00", 5));    // id 35: slot 16
  EXPECT_EQ(p.server.last(event_kind::closed)->code, number(errc::protocol));
}

TEST(connection_life, an_open_that_never_left_is_taken_back_without_a_trace) {
  pair p;
  p.settle();
  const auto bulk = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  for (int i = 0; i < 10; ++i) (void)p.client.c.write(*bulk, as_bytes(pattern(200'000)));
  const channel_id id = ask(p, "never seen");
  ASSERT_NE(id, 0u);
  p.client.c.reset(id, 6);
  p.client.drain();
  EXPECT_EQ(p.client.of(event_kind::released, id).size(), 1u);
  p.settle();
  EXPECT_EQ(p.server.of(event_kind::opened, id).size(), 0u);
  EXPECT_FALSE(p.client.c.over());
}

TEST(connection_life, both_sides_learn_that_a_deadline_has_passed) {
  pair p;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "slow", .deadline = 250ms}, {}, end_mark::end);
  p.settle();
  EXPECT_EQ(p.server.of(event_kind::opened, *id).at(0).deadline, duration(250ms));
  p.pass_time(249ms);
  EXPECT_EQ(p.client.count(event_kind::reset), 0u);
  EXPECT_EQ(p.client.c.poll_timeout(), p.client.now + 1ms);
  p.pass_time(1ms);
  for (side* each : {&p.client, &p.server}) {
    const auto ends = each->of(event_kind::reset, *id);
    ASSERT_EQ(ends.size(), 1u);
    EXPECT_TRUE(ends[0].by_deadline);
    EXPECT_EQ(ends[0].code, number(errc::deadline));
  }
  p.settle();
  EXPECT_EQ(p.client.c.open_channels(), 1u);        // the work still runs
  p.server.work_done(*id);
  p.settle();
  EXPECT_EQ(p.client.c.open_channels(), 0u);
  EXPECT_EQ(p.client.of(event_kind::reset, *id).size(), 1u);
}

TEST(connection_life, a_deadline_holds_even_when_the_other_side_is_silent) {
  pair p;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "slow", .deadline = 1s}, {}, end_mark::end);
  (void)p.client.take();
  p.client.now += 1s;
  p.client.c.handle_timeout(p.client.now);
  p.client.drain();
  EXPECT_EQ(p.client.of(event_kind::reset, *id).size(), 1u);
}

TEST(connection_life, a_ping_comes_back_and_tells_the_round_trip) {
  pair p;
  p.settle();
  p.client.c.ping(p.client.now);
  const std::string asked = p.client.take();
  p.advance(30ms);
  p.server.give(asked);
  p.client.give(p.server.take());
  ASSERT_TRUE(p.client.last(event_kind::pong));
  EXPECT_EQ(p.client.last(event_kind::pong)->elapsed, duration(30ms));
  EXPECT_EQ(p.client.c.stats().round_trip, duration(30ms));
}

TEST(connection_life, more_unanswered_pings_than_announced_are_abuse) {
  pair p;
  p.settle();
  std::string pings;
  for (int i = 0; i < 5; ++i) pings += std::string("\x07\x00\x80\x00", 4) + "12345678";
  p.server.give(pings);
  EXPECT_EQ(p.server.last(event_kind::closed)->code, number(errc::protocol));
}

TEST(connection_life, a_quiet_connection_is_kept_alive_and_a_dead_one_is_found) {
  pair p;
  p.settle();
  for (int i = 0; i < 20; ++i) {
    p.pass_time(20s);
    p.settle();
  }
  EXPECT_FALSE(p.client.c.over());
  EXPECT_FALSE(p.server.c.over());
  EXPECT_EQ(p.client.count(event_kind::pong), 0u);       // nobody asked for these
  for (int i = 0; i < 4; ++i) p.pass_time(20s);
  EXPECT_EQ(p.client.last(event_kind::closed)->code, number(errc::idle));
  EXPECT_EQ(p.server.last(event_kind::closed)->code, number(errc::idle));
}

TEST(connection_life, a_started_frame_must_end_in_time) {
  pair p;
  p.settle();
  p.server.give(std::string("\x01\x01\x50\x00he", 6));
  p.server.now += 30s;
  EXPECT_LE(p.server.c.poll_timeout(), p.server.now);
  p.server.c.handle_timeout(p.server.now);
  p.server.drain();
  EXPECT_EQ(p.server.last(event_kind::closed)->code, number(errc::stalled));
}

TEST(connection_life, a_stalled_channel_is_given_up_where_the_policy_says_so) {
  settings strict;
  strict.stall_timeout = 60s;
  strict.announced.idle_timeout_ms = 0;
  settings other;
  other.announced.idle_timeout_ms = 0;
  pair p(strict, other);
  p.server.consumes = false;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  for (int i = 0; i < 5; ++i) (void)p.client.c.write(*id, as_bytes(pattern(60'000)));
  p.settle();
  for (int i = 0; i < 7; ++i) p.pass_time(15s);
  ASSERT_EQ(p.client.of(event_kind::reset, *id).size(), 1u);
  EXPECT_EQ(p.client.of(event_kind::reset, *id)[0].code, number(errc::stalled));
}

TEST(connection_life, an_end_comes_at_once_when_a_small_rest_is_all_that_is_to_be_said) {
  pair p;
  p.settle();
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes("one last word")));
  p.client.c.go_away(p.client.now, 0, 10s);
  ASSERT_TRUE(p.client.c.end_now(p.client.now));
  p.client.drain();
  EXPECT_EQ(p.client.last_closed(), 0u);
  const std::string rest = p.client.take();
  EXPECT_FALSE(p.client.c.wants_transmit());
  p.server.give(rest);
  EXPECT_EQ(p.server.text_of(message_channel), "one last word");
  EXPECT_EQ(p.server.last_closed(), 0u);
}

TEST(connection_life, an_end_waits_for_what_the_transport_or_credit_holds_back) {
  pair p;
  p.settle();
  const std::string much = pattern(300'000);
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(much)));
  p.client.c.go_away(p.client.now, 0, 10s);
  EXPECT_FALSE(p.client.c.end_now(p.client.now));
  p.client.drain();
  EXPECT_EQ(p.client.last_closed(), UINT32_MAX);
  for (int i = 0; i < 100 && !p.client.c.end_now(p.client.now); ++i) p.settle();
  p.client.drain();
  p.settle();
  EXPECT_EQ(p.client.last_closed(), 0u);
  EXPECT_TRUE(p.server.text_of(message_channel) == much);
  EXPECT_EQ(p.server.last_closed(), 0u);
}

TEST(connection_life, going_away_lets_open_channels_end_and_refuses_new_ones) {
  for (const bool server_leaves : {true, false}) {
    pair p;
    p.settle();
    const channel_id id = ask(p, "body", end_mark::end);
    p.settle();
    side& leaver = server_leaves ? p.server : p.client;
    ASSERT_TRUE(leaver.c.send(message_channel, as_bytes("one last word")));
    leaver.c.go_away(leaver.now, 0, 10s, "restart");
    EXPECT_EQ(leaver.c.open(leaver.now, {}, {}, end_mark::open).error(), errc::closed);
    // This one crosses the GOAWAY.
    if (server_leaves) {
      EXPECT_NE(ask(p, "late", end_mark::end), 0u);
    }
    p.settle();
    if (server_leaves) {
      EXPECT_EQ(p.client.of(event_kind::reset, 5).at(0).code, number(errc::refused));
      EXPECT_EQ(p.client.of(event_kind::released, 5).size(), 1u);
      EXPECT_EQ(p.client.last(event_kind::go_away)->opens_accepted, 1u);
    }
    EXPECT_FALSE(p.client.c.over());
    ASSERT_TRUE(p.server.c.write(id, as_bytes("answer")));
    p.server.conclude(id);
    p.settle();
    EXPECT_EQ(p.client.text_of(id), "answer");
    for (side* each : {&p.client, &p.server}) {
      ASSERT_TRUE(each->last(event_kind::closed));
      EXPECT_EQ(each->last(event_kind::closed)->code, 0u);
    }
    EXPECT_EQ((server_leaves ? p.client : p.server).text_of(message_channel), "one last word");
  }
}

TEST(connection_life, an_answer_that_is_concluded_takes_one_frame_and_tells_both_sides_at_once) {
  pair p;
  p.settle();
  const channel_id id = ask(p, "body", end_mark::end);
  p.settle();
  ASSERT_TRUE(p.server.c.write(id, as_bytes("answer")));
  p.server.conclude(id);
  EXPECT_EQ(p.server.early_releases, 1u);
  EXPECT_EQ(p.server.c.open_channels(), 0u);
  const std::string wire = p.server.take();
  EXPECT_EQ(wire.size(), short_header_bytes + 6);
  EXPECT_EQ(static_cast<unsigned>(wire[0]), static_cast<unsigned>(frame_type::data) | frame_flag::fin | frame_flag::rel);
  p.client.give(wire);
  EXPECT_EQ(p.client.text_of(id), "answer");
  EXPECT_EQ(p.client.early_releases, 1u) << "the event of the last bytes says that the channel is gone";
  EXPECT_EQ(p.client.c.open_channels(), 0u);
  EXPECT_EQ(p.client.c.stats().bytes_buffered, 0u);
  p.settle();
  EXPECT_EQ(p.client.of(event_kind::released, id).size(), 1u);
  EXPECT_EQ(p.server.of(event_kind::released, id).size(), 1u);
}

TEST(connection_life, what_is_concluded_before_the_request_is_here_asks_for_no_more_of_it) {
  pair p;
  p.settle();
  const channel_id id = ask(p, "a beginning", end_mark::open);
  p.settle();
  ASSERT_TRUE(p.server.c.write(id, as_bytes("enough")));
  p.server.conclude(id);
  EXPECT_EQ(p.server.early_releases, 0u);
  p.settle();
  EXPECT_EQ(p.client.of(event_kind::stopped, id).size(), 1u);
  EXPECT_EQ(p.client.text_of(id), "enough");
  ASSERT_TRUE(p.client.c.finish(id));
  p.settle();
  for (side* each : {&p.client, &p.server}) EXPECT_EQ(each->of(event_kind::released, id).size(), 1u);
  EXPECT_EQ(p.client.c.open_channels() + p.server.c.open_channels(), 0u);
}

TEST(connection_life, concluding_what_is_over_or_unknown_does_nothing) {
  pair p;
  p.settle();
  EXPECT_FALSE(p.server.c.conclude(3));
  EXPECT_FALSE(p.server.c.conclude(message_channel));
  const channel_id id = ask(p, "body", end_mark::end);
  p.settle();
  int mark = 0;
  p.server.c.set_user(id, &mark);
  p.server.c.handle_end(p.server.now);
  EXPECT_FALSE(p.server.c.conclude(id));
  p.server.drain();
  for (const seen& s : p.server.events) EXPECT_NE(s.user, &mark) << "it was let go of";
}

TEST(connection_life, a_drain_without_a_limit_waits_for_what_is_open) {
  pair p;
  p.settle();
  const channel_id id = ask(p, "body", end_mark::end);
  p.settle();
  p.server.c.go_away(p.server.now, 0, duration::max(), "in good time");
  p.server.drain();      // before anything is sent
  p.settle();
  ASSERT_EQ(p.client.count(event_kind::go_away), 1u);
  EXPECT_EQ(p.client.last(event_kind::go_away)->text, "in good time");
  for (int i = 0; i < 10; ++i) {
    p.pass_time(1s);
    p.settle();
  }
  EXPECT_FALSE(p.server.c.over());
  p.server.answer(id, "answer");
  p.settle();
  EXPECT_EQ(p.client.text_of(id), "answer");
  for (side* each : {&p.client, &p.server}) EXPECT_EQ(each->last_closed(), 0u);
}

TEST(connection_life, a_drain_that_takes_too_long_ends) {
  pair p;
  p.settle();
  const channel_id id = ask(p, "body");
  p.settle();
  p.server.c.go_away(p.server.now, 0, 3s);
  p.settle();
  p.server.c.go_away(p.server.now, 0, 1s);       // may only shorten
  p.server.c.go_away(p.server.now, 0, 9s);
  p.settle();
  p.pass_time(1s);
  for (side* each : {&p.client, &p.server}) {
    EXPECT_EQ(each->last(event_kind::closed)->code, 0u);
    EXPECT_EQ(each->of(event_kind::reset, id).at(0).code, number(errc::connection_lost));
    EXPECT_EQ(each->of(event_kind::released, id).size(), 1u);
    EXPECT_EQ(each->events.back().kind, event_kind::closed);
  }
}

TEST(connection_life, a_lost_transport_ends_each_channel_once_then_the_connection) {
  pair p;
  p.settle();
  const channel_id one = ask(p, "a"), two = ask(p, "b");
  p.settle();
  for (side* each : {&p.client, &p.server}) {
    each->c.handle_end(each->now);
    each->drain();
    for (const channel_id id : {one, two}) {
      EXPECT_EQ(each->of(event_kind::reset, id).at(0).code, number(errc::connection_lost));
      EXPECT_EQ(each->of(event_kind::released, id).size(), 1u);
    }
    EXPECT_EQ(each->events.back().kind, event_kind::closed);
    EXPECT_EQ(each->events.back().code, number(errc::connection_lost));
    EXPECT_EQ(each->c.open_channels(), 0u);
    EXPECT_EQ(each->c.send(message_channel, as_bytes("x")).error(), errc::closed);
    EXPECT_EQ(each->c.poll_timeout(), never);
  }
}

TEST(connection_life, an_error_end_reaches_the_other_side_with_its_code_and_unprocessed_opens_are_safe_to_retry) {
  pair p;
  p.settle();
  const channel_id seen_one = ask(p, "a");
  p.settle();
  const channel_id unseen = ask(p, "b");
  p.server.c.go_away(p.server.now, number(errc::forbidden), {}, "no");
  p.server.drain();
  p.client.give(p.server.take());
  EXPECT_EQ(p.client.of(event_kind::reset, seen_one).at(0).code, number(errc::connection_lost));
  EXPECT_EQ(p.client.of(event_kind::reset, unseen).at(0).code, number(errc::refused));
  EXPECT_EQ(p.client.last(event_kind::closed)->code, number(errc::forbidden));
}

TEST(connection_life, after_an_error_further_input_is_ignored) {
  pair p;
  p.settle();
  p.server.give(std::string(4, '\0'));
  EXPECT_EQ(p.server.last(event_kind::closed)->code, number(errc::protocol));
  p.server.give("anything");
  EXPECT_EQ(p.server.count(event_kind::closed), 1u);
  const std::string said = p.server.take();
  EXPECT_EQ(said.at(0), '\x08');
  EXPECT_EQ(p.server.take(), "");
}

TEST(connection_life, reserved_kinds_are_refused_and_reserved_types_end_the_connection) {
  for (const char kind : {4, 5, 8, 11}) {
    pair p;
    p.settle();
    p.server.give(std::string("\x22\x03\x10\x00", 4) + kind);
    EXPECT_FALSE(p.server.c.over());
    EXPECT_EQ(p.server.count(event_kind::opened), 0u);
    EXPECT_EQ(p.server.take(), std::string("\x44\x03\x40\x00\x05\x00\x00\x00", 8));
  }
  for (const char type : {13, 14, 15}) {
    pair p;
    p.settle();
    p.server.give(std::string(1, type) + std::string("\x03\x00\x00", 3));
    EXPECT_EQ(p.server.last(event_kind::closed)->code, number(errc::protocol));
  }
  pair p;
  p.settle();
  p.server.give(std::string("\x0b\x03\x30\x00xyz\x0c\x00\x00\x00", 11) + std::string("\x01\x01\x10\x00!", 5));
  EXPECT_EQ(p.server.text_of(message_channel), "!");
}

TEST(connection_life, stale_frames_of_a_free_id_are_passed_over_and_others_are_errors) {
  const std::string stop("\x05\x05\x40\x00\x06\x00\x00\x00", 8), reset("\x04\x05\x40\x00\x06\x00\x00\x00", 8),
      credit("\x03\x05\x40\x00\x01\x00\x00\x00", 8);
  {
    pair p;
    p.settle();
    p.server.give(stop + reset + credit);
    EXPECT_FALSE(p.server.c.over());
  }
  for (const std::string& bad : {std::string("\x01\x05\x10\x00x", 5), std::string("\x06\x05\x00\x00", 4), std::string("\x0a\x05\x00\x00", 4),
                                 std::string("\x05\x04\x40\x00\x06\x00\x00\x00", 8), std::string("\x02\x04\x10\x00\x00", 5)}) {
    pair p;
    p.settle();
    p.server.give(bad);
    EXPECT_TRUE(p.server.c.over());
  }
}

TEST(connection_life, a_keepalive_ping_that_cannot_leave_does_not_keep_the_timer_busy) {
  pair p;
  p.settle();
  side& c = p.client;
  c.now += 25s;
  ASSERT_LE(c.c.poll_timeout(), c.now);
  c.c.handle_timeout(c.now);
  c.drain();
  EXPECT_GT(c.c.poll_timeout(), c.now);
  EXPECT_TRUE(c.c.wants_transmit());
  // The transport stays blocked: then the end is what remains.
  c.now = c.c.poll_timeout();
  c.c.handle_timeout(c.now);
  c.drain();
  EXPECT_EQ(c.last_closed(), number(errc::idle));
}

TEST(connection_life, pings_beyond_what_the_peer_accepts_wait_without_asking_to_be_sent) {
  settings one;
  one.announced.pings_in_flight_max = 1;
  pair p({}, one);
  p.client.c.ping(p.client.now);
  const std::string hello = p.client.take();
  EXPECT_FALSE(p.client.c.wants_transmit());           // not before the HELLO
  p.server.give(hello);
  p.settle();
  p.client.c.ping(p.client.now);
  p.client.c.ping(p.client.now);
  const std::string first = p.client.take();
  EXPECT_EQ(first.size(), 12u);
  EXPECT_FALSE(p.client.c.wants_transmit());
  p.server.give(first);
  p.settle();
  EXPECT_EQ(p.client.count(event_kind::pong), 3u);
  EXPECT_FALSE(p.server.c.over());
}

TEST(connection_life, a_deadline_that_passes_after_the_whole_answer_says_nothing) {
  pair p;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "x", .deadline = 100ms}, {}, end_mark::end);
  p.settle();
  ASSERT_TRUE(p.server.c.write(*id, as_bytes("ok"), end_mark::end));
  p.settle();
  ASSERT_EQ(p.client.of(event_kind::finished, *id).size(), 1u);
  p.pass_time(200ms);
  p.settle();
  EXPECT_EQ(p.client.of(event_kind::reset, *id).size(), 0u);
  EXPECT_GT(p.client.c.poll_timeout(), p.client.now);
  p.server.work_done(*id);
  p.settle();
  EXPECT_EQ(p.client.of(event_kind::released, *id).size(), 1u);
}

// Whoever has let go of a channel is told of its release, and of nothing else.
TEST(connection_life, a_channel_that_was_let_go_of_reports_no_room_though_a_write_was_refused) {
  pair p;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  const std::string body = pattern(50'000);
  while (p.client.c.write(*id, as_bytes(body)).value_or(0) == body.size()) {
  }
  ASSERT_TRUE(p.client.c.finish(*id));
  p.client.work_done(*id);
  p.settle();
  EXPECT_EQ(p.client.of(event_kind::writable, *id).size(), 0u);
  p.server.work_done(*id);
  p.settle();
  EXPECT_EQ(p.client.of(event_kind::released, *id).size(), 1u);
  EXPECT_EQ(p.client.of(event_kind::finished, *id).size(), 0u);
}

// Whoever transmits between two events of one input ends no connection of which the rest of that input has something to say.
TEST(connection_life, a_drain_waits_for_the_end_of_the_input_that_is_being_read) {
  for (const bool transmits : {false, true}) {
    settings small;
    small.committed_bytes_max = 20'000;      // plain messages wait, and a request that is less urgent behind them
    pair p(small);
    p.settle();
    for (int i = 0; i < 60; ++i) ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(pattern(1'000))));
    const auto late = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "late", .urgency = 7}, as_bytes("body"), end_mark::end);
    ASSERT_TRUE(late);
    p.client.c.go_away(p.client.now, 0, 10s);
    const std::string wire = p.client.take();
    std::string answers;
    bool fin_before_open = false;
    p.server.on_event = [&](const event& e) {
      if (e.kind == event_kind::finished && e.channel == message_channel) fin_before_open = p.server.count(event_kind::opened) == 0;
      if (transmits) answers += p.server.take();
    };
    // The end of a frame that is here in part is to come as well.
    p.server.give(std::string_view(wire).substr(0, wire.size() - 3));
    p.server.give(std::string_view(wire).substr(wire.size() - 3));
    p.server.on_event = nullptr;
    p.client.give(answers);
    EXPECT_TRUE(fin_before_open) << "or nothing was tried";
    EXPECT_FALSE(p.server.c.over());
    EXPECT_EQ(p.server.of(event_kind::opened, *late).size(), 1u);
    ASSERT_TRUE(p.server.c.write(*late, as_bytes("answer")));
    p.server.conclude(*late);
    p.settle();
    EXPECT_EQ(p.client.text_of(*late), "answer");
    EXPECT_EQ(p.server.last_closed(), 0u) << "then it ends";
  }
}

}  // namespace
}  // namespace hawser::proto::testing
