// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "unit/proto/frames.hpp"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

// Large messages: received where they are put together, and sent from where they lie. Either must lead to what copies lead to.

namespace hawser::proto::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t warm_bytes = std::size_t{1} << 20;      // so much without anybody else, then the line is one's own

// Takes as much of each offer as it is told to.
struct taker final : outlet {
  std::size_t try_send(std::span<const byte_view> pieces) override {
    ++asked;
    std::string all;
    for (const byte_view piece : pieces) {
      EXPECT_FALSE(piece.empty());
      all.append(as_text(piece));
    }
    offered += all.size();
    const std::size_t count = std::min(all.size(), room(all.size()));
    line.append(all, 0, count);
    return count;
  }
  std::function<std::size_t(std::size_t)> room = [](std::size_t size) { return size; };
  std::string line;
  std::size_t asked = 0, offered = 0;
};

// What is left of the message that went last, behind it.
void flush(side& from, taker& to) { to.line += from.take(); }

void warm_up(pair& p) {
  p.settle();
  p.server.keeps = false;
  for (std::size_t sent = 0; sent < warm_bytes; sent += 10'000) {
    ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(pattern(10'000))));
    p.settle();
  }
  p.server.keeps = true;
}

// -- receiving

// As a transport would that receives where it is told.
void give(side& to, std::string_view bytes, bool in_rooms, std::size_t& filled) {
  while (!bytes.empty()) {
    const std::span<std::byte> room = in_rooms ? to.c.poll_room() : std::span<std::byte>();
    if (room.empty()) return to.give(bytes);
    const std::size_t count = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), count);
    const std::size_t behind = std::min<std::size_t>(bytes.size() - count, 5'000);
    ++filled;
    to.c.handle_filled(to.now, count, as_bytes(bytes.substr(count, behind)));
    to.drain();
    bytes.remove_prefix(count + behind);
  }
}

struct words {
  std::vector<seen> events;
  connection::statistics stats;
  std::size_t filled = 0, in_use = 0;
};

// A client that says this and that on several channels, to a server that gives some of it up; in pieces of random size.
words hear(unsigned seed, bool in_rooms) {
  settings with;
  with.announced.message_bytes_max = 300'000;
  pair p({}, with);
  p.settle();
  std::minstd_rand dice(seed), cuts(seed + 1);
  const auto below = [&](unsigned n) { return static_cast<unsigned>(dice() % n); };
  std::vector<channel_id> open = {message_channel};
  for (int i = 0; i < 3; ++i) open.push_back(*p.client.c.open(p.client.now, {.kind = channel_kind::message}, {}, end_mark::open));
  const channel_id stream = *p.client.c.open(p.client.now, {.kind = channel_kind::stream}, {}, end_mark::open);
  words told;
  std::size_t messages = 0;
  p.server.on_event = [&](const event& e) {
    if (e.kind != event_kind::message || ++messages % 29 != 0 || e.channel == message_channel || e.released) return;
    if (messages % 2 == 0) p.server.c.stop(e.channel, 6);
    else p.server.c.reset(e.channel, 6);
  };
  for (int round = 0; round < 60; ++round) {
    for (unsigned i = below(4); i > 0; --i) {
      const std::size_t size = below(3) == 0 ? below(300'000) : below(3'000);
      (void)p.client.c.send(open[below(static_cast<unsigned>(open.size()))], as_bytes(pattern(size, below(100))));
    }
    if (below(4) == 0) (void)p.client.c.write(stream, as_bytes(pattern(below(50'000))));
    if (below(8) == 0) p.client.c.ping(p.client.now);
    if (below(15) == 0) p.client.c.reset(open[1 + below(3)], 6);
    const std::string said = p.client.take();
    for (std::string_view rest = said; !rest.empty();) {
      const std::size_t piece = std::min<std::size_t>(rest.size(), 1 + cuts() % (cuts() % 3 == 0 ? 20 : 90'000));
      give(p.server, rest.substr(0, piece), in_rooms, told.filled);
      rest.remove_prefix(piece);
    }
    p.pass(p.server, p.client);
  }
  // How a stream is cut makes no difference.
  for (const seen& e : p.server.events) {
    if (e.kind == event_kind::data && !told.events.empty() && told.events.back().kind == e.kind && told.events.back().channel == e.channel) {
      told.events.back().bytes += e.bytes;
      told.events.back().cost += e.cost;
    } else {
      told.events.push_back(e);
    }
  }
  told.stats = p.server.c.stats();
  told.in_use = p.server.pool.bytes_in_use();
  return told;
}

TEST(connection_rooms, lead_to_what_bytes_in_a_buffer_lead_to) {
  std::size_t filled = 0;
  for (unsigned seed = 1; seed <= 60 / HAWSER_COUNT_SCALE + 5; ++seed) {
    const words plain = hear(seed, false), direct = hear(seed, true);
    ASSERT_EQ(plain.filled, 0u);
    filled += direct.filled;
    ASSERT_TRUE(plain.events == direct.events) << "seed " << seed;
    EXPECT_EQ(plain.stats.bytes_received, direct.stats.bytes_received);
    EXPECT_EQ(plain.stats.messages_received, direct.stats.messages_received);
    EXPECT_EQ(plain.stats.bytes_buffered, direct.stats.bytes_buffered);
    EXPECT_EQ(plain.in_use, direct.in_use);
  }
  EXPECT_GT(filled, 300u / HAWSER_COUNT_SCALE);
}

// Whatever comes first: a room is nobody's business but that of the bytes that go there.
TEST(connection_rooms, are_given_for_the_rest_of_a_frame_that_has_begun_to_come_and_for_nothing_else) {
  pair p;
  p.settle();
  EXPECT_TRUE(p.server.c.poll_room().empty());
  const std::string frame = frame_of(frame_type::data, frame_flag::more, message_channel, pattern(30'000));
  p.server.give(frame.substr(0, 8));
  EXPECT_TRUE(p.server.c.poll_room().empty()) << "a header alone takes no memory";
  p.server.give(frame.substr(8, 1'000));
  EXPECT_EQ(p.server.c.poll_room().size(), 29'000u);
  p.server.give(frame.substr(1'008, 26'000));
  EXPECT_TRUE(p.server.c.poll_room().empty()) << "too little is left to be worth it";
  p.server.give(frame.substr(27'008));
  EXPECT_TRUE(p.server.c.poll_room().empty());
  p.server.give(frame_of(frame_type::data, frame_flag::none, message_channel, "end"));
  EXPECT_EQ(p.server.text_of(message_channel), pattern(30'000) + "end");
  // A stream has nothing to be put together.
  const channel_id stream = *p.client.c.open(p.client.now, {.kind = channel_kind::stream}, {}, end_mark::open);
  p.settle();
  p.server.give(frame_of(frame_type::data, frame_flag::none, stream, pattern(30'000)).substr(0, 5'000));
  EXPECT_TRUE(p.server.c.poll_room().empty());
}

TEST(connection_rooms, do_not_outlive_the_channel_that_is_given_up_before_the_message_is_told) {
  for (const bool whole : {false, true}) {
    pair p;
    p.settle();
    const channel_id to = *p.client.c.open(p.client.now, {.kind = channel_kind::message}, {}, end_mark::open);
    p.settle();
    const std::size_t before = p.server.pool.bytes_in_use();
    const std::string frame = frame_of(frame_type::data, frame_flag::none, to, pattern(30'000));
    p.server.give(frame.substr(0, 1'000));
    const std::span<std::byte> room = p.server.c.poll_room();
    const std::size_t count = whole ? room.size() : room.size() / 2;
    std::memcpy(room.data(), frame.data() + 1'000, count);
    p.server.c.handle_filled(p.server.now, count, as_bytes(frame).subspan(1'000 + count));
    p.server.c.reset(to, 6);
    p.server.drain();
    EXPECT_EQ(p.server.of(event_kind::message, to).size(), 0u);
    EXPECT_TRUE(p.server.c.poll_room().empty());
    p.server.work_done(to);
    p.settle();
    EXPECT_EQ(p.server.c.stats().bytes_buffered, 0u);
    EXPECT_LE(p.server.pool.bytes_in_use(), before);
    EXPECT_FALSE(p.server.c.over());
  }
}

TEST(connection_rooms, end_where_a_message_would_become_too_large) {
  settings with;
  with.announced.message_bytes_max = 64 * 1024;
  for (const bool in_rooms : {false, true}) {
    pair p({}, with);
    p.settle();
    std::size_t filled = 0;
    for (int i = 0; i < 3; ++i) {
      give(p.server, frame_of(frame_type::data, frame_flag::more, message_channel, pattern(20'000)), false, filled);
      (void)p.server.take();      // credit for the rest
    }
    const std::string last = frame_of(frame_type::data, frame_flag::none, message_channel, pattern(6'000));
    p.server.give(std::string_view(last).substr(0, 8));
    EXPECT_TRUE(p.server.c.poll_room().empty());
    for (std::size_t at = 8; at < last.size() && !p.server.c.over(); at += 100) give(p.server, std::string_view(last).substr(at, 100), in_rooms, filled);
    EXPECT_EQ(p.server.last_closed(), static_cast<std::uint32_t>(errc::message_too_big));
  }
}

// The window holds the message that is being worked on and the next one, whatever the line's speed.
TEST(connection_rooms, of_large_messages_widen_the_window_to_two_of_them_and_no_further) {
  settings with;
  with.announced.connection_credit = 8 << 20;
  pair p({}, with);
  p.settle();
  const std::string large = pattern(1 << 20);
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(large)));
    p.settle();
    p.advance(1s);
  }
  std::size_t credit = 0;
  for (;; credit += 10'016) {
    ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(pattern(10'000))));
    (void)p.client.take();
    if (p.client.c.queued_bytes() != 0) break;
  }
  EXPECT_GE(credit + 2 * 10'016, std::size_t{2} << 20);
  EXPECT_LE(credit, std::size_t{4} << 20);
}

// -- sending

TEST(connection_outlets, carry_what_would_have_been_queued_whatever_they_take) {
  for (unsigned seed = 1; seed <= 30 / HAWSER_COUNT_SCALE + 5; ++seed) {
    pair p;
    warm_up(p);
    std::minstd_rand dice(seed);
    const auto below = [&](unsigned n) { return static_cast<unsigned>(dice() % n); };
    taker out;
    out.room = [&](std::size_t size) -> std::size_t {
      switch (below(5)) {
        case 0: return 0;
        case 1: return 1 + below(20);
        case 2: return below(static_cast<unsigned>(size)) + 1;
        default: return size;
      }
    };
    std::vector<std::string> expected;
    for (int i = 0; i < 40; ++i) {
      const std::string text = pattern(below(3) == 0 ? below(2'000) : below(1 << 20), below(1'000));
      if (below(10) == 0) p.client.c.ping(p.client.now);
      if (p.client.c.send(message_channel, as_bytes(text), out)) expected.push_back(text);
      EXPECT_LE(out.line.size(), std::size_t{3} << 20);
      if (below(3) == 0) continue;
      flush(p.client, out);
      p.server.give(std::exchange(out.line, {}));
      p.pass(p.server, p.client);
    }
    for (int i = 0; i < 100; ++i) {
      flush(p.client, out);
      p.server.give(std::exchange(out.line, {}));
      p.pass(p.server, p.client);
    }
    EXPECT_EQ(p.client.c.queued_bytes(), 0u);
    EXPECT_GT(out.asked, 5u);
    const std::vector<seen> got = p.server.of(event_kind::message, message_channel);
    ASSERT_EQ(got.size(), expected.size()) << "seed " << seed;
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_TRUE(got[i].bytes == expected[i]) << "seed " << seed << ", message " << i;
    EXPECT_EQ(p.client.c.stats().messages_sent, p.server.c.stats().messages_received);
    EXPECT_EQ(p.client.c.stats().bytes_sent, p.server.c.stats().bytes_received);
    EXPECT_FALSE(p.server.c.over());
  }
}

TEST(connection_outlets, take_a_message_without_a_copy_and_in_few_frames) {
  pair p;
  warm_up(p);
  const std::uint64_t frames = p.server.c.stats().frames_received;
  const std::size_t in_use = p.client.pool.bytes_in_use();
  taker out;
  const std::string text = pattern(60'000);
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(text), out));
  EXPECT_EQ(out.line.size(), 60'008u);
  EXPECT_EQ(p.client.pool.bytes_in_use(), in_use);
  EXPECT_FALSE(p.client.c.wants_transmit());
  p.server.give(out.line);
  EXPECT_EQ(p.server.last(event_kind::message)->bytes, text);
  EXPECT_EQ(p.server.c.stats().frames_received, frames + 1);
}

TEST(connection_outlets, are_given_what_waits_first) {
  pair p;
  warm_up(p);
  taker out;
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes("before"), out));
  EXPECT_EQ(out.asked, 0u) << "small ones wait for the turn's end";
  p.client.c.ping(p.client.now);
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(pattern(40'000)), out));
  p.server.give(out.line);
  ASSERT_GE(p.server.events.size(), 2u);
  EXPECT_EQ(p.server.events[p.server.events.size() - 2].bytes, "before");
  EXPECT_EQ(p.server.events.back().bytes, pattern(40'000));
  EXPECT_EQ(p.server.c.stats().bytes_received, p.client.c.stats().bytes_sent);
  p.pass(p.server, p.client);
  EXPECT_EQ(p.client.count(event_kind::pong), 1u);
}

TEST(connection_outlets, are_not_asked_while_bytes_are_on_their_way) {
  pair p;
  warm_up(p);
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes("on its way")));
  const std::size_t under_way = p.client.c.poll_transmit(p.client.now, p.client.wire, SIZE_MAX);
  taker out;
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(pattern(40'000)), out));
  EXPECT_EQ(out.asked, 0u);
  p.client.c.handle_sent(p.client.now, under_way);
  std::string line;
  for (std::size_t i = 0; i < p.client.wire.count(); ++i) line.append(as_text(p.client.wire[i].view()));
  p.client.wire.clear();
  p.server.give(line + p.client.take());
  EXPECT_EQ(p.server.last(event_kind::message)->bytes, pattern(40'000));
}

// Whoever shares the line with somebody who says little keeps to small writes: a large one would be what the other waits behind.
TEST(connection_outlets, are_for_those_who_have_the_line_to_themselves) {
  pair p;
  p.settle();
  taker out;
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(pattern(60'000)), out));
  EXPECT_EQ(out.asked, 0u) << "nobody knows yet";
  p.settle();
  warm_up(p);
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(pattern(60'000)), out));
  EXPECT_EQ(out.asked, 1u);
  p.server.give(out.line);
  p.settle();
  const channel_id beside = *p.client.c.open(p.client.now, {.kind = channel_kind::message}, as_bytes("hello"), end_mark::open);
  p.settle();
  ASSERT_TRUE(p.client.c.send(beside, as_bytes("ping")));
  p.settle();
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(pattern(60'000)), out));
  EXPECT_EQ(out.asked, 1u);
  p.settle();
  EXPECT_EQ(p.server.last(event_kind::message)->bytes, pattern(60'000));
}

TEST(connection_outlets, get_nothing_that_credit_does_not_cover) {
  pair p;
  warm_up(p);
  p.server.consumes = false;
  taker out;
  for (int i = 0; i < 40; ++i) (void)p.client.c.send(message_channel, as_bytes(pattern(100'000)), out);
  const std::size_t sent = out.line.size();
  p.server.give(out.line);
  EXPECT_FALSE(p.server.c.over());
  EXPECT_GT(sent, 0u);
  out.line.clear();
  flush(p.client, out);
  p.server.give(out.line);
  EXPECT_FALSE(p.server.c.over());
  EXPECT_GT(p.client.c.queued_bytes(), 0u);
}

// A message of which a part has gone can only be finished or given up: it cannot end with FIN.
TEST(connection_outlets, that_took_a_part_leave_the_rest_to_follow_or_the_channel_to_be_reset) {
  pair p;
  const channel_id to = *[&] {
    p.settle();
    return p.client.c.open(p.client.now, {.kind = channel_kind::message}, as_bytes("hello"), end_mark::open);
  }();
  p.settle();
  for (std::size_t sent = 0; sent < 2 * warm_bytes; sent += 10'000) {
    ASSERT_TRUE(p.client.c.send(to, as_bytes(pattern(10'000))));
    p.settle();
  }
  taker out;
  out.room = [](std::size_t) { return 1'000; };
  ASSERT_TRUE(p.client.c.send(to, as_bytes(pattern(900'000)), out));
  ASSERT_EQ(out.asked, 1u);
  EXPECT_FALSE(p.client.c.send(to, as_bytes(pattern(900'000)), out)) << "the rest is above the high water";
  EXPECT_EQ(out.asked, 1u);
  p.server.give(out.line);
  p.server.c.stop(to, 6);
  p.pass(p.server, p.client);
  ASSERT_TRUE(p.client.c.finish(to));
  p.settle();
  EXPECT_EQ(p.server.of(event_kind::reset, to).size() + p.server.of(event_kind::finished, to).size(), 1u);
  EXPECT_FALSE(p.server.c.over());
  EXPECT_FALSE(p.client.c.over());
}

}  // namespace
}  // namespace hawser::proto::testing
