// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "conformance/suite.hpp"

namespace hawser::conformance {
namespace {

constexpr io::socket_options tiny_buffers{.send_buffer_bytes = 4096, .receive_buffer_bytes = 4096, .exact_buffers = true};

TEST_P(engine_rules, bytes_arrive_in_order_and_one_send_is_told_once) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.near->send("hello");
  EXPECT_EQ(two.near->sends, 0u);
  ASSERT_TRUE(drive([&] { return two.near->sends == 1 && two.far->got == "hello"; }));
  EXPECT_EQ(two.near->sent_bytes, 5u);
  two.far->send("answer");
  ASSERT_TRUE(drive([&] { return two.far->sends == 1 && two.near->got == "answer"; }));
  idle(5ms);
  EXPECT_EQ(two.near->log, "connected sent bytes ");
}

TEST_P(engine_rules, a_send_that_was_taken_at_once_ends_by_asking_or_by_being_told_and_never_by_both) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  EXPECT_FALSE(client().engine().take_sent(two.near->id)) << "nothing was sent";
  std::size_t asked = 0;
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    const std::string text = pattern(static_cast<std::size_t>(i) * 37 + 1);
    expected += text;
    two.near->send(text);
    const std::size_t told = two.near->sends;
    if (i % 3 != 0 && client().engine().take_sent(two.near->id)) {
      ++asked;
      EXPECT_FALSE(client().engine().take_sent(two.near->id)) << "it had ended";
    } else {
      ASSERT_TRUE(drive([&] { return two.near->sends == told + 1; }));
    }
    EXPECT_EQ(two.near->sends + asked, static_cast<std::size_t>(i) + 1);
  }
  ASSERT_TRUE(drive([&] { return two.far->got.size() == expected.size(); }));
  EXPECT_EQ(two.far->got, expected);
  if (engine().name == "epoll") EXPECT_EQ(asked, 66u) << "a small send into an empty socket is taken at once";
  // What the socket does not take at once is told.
  two.near->send(pattern(15 << 20));
  EXPECT_FALSE(client().engine().take_sent(two.near->id));
  const std::size_t told = two.near->sends;
  ASSERT_TRUE(drive([&] { return two.near->sends == told + 1; }));
}

// A turn that finds nothing is one system call; a message is a turn at either end, and on epoll a send and a receive besides.
TEST_P(engine_rules, system_calls_are_counted_one_by_one) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  idle(5ms);
  const std::uint64_t one_turn = engine().descriptors ? 1 : 0;
  const std::uint64_t calls = client().engine().system_calls();
  client().poll();
  EXPECT_EQ(client().engine().system_calls() - calls, one_turn);

  const auto calls_of_both = [&] { return client().engine().system_calls() + server().engine().system_calls(); };
  const std::uint64_t before = calls_of_both();
  std::uint64_t turns = 0;
  two.near->send("hello");
  while (two.far->got.empty() || two.near->sends == 0) {
    client().poll();
    server().poll();
    turns += 2;
    ASSERT_LT(turns, 1'000'000u);
  }
  const std::uint64_t moving = engine().name == "epoll" ? 2 : 0;
  EXPECT_EQ(calls_of_both() - before, turns * one_turn + moving);
}

// Rooms of every size, now and then none: what arrives is the same, in order, and what goes there is what lies there.
TEST_P(engine_rules, bytes_arrive_in_the_rooms_that_are_given_for_them) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  std::vector<std::byte> memory(300'000);
  std::uint32_t dice = 1;
  two.far->give_room = [&]() -> std::span<std::byte> {
    dice = dice * 1664525 + 1013904223;
    const std::size_t size = (dice >> 16) % 5 == 0 ? 0 : (dice >> 8) % ((dice >> 20) % 2 == 0 ? 300'000 : 3'000);
    two.far->expects = (dice >> 28) % 2 == 0;
    return std::span(memory).first(size);
  };
  const std::string text = pattern(12 << 20, 4);
  const std::string last = pattern(5'000, 5);
  two.near->send(text);
  ASSERT_TRUE(drive([&] { return two.far->received_bytes == text.size(); }));
  EXPECT_TRUE(two.far->got == text);
  EXPECT_GT(two.far->filled_bytes, text.size() / 8) << "some go there on every engine, once it has seen that there are rooms";
  // Nobody gives one any more.
  two.far->give_room = nullptr;
  two.far->expects = false;
  const std::size_t filled = two.far->filled_bytes;
  for (int i = 0; i < 40; ++i) {
    const std::size_t told = two.near->sends;
    two.near->send(last);
    const std::size_t expected = text.size() + (static_cast<std::size_t>(i) + 1) * last.size();
    ASSERT_TRUE(drive([&] { return two.far->received_bytes == expected && two.near->sends == told + 1; }));
  }
  EXPECT_EQ(two.far->filled_bytes, filled);
  two.near->send(text);
  two.near->end();
  ASSERT_TRUE(drive([&] { return two.far->ended; }));
  EXPECT_TRUE(std::string_view(two.far->got).ends_with(text));
}

TEST_P(engine_rules, who_pauses_or_closes_while_a_room_is_told_is_told_nothing_more) {
  for (const bool closes : {false, true}) {
    pair two = connect_pair();
    ASSERT_TRUE(two.far);
    std::vector<std::byte> memory(100'000);
    two.far->give_room = [&] { return std::span(memory); };
    std::size_t pauses = 0;
    two.far->when_bytes = [&](byte_view) {
      if (two.far->filled_bytes == 0 || pauses++ != 0) return;
      if (closes) two.far->close();
      else two.far->pause();
    };
    const std::string text = pattern(4 << 20, 6);
    two.near->send(text);
    ASSERT_TRUE(drive([&] { return pauses == 1; }));
    const std::size_t received = two.far->received_bytes;
    settle();
    EXPECT_EQ(two.far->received_bytes, received);
    if (closes) continue;
    two.far->resume();
    ASSERT_TRUE(drive([&] { return two.far->received_bytes == text.size(); }));
    EXPECT_TRUE(two.far->got == text);
  }
}

// What try_send() took and what is sent afterwards arrive in that order, and only a send is told of.
TEST_P(engine_rules, what_is_tried_is_taken_in_part_and_goes_ahead_of_what_is_sent_then) {
  pair two = connect_pair(tiny_buffers, tiny_buffers);
  ASSERT_TRUE(two.far);
  std::string expected;
  std::size_t taken_in_all = 0, cut = 0;
  const auto try_send = [&](const std::string& text) {
    const std::string_view all = text;
    const byte_view pieces[] = {as_bytes(all.substr(0, 3)), as_bytes(all.substr(3, all.size() / 2)), as_bytes(all.substr(3 + all.size() / 2))};
    const command_scope command;
    return client().engine().try_send(two.near->id, pieces);
  };
  for (std::uint32_t i = 0; i < 60; ++i) {
    const std::string text = pattern(10 + i * i * 100, i);
    const std::size_t taken = try_send(text);
    ASSERT_LE(taken, text.size());
    taken_in_all += taken;
    cut += taken != 0 && taken < text.size();
    expected += text;
    if (taken == text.size()) continue;
    const std::size_t told = two.near->sends;
    two.near->send(std::string_view(text).substr(taken));
    EXPECT_EQ(try_send("while a send is in flight"), 0u);
    ASSERT_TRUE(drive([&] { return two.near->sends == told + 1; }));
  }
  ASSERT_TRUE(drive([&] { return two.far->received_bytes == expected.size(); }));
  EXPECT_TRUE(two.far->got == expected);
  EXPECT_GT(taken_in_all, 0u);
  EXPECT_GT(cut, 0u);
  EXPECT_EQ(two.near->sent_bytes + taken_in_all, expected.size());
  two.near->end();
  EXPECT_EQ(try_send("after the end"), 0u);
  const io::socket_id id = two.near->id;
  two.near->close();
  const byte_view piece = as_bytes("after the close");
  EXPECT_EQ(client().engine().try_send(id, {&piece, 1}), 0u);
}

TEST_P(engine_rules, a_chain_of_many_chunks_arrives_whole) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  const std::string text = pattern(64 * 700);
  chain out(client().buffers());
  for (std::size_t i = 0; i < 64; ++i) out.append(client().buffers().copy(as_bytes(text).subspan(i * 700, 700)));
  two.near->send(out);
  ASSERT_TRUE(drive([&] { return two.far->got.size() == text.size() && two.near->sends == 1; }));
  EXPECT_EQ(two.far->got, text);
  EXPECT_EQ(two.near->sent_bytes, text.size());
}

TEST_P(engine_rules, small_buffers_cut_sends_and_receives_and_lose_nothing) {
  pair two = connect_pair(tiny_buffers, tiny_buffers);
  ASSERT_TRUE(two.far);
  const std::string there = pattern(300'000, 2);
  const std::string back = pattern(200'001, 3);
  two.near->send(there);
  two.far->send(back);
  ASSERT_TRUE(drive([&] { return two.far->got.size() >= there.size() && two.near->got.size() >= back.size(); }));
  EXPECT_TRUE(two.far->got == there);
  EXPECT_TRUE(two.near->got == back);
  if (engine().kernel_buffers) {
    EXPECT_GT(two.far->receives, 2u);
  }
  ASSERT_TRUE(drive([&] { return two.near->sends == 1 && two.far->sends == 1; }));
}

TEST_P(engine_rules, bytes_that_a_handler_keeps_stay_as_they_were_received) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  std::vector<chunk> kept;
  two.far->when_bytes = [&](byte_view bytes) { kept.push_back(server().buffers().keep(bytes)); };
  const std::string text = pattern(2 << 20, 9);
  two.near->send(text);
  ASSERT_TRUE(drive([&] { return two.far->received_bytes == text.size(); }));
  std::string all;
  for (const chunk& one : kept) all += as_text(one);
  EXPECT_TRUE(all == text);
}

TEST_P(engine_rules, what_a_handler_looks_at_stays_although_it_closes_its_socket) {
  pair two = connect_pair(tiny_buffers);
  ASSERT_TRUE(two.far);
  const std::string text = pattern(400'000, 10);
  std::string seen;
  two.far->keep = false;
  two.far->when_bytes = [&](byte_view bytes) {
    two.far->close();
    seen = as_text(bytes);
  };
  two.near->send(text);
  ASSERT_TRUE(drive([&] { return !seen.empty(); }));
  EXPECT_TRUE(seen == text.substr(0, seen.size()));
}

TEST_P(engine_rules, sixteen_mebibytes_each_way_arrive_unchanged) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  const std::string block = pattern(1 << 20, 4);
  constexpr std::size_t blocks = 16;
  struct stream {
    side* from;
    side* to;
    std::size_t sent = 0, checked = 0;
    bool equal = true;
  };
  stream streams[2] = {{two.near.get(), two.far}, {two.far, two.near.get()}};
  for (stream& s : streams) {
    s.to->keep = false;
    s.to->when_bytes = [&](byte_view bytes) {
      for (std::size_t done = 0; done < bytes.size();) {
        const std::size_t at = s.checked % block.size();
        const std::size_t part = std::min(bytes.size() - done, block.size() - at);
        s.equal = s.equal && as_text(bytes.subspan(done, part)) == std::string_view(block).substr(at, part);
        s.checked += part;
        done += part;
      }
    };
    s.from->when_sent = [&] {
      if (++s.sent < blocks) s.from->send(block);
    };
    s.from->send(block);
  }
  const std::size_t total = blocks * block.size();
  EXPECT_TRUE(drive([&] { return streams[0].checked >= total && streams[1].checked >= total; }));
  for (const stream& s : streams) {
    EXPECT_EQ(s.checked, total);
    EXPECT_TRUE(s.equal);
  }
}

TEST_P(engine_rules, a_paused_receiver_holds_the_sender_back_and_loses_nothing) {
  HAWSER_NEEDS(kernel_buffers);
  pair two = connect_pair(tiny_buffers, tiny_buffers);
  ASSERT_TRUE(two.far);
  two.far->pause();
  const std::string text = pattern(4 << 20, 5);
  two.near->send(text);
  idle(50ms);
  EXPECT_EQ(two.near->sends, 0u);
  EXPECT_EQ(two.far->received_bytes, 0u);
  two.far->resume();
  ASSERT_TRUE(drive([&] { return two.far->got.size() >= text.size() && two.near->sends == 1; }));
  EXPECT_TRUE(two.far->got == text);
}

TEST_P(engine_rules, pausing_inside_on_bytes_stops_the_next_one_until_resumed) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.far->when_bytes = [&](byte_view) { two.far->pause(); };
  const std::string text = pattern(1 << 20, 6);
  two.near->send(text);
  std::size_t resumes = 0;
  while (two.far->got.size() < text.size()) {
    const std::size_t before = two.far->receives;
    ASSERT_TRUE(drive([&] { return two.far->receives > before; }));
    ASSERT_EQ(two.far->receives, before + 1);
    two.far->resume();
    ++resumes;
  }
  EXPECT_GE(resumes, text.size() / io::receive_buffer_bytes);
  EXPECT_TRUE(two.far->got == text);
}

TEST_P(engine_rules, an_end_waits_while_receiving_is_paused) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.far->pause();
  two.near->send("last");
  ASSERT_TRUE(drive([&] { return two.near->sends == 1; }));
  two.near->end();
  settle();
  EXPECT_EQ(two.far->log, "");
  two.far->resume();
  ASSERT_TRUE(drive([&] { return two.far->ended; }));
  EXPECT_EQ(two.far->got, "last");
}

TEST_P(engine_rules, half_close_leaves_the_other_direction_open) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.near->end();
  ASSERT_TRUE(drive([&] { return two.far->ended; }));
  const std::string text = pattern(500'000, 7);
  two.far->send(text);
  ASSERT_TRUE(drive([&] { return two.near->got.size() >= text.size() && two.far->sends == 1; }));
  EXPECT_TRUE(two.near->got == text);
  EXPECT_FALSE(two.near->ended);
  two.far->end();
  ASSERT_TRUE(drive([&] { return two.near->ended; }));
  idle(5ms);
  EXPECT_FALSE(two.near->failed);
  EXPECT_FALSE(two.far->failed);
}

TEST_P(engine_rules, half_close_by_the_accepting_end_leaves_the_other_direction_open) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.far->send("bye");
  two.far->end();
  ASSERT_TRUE(drive([&] { return two.near->ended; }));
  EXPECT_EQ(two.near->got, "bye");
  two.near->send("one more thing");
  ASSERT_TRUE(drive([&] { return two.far->got == "one more thing"; }));
}

TEST_P(engine_rules, the_end_comes_after_the_send_in_flight) {
  pair two = connect_pair(tiny_buffers, tiny_buffers);
  ASSERT_TRUE(two.far);
  const std::string text = pattern(400'000, 8);
  two.near->send(text);
  two.near->end();
  ASSERT_TRUE(drive([&] { return two.far->ended; }));
  EXPECT_TRUE(two.far->got == text);
  EXPECT_TRUE(drive([&] { return two.near->sends == 1; }));
}

TEST_P(engine_rules, both_ends_may_end_and_hear_of_it_once) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.near->end();
  two.far->end();
  ASSERT_TRUE(drive([&] { return two.far->ended && two.near->ended; }));
  idle(10ms);
  EXPECT_EQ(two.near->log, "connected end ");
  EXPECT_EQ(two.far->log, "end ");
}

TEST_P(engine_rules, a_turn_hands_one_socket_a_bounded_number_of_buffers) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.far->pause();
  two.near->keep = false;
  const std::string text = pattern(2 << 20, 9);
  two.near->send(text);
  settle();
  std::size_t most = 0;
  std::uint64_t turn = 0;
  std::size_t in_turn = 0;
  two.far->when_bytes = [&](byte_view bytes) {
    if (server().turns() != turn) in_turn = 0;
    turn = server().turns();
    most = std::max(most, ++in_turn);
    EXPECT_LE(bytes.size(), io::receive_buffer_bytes);
  };
  two.far->resume();
  ASSERT_TRUE(drive([&] { return two.far->got.size() >= text.size(); }));
  EXPECT_TRUE(two.far->got == text);
  EXPECT_LE(most, io::receives_per_turn);
}

}  // namespace
}  // namespace hawser::conformance
