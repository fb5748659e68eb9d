// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "conformance/suite.hpp"

namespace hawser::conformance {
namespace {

constexpr io::socket_options tiny_buffers{.send_buffer_bytes = 4096, .receive_buffer_bytes = 4096, .exact_buffers = true};

TEST_P(engine_rules, close_ends_the_stream_and_calls_nobody_again) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.far->send("unheard");
  two.near->close();
  ASSERT_TRUE(drive([&] { return two.far->ended || two.far->failed; }));
  two.far->close();
  ASSERT_TRUE(drive([&] { return client().engine().open_sockets() + server().engine().open_sockets() == 0; }));
  EXPECT_EQ(two.near->log, "connected ");
}

TEST_P(engine_rules, close_with_a_send_in_flight_still_brings_it_out) {
  pair two = connect_pair(tiny_buffers, tiny_buffers);
  ASSERT_TRUE(two.far);
  const std::string text = pattern(500'000, 1);
  two.near->send(text);
  two.near->close();
  ASSERT_TRUE(drive([&] { return two.far->ended || two.far->failed; }));
  EXPECT_TRUE(two.far->ended);
  EXPECT_FALSE(two.far->failed);
  EXPECT_TRUE(two.far->got == text);
  ASSERT_TRUE(drive([&] { return client().engine().open_sockets() == (&client() == &server() ? 1u : 0u); }));
}

TEST_P(engine_rules, the_last_bytes_are_followed_by_the_end_and_answers_still_come) {
  for (const std::size_t count : {24, 100'000, 3'000'000}) {
    pair two = connect_pair();
    ASSERT_TRUE(two.far);
    const std::string text = pattern(count, 7);
    two.near->send_last(as_bytes(text));
    ASSERT_TRUE(drive([&] { return two.far->ended || two.far->failed; }));
    EXPECT_TRUE(two.far->got == text);
    EXPECT_TRUE(drive([&] { return two.near->sends == 1; }));
    two.far->send("heard");
    ASSERT_TRUE(drive([&] { return two.near->got == "heard"; }));
    two.far->close();
    ASSERT_TRUE(drive([&] { return two.near->ended; }));
    EXPECT_FALSE(two.near->failed);
    two.near->close();
    ASSERT_TRUE(drive([&] { return client().engine().open_sockets() + server().engine().open_sockets() == 0; }));
  }
}

TEST_P(engine_rules, a_send_that_is_the_last_may_be_taken_at_once_and_is_told_by_one_way_only) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.near->send_last(as_bytes("done"));
  bool taken = false;
  {
    const command_scope command;
    taken = client().engine().take_sent(two.near->id);
  }
  ASSERT_TRUE(drive([&] { return two.far->ended || two.far->failed; }));
  settle();
  EXPECT_EQ(two.far->got, "done");
  EXPECT_EQ(two.near->sends, taken ? 0u : 1u);
}

TEST_P(engine_rules, close_with_input_unread_does_not_cost_the_other_side_what_was_sent) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.near->pause();
  two.far->send(pattern(20'000, 2));
  ASSERT_TRUE(drive([&] { return two.far->sends == 1; }));
  const std::string last_words = pattern(200'000, 3);
  two.near->send(last_words);
  two.near->close();
  ASSERT_TRUE(drive([&] { return two.far->ended || two.far->failed; }));
  EXPECT_FALSE(two.far->failed);
  EXPECT_TRUE(two.far->got == last_words);
}

TEST_P(engine_rules, a_closed_socket_that_nobody_reads_is_given_up_after_a_second) {
  HAWSER_NEEDS(kernel_buffers);
  pair two = connect_pair(tiny_buffers, tiny_buffers);
  ASSERT_TRUE(two.far);
  two.far->pause();
  two.near->send(pattern(8 << 20, 4));
  two.near->close();
  EXPECT_EQ(client().engine().open_sockets(), &client() == &server() ? 2u : 1u);
  ASSERT_TRUE(drive([&] { return client().engine().open_sockets() == (&client() == &server() ? 1u : 0u); }, 5s));
}

TEST_P(engine_rules, abort_resets_the_other_side) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.near->abort();
  ASSERT_TRUE(drive([&] { return two.far->failed || two.far->ended; }));
  if (tcp()) {
    ASSERT_TRUE(two.far->failed);
    EXPECT_EQ(*two.far->failed, errc::connection_reset);
    EXPECT_FALSE(two.far->ended);
  }
  EXPECT_EQ(two.near->log, "connected ");
}

TEST_P(engine_rules, abort_drops_the_send_in_flight) {
  HAWSER_NEEDS(kernel_buffers);
  pair two = connect_pair(tiny_buffers, tiny_buffers);
  ASSERT_TRUE(two.far);
  two.far->pause();
  const std::string text = pattern(4 << 20, 5);
  two.near->send(text);
  two.near->abort();
  two.far->resume();
  ASSERT_TRUE(drive([&] { return two.far->failed || two.far->ended; }));
  EXPECT_LT(two.far->got.size(), text.size());
  EXPECT_EQ(client().engine().open_sockets(), &client() == &server() ? 1u : 0u);
}

TEST_P(engine_rules, what_arrived_before_a_reset_is_delivered_first) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.far->pause();
  const std::string text = pattern(30'000, 6);
  two.near->send(text);
  ASSERT_TRUE(drive([&] { return two.near->sends == 1; }));
  settle();
  two.near->abort();
  settle();
  EXPECT_EQ(two.far->log, "");
  two.far->resume();
  ASSERT_TRUE(drive([&] { return two.far->failed || two.far->ended; }));
  EXPECT_TRUE(two.far->got == text);
}

TEST_P(engine_rules, a_send_into_a_reset_connection_fails_once_after_the_bytes_that_arrived) {
  if (!tcp()) GTEST_SKIP() << "unix sockets have no reset";
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.far->pause();
  const std::string text = pattern(30'000, 7);
  two.near->send(text);
  ASSERT_TRUE(drive([&] { return two.near->sends == 1; }));
  settle();
  two.near->abort();
  settle();
  two.far->resume();
  two.far->send("too late");
  ASSERT_TRUE(drive([&] { return two.far->failed.has_value(); }));
  EXPECT_EQ(*two.far->failed, errc::connection_reset);
  EXPECT_TRUE(two.far->got == text);
  EXPECT_EQ(two.far->sends, 0u);
  idle(10ms);
}

TEST_P(engine_rules, a_paused_sender_learns_that_its_send_failed) {
  HAWSER_NEEDS(kernel_buffers);
  pair two = connect_pair(tiny_buffers, tiny_buffers);
  ASSERT_TRUE(two.far);
  two.near->pause();
  two.far->pause();
  two.near->send(pattern(4 << 20, 8));
  idle(20ms);
  two.far->abort();
  ASSERT_TRUE(drive([&] { return two.near->failed.has_value(); }));
  EXPECT_EQ(*two.near->failed, errc::connection_reset);
  EXPECT_EQ(two.near->sends, 0u);
}

TEST_P(engine_rules, a_peer_that_closes_and_is_sent_to_fails_after_the_end) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.near->close();
  ASSERT_TRUE(drive([&] { return two.far->ended; }));
  two.far->when_sent = [&] { two.far->send("into the void"); };
  two.far->send("into the void");
  ASSERT_TRUE(drive([&] { return two.far->failed.has_value(); }));
  EXPECT_EQ(*two.far->failed, errc::connection_reset);
}

TEST_P(engine_rules, close_inside_on_connected_is_the_last_of_it) {
  harbour door(server());
  ASSERT_TRUE(door.listen(world_of().vacant(over())));
  side guest(client());
  guest.when_connected = [&] { guest.close(); };
  ASSERT_TRUE(guest.connect(door.where()));
  ASSERT_TRUE(drive([&] { return guest.closed && !door.sides.empty() && door.sides[0]->ended; }));
  EXPECT_EQ(guest.log, "connected ");
}

TEST_P(engine_rules, close_inside_on_bytes_is_the_last_of_it) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.far->when_bytes = [&](byte_view) { two.far->close(); };
  two.near->send(pattern(1 << 20, 9));
  ASSERT_TRUE(drive([&] { return two.near->ended || two.near->failed; }));
  EXPECT_EQ(two.far->log, "bytes ");
}

TEST_P(engine_rules, close_inside_on_end_is_the_last_of_it) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.far->when_end = [&] { two.far->close(); };
  two.near->end();
  ASSERT_TRUE(drive([&] { return two.near->ended; }));
  EXPECT_EQ(two.far->log, "end ");
  two.near->close();
  EXPECT_TRUE(drive([&] { return client().engine().open_sockets() + server().engine().open_sockets() == 0; }));
}

TEST_P(engine_rules, close_inside_on_sent_is_the_last_of_it_and_the_bytes_arrive) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.near->when_sent = [&] { two.near->close(); };
  two.near->send("complete");
  ASSERT_TRUE(drive([&] { return two.far->ended; }));
  EXPECT_EQ(two.far->got, "complete");
  EXPECT_EQ(two.near->log, "connected sent ");
}

TEST_P(engine_rules, close_inside_on_failed_frees_the_socket) {
  side lonely(client());
  lonely.when_failed = [&] { lonely.close(); };
  ASSERT_TRUE(lonely.connect(world_of().refusing(over())));
  ASSERT_TRUE(drive([&] { return lonely.closed; }));
  EXPECT_EQ(client().engine().open_sockets(), 0u);
}

TEST_P(engine_rules, abort_inside_on_bytes_is_the_last_of_it) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.far->when_bytes = [&](byte_view) { two.far->abort(); };
  two.near->send(pattern(1 << 20, 10));
  ASSERT_TRUE(drive([&] { return two.near->ended || two.near->failed; }));
  EXPECT_EQ(two.far->log, "bytes ");
}

TEST_P(engine_rules, a_handler_may_close_other_sockets_that_have_events_in_the_same_turn) {
  harbour door(server());
  ASSERT_TRUE(door.listen(world_of().vacant(over())));
  std::deque<side> guests;
  constexpr std::size_t count = 8;
  for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(guests.emplace_back(client()).connect(door.where()));
  ASSERT_TRUE(drive([&] { return door.sides.size() == count; }));
  std::size_t heard = 0;
  for (auto& one : door.sides) {
    one->pause();
    one->when_bytes = [&](byte_view) {
      ++heard;
      for (auto& other : door.sides) {
        if (!other->closed) other->close();
      }
    };
  }
  ASSERT_TRUE(drive([&] { return std::ranges::all_of(guests, &side::connected); }));
  for (side& guest : guests) guest.send("x");
  ASSERT_TRUE(drive([&] { return std::ranges::all_of(guests, [](const side& g) { return g.sends == 1; }); }));
  settle();
  for (auto& one : door.sides) one->resume();
  ASSERT_TRUE(drive([&] { return std::ranges::all_of(guests, [](const side& g) { return g.ended || g.failed; }); }));
  EXPECT_EQ(heard, 1u);
}

TEST_P(engine_rules, closing_the_listener_inside_on_accept_is_allowed) {
  harbour door(server());
  std::unique_ptr<side> met;
  door.when_accepted = [&](io::socket_id id) {
    met = std::make_unique<side>(server());
    met->start(id);
    door.close();
  };
  ASSERT_TRUE(door.listen(world_of().vacant(over())));
  side guest(client());
  ASSERT_TRUE(guest.connect(door.where()));
  ASSERT_TRUE(drive([&] { return guest.connected && met; }));
  guest.send("hi");
  EXPECT_TRUE(drive([&] { return met->got == "hi"; }));
}

}  // namespace
}  // namespace hawser::conformance
