// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/inspection.hpp"
#include "unit/proto/frames.hpp"

#include <gtest/gtest.h>

namespace hawser::proto::testing {
namespace {

constexpr std::uint32_t number(errc code) { return static_cast<std::uint32_t>(code); }

// Every bucket is as full as at the beginning, at a clock that stands still: nothing that happened was charged.
bool untouched(side& of) { return !of.c.over() && inspection::meter(of.c).full(to_bucket_time(of.now)); }

// Not in debt: the transport need not wait.
bool owes_nothing(side& of) { return !of.c.over() && of.c.receive_after() <= of.now; }

// Lets both know the round trip, so that at a clock that stands still they ask for it no more (a PING costs what it costs); and lets
// the buckets fill up again.
void measure(pair& p) {
  p.settle();
  for (auto [one, other] : {std::pair(&p.client, &p.server), std::pair(&p.server, &p.client)}) {
    one->c.ping(one->now);
    p.pass(*one, *other);
    p.advance(std::chrono::milliseconds(1));
    p.pass(*other, *one);
  }
  p.settle();
  p.advance(std::chrono::milliseconds(10));
  ASSERT_TRUE(untouched(p.client) && untouched(p.server));
}

TEST(connection_abuse, one_way_bulk_never_touches_a_bucket) {
  settings narrow;
  narrow.announced.channel_credit = 64 * 1024;
  narrow.window_bytes_max = 64 * 1024;             // a CREDIT for each half of it
  pair p(narrow, narrow);
  p.client.keeps = p.server.keeps = false;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  measure(p);                                      // time enough for the open to be forgotten
  const std::string body = pattern(60'000);
  // Not scaled: what matters is that they are many more than a bucket holds.
  const std::uint64_t credits_min = 4ull * control_rate.burst;
  while (p.client.c.stats().frames_received < credits_min) {
    ASSERT_TRUE(p.client.c.write(*id, as_bytes(body)));
    p.settle();
    ASSERT_TRUE(untouched(p.client)) << "after " << p.client.c.stats().frames_received << " frames, nearly all of them CREDIT";
    ASSERT_TRUE(untouched(p.server));
  }
  EXPECT_LT(p.client.c.stats().bytes_received, credits_min * 8 + 1'000) << "other frames than CREDIT came";
}

TEST(connection_abuse, a_million_small_requests_never_touch_a_bucket) {
  pair p;
  p.client.keeps = p.server.keeps = false;
  measure(p);
  p.server.on_event = [&](const event& e) {
    if (e.kind == event_kind::finished) p.server.answer(e.channel, "ok");
  };
  const std::size_t goal = 1'000'000 / HAWSER_COUNT_SCALE;
  std::size_t asked = 0;
  while (asked < goal) {
    while (asked < goal && p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "echo"}, as_bytes("hi"), end_mark::end)) ++asked;
    p.settle();
    ASSERT_TRUE(untouched(p.client)) << "after " << asked;
    ASSERT_TRUE(untouched(p.server)) << "after " << asked;
  }
  EXPECT_EQ(p.client.count(event_kind::released), goal);
  EXPECT_EQ(p.server.count(event_kind::released), goal);
  EXPECT_EQ(p.client.c.open_channels(), 0u);
  EXPECT_EQ(p.client.pool.bytes_in_use(), 0u);
  EXPECT_EQ(p.server.pool.bytes_in_use(), 0u);
}

TEST(connection_abuse, floods_of_control_frames_end_in_calm) {
  const std::string floods[] = {
      std::string("\x05\x05\x40\x00\x06\x00\x00\x00", 8),   // STOP of a free id
      std::string("\x04\x05\x40\x00\x06\x00\x00\x00", 8),   // RESET of a free id
      std::string("\x03\x00\x40\x00\x01\x00\x00\x00", 8),   // CREDIT of one byte
      std::string("\x0b\x00\x00\x00", 4),                   // skipped types
      std::string("\x02\x03\x10\x00\x04\x06\x03", 5),       // refused at once, below
  };
  for (int i = 0; i < 4; ++i) {
    pair p;
    p.settle();
    std::string read;
    for (int k = 0; k < 1'500; ++k) read += floods[i];
    bool paused = false;
    for (int k = 0; k < 20 && !p.server.c.over(); ++k) {
      p.server.give(read);
      paused = paused || p.server.c.receive_after() > p.server.now;
    }
    EXPECT_TRUE(paused) << i;
    ASSERT_TRUE(p.server.c.over()) << i;
    EXPECT_EQ(p.server.last(event_kind::closed)->code, number(errc::calm)) << i;
  }
}

TEST(connection_abuse, rapid_resets_end_in_calm_and_never_exceed_the_slots) {
  settings few;
  few.announced.channels_max = 16;
  pair p({}, few);
  p.settle();
  p.server.on_event = [&](const event& e) {
    if (e.kind == event_kind::reset) p.server.work_done(e.channel);
  };
  int opened = 0;
  for (; opened < 1'000 && !p.server.c.over(); ++opened) {
    const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "op"}, {}, end_mark::open);
    ASSERT_TRUE(id);
    p.server.give(p.client.take());
    p.client.c.reset(*id, 6);
    p.server.give(p.client.take());
    ASSERT_LE(p.server.c.open_channels(), 16u);
    p.client.give(p.server.take());
    if (p.client.c.over()) break;
  }
  EXPECT_LT(opened, 500);
  EXPECT_EQ(p.server.last(event_kind::closed)->code, number(errc::calm));
}

TEST(connection_abuse, cancelling_every_other_call_never_touches_a_bucket_at_any_rate) {
  for (const auto each : {std::chrono::microseconds(10), std::chrono::microseconds(1'000)}) {
    pair p;
    p.client.keeps = p.server.keeps = false;
    p.settle();
    p.server.on_event = [&](const event& e) {
      if (e.kind == event_kind::finished) p.server.answer(e.channel, "ok");
      if (e.kind == event_kind::reset) p.server.work_done(e.channel);
    };
    for (int i = 0; i < 20'000 / HAWSER_COUNT_SCALE; ++i) {
      const bool cancels = i % 2 == 0;
      const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "op"}, {}, cancels ? end_mark::open : end_mark::end);
      ASSERT_TRUE(id);
      p.settle();
      if (cancels) p.client.c.reset(*id, 6);
      p.settle();
      ASSERT_TRUE(owes_nothing(p.server)) << i;
      p.advance(each);
    }
  }
}

// The opener makes the acceptor reset the channel, by a message that is longer than announced.
TEST(connection_abuse, provoked_resets_end_in_calm_like_those_of_the_opener) {
  settings few;
  few.announced.channels_max = 16;
  few.announced.message_bytes_max = 4'096;
  pair p({}, few);
  p.settle();
  p.server.on_event = [&](const event& e) {
    if (e.kind == event_kind::reset) p.server.work_done(e.channel);
  };
  const std::string part = frame_of(frame_type::data, frame_flag::more, 3, std::string(3'000, 'm'));
  int opened = 0;
  for (; opened < 1'000 && !p.server.c.over(); ++opened) {
    p.server.give(frame_of(frame_type::open, 0, 3, std::string("\x01", 1)) + part + part);
    p.server.take();
    p.server.give(frame_of(frame_type::reset, 0, 3, bytes_of(6)));
    p.server.take();
    p.server.drain();
    ASSERT_LE(p.server.c.open_channels(), 1u);
  }
  EXPECT_LT(opened, 500);
  EXPECT_EQ(p.server.last(event_kind::closed)->code, number(errc::calm));
}

// Ends of answers cost no credit, and free the slot for the next: nothing but room bounds them.
TEST(connection_abuse, answers_that_the_peer_does_not_take_are_bounded_by_what_may_be_committed) {
  settings with;
  with.abuse_buckets = false;
  pair p({}, with);
  p.settle();
  p.server.keeps = false;
  p.server.on_event = [&](const event& e) {
    if (e.kind == event_kind::closed) {
      EXPECT_EQ(e.code, number(errc::protocol)) << "the ids are used up";
    }
    if (e.kind != event_kind::finished) return;
    (void)p.server.c.finish(e.channel);
    p.server.work_done(e.channel);
  };
  std::size_t most = 0, answered = 0;
  const std::string open(frame_of(frame_type::open, frame_flag::fin, 3, std::string("\x02", 1)));
  for (; answered < 2'000'000 && !p.server.c.over(); ++answered) {
    p.server.give(open);
    most = std::max(most, p.server.pool.bytes_in_use());
  }
  EXPECT_TRUE(p.server.c.over());
  EXPECT_GT(answered, 10'000u);
  EXPECT_LE(most, with.committed_bytes_max + 16 * 1024 + 2 * 64 * 1024);
}

TEST(connection_abuse, a_paused_peer_may_go_on_when_its_debt_is_paid) {
  pair p;
  p.settle();
  const std::string stale("\x05\x05\x40\x00\x06\x00\x00\x00", 8);
  std::string read;
  for (int k = 0; k < 4'200; ++k) read += stale;
  p.server.give(read);
  ASSERT_FALSE(p.server.c.over());
  const instant until = p.server.c.receive_after();
  EXPECT_GT(until, p.server.now);
  EXPECT_LT(until, p.server.now + std::chrono::seconds(1));
  p.advance(std::chrono::seconds(2));
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes("calm again")));
  p.settle();
  EXPECT_LE(p.server.c.receive_after(), p.server.now);
  EXPECT_EQ(p.server.text_of(message_channel), "calm again");
}

// Every upload gets credit or a STOP that the sender no longer needs: these cross its FIN, or the release.
TEST(connection_abuse, uploads_whose_credit_crosses_their_end_never_touch_a_bucket) {
  for (const bool refused : {false, true}) {
    pair p;
    measure(p);
    p.server.keeps = p.client.keeps = false;
    p.server.on_event = [&](const event& e) {
      if (e.kind == (refused ? event_kind::opened : event_kind::finished)) p.server.answer(e.channel, "ok");
    };
    p.client.on_event = [&](const event& e) {
      if (e.kind == event_kind::finished) p.client.work_done(e.channel);
    };
    const std::string body = pattern(40'000);
    const int count = 8'000 / HAWSER_COUNT_SCALE;
    for (int i = 0; i < count; ++i) {
      ASSERT_TRUE(p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "up"}, as_bytes(body), end_mark::end));
      for (;;) {
        const std::string asked = p.client.take();
        std::string answered;
        for (std::size_t at = 0; at < asked.size(); at += 8'192) {
          p.server.give(std::string_view(asked).substr(at, 8'192));
          answered += p.server.take();
        }
        p.client.give(answered);
        if (asked.empty() && answered.empty()) break;
      }
      ASSERT_TRUE(untouched(p.client)) << i;
      ASSERT_TRUE(untouched(p.server)) << i;
    }
  }
}

}
}  // namespace hawser::proto::testing
