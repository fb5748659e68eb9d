// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "unit/proto/frames.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <utility>

namespace hawser::proto::testing {
namespace {

std::string data_frame(char id, std::size_t size) {
  std::string frame(4 + size, 'd');
  frame[0] = 1;
  frame[1] = id;
  frame[2] = static_cast<char>((size & 0xf) << 4);
  frame[3] = static_cast<char>(size >> 4);
  return frame;
}

TEST(connection_credit, exactly_the_window_is_fine_and_one_byte_more_ends_the_connection) {
  for (const std::size_t over : {0, 1}) {
    pair p;
    p.server.consumes = false;
    p.settle();
    // 65,536 = 16 x (4,080 + 16)
    std::string wire;
    for (int i = 0; i < 15; ++i) wire += data_frame(1, 4'080);
    wire += data_frame(1, 4'080 + over > 4'095 ? 4'095 : 4'080 + over);
    p.server.give(wire);
    EXPECT_EQ(p.server.c.over(), over != 0);
    if (over) {
      EXPECT_EQ(p.server.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::flow_control));
    }
    if (!over) {
      p.server.give(data_frame(1, 0));
      EXPECT_TRUE(p.server.c.over());
    }
  }
}

TEST(connection_credit, the_connection_ledger_binds_too) {
  settings small;
  small.announced.connection_credit = 65'536;
  small.receive_bytes_max = 1;
  pair p({}, small);
  p.server.consumes = false;
  p.settle();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(p.client.c.open(p.client.now, {}, {}, end_mark::open));
  for (channel_id id = 3; id < 11; id += 2) (void)p.client.c.write(id, as_bytes(pattern(60'000)));
  p.settle();
  EXPECT_FALSE(p.server.c.over());
  EXPECT_LE(p.server.c.stats().bytes_buffered, 65'536u);
  EXPECT_GT(p.server.c.stats().bytes_buffered, 50'000u);
  p.server.give(data_frame(1, 4'000) + data_frame(1, 4'000) + data_frame(1, 4'000) + data_frame(1, 4'000));
  EXPECT_EQ(p.server.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::flow_control));
}

TEST(connection_credit, a_sender_stops_at_the_window_and_goes_on_when_the_application_consumed) {
  pair p;
  p.server.consumes = false;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  const std::string body = pattern(120'000);
  const std::size_t taken = p.client.c.write(*id, as_bytes(body)).value();
  p.settle();
  std::uint64_t cost = 0;
  for (const seen& s : p.server.events) cost += s.cost;
  EXPECT_LE(cost, 65'536u);
  EXPECT_GT(cost, 40'000u);
  EXPECT_GT(p.client.c.queued_bytes(*id), 0u);
  p.server.consumes = true;
  p.server.c.consume(*id, static_cast<std::uint32_t>(cost));
  p.settle();
  EXPECT_TRUE(p.server.text_of(*id) == body.substr(0, taken));
  EXPECT_EQ(p.client.c.queued_bytes(*id), 0u);
}

TEST(connection_credit, two_half_received_messages_larger_than_their_windows_do_not_block_each_other) {
  settings tight;
  tight.announced.channel_credit = 16'384;
  tight.announced.connection_credit = 65'536;
  tight.reassembly_bytes_max = 1 << 20;
  tight.send_bytes_max = 64 << 20;
  pair p(tight, tight);
  p.settle();
  std::vector<channel_id> ids;
  for (int i = 0; i < 8; ++i) ids.push_back(*p.client.c.open(p.client.now, {.kind = channel_kind::message}, {}, end_mark::open));
  const std::string body = pattern(700'000);
  // All of them wait before the first byte goes: what is sent is turn about, so that several are half here.
  for (const channel_id id : ids) ASSERT_TRUE(p.client.c.send(id, as_bytes(body))) << id;
  for (const channel_id id : ids) EXPECT_GT(p.client.c.queued_bytes(id), 0u) << id;
  p.settle();
  for (const channel_id id : ids) EXPECT_TRUE(p.server.text_of(id) == body) << id;
  EXPECT_FALSE(p.server.c.over());
  EXPECT_EQ(p.server.pool.bytes_in_use(), 0u);
}

TEST(connection_credit, memory_of_half_received_messages_is_bounded) {
  settings tight;
  tight.announced.channel_credit = 16'384;
  tight.announced.connection_credit = 65'536;
  tight.reassembly_bytes_max = 1 << 20;
  tight.send_bytes_max = 64 << 20;
  pair p(tight, tight);
  p.settle();
  const std::string body = pattern(1'000'000);
  for (int i = 0; i < 16; ++i) {
    const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::message}, {}, end_mark::open);
    ASSERT_TRUE(p.client.c.send(*id, as_bytes(body)));
  }
  std::size_t most = 0;
  for (;;) {
    const std::string wire = p.client.take(20'000);
    if (wire.empty() && p.pass(p.server, p.client) == 0) break;
    for (std::size_t at = 0; at < wire.size(); at += 3'000) p.server.give(std::string_view(wire).substr(at, 3'000));
    most = std::max(most, p.server.pool.bytes_in_use());
    p.pass(p.server, p.client);
  }
  EXPECT_EQ(p.server.count(event_kind::message), 16u);
  // One message in reassembly (grown by doubling, copied once) and a window for each of the others.
  EXPECT_LT(most, 3u * (1 << 20) + 16 * 65'536);
}

TEST(connection_credit, discarded_bytes_give_their_connection_credit_back) {
  settings small;
  small.announced.connection_credit = 65'536;
  small.receive_bytes_max = 65'536;
  pair p({}, small);
  p.server.consumes = false;
  p.settle();
  for (int round = 0; round < 20; ++round) {
    const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
    ASSERT_TRUE(id);
    (void)p.client.c.write(*id, as_bytes(pattern(50'000)));
    // Stopped, reset or never looked at: what is on its way must not eat the connection's window.
    std::string wire = p.client.take();
    p.server.on_event = [&](const event& e) {
      if (e.kind != event_kind::opened) return;
      if (round % 2) p.server.c.stop(*id, 6);
      if (!(round % 2)) p.server.c.reset(*id, 6);
    };
    p.server.give(wire);
    p.server.work_done(*id);
    p.settle();
    p.client.c.reset(*id, 6);
    p.settle();
  }
  EXPECT_EQ(p.server.c.stats().bytes_buffered, 0u);
  p.server.on_event = nullptr;
  p.server.consumes = true;
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes(pattern(900'000))));
  p.settle();
  EXPECT_EQ(p.server.text_of(message_channel), pattern(900'000));
}

TEST(connection_credit, what_a_released_channel_left_is_consumed_from_the_connections_account) {
  pair p;
  p.client.consumes = false;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "x"}, {}, end_mark::end);
  p.settle();
  ASSERT_TRUE(p.server.c.write(*id, as_bytes(pattern(1'000))));
  p.server.conclude(*id);
  p.settle();
  ASSERT_EQ(p.client.of(event_kind::released, *id).size(), 1u);
  EXPECT_EQ(p.client.c.stats().bytes_buffered, 1'016u);
  const auto again = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "x"}, {}, end_mark::open);
  ASSERT_EQ(*again, *id);
  // The number names another channel now: it must not win credit by it.
  p.client.c.consume(*id, 1'016);
  p.settle();
  EXPECT_EQ(p.client.c.stats().bytes_buffered, 1'016u);
  p.client.c.consume(0, 1'016);
  EXPECT_EQ(p.client.c.stats().bytes_buffered, 0u);
}

TEST(connection_credit, full_windows_in_both_directions_do_not_deadlock) {
  pair p;
  p.client.consumes = p.server.consumes = false;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  p.settle();
  std::size_t up = p.client.c.write(*id, as_bytes(pattern(300'000))).value();
  std::size_t down = p.server.c.write(*id, as_bytes(pattern(300'000))).value();
  p.settle();
  for (side* each : {&p.client, &p.server}) {
    std::uint64_t cost = 0;
    for (const seen& s : each->events) cost += s.cost;
    EXPECT_GT(cost, 40'000u);
    each->consumes = true;
    each->c.consume(*id, static_cast<std::uint32_t>(cost));
  }
  p.settle();
  EXPECT_EQ(p.server.text_of(*id).size(), up);
  EXPECT_EQ(p.client.text_of(*id).size(), down);
}

TEST(connection_credit, stalled_channels_do_not_stop_the_others) {
  pair p;
  p.server.consumes = false;
  p.settle();
  for (int i = 0; i < 30; ++i) {
    const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
    (void)p.client.c.write(*id, as_bytes(pattern(60'000)));
  }
  p.settle();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(p.client.c.send(message_channel, as_bytes("still here")));
  p.settle();
  EXPECT_EQ(p.server.of(event_kind::message, 1).size(), 100u);
}

TEST(connection_credit, above_the_receive_limit_credit_is_withheld_until_the_application_consumes) {
  settings limited;
  limited.receive_bytes_max = 300'000;
  limited.announced.connection_credit = 131'072;
  pair p({}, limited);
  p.server.consumes = false;
  p.settle();
  for (int i = 0; i < 60; ++i) {
    const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
    (void)p.client.c.write(*id, as_bytes(pattern(60'000)));
    p.settle();
  }
  EXPECT_LE(p.server.c.stats().bytes_buffered, 300'000u + 131'072);
  EXPECT_GT(p.client.c.queued_bytes(), 1'000'000u);
  p.server.consumes = true;
  const auto events = p.server.events;
  for (const seen& s : events) p.server.c.consume(s.channel, s.cost);
  p.settle();
  EXPECT_EQ(p.client.c.queued_bytes(), 0u);
  EXPECT_EQ(p.server.c.stats().bytes_buffered, 0u);
}

TEST(connection_credit, a_reader_that_wants_more_than_the_window_gets_it) {
  pair p;
  p.server.consumes = false;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  p.settle();
  p.server.c.want(*id, 400'000);
  const std::string body = pattern(400'000);
  std::size_t sent = 0;
  for (int i = 0; i < 50 && sent < body.size(); ++i) {
    if (const auto taken = p.client.c.write(*id, as_bytes(body).subspan(sent))) sent += *taken;
    p.settle();
  }
  EXPECT_EQ(sent, body.size());
  EXPECT_EQ(p.server.text_of(*id).size(), body.size());
}

TEST(connection_credit, extra_initial_credit_of_an_open_is_used) {
  pair p;
  p.client.consumes = false;
  p.settle();
  const std::string meta("\x03\x04\x00\x00\x04\x00", 6);   // 262,144
  const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .meta = as_bytes(meta)}, {}, end_mark::end);
  p.settle();
  for (int i = 0; i < 20; ++i) {
    (void)p.server.c.write(*id, as_bytes(pattern(50'000)));
    p.settle();
  }
  EXPECT_FALSE(p.client.c.over());
  EXPECT_GT(p.client.text_of(*id).size(), 65'536u + 200'000);
}

TEST(connection_credit, a_busy_window_widens_and_a_long_round_trip_is_filled) {
  settings with;
  with.send_bytes_max = 64 << 20;
  pair p(with, with);
  p.client.keeps = p.server.keeps = false;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  const std::string body = pattern(1 << 20);
  // 100 ms each way and unlimited width: what one round trip carries is the window.
  std::uint64_t before = 0, last_lap = 0;
  std::string there, back;
  for (int lap = 0; lap < 40; ++lap) {
    for (int i = 0; i < 400; ++i) {
      (void)p.client.c.write(*id, as_bytes(body));
      const std::string more = p.client.take();
      if (more.empty()) break;
      there += more;
    }
    p.advance(std::chrono::milliseconds(50));
    p.server.give(there);
    there.clear();
    back = p.server.take();
    p.advance(std::chrono::milliseconds(50));
    p.client.give(back);
    last_lap = p.server.c.stats().bytes_received - before;
    before = p.server.c.stats().bytes_received;
  }
  EXPECT_GT(last_lap, 10u << 20);
  EXPECT_GT(p.server.c.stats().connection_window, 10u << 20);
  EXPECT_FALSE(p.server.c.over());
}

TEST(connection_credit, a_stalled_reader_bounds_the_senders_memory_and_nothing_is_lost) {
  pair p;
  p.client.keeps = p.server.keeps = false;
  p.server.consumes = false;
  p.settle();
  const auto id = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  const std::string piece = pattern(100'000);
  std::uint64_t sent = 0, received = 0, held = 0;
  p.server.on_event = [&](const event& e) {
    if (e.kind != event_kind::data) return;
    received += e.bytes.size();
    held += e.cost;
  };
  std::size_t refused = 0;
  for (int i = 0; i < 2'400; ++i) {
    const auto taken = p.client.c.write(*id, as_bytes(piece));
    if (taken) {
      sent += *taken;
    } else {
      ++refused;
    }
    p.settle();
    ASSERT_LT(p.client.pool.bytes_in_use(), 512u * 1024);
  }
  EXPECT_GT(refused, 2'000u);
  EXPECT_LT(sent, 64u * 1024 + settings().channel_send_bytes_max);
  p.server.consumes = true;
  p.server.c.consume(*id, static_cast<std::uint32_t>(held));
  p.settle();
  EXPECT_EQ(p.client.count(event_kind::writable), 1u);
  EXPECT_EQ(received, sent);
}

TEST(connection_credit, giving_up_what_filled_the_connection_wakes_the_writers_that_waited_for_it) {
  for (const int how : {0, 1, 2}) {
    pair p;
    p.settle();
    const auto full = p.client.c.open(p.client.now, {}, {}, end_mark::open);
    const auto other = p.client.c.open(p.client.now, {}, {}, end_mark::open);
    p.settle();
    p.server.consumes = false;
    chunk big = p.client.pool.allocate(8 << 20);
    std::memset(big.mutable_data(), 0, 8 << 20);
    big.grow(8 << 20);
    ASSERT_TRUE(p.client.c.write(*full, big));
    EXPECT_EQ(p.client.c.write(*other, as_bytes(pattern(20'000))).value_or(0), 16u * 1024) << "the reserve of a channel with nothing waiting";
    ASSERT_EQ(p.client.c.write(*other, as_bytes("b")).error(), errc::would_block);
    p.settle();
    if (how == 0) p.client.c.reset(*full, 6);
    if (how == 1) p.server.c.reset(*full, 6);
    if (how == 2) p.server.c.stop(*full, 6);
    p.settle();
    EXPECT_EQ(p.client.of(event_kind::writable, *other).size(), 1u) << how;
    EXPECT_EQ(p.client.of(event_kind::writable, 0).size(), 1u) << how;
    EXPECT_TRUE(p.client.c.write(*other, as_bytes("b"))) << how;
  }
}

TEST(connection_credit, frames_that_cost_nothing_do_not_wait_for_the_connections_credit) {
  pair p;
  p.server.consumes = false;
  p.settle();
  std::vector<channel_id> ids;
  for (int i = 0; i < 250; ++i) ids.push_back(*p.client.c.open(p.client.now, {}, {}, end_mark::open));
  const auto quiet = p.client.c.open(p.client.now, {.kind = channel_kind::request}, {}, end_mark::open);
  p.settle();
  for (int k = 0; k < 4; ++k)
    for (const channel_id id : ids) {
      (void)p.client.c.write(id, as_bytes(pattern(30'000)));
      p.settle();
    }
  ASSERT_GT(p.client.c.queued_bytes(), std::size_t{1} << 20);
  ASSERT_LT(p.client.c.stats().send_credit, 31'000u);
  const auto empty = p.client.c.open(p.client.now, {.urgency = 7}, {}, end_mark::end);
  ASSERT_TRUE(empty);
  p.settle();
  EXPECT_EQ(p.server.of(event_kind::opened, *empty).size(), 1u);
  EXPECT_EQ(p.server.of(event_kind::finished, *empty).size(), 1u);
  ASSERT_TRUE(p.client.c.write_head(*quiet, as_bytes("\x09\x01h")));
  ASSERT_TRUE(p.client.c.finish(*quiet));
  p.settle();
  EXPECT_EQ(p.server.of(event_kind::head, *quiet).size(), 1u);
  EXPECT_EQ(p.server.of(event_kind::finished, *quiet).size(), 1u);
  EXPECT_FALSE(p.client.c.wants_transmit());
}

TEST(connection_credit, frames_that_cost_nothing_pass_queues_that_lost_their_credit_first) {
  settings slow;
  slow.committed_bytes_max = 64 * 1024;
  settings narrow;
  narrow.receive_bytes_max = narrow.window_bytes_max = 1 << 20;
  pair p(slow, narrow);
  p.server.consumes = false;
  p.settle();
  std::vector<channel_id> ids;
  for (int i = 0; i < 100; ++i) ids.push_back(*p.client.c.open(p.client.now, {}, {}, end_mark::open));
  p.settle();
  std::size_t next = 0;
  for (; p.server.c.stats().bytes_buffered < (1 << 20) || p.client.c.stats().send_credit > 600'000; ++next) {
    ASSERT_LT(next, ids.size());
    (void)p.client.c.write(ids[next], as_bytes(pattern(60'000)));
    p.settle();
  }
  // Nothing leaves meanwhile: everything queues, the free frames last.
  for (; next < ids.size(); ++next) (void)p.client.c.write(ids[next], as_bytes(pattern(60'000)));
  std::vector<channel_id> empty;
  for (int i = 0; i < 20; ++i) empty.push_back(*p.client.c.open(p.client.now, {.urgency = static_cast<std::uint8_t>(i % 8)}, {}, end_mark::end));
  p.settle();
  EXPECT_GT(p.client.c.queued_bytes(), 0u);
  for (const channel_id id : empty) EXPECT_EQ(p.server.of(event_kind::finished, id).size(), 1u) << id;
}

TEST(connection_credit, an_application_that_never_consumes_stops_a_sender_of_large_messages) {
  const settings with;
  pair p;
  p.server.consumes = false;
  p.server.keeps = false;
  p.settle();
  std::uint64_t held = 0;
  std::size_t received = 0;
  p.server.on_event = [&](const event& e) {
    if (e.kind != event_kind::message) return;
    held += e.cost;
    ++received;
  };
  const std::string body = pattern(1 << 20);
  std::size_t sent = 0;
  for (int i = 0; i < 100; ++i) {
    if (p.client.c.send(message_channel, as_bytes(body))) ++sent;
    p.settle();
    p.advance(std::chrono::seconds(1));
  }
  EXPECT_LE(p.server.c.stats().bytes_buffered, with.receive_bytes_max + with.reassembly_bytes_max + with.announced.connection_credit);
  EXPECT_LT(p.server.pool.bytes_in_use(), 8u << 20);
  EXPECT_LT(sent, 20u);
  // And goes on, with nothing lost, as soon as it does.
  p.server.consumes = true;
  p.server.c.consume(message_channel, static_cast<std::uint32_t>(held));
  p.settle();
  for (int i = 0; i < 20; ++i) {
    if (p.client.c.send(message_channel, as_bytes(body))) ++sent;
    p.settle();
  }
  EXPECT_EQ(received, sent);
  EXPECT_EQ(p.client.c.queued_bytes(), 0u);
  EXPECT_EQ(p.server.c.stats().bytes_buffered, 0u);
  EXPECT_EQ(p.server.pool.bytes_in_use(), 0u);
}

TEST(connection_credit, small_messages_in_two_frames_each_are_held_back_too) {
  const settings with;
  side s(role::server, with, {}, instant{} + std::chrono::hours(1));
  s.accepts = true;
  s.consumes = s.keeps = false;
  s.give(greeting());
  miser peer(s);
  peer.read();
  for (int i = 0; i < 100'000 && peer.room(1) > 100; ++i) {
    const auto most = static_cast<std::size_t>(peer.room(1) - 16 - 17);
    ASSERT_TRUE(peer.send(1, frame_flag::more, std::min<std::size_t>(8'000, most)));
    ASSERT_TRUE(peer.send(1, frame_flag::none, 1));
    ASSERT_LE(s.c.stats().bytes_buffered, with.receive_bytes_max + with.reassembly_bytes_max);
  }
  EXPECT_LE(peer.room(1), 100);
  EXPECT_FALSE(s.c.over());
}

TEST(connection_credit, sized_reads_on_many_channels_at_once_all_complete) {
  struct load {
    int channels;
    std::size_t each, frame;
  };
  for (const load& with : {load{8, 1 << 20, 16'384}, load{200, 60'000, 16'384}, load{5, 1 << 20, 64}, load{100, 200'000, 1'000}}) {
    pair p;
    p.server.consumes = p.server.keeps = p.client.keeps = false;
    p.settle();
    std::map<channel_id, std::size_t> got, left;
    std::map<channel_id, std::uint32_t> cost;
    int complete = 0;
    p.server.on_event = [&](const event& e) {
      if (e.kind == event_kind::opened) p.server.c.want(e.channel, with.each);
      if (e.kind != event_kind::data) return;
      got[e.channel] += e.bytes.size();
      cost[e.channel] += e.cost;
      if (got[e.channel] < with.each) return;
      ++complete;
      p.server.c.consume(e.channel, std::exchange(cost[e.channel], 0));
    };
    for (int i = 0; i < with.channels; ++i)
      left[*p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "read"}, {}, end_mark::open)] = with.each;
    p.settle();
    const std::string body = pattern(with.each);
    for (bool moved = true; moved;) {
      moved = false;
      for (auto& [id, rest] : left) {
        if (rest == 0) continue;
        if (const auto taken = p.client.c.write(id, as_bytes(body).first(std::min(rest, with.frame)))) {
          rest -= *taken;
          moved = true;
        }
        // Each write is a frame of its own.
        if (with.frame < 2'000) moved = p.pass(p.client, p.server) != 0 || moved;
      }
      moved = p.pass(p.client, p.server) + p.pass(p.server, p.client) != 0 || moved;
    }
    EXPECT_EQ(complete, with.channels) << with.each;
    EXPECT_EQ(p.server.c.stats().bytes_buffered, 0u);
    EXPECT_FALSE(p.client.c.over());
  }
}

TEST(connection_credit, a_sized_read_that_is_given_up_excuses_nothing_any_more) {
  settings with;
  with.receive_bytes_max = 100'000;
  with.announced.connection_credit = with.window_bytes_max = 65'536;
  pair p({}, with);
  p.server.consumes = p.server.keeps = false;
  p.settle();
  std::vector<channel_id> ids;
  for (int i = 0; i < 10; ++i) ids.push_back(*p.client.c.open(p.client.now, {}, {}, end_mark::open));
  p.settle();
  for (const channel_id id : ids) p.server.c.want(id, 60'000);
  for (const channel_id id : ids) {
    (void)p.client.c.write(id, as_bytes(pattern(30'000)));
    p.settle();
  }
  EXPECT_GT(p.server.c.stats().bytes_buffered, 300'000u);        // each of them waits for more
  for (const channel_id id : ids) p.server.c.want(id, 0);
  for (const channel_id id : ids) {
    (void)p.client.c.write(id, as_bytes(pattern(30'000)));
    p.settle();
  }
  EXPECT_LT(p.server.c.stats().bytes_buffered, 301'000u + 65'536);
  EXPECT_GT(p.client.c.queued_bytes(), 0u);
}

TEST(connection_credit, half_messages_on_every_channel_stay_within_the_bound) {
  const settings with;
  side s(role::server, with, {}, instant{} + std::chrono::hours(1));
  s.accepts = true;
  s.keeps = false;
  s.give(greeting());
  miser peer(s);
  peer.read();
  std::vector<channel_id> ids;
  for (channel_id id = 3; id < 3 + 2 * 256; id += 2) {
    ids.push_back(id);
    s.give(frame_of(frame_type::open, frame_flag::none, id, std::string("\x01", 1)));
  }
  // Windows widen for who is quick; then every message stays half.
  for (const channel_id id : ids)
    for (int i = 0; i < 100 && peer.channel(id) < (1 << 20); ++i) peer.send(id, frame_flag::none, 30'000);
  for (const channel_id id : ids)
    for (int i = 0; i < 34; ++i) peer.send(id, frame_flag::more, 30'000);
  ASSERT_FALSE(s.c.over());
  const std::size_t costs = 256 * with.announced.channel_credit + 2 * with.reassembly_bytes_max;
  EXPECT_LT(s.pool.bytes_in_use(), 2 * costs);
  EXPECT_GT(s.pool.bytes_in_use(), costs / 4);
  s.c.handle_end(s.now);
  s.drain();
  EXPECT_EQ(s.pool.bytes_in_use(), 0u);
}

}  // namespace
}  // namespace hawser::proto::testing
