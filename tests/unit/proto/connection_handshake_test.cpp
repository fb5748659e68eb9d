// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "unit/proto/connection_pair.hpp"

#include <gtest/gtest.h>

namespace hawser::proto::testing {
namespace {

TEST(connection_handshake, both_sides_learn_what_the_other_announced) {
  settings small;
  small.announced.channels_max = 17;
  identity who;
  who.name = "alice";
  who.token = "secret";
  who.software = "test";
  pair p(small, {}, who);
  p.settle();
  ASSERT_TRUE(p.client.c.ready());
  ASSERT_TRUE(p.server.c.ready());
  EXPECT_EQ(p.server.c.hello()->name, "alice");
  EXPECT_EQ(p.server.c.hello()->token, "secret");
  EXPECT_EQ(p.server.c.hello()->software, "test");
  EXPECT_EQ(p.server.c.hello()->announced.channels_max, 17u);
  EXPECT_EQ(p.client.c.hello()->announced.channels_max, 256u);
  EXPECT_EQ(p.client.c.hello()->version, 1);
  EXPECT_EQ(p.client.count(event_kind::hello), 1u);
  EXPECT_EQ(p.server.count(event_kind::hello), 1u);
}

TEST(connection_handshake, what_the_other_side_said_of_itself_can_be_forgotten_and_its_limits_stay) {
  settings small;
  small.announced.message_bytes_max = 5'000;
  pair p(small, {});
  EXPECT_EQ(p.server.c.message_bytes_max(), 0u);
  p.server.c.forget_hello();      // too early
  p.settle();
  ASSERT_NE(p.server.c.hello(), nullptr);
  EXPECT_EQ(p.server.c.message_bytes_max(), 5'000u);
  p.server.c.forget_hello();
  EXPECT_EQ(p.server.c.hello(), nullptr);
  EXPECT_EQ(p.server.c.message_bytes_max(), 5'000u);
  EXPECT_EQ(p.server.c.send(message_channel, byte_view(std::vector<std::byte>(5'001))).error(), errc::message_too_big);
  ASSERT_TRUE(p.server.c.send(message_channel, as_bytes("small")));
  p.server.now += std::chrono::hours(1);      // no handshake is timed any more
  p.server.c.handle_end(p.server.now);
  p.server.drain();
  EXPECT_EQ(p.server.last_closed(), static_cast<std::uint32_t>(errc::connection_lost));
}

TEST(connection_handshake, one_byte_at_a_time_is_enough) {
  pair p;
  p.settle(1);
  EXPECT_TRUE(p.client.c.ready());
  EXPECT_TRUE(p.server.c.ready());
}

TEST(connection_handshake, the_server_says_nothing_before_its_verdict) {
  pair p;
  p.server.accepts = false;
  p.pass(p.client, p.server);
  EXPECT_EQ(p.server.count(event_kind::hello), 1u);
  EXPECT_EQ(p.server.take(), "");
  EXPECT_FALSE(p.server.c.ready());
  p.server.c.accept(p.server.now);
  p.settle();
  EXPECT_TRUE(p.client.c.ready());
}

TEST(connection_handshake, a_client_may_send_before_it_is_let_in_and_all_of_it_arrives) {
  pair p;
  p.server.accepts = false;
  ASSERT_TRUE(p.client.c.send(message_channel, as_bytes("early")));
  const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "op"}, as_bytes("body"), end_mark::end);
  ASSERT_TRUE(id);
  p.pass(p.client, p.server, 3);
  EXPECT_EQ(p.server.count(event_kind::message), 0u);
  p.server.c.accept(p.server.now);
  p.settle();
  EXPECT_EQ(p.server.text_of(message_channel), "early");
  EXPECT_EQ(p.server.text_of(*id), "body");
  EXPECT_EQ(p.server.of(event_kind::opened, *id).at(0).operation, "op");
  EXPECT_EQ(p.server.of(event_kind::finished, *id).size(), 1u);
}

TEST(connection_handshake, before_the_hello_a_client_stays_within_the_floors) {
  pair p;
  std::size_t opened = 0;
  while (p.client.c.open(p.client.now, {}, {}, end_mark::open)) ++opened;
  EXPECT_EQ(opened, 16u);
  EXPECT_EQ(p.client.c.send(message_channel, as_bytes(std::string(4097, 'x'))).error(), errc::would_block);
  ASSERT_TRUE(p.client.c.write(3, as_bytes(pattern(60'000))));
  ASSERT_TRUE(p.client.c.write(5, as_bytes(pattern(60'000))));
  const std::string said = p.client.take();
  EXPECT_LT(said.size(), 2 * 16'384u + 1'000);
  p.server.give(said);
  p.settle();
  EXPECT_EQ(p.server.count(event_kind::opened), 16u);
  EXPECT_EQ(p.server.text_of(3), pattern(60'000));
  EXPECT_EQ(p.server.text_of(5), pattern(60'000));
  EXPECT_TRUE(p.client.last(event_kind::writable));
}

TEST(connection_handshake, what_is_held_before_the_verdict_is_bounded) {
  pair p;
  p.server.accepts = false;
  p.pass(p.client, p.server);
  const std::string ping("\x06\x05\x00\x00", 4);
  std::string many;
  for (int i = 0; i < 4'000; ++i) many += ping;
  for (int i = 0; i < 40 && !p.server.c.over(); ++i) p.server.give(many);
  EXPECT_TRUE(p.server.c.over());
  EXPECT_EQ(p.server.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::flow_control));
  EXPECT_LT(p.server.pool.bytes_in_use(), 300u * 1024);
}

TEST(connection_handshake, a_full_hold_asks_the_transport_to_wait_for_the_verdict) {
  pair p;
  p.server.accepts = false;
  p.pass(p.client, p.server);
  EXPECT_LE(p.server.c.receive_after(), p.server.now);
  p.server.give(std::string(100'000, 'x'));
  EXPECT_EQ(p.server.c.receive_after(), never);
}

TEST(connection_handshake, a_refusal_reaches_the_client_with_its_code_and_nothing_was_processed) {
  pair p;
  p.server.accepts = false;
  const auto id = p.client.c.open(p.client.now, {.kind = channel_kind::request, .operation = "op"}, as_bytes("x"), end_mark::end);
  p.pass(p.client, p.server);
  p.server.c.refuse(errc::id_taken, "in use");
  p.server.drain();
  p.settle();
  EXPECT_EQ(p.server.count(event_kind::opened), 0u);
  EXPECT_EQ(p.server.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::id_taken));
  const auto away = p.client.last(event_kind::go_away);
  ASSERT_TRUE(away);
  EXPECT_EQ(away->code, static_cast<std::uint32_t>(errc::id_taken));
  EXPECT_EQ(away->text, "in use");
  EXPECT_EQ(away->opens_accepted, 0u);
  EXPECT_EQ(p.client.of(event_kind::reset, *id).at(0).code, static_cast<std::uint32_t>(errc::refused));
  EXPECT_EQ(p.client.of(event_kind::released, *id).size(), 1u);
  EXPECT_EQ(p.client.events.back().kind, event_kind::closed);
}

TEST(connection_handshake, another_application_is_sent_away) {
  identity one, two;
  one.application = "chess";
  two.application = "go";
  pair p({}, {}, one, two);
  p.settle();
  EXPECT_EQ(p.server.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::application_tag));
  EXPECT_EQ(p.client.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::application_tag));
}

TEST(connection_handshake, no_version_in_common_is_told_and_closed) {
  pair p;
  p.server.give(std::string("\xd7HWS\x09\x05\x00\x00", 8));
  EXPECT_EQ(p.server.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::version));
  const std::string said = p.server.take();
  EXPECT_EQ(said.substr(0, 4), "\xd7HWS");
  EXPECT_EQ(said.at(8), '\x08');
}

TEST(connection_handshake, other_protocols_are_closed_without_a_word) {
  for (const char* text : {"GET / HTTP/1.1\r\n", "\x16\x03\x01\x02", "\xd7HWT", "SSH-2.0"}) {
    pair p;
    p.server.give(text);
    EXPECT_TRUE(p.server.last(event_kind::closed)) << text;
    EXPECT_EQ(p.server.take(), "") << text;
  }
}

TEST(connection_handshake, a_silent_peer_is_given_up_in_time) {
  pair p;
  EXPECT_EQ(p.server.c.poll_timeout(), p.server.now + std::chrono::seconds(5));
  p.pass_time(std::chrono::seconds(5));
  EXPECT_EQ(p.server.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::handshake_timeout));
  EXPECT_EQ(p.client.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::handshake_timeout));
}

TEST(connection_handshake, the_first_frame_is_a_hello_and_there_is_no_second) {
  {
    pair p;
    p.server.give(std::string("\xd7HWS\x01\x01\x00\x00\x01\x01\x00\x00", 12));
    EXPECT_EQ(p.server.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::protocol));
  }
  {
    pair p;
    p.settle();
    p.server.give(std::string("\x09\x00\x00\x00", 4));
    EXPECT_EQ(p.server.last(event_kind::closed)->code, static_cast<std::uint32_t>(errc::protocol));
  }
}

}  // namespace
}  // namespace hawser::proto::testing
