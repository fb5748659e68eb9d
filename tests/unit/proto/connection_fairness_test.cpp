// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/frame.hpp"
#include "unit/proto/connection_pair.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <deque>
#include <map>

namespace hawser::proto::testing {
namespace {

settings wide() {
  settings with;
  with.announced.channels_max = 512;
  with.announced.channel_credit = 64 << 20;
  with.announced.connection_credit = 1 << 30;
  with.send_bytes_max = std::size_t{1} << 30;
  return with;
}

// Keeps channels full while the transport takes `turns` x 64 KiB; gives what each channel got.
std::map<channel_id, std::uint64_t> run(pair& p, const std::vector<channel_id>& bulk, int turns, bool by_reference = false) {
  std::map<channel_id, std::uint64_t> got;
  p.client.keeps = p.server.keeps = false;
  p.server.on_event = [&](const event& e) {
    if (e.kind == event_kind::data) got[e.channel] += e.bytes.size();
  };
  const std::string body = pattern(60'000);
  const chunk shared = p.client.pool.copy(as_bytes(body));
  for (int i = 0; i < turns; ++i) {
    for (const channel_id id : bulk) {
      if (by_reference) (void)p.client.c.write(id, shared);
      if (!by_reference) (void)p.client.c.write(id, as_bytes(body));
    }
    p.server.give(p.client.take(64 * 1024));
    p.client.give(p.server.take());
  }
  p.server.on_event = nullptr;
  return got;
}

TEST(connection_fairness, a_hundred_bulk_channels_share_within_five_percent) {
  for (const bool by_reference : {false, true}) {
    pair p(wide(), wide());
    p.settle();
    std::vector<channel_id> ids;
    for (int i = 0; i < 100; ++i) ids.push_back(*p.client.c.open(p.client.now, {}, {}, end_mark::open));
    p.settle();
    const auto got = run(p, ids, by_reference ? 9'000 : 3'000, by_reference);
    ASSERT_EQ(got.size(), 100u);
    std::uint64_t least = UINT64_MAX, most = 0;
    for (const auto& [id, bytes] : got) {
      least = std::min(least, bytes);
      most = std::max(most, bytes);
    }
    EXPECT_LT(static_cast<double>(most - least), 0.05 * static_cast<double>(most)) << least << " " << most;
  }
}

TEST(connection_fairness, a_small_message_on_a_busy_connection_waits_for_less_than_256_kib_of_others) {
  for (const std::size_t bulk_count : {std::size_t{1}, std::size_t{50}}) {
    pair p(wide(), wide());
    p.settle();
    std::vector<channel_id> ids;
    for (std::size_t i = 0; i < bulk_count; ++i) ids.push_back(*p.client.c.open(p.client.now, {}, {}, end_mark::open));
    run(p, ids, 200);
    for (int i = 0; i < 20; ++i) {
      for (const channel_id id : ids) (void)p.client.c.write(id, as_bytes(pattern(60'000)));
      // The transport holds what it was given: nothing was taken by the kernel yet.
      chain given(p.client.pool);
      const std::size_t taken = p.client.c.poll_transmit(p.client.now, given, SIZE_MAX);
      ASSERT_TRUE(p.client.c.send(message_channel, as_bytes("urgent!!")));
      std::string wire;
      for (std::size_t k = 0; k < given.count(); ++k) wire += as_text(given[k].view());
      p.client.c.handle_sent(p.client.now, taken);
      wire += p.client.take(300 * 1024);
      const std::size_t place = wire.find("urgent!!");
      ASSERT_NE(place, std::string::npos);
      EXPECT_LT(place, 256u * 1024) << bulk_count;
      p.server.give(wire);
    }
  }
}

TEST(connection_fairness, bulk_is_framed_in_large_pieces_alone_and_in_small_ones_beside_somebody_who_sends_little) {
  pair p(wide(), wide());
  p.settle();
  const auto id = *p.client.c.open(p.client.now, {}, {}, end_mark::open);
  p.settle();
  const std::string body = pattern(60'000);
  // What one turn gives to the transport, when all of it was taken before.
  const auto framed_at_once = [&] {
    while (p.client.c.write(id, as_bytes(body))) {
    }
    chain out(p.client.pool);
    const std::size_t framed = p.client.c.poll_transmit(p.client.now, out, 1 << 20);
    for (std::size_t i = 0; i < out.count(); ++i) p.server.give(as_text(out[i].view()));
    p.client.c.handle_sent(p.client.now, framed);
    p.client.drain();
    p.client.give(p.server.take());
    return framed;
  };
  p.client.keeps = p.server.keeps = false;
  std::size_t turns = 0;
  while (framed_at_once() < 100 * 1024) ASSERT_LT(++turns, 100u) << "alone it makes large writes";
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(p.client.c.send(message_channel, as_bytes("small")));
    EXPECT_LE(framed_at_once(), 33u * 1024);
  }
  for (turns = 0; framed_at_once() < 100 * 1024;) ASSERT_LT(++turns, 100u) << "alone again";
}

TEST(connection_fairness, urgent_channels_go_first_and_the_others_still_get_their_sixteenth) {
  pair p(wide(), wide());
  p.settle();
  const auto first = p.client.c.open(p.client.now, {.urgency = 0}, {}, end_mark::open);
  const auto middle = p.client.c.open(p.client.now, {.urgency = 3}, {}, end_mark::open);
  const auto last = p.client.c.open(p.client.now, {.urgency = 7}, {}, end_mark::open);
  p.settle();
  auto got = run(p, {*first, *middle, *last}, 3'000);
  const double all = static_cast<double>(got[*first] + got[*middle] + got[*last]);
  EXPECT_GT(static_cast<double>(got[*first]), 0.5 * all);
  EXPECT_GT(static_cast<double>(got[*last]), all / 18);
  EXPECT_GT(static_cast<double>(got[*middle]), all / 18);
  EXPECT_GE(static_cast<double>(got[*last]), 0.9 * all / 16);
}

TEST(connection_fairness, bulk_in_one_class_does_not_hold_small_requests_of_another_channel) {
  pair p(wide(), wide());
  p.settle();
  const auto bulk = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  run(p, {*bulk}, 100);
  for (int i = 0; i < 10; ++i) {
    (void)p.client.c.write(*bulk, as_bytes(pattern(60'000)));
    const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "quick"}, as_bytes("?"), end_mark::end);
    ASSERT_TRUE(id);
    const std::string wire = p.client.take(256 * 1024);
    p.server.keeps = true;
    p.server.events.clear();
    p.server.give(wire);
    EXPECT_EQ(p.server.of(event_kind::opened, *id).size(), 1u);
  }
}

TEST(connection_fairness, a_started_message_is_finished_before_another_channel_has_its_turn) {
  pair p(wide(), wide());
  p.settle();
  std::vector<channel_id> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(*p.client.c.open(p.client.now, {.kind = channel_kind::message}, {}, end_mark::open));
  // Something waits, so that all of them are queued.
  const auto bulk = p.client.c.open(p.client.now, {}, {}, end_mark::open);
  for (int i = 0; i < 10; ++i) (void)p.client.c.write(*bulk, as_bytes(pattern(60'000)));
  for (const channel_id id : ids) ASSERT_TRUE(p.client.c.send(id, as_bytes(pattern(60'000))));
  const std::string wire = p.client.take();
  std::vector<channel_id> turns;
  for (std::size_t at = 0; at < wire.size();) {
    frame_header header{};
    ASSERT_EQ(decode_header(as_bytes(wire).subspan(at), header), decode_status::header);
    at += header.size + header.length;
    if (header.channel != *bulk && header.type == frame_type::data && (turns.empty() || turns.back() != header.channel)) turns.push_back(header.channel);
  }
  EXPECT_EQ(turns.size(), 4u);
}

TEST(connection_fairness, order_within_a_channel_is_kept_whatever_path_a_message_takes) {
  pair p;
  p.settle();
  std::uint32_t next = 0, expected = 0;
  p.client.keeps = p.server.keeps = false;
  p.server.on_event = [&](const event& e) {
    if (e.kind != event_kind::message) return;
    std::uint32_t number = 0;
    std::memcpy(&number, e.bytes.data(), 4);
    ASSERT_EQ(number, expected++);
  };
  std::uint32_t state = 1;
  for (int i = 0; i < 20'000; ++i) {
    state = state * 1664525u + 1013904223u;
    std::string body(4 + (state >> 8) % ((i % 50) == 0 ? 100'000 : 200), 'm');
    std::memcpy(body.data(), &next, 4);
    const bool shared = body.size() > 20'000 && (state & 1);
    if (shared ? p.client.c.send(message_channel, p.client.pool.copy(as_bytes(body))).has_value()
               : p.client.c.send(message_channel, as_bytes(body)).has_value())
      ++next;
    if ((state >> 28) == 0) p.settle((state >> 4) % 3'000 + 1);
  }
  p.settle();
  EXPECT_EQ(next, expected);
}

// Three channels say 15 KB whenever they have nothing queued, one always has more: nobody gets ahead.
TEST(connection_fairness, many_small_turns_are_not_more_than_one_large_one) {
  settings narrow;
  narrow.channel_send_bytes_max = 64 * 1024;      // the large one, too, has soon said what it had
  pair p(narrow, narrow);
  p.settle();
  std::vector<channel_id> ids;
  for (int i = 0; i < 4; ++i) ids.push_back(*p.client.c.open(p.client.now, {}, {}, end_mark::open));
  p.settle();
  p.client.keeps = p.server.keeps = false;
  std::map<channel_id, std::uint64_t> got;
  p.server.on_event = [&](const event& e) {
    if (e.kind == event_kind::data) got[e.channel] += e.bytes.size();
  };
  const std::string bulk = pattern(60'000), small = pattern(15'000);
  std::deque<std::size_t> flight;
  for (int tick = 0; tick < 4'000; ++tick) {
    if (p.client.c.queued_bytes(ids[0]) < 30'000) (void)p.client.c.write(ids[0], as_bytes(bulk));
    for (int k = 1; k < 4; ++k)
      if (p.client.c.queued_bytes(ids[k]) == 0) (void)p.client.c.write(ids[k], as_bytes(small));
    // The transport takes 16 KiB in each tick, and holds more.
    const std::size_t given = p.client.c.poll_transmit(p.client.now, p.client.wire, 64 * 1024);
    for (std::size_t i = 0; i < p.client.wire.count(); ++i) p.server.give(as_text(p.client.wire[i].view()));
    p.client.wire.clear();
    if (given != 0) flight.push_back(given);
    for (std::size_t room = 16'384; !flight.empty() && room != 0;) {
      const std::size_t sent = std::min(room, flight.front());
      p.client.c.handle_sent(p.client.now, sent);
      room -= sent;
      flight.front() -= sent;
      if (flight.front() == 0) flight.pop_front();
    }
    p.client.drain();
    p.pass(p.server, p.client);
    p.advance(std::chrono::milliseconds(1));
  }
  std::uint64_t least = UINT64_MAX, most = 0;
  for (const channel_id id : ids) {
    least = std::min(least, got[id]);
    most = std::max(most, got[id]);
  }
  EXPECT_GT(least * 5, most * 4) << least << " " << most;
}

// With a walk through the ring for each, this would take minutes.
TEST(connection_fairness, giving_up_channels_that_wait_takes_the_same_time_for_each) {
  settings many;
  many.announced.channels_max = 200'000;
  pair p({}, many);
  p.server.consumes = false;
  p.client.keeps = p.server.keeps = false;
  p.settle();
  const int count = 160'000 / HAWSER_COUNT_SCALE;
  std::vector<channel_id> ids;
  for (int i = 0; i < count; ++i) ids.push_back(p.client.c.open(p.client.now, {}, as_bytes("waits"), end_mark::open).value_or(0));
  ASSERT_GT(p.client.c.queued_bytes(), 0u);
  // The oldest first, then the newest: neither end is near for both.
  for (std::size_t i = 0; i < ids.size() / 2; ++i) p.client.c.reset(ids[i], 6);
  for (std::size_t i = ids.size(); i-- > ids.size() / 2;) p.client.c.reset(ids[i], 6);
  p.client.drain();
  EXPECT_EQ(p.client.c.queued_bytes(ids.back()), 0u);
  EXPECT_FALSE(p.client.c.over());
}

TEST(connection_fairness, writers_that_wait_for_the_connections_room_get_it_in_turns) {
  settings narrow = wide();
  narrow.send_bytes_max = 256 * 1024;
  pair p(narrow, wide());
  p.client.keeps = p.server.keeps = false;
  p.settle();
  std::map<channel_id, std::uint64_t> taken;
  const std::string body = pattern(60'000);
  const auto write = [&](channel_id id) {
    while (const auto count = p.client.c.write(id, as_bytes(body))) {
      taken[id] += *count;
      if (*count < body.size()) break;
    }
  };
  p.client.on_event = [&](const event& e) {
    if (e.kind == event_kind::writable && e.channel != 0) write(e.channel);
  };
  for (int i = 0; i < 40; ++i) taken[*p.client.c.open(p.client.now, {}, {}, end_mark::open)] = 0;
  for (auto& [id, bytes] : taken) {
    (void)bytes;
    write(id);
  }
  for (int i = 0; i < 400; ++i) {
    p.server.give(p.client.take(64 * 1024));
    p.client.drain();
    p.client.give(p.server.take());
  }
  std::uint64_t least = UINT64_MAX, most = 0;
  for (const auto& [id, bytes] : taken) {
    least = std::min(least, bytes);
    most = std::max(most, bytes);
  }
  EXPECT_GT(least * 2, most) << least << " " << most;
}

// Hundreds of channels with a message each: what they wait for is room, and nobody's message is queued in vain.
TEST(connection_fairness, a_crowd_does_not_queue_beyond_the_watermark_while_it_moves_and_does_when_it_waits_for_credit) {
  for (const bool stands_still : {false, true}) {
    settings narrow = wide();
    narrow.announced.channels_max = 2'000;
    narrow.send_bytes_max = 256 * 1024;
    settings there = wide();
    there.announced.channels_max = 2'000;
    if (stands_still) there.announced.connection_credit = 64 * 1024, there.receive_bytes_max = 0;
    pair p(narrow, there);
    p.settle();
    p.server.consumes = !stands_still;
    std::vector<channel_id> ids;
    for (int i = 0; i < 1'500; ++i) ids.push_back(*p.client.c.open(p.client.now, {.kind = channel_kind::message}, {}, end_mark::open));
    p.settle();
    if (stands_still) {
      while (p.client.c.send(ids[0], as_bytes(pattern(1'000)))) {
      }
      p.settle();
    }
    std::map<channel_id, int> told;
    p.client.on_event = [&](const event& e) {
      if (e.kind == event_kind::writable && e.channel != 0) ++told[e.channel];
    };
    std::size_t taken = 0;
    std::vector<channel_id> refused;
    for (const channel_id id : ids) {
      if (id == ids[0]) continue;
      if (p.client.c.send(id, as_bytes(pattern(1'000)))) ++taken;
      else refused.push_back(id);
    }
    if (stands_still) {
      EXPECT_TRUE(refused.empty()) << "it may be for ever";
      continue;
    }
    EXPECT_GT(taken, 256u);
    EXPECT_LT(p.client.c.queued_bytes(), 2 * narrow.send_bytes_max);
    EXPECT_GT(refused.size(), 500u);
    p.settle();
    for (const channel_id id : refused) EXPECT_EQ(told[id], 1) << id;
    for (const channel_id id : refused) EXPECT_TRUE(p.client.c.send(id, as_bytes("again")) || p.client.c.queued_bytes() > 0);
    p.settle();
    EXPECT_EQ(p.client.c.queued_bytes(), 0u);
  }
}

// Messages of many channels lie in segments that they share while they wait; some are given up, some lack credit, some grow.
TEST(connection_fairness, what_waits_in_shared_segments_arrives_as_it_was_sent_whoever_beside_it_is_given_up) {
  settings there = wide();
  there.announced.channel_credit = 16 * 1024;
  pair p(wide(), there);
  p.settle();
  std::vector<channel_id> ids;
  for (int i = 0; i < 60; ++i) ids.push_back(*p.client.c.open(p.client.now, {.kind = channel_kind::message}, {}, end_mark::open));
  p.settle();
  std::map<channel_id, std::string> sent, got;
  std::map<channel_id, bool> over;
  p.server.on_event = [&](const event& e) {
    if (e.kind == event_kind::message) got[e.channel] += std::string(as_text(e.bytes)) + ";";
  };
  std::uint32_t dice = 11;
  const auto roll = [&](std::uint32_t sides) {
    dice = dice * 1664525 + 1013904223;
    return (dice >> 16) % sides;
  };
  for (int i = 0; i < 6'000; ++i) {
    const channel_id id = ids[roll(60)];
    if (over[id]) continue;
    const std::string text = std::to_string(i) + pattern(roll(4) == 0 ? roll(5'000) : 400 + roll(1'200));
    if (p.client.c.send(id, as_bytes(text))) sent[id] += text + ";";
    if (roll(700) == 0) {
      over[id] = true;
      if (roll(2) == 0) ASSERT_TRUE(p.client.c.finish(id));
      else p.client.c.reset(id, static_cast<std::uint32_t>(errc::cancelled));
    }
    if (roll(40) == 0) p.server.give(p.client.take(20'000));
    if (roll(60) == 0) p.client.give(p.server.take());
  }
  p.settle();
  EXPECT_EQ(p.client.c.queued_bytes(), 0u);
  for (const channel_id id : ids) {
    if (over[id]) EXPECT_TRUE(sent[id].starts_with(got[id])) << id;
    else EXPECT_EQ(sent[id], got[id]) << id;
  }
}

}  // namespace
}  // namespace hawser::proto::testing
