// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "unit/proto/frames.hpp"

#include <gtest/gtest.h>

#include <vector>

// Bulk and small messages side by side: what the receiver tells of what it has read, and how the sender keeps short what it has not.

namespace hawser::proto::testing {
namespace {

settings wide() {
  settings with;
  with.announced.channel_credit = 64 << 20;
  with.channel_send_bytes_max = with.send_bytes_max = std::size_t{64} << 20;
  return with;
}

// What CREDIT for the connection is in there, one after the other.
std::vector<std::uint32_t> connection_grants(std::string_view said) {
  std::vector<std::uint32_t> found;
  for (std::size_t at = 0; at < said.size();) {
    frame_header header{};
    if (decode_header(as_bytes(said).subspan(at), header) != decode_status::header) break;
    at += header.size;
    if (header.type == frame_type::credit && header.channel == 0) found.push_back(load_le<std::uint32_t>(as_bytes(said).data() + at));
    at += header.length;
  }
  return found;
}

// Bulk: by reference, so that it is cut as is wanted.
bool put(side& from, channel_id to, std::size_t bytes) {
  chunk shared = from.pool.copy(as_bytes(pattern(bytes)));
  return from.c.write(to, std::move(shared)).has_value();
}

// What is offered to the transport at a time, which takes it.
std::string offer(side& from) {
  std::string bytes;
  const std::size_t count = from.c.poll_transmit(from.now, from.wire, SIZE_MAX);
  for (std::size_t i = 0; i < from.wire.count(); ++i) bytes.append(as_text(from.wire[i].view()));
  from.wire.clear();
  EXPECT_EQ(bytes.size(), count);
  if (count != 0) from.c.handle_sent(from.now, count);
  return bytes;
}

TEST(connection_beside, credit_comes_with_an_answer_while_little_is_said_beside_much) {
  for (const bool has_small : {false, true}) {
    pair p;
    p.settle();
    const channel_id bulk = *p.client.c.open(p.client.now, {}, {}, end_mark::open);
    EXPECT_EQ(p.client.c.write(bulk, as_bytes(pattern(60'000))), 60'000u);
    p.pass(p.client, p.server);
    if (has_small) {
      EXPECT_TRUE(p.client.c.send(message_channel, as_bytes("ping")));
    }
    p.pass(p.client, p.server);
    (void)p.server.c.send(message_channel, as_bytes("answer"));
    const std::vector<std::uint32_t> grants = connection_grants(p.server.take());
    ASSERT_EQ(grants.size(), has_small ? 1u : 0u);
    if (has_small) {
      EXPECT_GT(grants[0], 60'000u);
    }
    (void)p.server.c.send(message_channel, as_bytes("another"));
    EXPECT_TRUE(connection_grants(p.server.take()).empty()) << "nothing has come since";
  }
}

TEST(connection_beside, credit_comes_by_itself_where_nothing_is_answered) {
  pair p(wide(), wide());
  p.settle();
  const channel_id bulk = *p.client.c.open(p.client.now, {}, {}, end_mark::open);
  (void)p.client.c.write(bulk, as_bytes(pattern(20'000)));
  p.pass(p.client, p.server);
  EXPECT_TRUE(p.client.c.send(message_channel, as_bytes("ping")));
  p.pass(p.client, p.server);
  std::size_t told = 0;
  for (int i = 0; i < 40; ++i) {
    (void)p.client.c.write(bulk, as_bytes(pattern(20'000)));
    p.pass(p.client, p.server);
    if (!p.server.c.wants_transmit()) continue;
    for (const std::uint32_t grant : connection_grants(p.server.take())) {
      EXPECT_GE(grant, 128u * 1024);
      EXPECT_LT(grant, 256u * 1024);
      told += grant;
    }
  }
  EXPECT_GT(told, 600'000u);
  p.advance(std::chrono::seconds(1));
  for (int i = 0; i < 12; ++i) {
    (void)p.client.c.write(bulk, as_bytes(pattern(20'000)));
    p.pass(p.client, p.server);
  }
  EXPECT_FALSE(p.server.c.wants_transmit()) << "nobody has said little for a while";
}

// A channel of the client's whose first bytes the server has.
channel_id begun_bulk(pair& p) {
  p.settle();
  const channel_id bulk = *p.client.c.open(p.client.now, {}, {}, end_mark::open);
  p.settle();
  (void)p.client.c.write(bulk, as_bytes("begins"));
  p.settle();
  return bulk;
}

// The other side's frames pay for it: more would be taken for abuse.
TEST(connection_beside, credit_comes_once_a_frame_however_slowly_that_arrives_and_however_much_is_said_meanwhile) {
  pair p(wide(), wide());
  const channel_id bulk = begun_bulk(p);
  const std::string large = frame_of(frame_type::data, frame_flag::none, bulk, pattern(200'000));
  p.server.give(large);
  p.server.give(frame_of(frame_type::data, frame_flag::none, message_channel, "ping"));
  (void)p.server.take();
  std::size_t grants = 0;
  for (std::size_t at = 0; at < large.size(); at += 20'000) {
    p.server.give(std::string_view(large).substr(at, 20'000));
    EXPECT_TRUE(p.server.c.send(message_channel, as_bytes("is said")));
    grants += connection_grants(p.server.take()).size();
  }
  EXPECT_EQ(grants, 1u);
}

TEST(connection_beside, pieces_are_large_while_little_is_unread_and_small_while_much_is) {
  pair p(wide(), wide());
  p.settle();
  const channel_id bulk = *p.client.c.open(p.client.now, {}, {}, end_mark::open);
  (void)p.client.c.write(bulk, as_bytes(pattern(10'000)));
  p.settle();
  for (int i = 0; i < 40; ++i) EXPECT_TRUE(put(p.client, bulk, 60'000));
  std::string unread;
  std::size_t large = 0;
  for (;; ++large) {
    const std::string piece = offer(p.client);
    EXPECT_LE(piece.size(), 48u * 1024);
    unread += piece;
    if (piece.size() <= 16 * 1024) break;
  }
  EXPECT_GE(large, 3u);
  EXPECT_LE(large, 8u);
  EXPECT_LE(unread.size(), 192u * 1024);
  for (int i = 0; i < 10; ++i) {
    const std::string piece = offer(p.client);
    EXPECT_GT(piece.size(), 0u) << "it never stands still";
    EXPECT_LE(piece.size(), 16u * 1024);
    unread += piece;
  }
  // It is read, and the answer to something small tells so.
  p.server.give(unread);
  p.server.give(frame_of(frame_type::data, frame_flag::none, message_channel, "ping"));
  EXPECT_TRUE(p.server.c.send(message_channel, as_bytes("answer")));
  p.client.give(p.server.take());
  EXPECT_GT(offer(p.client).size() + offer(p.client).size(), 32u * 1024);
}

TEST(connection_beside, bulk_that_comes_in_makes_what_goes_out_smaller_still) {
  pair p(wide(), wide());
  p.settle();
  const channel_id out = *p.client.c.open(p.client.now, {}, {}, end_mark::open);
  const channel_id back = *p.server.c.open(p.server.now, {}, {}, end_mark::open);
  (void)p.server.c.write(back, as_bytes(pattern(10'000)));
  (void)p.client.c.write(out, as_bytes(pattern(10'000)));
  p.settle();
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(put(p.client, out, 60'000));
  const std::string piece = offer(p.client);
  EXPECT_GT(piece.size(), 0u);
  EXPECT_LE(piece.size(), 8u * 1024);
}

// Frames that are no DATA pay for nothing: who gives credit himself, or asks whether somebody is there, is not to be told more.
TEST(connection_beside, credit_that_comes_early_is_paid_for_by_data_and_by_nothing_else) {
  pair p(wide(), wide());
  const channel_id bulk = begun_bulk(p);
  const std::string large = frame_of(frame_type::data, frame_flag::none, bulk, pattern(200'000));
  p.server.give(frame_of(frame_type::data, frame_flag::none, message_channel, "ping"));
  (void)p.server.take();
  std::size_t grants = 0;
  const auto answers = [&] {
    EXPECT_TRUE(p.server.c.send(message_channel, as_bytes("is said")));
    grants += connection_grants(p.server.take()).size();
  };
  p.server.give(std::string_view(large).substr(0, 100'000));
  answers();
  p.server.give(std::string_view(large).substr(100'000));
  for (int i = 0; i < 3; ++i) {
    p.server.give(frame_of(frame_type::credit, frame_flag::none, message_channel, bytes_of(1)));
    answers();
  }
  EXPECT_EQ(grants, 1u);
  p.server.give(frame_of(frame_type::data, frame_flag::none, message_channel, "ping"));
  answers();
  EXPECT_EQ(grants, 2u);
}

}  // namespace
}  // namespace hawser::proto::testing
