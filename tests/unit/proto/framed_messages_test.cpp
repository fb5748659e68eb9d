// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "unit/proto/connection_pair.hpp"

#include <hawser/proto/framed_messages.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace hawser::proto::testing {
namespace {

std::string texts_of(const side& at) {
  std::string all;
  for (const seen& each : at.events)
    if (each.kind == event_kind::message && each.channel == message_channel) all += std::string(each.bytes) + ";";
  return all;
}

TEST(framed_messages, go_to_many_connections_from_one_block_and_arrive_as_if_sent_one_by_one) {
  buffer_pool pool;
  framed_messages all(pool);
  std::string expected;
  for (int i = 0; i < 60; ++i) {
    const std::string text = pattern(static_cast<std::size_t>(i * i) % 777);
    ASSERT_TRUE(all.append(as_bytes(text)));
    expected += text + ";";
  }
  EXPECT_EQ(all.count(), 60u);
  std::vector<std::unique_ptr<pair>> many;
  for (int i = 0; i < 5; ++i) many.push_back(std::make_unique<pair>());
  for (auto& each : many) {
    each->settle();
    ASSERT_TRUE(each->client.c.send(message_channel, as_bytes("before")));
    ASSERT_TRUE(each->client.c.send(all));
    ASSERT_TRUE(each->client.c.send(message_channel, as_bytes("after")));
    ASSERT_TRUE(each->client.c.finish(message_channel));
  }
  EXPECT_LE(pool.bytes_in_use(), 64u * 1024) << "one block";
  for (auto& each : many) {
    each->settle(1'000);
    EXPECT_EQ(texts_of(each->server), "before;" + expected + "after;");
    EXPECT_EQ(each->server.of(event_kind::finished, message_channel).size(), 1u);
    EXPECT_EQ(each->client.c.stats().messages_sent, 62u);
    EXPECT_EQ(each->server.c.stats().messages_received, 62u);
  }
  EXPECT_FALSE(many.front()->server.c.over());
}

// An end that is said behind them stands in a frame of its own: nothing is changed that others send too.
TEST(framed_messages, are_the_same_for_the_next_after_the_first_has_ended_its_channel) {
  buffer_pool pool;
  framed_messages all(pool);
  for (const std::size_t size : {30u, 3'000u}) {
    all.clear();
    ASSERT_TRUE(all.append(as_bytes(pattern(size))));
    pair first, second;
    for (pair* each : {&first, &second}) {
      each->settle();
      ASSERT_TRUE(each->client.c.send(all));
      if (each == &first) {
        ASSERT_TRUE(each->client.c.finish(message_channel));
      }
    }
    for (pair* each : {&first, &second}) {
      each->settle();
      EXPECT_EQ(texts_of(each->server), pattern(size) + ";");
    }
    EXPECT_EQ(first.server.of(event_kind::finished, message_channel).size(), 1u);
    EXPECT_EQ(second.server.of(event_kind::finished, message_channel).size(), 0u);
  }
}

TEST(framed_messages, wait_behind_what_waits_and_keep_to_credit_and_watermark) {
  buffer_pool pool;
  framed_messages all(pool);
  const std::string text = pattern(900);
  while (all.append(as_bytes(text))) {
  }
  EXPECT_LE(all.bytes(), framed_messages::bytes_max);
  pair p;
  p.settle();
  p.server.consumes = false;
  std::size_t sent = 0;
  result<> taken;
  while ((taken = p.client.c.send(all))) sent += all.count();
  EXPECT_EQ(taken.error(), errc::would_block);
  EXPECT_GT(sent, all.count());
  // The application takes nothing: what arrived is no more than the window.
  p.settle();
  EXPECT_FALSE(p.server.c.over());
  EXPECT_LT(p.server.count(event_kind::message), sent);
  // What is appended and cleared meanwhile is none of what waits.
  all.clear();
  ASSERT_TRUE(all.append(as_bytes("other")));
  p.server.consumes = true;
  p.server.c.consume(message_channel, static_cast<std::uint32_t>(p.server.c.stats().bytes_buffered));
  p.settle();
  ASSERT_EQ(p.server.count(event_kind::message), sent);
  for (const seen& each : p.server.events) {
    EXPECT_TRUE(each.kind != event_kind::message || each.bytes == text);
  }
  EXPECT_EQ(p.client.of(event_kind::writable, message_channel).size(), 1u);
}

TEST(framed_messages, refuse_what_does_not_fit_and_what_the_other_side_does_not_take) {
  buffer_pool pool;
  framed_messages all(pool);
  EXPECT_EQ(all.append(as_bytes(pattern(framed_messages::bytes_max))).error(), errc::message_too_big);
  ASSERT_TRUE(all.append(as_bytes(pattern(40'000))));
  EXPECT_EQ(all.append(as_bytes(pattern(40'000))).error(), errc::would_block);
  settings small;
  small.announced.message_bytes_max = 16'384;
  pair p({}, small);
  EXPECT_EQ(p.client.c.send(all).error(), errc::would_block) << "what the other side takes is not known yet";
  p.settle();
  EXPECT_EQ(p.client.c.send(all).error(), errc::message_too_big);
  framed_messages none(pool);
  EXPECT_TRUE(p.client.c.send(none));
  // Larger than a frame may be that can always leave: each goes in several.
  pair wide;
  wide.settle();
  ASSERT_TRUE(wide.client.c.send(all));
  wide.settle();
  ASSERT_EQ(wide.server.count(event_kind::message), 1u);
  EXPECT_EQ(texts_of(wide.server), pattern(40'000) + ";");
  wide.client.c.handle_end(wide.client.now);
  EXPECT_EQ(wide.client.c.send(all).error(), errc::closed);
}

}  // namespace
}  // namespace hawser::proto::testing
