// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "unit/proto/frames.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace hawser::proto::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::uint32_t number(errc code) { return static_cast<std::uint32_t>(code); }

// A server that has heard this much. It answers hello at once unless told otherwise.
struct lone_server : side {
  explicit lone_server(const settings& with_ = {}, std::string_view fields = {}) : side(role::server, with_, {}, instant{} + 1h) {
    accepts = true;
    give(greeting(fields));
    take();
  }
};

TEST(connection_hostile, what_was_held_before_the_verdict_is_replayed_whole) {
  side s(role::server, {}, {}, instant{} + 1h);
  s.give(greeting());
  std::string early = frame_of(frame_type::data, frame_flag::more, 1, std::string(10, 'a')) + frame_of(frame_type::data, 0, 1, std::string(10, 'b'));
  for (char k = '0'; k < '3'; ++k) early += frame_of(frame_type::data, 0, 1, std::string(3'000, k));
  early += frame_of(frame_type::open, 0, 3, std::string("\x01", 1) + "first") + frame_of(frame_type::data, 0, 3, "second");
  s.give(early);
  // The application takes memory of its own between the events: where the replay came from must not be free yet.
  std::vector<chunk> taken;
  s.on_event = [&](const event& e) {
    if (e.kind != event_kind::message) return;
    chunk one = s.pool.allocate(16'000);
    one.grow(one.room());
    std::memset(one.mutable_data(), 0xee, one.size());
    taken.push_back(std::move(one));
  };
  s.c.accept(s.now);
  s.drain();
  EXPECT_FALSE(s.c.over());
  EXPECT_EQ(s.text_of(1), std::string(10, 'a') + std::string(10, 'b') + std::string(3'000, '0') + std::string(3'000, '1') + std::string(3'000, '2'));
  EXPECT_EQ(s.text_of(3), "firstsecond");
  taken.clear();
  EXPECT_EQ(s.take().empty(), false);
  EXPECT_EQ(s.pool.bytes_in_use(), 0u);
}

// A client whose last channel waits for credit, so that its OPEN has not been framed.
struct waiting_client : side {
  waiting_client() : side(role::client, {}, {}, instant{} + 1h) {
    take();
    give(greeting());
    const std::string body(60'000, 'x');
    for (int i = 0; i < 41; ++i) (void)c.open(now, {}, as_bytes(body), end_mark::open);
    take();
    last = c.open(now, {.deadline = 50ms}, as_bytes("never framed"), end_mark::open).value_or(0);
  }
  channel_id last = 0;
};

TEST(connection_hostile, frames_for_a_channel_whose_open_has_not_left_end_the_connection) {
  const auto frames = [](channel_id id) {
    return std::vector<std::string>{
        frame_of(frame_type::data, 0, id, std::string(100, 'e')).substr(0, 14),
        frame_of(frame_type::data, frame_flag::fin, id, ""),
        frame_of(frame_type::head, 0, id, "\x09\x01h"),
        frame_of(frame_type::reset, 0, id, bytes_of(6)),
        frame_of(frame_type::reset, frame_flag::rel, id, bytes_of(6)),
        frame_of(frame_type::stop, 0, id, bytes_of(6)),
        frame_of(frame_type::credit, 0, id, bytes_of(1'000)),
        frame_of(frame_type::release, 0, id, ""),
    };
  };
  for (std::size_t i = 0; i < frames(3).size(); ++i) {
    waiting_client client;
    ASSERT_GT(client.last, 3u);
    ASSERT_GT(client.c.queued_bytes(client.last), 0u);
    client.give(frames(client.last)[i]);
    ASSERT_TRUE(client.c.over()) << i;
    EXPECT_EQ(client.last_closed(), number(errc::protocol)) << i;
    client.now += 100ms;
    client.c.handle_timeout(client.now);
    client.give(std::string(90, 'e'));
    EXPECT_EQ(client.of(event_kind::released, client.last).size(), 1u) << i;
  }
}

TEST(connection_hostile, one_frame_larger_than_any_message_is_too_big_however_it_is_cut) {
  settings small;
  small.announced.message_bytes_max = 4'096;
  for (const std::size_t cut : {std::size_t{0}, std::size_t{100}}) {
    for (const channel_id id : {1u, 3u}) {
      lone_server s(small);
      s.give(frame_of(frame_type::open, 0, 3, std::string("\x01", 1)));
      const std::string frame = frame_of(frame_type::data, 0, id, std::string(4'097, 'q'));
      s.give(frame.substr(0, cut));
      s.give(frame.substr(cut));
      EXPECT_EQ(s.count(event_kind::message), 0u);
      EXPECT_EQ(s.c.over(), id == 1);
      if (id == 1) {
        EXPECT_EQ(s.last_closed(), number(errc::message_too_big));
      } else {
        EXPECT_EQ(s.of(event_kind::reset, 3).at(0).code, number(errc::message_too_big));
      }
    }
  }
  lone_server s(small);
  s.give(frame_of(frame_type::data, 0, 1, std::string(4'096, 'q')));
  EXPECT_EQ(s.count(event_kind::message), 1u);
}

TEST(connection_hostile, an_empty_frame_of_a_skipped_type_is_not_a_frame_under_way) {
  settings patient;
  patient.announced.idle_timeout_ms = 0;
  lone_server s(patient, std::string("\x09\x04\x00\x00\x00\x00", 6));
  s.give(frame_of(frame_type::skip_first, 0, 0, ""));
  EXPECT_EQ(s.c.poll_timeout(), never);
  s.give(frame_of(frame_type::data, 0, 1, "still here"));
  EXPECT_EQ(s.text_of(1), "still here");
}

TEST(connection_hostile, a_refused_channel_of_an_unknown_kind_may_use_more) {
  lone_server s;
  s.give(frame_of(frame_type::open, frame_flag::more, 3, std::string("\x09", 1) + "abc") +
         frame_of(frame_type::data, frame_flag::more, 3, "def") + frame_of(frame_type::head, 0, 3, "") + frame_of(frame_type::data, 0, 3, "g") +
         frame_of(frame_type::data, frame_flag::more, 3, "h") + frame_of(frame_type::data, frame_flag::fin, 3, ""));
  EXPECT_FALSE(s.c.over());
  EXPECT_EQ(s.count(event_kind::opened), 0u);
  s.drain();
  EXPECT_EQ(s.c.open_channels(), 1u);
  EXPECT_EQ(s.take(), frame_of(frame_type::reset, frame_flag::rel, 3, bytes_of(5)));
  s.drain();
  EXPECT_EQ(s.c.open_channels(), 0u);
}

TEST(connection_hostile, every_kind_of_version_one_reaches_the_application_and_no_other) {
  for (unsigned kind = 0; kind < 16; ++kind) {
    lone_server s;
    s.give(frame_of(frame_type::open, 0, 3, std::string(1, static_cast<char>(kind))));
    const bool named = kind <= 3 || kind == 6 || kind == 7 || kind >= 12;
    EXPECT_EQ(s.count(event_kind::opened), named ? 1u : 0u) << kind;
    EXPECT_FALSE(s.c.over()) << kind;
    s.give(frame_of(frame_type::data, frame_flag::more, 3, "x"));
    EXPECT_EQ(s.c.over(), named && kind != 1 && kind != 3) << kind;
  }
}

TEST(connection_hostile, more_pings_than_announced_are_a_protocol_error_and_fewer_are_all_answered) {
  for (const std::uint8_t announced : {1, 2, 4}) {
    settings with;
    with.announced.pings_in_flight_max = announced;
    lone_server s(with);
    std::string pings;
    for (int i = 0; i < announced; ++i) pings += frame_of(frame_type::ping, 0, 0, "ping no" + std::to_string(i));
    s.give(pings);
    EXPECT_FALSE(s.c.over());
    std::string answers;
    for (int i = 0; i < announced; ++i) answers += frame_of(frame_type::ping, frame_flag::fin, 0, "ping no" + std::to_string(i));
    EXPECT_EQ(s.take(), answers);
    s.give(pings + frame_of(frame_type::ping, 0, 0, "one more"));
    EXPECT_EQ(s.last_closed(), number(errc::protocol));
  }
}

}  // namespace
}  // namespace hawser::proto::testing
