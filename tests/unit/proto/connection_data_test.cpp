// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/frame.hpp"
#include "unit/proto/connection_pair.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace hawser::proto::testing {
namespace {

TEST(connection_data, every_split_position_of_three_frames_gives_the_same_events) {
  const auto script = [](side& c) {
    EXPECT_TRUE(c.c.send(message_channel, as_bytes("first")));
    const auto id = c.c.open(c.now, {.kind = channel_kind::request, .operation = "test"}, as_bytes("body of the request"), end_mark::open);
    EXPECT_TRUE(c.c.write_head(*id, as_bytes(std::string_view("\x01\x04\x00\x00\x00\x00", 6))));
    EXPECT_TRUE(c.c.send(message_channel, as_bytes(pattern(300))));
    EXPECT_TRUE(c.c.finish(*id));
  };
  // What the server reports, in order, when it gets these parts. Where the bytes of a frame are parted is free: the pieces count as one.
  const auto events_of = [&](std::initializer_list<std::string_view> parts) {
    pair p;
    p.settle();
    p.server.events.clear();
    for (const std::string_view part : parts) p.server.give(part);
    EXPECT_FALSE(p.server.c.over());
    EXPECT_EQ(p.server.c.stats().bytes_buffered, 0u);
    std::vector<seen> all;
    for (const seen& one : p.server.events) {
      if (one.kind == event_kind::data && !all.empty() && all.back().kind == event_kind::data && all.back().channel == one.channel) {
        all.back().bytes += one.bytes;
        all.back().cost += one.cost;
      } else {
        all.push_back(one);
      }
    }
    return all;
  };
  pair whole;
  whole.settle();
  script(whole.client);
  const std::string wire = whole.client.take();
  const std::vector<seen> expected = events_of({wire});

  std::string kinds;
  for (const seen& one : expected) kinds += std::to_string(static_cast<int>(one.kind)) + ":" + std::to_string(one.channel) + " ";
  const auto is = [&](std::size_t i, event_kind kind, channel_id channel) {
    return i < expected.size() && expected[i].kind == kind && expected[i].channel == channel;
  };
  ASSERT_EQ(expected.size(), 6u) << kinds;
  EXPECT_TRUE(is(0, event_kind::message, 1) && expected[0].bytes == "first" && expected[0].cost == 5 + 16) << kinds;
  EXPECT_TRUE(is(1, event_kind::opened, 3) && expected[1].operation == "test") << kinds;
  EXPECT_TRUE(is(2, event_kind::data, 3) && expected[2].bytes == "body of the request" && expected[2].cost == 19 + 16) << kinds;
  EXPECT_TRUE(is(3, event_kind::head, 3)) << kinds;
  EXPECT_TRUE(is(4, event_kind::message, 1) && expected[4].bytes == pattern(300) && expected[4].cost == 300 + 16) << kinds;
  EXPECT_TRUE(is(5, event_kind::finished, 3)) << kinds;

  for (std::size_t k = 0; k <= wire.size(); ++k) {
    const std::string_view all = wire;
    ASSERT_TRUE(events_of({all.substr(0, k), all.substr(k)}) == expected) << "parted after " << k << " bytes";
  }
}

TEST(connection_data, an_open_with_much_first_data_survives_every_split) {
  for (const channel_kind kind : {channel_kind::request, channel_kind::message}) {
    pair whole;
    whole.settle();
    const std::string body = pattern(9'000);
    ASSERT_TRUE(whole.client.c.open(whole.client.now, {.kind = kind, .operation = "much"}, as_bytes(body), end_mark::end));
    const std::string wire = whole.client.take();
    for (std::size_t k = 0; k <= wire.size(); k += k < 40 ? 1 : 97) {
      pair p;
      p.settle();
      p.server.events.clear();
      p.server.give(wire.substr(0, k));
      p.server.give(wire.substr(k));
      EXPECT_EQ(p.server.text_of(3), body) << k;
      EXPECT_EQ(p.server.of(event_kind::finished, 3).size(), 1u) << k;
      EXPECT_EQ(p.server.pool.bytes_in_use(), 0u) << k;
    }
  }
}

TEST(connection_data, messages_of_any_size_arrive_whole_and_in_order) {
  for (const std::size_t split : {std::size_t{1} << 30, std::size_t{1460}, std::size_t{7}}) {
    pair p;
    p.settle();
    std::vector<std::string> sent;
    for (const std::size_t size : {0, 1, 4095, 4096, 16'383, 16'384, 40'000, 65'536, 300'000, 1'048'576}) {
      if (split == 7 && size > 70'000) continue;
      sent.push_back(pattern(size, static_cast<unsigned>(size)));
      while (!p.client.c.send(message_channel, as_bytes(sent.back()))) {
        p.settle(split);
      }
    }
    p.settle(split);
    const auto got = p.server.of(event_kind::message, message_channel);
    ASSERT_EQ(got.size(), sent.size());
    for (std::size_t i = 0; i < sent.size(); ++i) EXPECT_TRUE(got[i].bytes == sent[i]) << i;
    EXPECT_EQ(p.server.c.stats().bytes_buffered, 0u);
  }
}

TEST(connection_data, a_large_chunk_is_sent_by_reference) {
  pair p;
  p.settle();
  const std::string body = pattern(500'000);
  const chunk shared = p.client.pool.copy(as_bytes(body));
  const std::size_t before = p.client.pool.bytes_in_use();
  ASSERT_TRUE(p.client.c.send(message_channel, shared));
  EXPECT_LT(p.client.pool.bytes_in_use(), before + 8'192);
  p.settle();
  EXPECT_TRUE(p.server.text_of(message_channel) == body);
}

TEST(connection_data, too_big_is_told_to_the_sender_and_nothing_is_sent) {
  pair p;
  p.settle();
  EXPECT_EQ(p.client.c.send(message_channel, as_bytes(std::string((1 << 20) + 1, 'x'))).error(), errc::message_too_big);
  EXPECT_EQ(p.client.take(), "");
}

TEST(connection_data, a_peer_that_ignores_the_message_limit_loses_the_channel_or_on_channel_1_the_connection) {
  settings small;
  small.announced.message_bytes_max = 4'096;
  for (const bool plain : {false, true}) {
    pair p({}, small);
    p.settle();
    std::string wire;
    if (!plain) wire += std::string("\x02\x03\x10\x00\x01", 5);
    const char id = plain ? 1 : 3;
    for (int i = 0; i < 5; ++i) {
      const char header[] = {0x11, id, 0, 0x3e};
      wire += std::string(header, 4) + std::string(992, 'y');
    }
    p.server.give(wire);
    if (plain) {
      EXPECT_EQ(p.server.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::message_too_big));
    } else {
      EXPECT_FALSE(p.server.c.over());
      EXPECT_EQ(p.server.of(event_kind::reset, 3).at(0).code, static_cast<std::uint32_t>(errc::message_too_big));
      EXPECT_EQ(p.server.pool.bytes_in_use() > 20'000, false);
    }
  }
}

TEST(connection_data, single_byte_writes_share_frames) {
  pair p;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  const std::string body = pattern(20'000);
  for (const char& c : body) ASSERT_EQ(p.client.c.write(*id, as_bytes(std::string_view(&c, 1))).value_or(0), 1u);
  const std::string wire = p.client.take();
  EXPECT_LT(wire.size(), body.size() + 200);
  p.server.give(wire);
  p.settle();
  EXPECT_TRUE(p.server.text_of(*id) == body);
}

TEST(connection_data, single_byte_writes_without_credit_share_frames_too) {
  pair p;
  p.server.consumes = false;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  const std::string body = pattern(200'000);
  std::size_t sent = 0;
  while (sent < body.size()) {
    const auto taken = p.client.c.write(*id, as_bytes(std::string_view(&body[sent], 1)));
    if (!taken) break;
    sent += *taken;
  }
  EXPECT_GT(sent, 65'536u + 50'000 - 2'000);
  p.settle();
  std::uint64_t before = p.server.c.stats().frames_received;
  EXPECT_LT(before, 80u);
  p.server.consumes = true;
  std::uint64_t held = 0;
  for (const seen& s : p.server.events) held += s.cost;
  p.server.c.consume(*id, static_cast<std::uint32_t>(held));
  p.settle();
  EXPECT_TRUE(p.server.text_of(*id) == body.substr(0, sent));
}

TEST(connection_data, the_last_frame_of_an_answer_carries_fin_and_release) {
  pair p;
  p.settle();
  for (int i = 0; i < 3; ++i) {
    const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "test"}, as_bytes("hi"), end_mark::end);
    ASSERT_TRUE(id);
    EXPECT_EQ(*id, 3u);
    const std::string asked = p.client.take();
    const std::string literal("\x22\x03\x90\x00\x12\x09\x74\x65\x73\x74\x01\x68\x69", 13);
    const std::string alias("\x22\x03\x40\x00\x12\x02\x68\x69", 8);
    EXPECT_EQ(asked, i == 0 ? literal : alias);
    p.server.give(asked);
    if (i == 0) {
      ASSERT_TRUE(p.server.c.write(*id, as_bytes("ok")));
      p.server.conclude(*id);
    } else if (i == 1) {
      ASSERT_TRUE(p.server.c.write(*id, as_bytes("ok")));
      ASSERT_TRUE(p.server.c.finish(*id));
      p.server.work_done(*id);
    } else {
      ASSERT_TRUE(p.server.c.write(*id, as_bytes("ok")));
      p.server.c.finish(*id);
      p.server.work_done(*id);
    }
    const std::string answered = p.server.take();
    EXPECT_EQ(answered, std::string("\x61\x03\x20\x00\x6f\x6b", 6));
    p.server.drain();
    p.client.give(answered);
    EXPECT_EQ(p.client.of(event_kind::released, 3).size(), static_cast<std::size_t>(i + 1));
    EXPECT_EQ(p.server.of(event_kind::released, 3).size(), static_cast<std::size_t>(i + 1));
    EXPECT_EQ(p.client.c.open_channels(), 0u);
    EXPECT_EQ(p.server.c.open_channels(), 0u);
  }
}

TEST(connection_data, an_idle_connection_holds_no_buffers) {
  pair p;
  p.settle();
  EXPECT_EQ(p.client.pool.bytes_in_use(), 0u);
  EXPECT_EQ(p.server.pool.bytes_in_use(), 0u);
  const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  for (int i = 0; i < 50; ++i) {
    (void)p.client.c.write(*id, as_bytes(pattern(30'000)));
    (void)p.client.c.send(message_channel, as_bytes(pattern(200'000)));
    p.settle(1000);
  }
  EXPECT_EQ(p.client.pool.bytes_in_use(), 0u);
  EXPECT_EQ(p.server.pool.bytes_in_use(), 0u);
}

TEST(connection_data, an_empty_message_is_a_message_and_a_bare_fin_is_not) {
  pair p;
  p.settle();
  ASSERT_TRUE(p.client.c.send(message_channel, byte_view{}));
  ASSERT_TRUE(p.client.c.finish(message_channel));
  EXPECT_EQ(p.client.c.send(message_channel, as_bytes("late")).error(), errc::end_of_stream);
  p.settle();
  EXPECT_EQ(p.server.of(event_kind::message, 1).size(), 1u);
  EXPECT_EQ(p.server.of(event_kind::finished, 1).size(), 1u);
  ASSERT_TRUE(p.server.c.send(message_channel, as_bytes("the other way still works")));
  p.settle();
  EXPECT_EQ(p.client.of(event_kind::message, 1).size(), 1u);
}

TEST(connection_data, headers_travel_in_their_place_between_the_bytes) {
  pair p;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "op"}, {}, end_mark::end);
  p.settle();
  ASSERT_TRUE(p.server.c.write_head(*id, as_bytes("\x09\x01h")));
  ASSERT_TRUE(p.server.c.write(*id, as_bytes("body")));
  ASSERT_TRUE(p.server.c.write_head(*id, as_bytes("\x09\x01t")));
  ASSERT_TRUE(p.server.c.finish(*id));
  p.server.work_done(*id);
  p.settle();
  std::string order;
  for (const seen& s : p.client.events)
    if (s.channel == *id && (s.kind == event_kind::head || s.kind == event_kind::data || s.kind == event_kind::finished))
      order += s.kind == event_kind::finished ? "." : s.bytes;
  EXPECT_EQ(order, "\x09\x01hbody\x09\x01t.");
}

TEST(connection_data, long_headers_are_used_when_needed_and_only_then) {
  settings many;
  many.announced.channels_max = 4'096;
  pair p(many, many);
  p.settle();
  channel_id last = 0;
  for (int i = 0; i < 2'100; ++i) last = *p.client.c.open(p.client.now, {}, {}, end_mark::open);
  EXPECT_EQ(last, 4'201u);
  p.settle();
  ASSERT_TRUE(p.client.c.write(last, as_bytes("x")));
  EXPECT_EQ(p.client.take().size(), 9u);
  ASSERT_TRUE(p.client.c.write(4'095, as_bytes("x")));
  EXPECT_EQ(p.client.take().size(), 5u);
}

TEST(connection_data, an_open_block_larger_than_a_copied_frame_is_sent_and_its_first_bytes_follow) {
  settings wide;
  wide.announced.open_block_bytes_max = 65'535;
  for (const std::size_t size : {32'700, 32'740, 32'752, 40'000, 65'500}) {
    pair p({}, wide);
    p.settle();
    std::string meta("\x80\x81\xc0\x00", 4);
    meta += static_cast<char>(size >> 8);
    meta += static_cast<char>(size & 0xff);
    meta += pattern(size);
    const auto id = p.client.c.open(p.client.now, {.meta = as_bytes(meta)}, as_bytes("hi"), end_mark::open);
    ASSERT_TRUE(id);
    p.settle();
    ASSERT_EQ(p.server.of(event_kind::opened, *id).size(), 1u);
    EXPECT_TRUE(p.server.of(event_kind::opened, *id)[0].meta == meta);
    EXPECT_EQ(p.server.text_of(*id), "hi");
  }
}

// A server that asks for messages first, as a peer does. What it got, in order: "m" and the bytes of a message, or a kind's number.
std::string told(channel_id channel, byte_view message) { return std::to_string(channel) + "m" + std::string(as_text(message)) + ";"; }

// Bytes of a stream come in as many pieces as the input has: of them only the end is told.
std::string told(const event& e) {
  std::string all = e.kind == event_kind::message ? told(e.channel, e.bytes) : "";
  if (e.kind != event_kind::message && e.kind != event_kind::data) all = std::to_string(e.channel) + "e" + std::to_string(static_cast<int>(e.kind)) + ";";
  return e.last ? all + "last;" : all;
}

std::string taken_in(side& server, std::initializer_list<std::string_view> parts, std::size_t& shortcuts) {
  std::string all;
  for (const std::string_view part : parts) {
    server.c.handle_bytes(server.now, as_bytes(part));
    for (;;) {
      plain_message plain;
      event e{event_kind::closed};
      if (server.c.poll_message(plain)) {
        ++shortcuts;
        EXPECT_EQ(plain.cost, plain.bytes.size() + 16);
        EXPECT_EQ(plain.user, server.c.user(plain.channel));
        all += told(plain.channel, plain.bytes);
        server.c.consume(plain.channel, plain.cost);
      } else if (server.c.poll_event(e)) {
        all += told(e);
        if (e.kind == event_kind::opened) server.c.set_user(e.channel, &server);
        if (e.cost != 0) server.c.consume(e.channel, e.cost);
      } else {
        break;
      }
    }
  }
  return all;
}

// What only events tell.
std::string taken_in_events(side& server, std::string_view wire) {
  std::string all;
  server.c.handle_bytes(server.now, as_bytes(wire));
  for (event e{event_kind::closed}; server.c.poll_event(e);) {
    all += told(e);
    if (e.cost != 0) server.c.consume(e.channel, e.cost);
  }
  return all;
}

TEST(connection_data, the_shortcut_for_messages_takes_what_events_would_tell_at_every_split) {
  pair whole;
  whole.settle();
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(whole.client.c.send(message_channel, as_bytes(pattern(static_cast<std::size_t>(i * i) % 90))));
    if (i % 10 == 5) whole.client.c.ping(whole.client.now);
  }
  const std::string wire = whole.client.take();
  pair plain;
  plain.settle();
  const std::string expected = taken_in_events(plain.server, wire);
  for (std::size_t k = 0; k <= wire.size(); k += 3) {
    pair p;
    p.settle();
    std::size_t shortcuts = 0;
    const std::string_view all = wire;
    EXPECT_EQ(taken_in(p.server, {all.substr(0, k), all.substr(k)}, shortcuts), expected) << k;
    EXPECT_GE(shortcuts, 39u) << "only the one that was parted goes the long way";
    EXPECT_EQ(p.server.c.stats().messages_received, 40u);
    EXPECT_EQ(p.server.c.stats().bytes_buffered, 0u);
  }
}

// Channels of every kind that is known, opened, written to, ended and given up among each other; ids of both forms of the header.
TEST(connection_data, the_shortcut_for_messages_takes_what_events_would_tell_on_every_channel) {
  settings wide;
  wide.announced.channels_max = 4'096;
  const auto make = [&] { return pair({}, wide); };
  pair whole = make();
  whole.settle();
  std::vector<channel_id> messages, streams;
  const auto open = [&](channel_kind kind, std::string_view first) {
    const auto id = whole.client.c.open(whole.client.now, {.kind = kind, .operation = "x"}, as_bytes(first), end_mark::open);
    EXPECT_TRUE(id);
    return *id;
  };
  for (int i = 0; i < 4; ++i) messages.push_back(open(channel_kind::message, i % 2 == 0 ? "first" : ""));
  for (int i = 0; i < 2; ++i) streams.push_back(open(channel_kind::stream, ""));
  while (messages.back() <= short_field_max) messages.push_back(open(channel_kind::message, ""));
  std::uint32_t dice = 7;
  const auto roll = [&](std::uint32_t sides) {
    dice = dice * 1664525 + 1013904223;
    return (dice >> 16) % sides;
  };
  for (int i = 0; i < 200; ++i) {
    const std::string text = pattern(roll(120));
    const channel_id to = roll(3) == 0 ? messages.back() : messages[roll(4)];
    switch (roll(12)) {
      case 0: (void)whole.client.c.write(streams[roll(2)], as_bytes(text)); break;
      case 1: (void)whole.client.c.send(message_channel, as_bytes(text)); break;
      case 2: whole.client.c.ping(whole.client.now); break;
      case 3: if (i > 150) (void)whole.client.c.finish(to); break;
      case 4: if (i > 180) whole.client.c.reset(to, static_cast<std::uint32_t>(errc::cancelled)); break;
      default: (void)whole.client.c.send(to, as_bytes(text)); break;
    }
  }
  const std::string wire = whole.client.take();
  pair plain = make();
  plain.settle();
  const std::string expected = taken_in_events(plain.server, wire);
  for (std::size_t k = 0; k <= wire.size(); k += 37) {
    pair p = make();
    p.settle();
    std::size_t shortcuts = 0;
    const std::string_view all = wire;
    EXPECT_EQ(taken_in(p.server, {all.substr(0, k), all.substr(k)}, shortcuts), expected) << k;
    EXPECT_GE(shortcuts, 100u);
    EXPECT_EQ(p.server.c.stats().bytes_buffered, 0u);
  }
}

TEST(connection_data, the_shortcut_for_messages_leaves_every_breach_to_events) {
  const auto ends_with = [](std::string_view frames, const settings& with = {}) {
    pair p({}, with);
    p.settle();
    std::size_t shortcuts = 0;
    (void)taken_in(p.server, {frames}, shortcuts);
    EXPECT_EQ(shortcuts, 0u);
    EXPECT_TRUE(p.server.c.over());
  };
  settings tight;
  tight.announced.message_bytes_max = 16'384;
  tight.announced.frame_bytes_max = 16'384;
  std::byte header[8];
  // Larger than a frame may be: 0x4001 bytes are announced.
  ends_with({reinterpret_cast<const char*>(header), put_header(header, frame_type::data, 0, message_channel, 16'385)}, tight);
  // On a channel that nobody has opened, in either form of the header.
  for (const channel_id nobodys : {channel_id{3}, channel_id{4'097}}) {
    std::string frame(reinterpret_cast<const char*>(header), put_header(header, frame_type::data, 0, nobodys, 5));
    ends_with(frame + "hello");
  }
  // A long header where the short one would do.
  store_le<std::uint32_t>(header, static_cast<std::uint32_t>(frame_type::data) | 0x80 | message_channel << 8 | 5u << 20);
  store_le<std::uint32_t>(header + 4, 0);
  ends_with(std::string(reinterpret_cast<const char*>(header), 8) + "hello");
  // Beyond the credit of channel 1.
  pair p;
  p.settle();
  const std::uint32_t window = p.server.with.announced.channel_credit;
  std::string flood;
  for (std::uint32_t sent = 0; sent <= window; sent += 4'000 + 16) {
    flood.append(reinterpret_cast<const char*>(header), put_header(header, frame_type::data, 0, message_channel, 4'000));
    flood += pattern(4'000);
  }
  p.server.c.handle_bytes(p.server.now, as_bytes(flood));
  plain_message plain;
  std::uint32_t taken = 0;
  while (p.server.c.poll_message(plain)) taken += plain.cost;
  EXPECT_LE(taken, window);
  EXPECT_GT(taken, window - 4'016);
  p.server.drain();
  EXPECT_EQ(p.server.last_closed(), static_cast<std::uint32_t>(errc::flow_control));
}

TEST(connection_data, an_end_that_comes_with_bytes_is_told_with_them_and_one_alone_by_itself) {
  pair p;
  p.settle();
  const auto together = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "x"}, as_bytes("all of it"), end_mark::end);
  p.settle();
  EXPECT_EQ(p.server.lasts, 1u);
  const auto apart = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "x"}, as_bytes("most of it"), end_mark::open);
  p.settle();
  ASSERT_TRUE(p.client.c.finish(*apart));
  p.settle();
  EXPECT_EQ(p.server.lasts, 1u);
  EXPECT_EQ(p.server.of(event_kind::finished, *together).size(), 1u);
  EXPECT_EQ(p.server.of(event_kind::finished, *apart).size(), 1u);
}

TEST(connection_data, what_came_with_an_open_can_be_had_at_once_and_nothing_else_can) {
  pair p;
  p.settle();
  const auto with_body = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "a"}, as_bytes("body"), end_mark::end);
  const auto without = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "b"}, {}, end_mark::open);
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes("not of the request")));
  const std::string wire = p.client.take();
  p.server.c.handle_bytes(p.server.now, as_bytes(wire));
  event e{event_kind::closed}, first{event_kind::closed};
  ASSERT_TRUE(p.server.c.poll_event(e));
  ASSERT_EQ(e.kind, event_kind::opened);
  EXPECT_EQ(e.channel, *with_body);
  ASSERT_TRUE(p.server.c.poll_first(first));
  EXPECT_EQ(as_text(first.bytes), "body");
  EXPECT_TRUE(first.last);
  EXPECT_FALSE(p.server.c.poll_first(first)) << "once";
  ASSERT_TRUE(p.server.c.poll_event(e));
  ASSERT_EQ(e.kind, event_kind::opened);
  EXPECT_EQ(e.channel, *without);
  EXPECT_FALSE(p.server.c.poll_first(first));
  ASSERT_TRUE(p.server.c.poll_event(e));
  EXPECT_EQ(e.kind, event_kind::message);
  p.server.drain();
}

TEST(connection_data, a_whole_request_and_a_whole_answer_can_be_had_without_events) {
  pair p;
  p.settle();
  int mine = 0;
  const auto ask = [&](end_mark end) {
    const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "a", .user = &mine}, as_bytes("body"), end);
    EXPECT_TRUE(id);
    return *id;
  };
  plain_request asked;
  plain_answer answer;
  const channel_id first = ask(end_mark::end);
  std::string wire = p.client.take();
  p.server.c.handle_bytes(p.server.now, as_bytes(wire));
  EXPECT_FALSE(p.server.c.poll_request(asked)) << "its operation has no alias yet";
  p.server.drain();

  const channel_id second = ask(end_mark::end), third = ask(end_mark::open);
  wire = p.client.take();
  p.server.c.handle_bytes(p.server.now, as_bytes(wire));
  for (const channel_id id : {second, third}) {
    ASSERT_TRUE(p.server.c.poll_request(asked));
    EXPECT_EQ(asked.channel, id);
    EXPECT_EQ(asked.operation, "a");
    EXPECT_EQ(as_text(asked.bytes), "body");
    EXPECT_EQ(asked.last, id == second);
    p.server.c.consume(id, asked.cost);
  }
  EXPECT_FALSE(p.server.c.poll_request(asked));
  EXPECT_EQ(p.server.c.stats().bytes_buffered, 0u);

  for (const channel_id id : {first, second, third}) {
    ASSERT_EQ(p.server.c.write_at_once(id, as_bytes("answer")), 6u);
    p.server.c.conclude(id);
  }
  wire = p.server.take();
  p.client.c.handle_bytes(p.client.now, as_bytes(wire));
  for (const channel_id id : {first, second}) {
    ASSERT_TRUE(p.client.c.poll_answer(answer));
    EXPECT_EQ(answer.channel, id);
    EXPECT_EQ(answer.user, &mine);
    EXPECT_EQ(as_text(answer.bytes), "answer");
    p.client.c.consume(0, answer.cost);
  }
  EXPECT_FALSE(p.client.c.poll_answer(answer)) << "its request has not ended";
  EXPECT_EQ(p.client.c.open_channels(), 1u);
  EXPECT_EQ(p.client.c.stats().bytes_buffered, 0u);
  p.client.drain();
}

TEST(connection_data, requests_that_go_at_once_are_framed_as_all_others_are) {
  pair by_open, at_once;
  by_open.settle();
  at_once.settle();
  const auto open = [](side& of, std::string_view operation, std::string_view body) {
    return of.c.open(of.now, {.kind = channel_kind::request, .operation = operation}, as_bytes(body), end_mark::end);
  };
  int mine = 0;
  side& one = at_once.client;
  EXPECT_EQ(one.c.open_at_once(one.now, "echo", as_bytes("body"), &mine), 0u) << "its name was never sent";
  // With the name, then by the alias that it got.
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(open(by_open.client, "echo", "body") && open(one, "echo", "body"));
  for (const std::string& body : {std::string("body"), std::string(1'000, 'b'), std::string(4'000, 'c')}) {
    const auto expected = open(by_open.client, "echo", body);
    const channel_id id = one.c.open_at_once(one.now, "echo", as_bytes(body), &mine);
    ASSERT_EQ(id, expected.value());
    EXPECT_EQ(one.c.user(id), &mine);
  }
  EXPECT_EQ(one.take(), by_open.client.take());
  const auto a = one.c.stats(), b = by_open.client.c.stats();
  EXPECT_EQ(a.opens_sent, b.opens_sent);
  EXPECT_EQ(a.send_credit, b.send_credit);

  EXPECT_EQ(one.c.open_at_once(one.now, "other", as_bytes("body"), &mine), 0u);
  EXPECT_EQ(one.c.open_at_once(one.now, "echo", {}, &mine), 0u);
  EXPECT_EQ(one.c.open_at_once(one.now, "echo", as_bytes(std::string(10'000, 'b')), &mine), 0u);
  one.c.go_away(one.now, 0, std::chrono::seconds(1));
  EXPECT_EQ(one.c.open_at_once(one.now, "echo", as_bytes("body"), &mine), 0u);
}

TEST(connection_data, bytes_that_go_at_once_are_framed_as_all_others_are) {
  // What the client sends when it writes so many bytes in such pieces, and the transport takes what there is now and then.
  const auto wire_of = [](bool at_once, std::size_t piece) {
    pair p;
    p.settle();
    const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::stream}, {}, end_mark::open);
    const std::string all = pattern(12'000);
    std::string wire;
    for (std::size_t from = 0, count = 0; from < all.size(); from += piece) {
      const byte_view part = as_bytes(std::string_view(all).substr(from, piece));
      if (at_once) EXPECT_EQ(p.client.c.write_at_once(*id, part), part.size()) << from;
      else EXPECT_EQ(p.client.c.write(*id, part), part.size()) << from;
      if (++count % 70 == 0) wire += p.client.take();
    }
    EXPECT_TRUE(p.client.c.finish(*id));
    wire += p.client.take();
    p.server.give(wire);
    EXPECT_EQ(p.server.text_of(*id), all);
    return wire;
  };
  for (const std::size_t piece : {1u, 64u, 900u, 4'095u, 4'096u, 5'000u}) {
    ASSERT_EQ(wire_of(true, piece), wire_of(false, piece)) << piece;
  }
}

TEST(connection_data, what_cannot_go_at_once_is_left_to_write) {
  pair p;
  p.settle();
  connection& c = p.client.c;
  EXPECT_EQ(c.write_at_once(message_channel, as_bytes("text")), 0u);
  EXPECT_EQ(c.write_at_once(3, as_bytes("text")), 0u) << "not open";
  const auto messages = c.open(p.client.now, {.kind = channel_kind::message}, {}, end_mark::open);
  EXPECT_EQ(c.write_at_once(*messages, as_bytes("text")), 0u);
  const auto over = c.open(p.client.now, {.kind = channel_kind::stream}, as_bytes("all"), end_mark::end);
  EXPECT_EQ(c.write_at_once(*over, as_bytes("text")), 0u) << "it has ended";
  const auto full = c.open(p.client.now, {.kind = channel_kind::stream}, {}, end_mark::open);
  const std::string block = pattern(16 * 1024);
  while (c.write(*full, as_bytes(block))) {
  }
  const std::size_t queued = c.queued_bytes();
  EXPECT_EQ(c.write_at_once(*full, as_bytes("text")), 0u) << "others are before it";
  EXPECT_EQ(c.queued_bytes(), queued);
  const auto reset = c.open(p.client.now, {.kind = channel_kind::stream}, {}, end_mark::open);
  c.reset(*reset, static_cast<std::uint32_t>(errc::cancelled));
  EXPECT_EQ(c.write_at_once(*reset, as_bytes("text")), 0u);
  c.handle_end(p.client.now);
  EXPECT_EQ(c.write_at_once(*full, as_bytes("text")), 0u) << "the connection is over";
}

}  // namespace
}  // namespace hawser::proto::testing
