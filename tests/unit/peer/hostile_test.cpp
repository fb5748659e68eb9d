// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"
#include "wire.hpp"

// Bytes that no honest peer sends: they cost their own connection, with a typed error, and nothing else.

namespace hawser::peer_test {
namespace {

class peer_hostile : public ::testing::Test {
 protected:
  peer_hostile() {
    server.on("echo", echo);
    server.on_message([this](connection& from, byte_view message) { messages_.push_back(std::string(from.name()) + ":" + std::to_string(message.size())); });
    honest_ = connect(client, server);
  }
  // The honest connection still works, and saw nothing.
  void expect_others_untouched() {
    const auto call = [&]() -> task<result<std::string>> {
      const result<chunk> answer = co_await client.call(honest_, "echo", as_bytes("untouched"));
      if (!answer) co_return failure(answer.error());
      co_return std::string(as_text(*answer));
    };
    EXPECT_EQ(finish(loop_, call()).value_or("failed"), "untouched");
    EXPECT_EQ(hooks_.count("disconnected client"), 0u);
  }

  loop loop_;
  diary hooks_;
  peer server{loop_, [this] {
    peer_options options{.name = "server", .listen = "127.0.0.1:0", .hooks = &hooks_};
    options.wire.announced.message_bytes_max = 32'768;      // below the first window, so that credit is not the first limit to hit
    return options;
  }()};
  peer client{loop_, {.name = "client"}};
  connection honest_;
  std::vector<std::string> messages_;
};

struct attack {
  const char* name;
  std::string bytes;
  errc expected;
};
std::string many(std::string_view one, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += one;
  return out;
}

class peer_hostile_bytes : public peer_hostile, public ::testing::WithParamInterface<attack> {};

TEST_P(peer_hostile_bytes, end_their_own_connection_with_a_typed_error_on_both_sides) {
  raw_socket stranger(server.local_endpoint());
  stranger.send(wire::named("stranger"));
  ASSERT_TRUE(drive(loop_, [&] { return hooks_.count("connected stranger") == 1; }));
  const std::string& bytes = GetParam().bytes;
  std::optional<std::uint32_t> told;
  for (std::size_t sent = 0; sent < bytes.size() && !stranger.ended();) {
    sent += stranger.send(std::string_view(bytes).substr(sent));
    loop_.run_once(0ms);
    if (!told) told = stranger.farewell();
  }
  ASSERT_TRUE(drive(loop_, [&] { return hooks_.count("disconnected stranger") == 1; }));
  ASSERT_EQ(hooks_.reasons.size(), 1u);
  EXPECT_TRUE(is(hooks_.reasons[0], GetParam().expected));
  ASSERT_TRUE(drive(loop_, [&] { return stranger.ended(); }));
  if (!told) told = stranger.farewell();
  ASSERT_TRUE(told.has_value()) << "it was not told why";
  EXPECT_EQ(*told, static_cast<std::uint32_t>(GetParam().expected));
  expect_others_untouched();
  EXPECT_EQ(hooks_.count("disconnected stranger"), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    each, peer_hostile_bytes,
    ::testing::Values(
        attack{"a_word_of_zero", std::string(4, '\0'), errc::protocol},
        attack{"a_frame_larger_than_announced", wire::frame(1, 0, 1, "x", 256 * 1024 + 1), errc::frame_size},
        attack{"the_largest_length_there_is", wire::frame(1, 0, 1, "x", (1u << 28) - 1), errc::frame_size},
        attack{"a_message_beyond_the_limit_in_fragments", many(wire::frame(1, wire::more, 1, std::string(8'192, 'm')), 5), errc::message_too_big},
        attack{"data_on_a_channel_nobody_opened", wire::frame(1, 0, 77, "x"), errc::protocol},
        attack{"a_channel_of_our_own_range", wire::frame(2, 0, 2, std::string(1, '\0')), errc::protocol},
        attack{"an_open_beyond_the_channel_limit", wire::frame(2, 0, 4'001, std::string(1, '\0')), errc::protocol},
        attack{"an_open_with_a_truncated_block", wire::frame(2, 0, 3, "\x12\x7f"), errc::protocol},
        attack{"a_second_hello", wire::hello(wire::peer_id()), errc::protocol},
        attack{"a_reserved_type", wire::frame(13, 0, 1, "x"), errc::protocol},
        attack{"credit_of_nothing", wire::frame(3, 0, 1, wire::u32(0)), errc::protocol},
        attack{"credit_beyond_all_bounds", many(wire::frame(3, 0, 0, wire::u32(0x7fffffff)), 2), errc::flow_control},
        attack{"a_ping_of_the_wrong_size", wire::frame(7, 0, 0, "1234567"), errc::protocol},
        attack{"a_reset_of_the_message_channel", wire::frame(4, 0, 1, wire::u32(6)), errc::protocol}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_F(peer_hostile, more_bytes_than_credit_end_the_connection_as_flow_control) {
  raw_socket stranger(server.local_endpoint());
  stranger.send(wire::named("stranger"));
  server.on_stream([&](channel&) -> task<> { co_await sleep_until(loop_, never); });
  ASSERT_TRUE(drive(loop_, [&] { return hooks_.count("connected stranger") == 1; }));
  const std::string flood = wire::frame(2, 0, 3, std::string(1, '\0')) + many(wire::frame(1, 0, 3, std::string(16'384, 'f')), 64);
  for (std::size_t sent = 0; sent < flood.size() && !stranger.ended();) {
    sent += stranger.send(std::string_view(flood).substr(sent));
    loop_.run_once(0ms);
  }
  ASSERT_TRUE(drive(loop_, [&] { return hooks_.reasons.size() == 1; }));
  EXPECT_TRUE(is(hooks_.reasons[0], errc::flow_control));
  expect_others_untouched();
}

TEST_F(peer_hostile, a_frame_cut_off_by_the_end_is_a_lost_connection_and_delivers_nothing_of_it) {
  raw_socket stranger(server.local_endpoint());
  stranger.send(wire::named("stranger") + wire::message("whole") + wire::message("cut off here").substr(0, 10));
  ASSERT_TRUE(drive(loop_, [&] { return messages_.size() == 1; }));
  stranger.finish_sending();
  ASSERT_TRUE(drive(loop_, [&] { return hooks_.count("disconnected stranger") == 1; }));
  EXPECT_TRUE(is(hooks_.reasons[0], errc::connection_lost));
  EXPECT_EQ(messages_, (std::vector<std::string>{"stranger:5"}));
  expect_others_untouched();
}

TEST_F(peer_hostile, an_rst_in_the_midst_is_told_once) {
  raw_socket stranger(server.local_endpoint());
  stranger.send(wire::named("stranger") + wire::message("x"));
  ASSERT_TRUE(drive(loop_, [&] { return messages_.size() == 1; }));
  stranger.abort();
  ASSERT_TRUE(drive(loop_, [&] { return hooks_.count("disconnected stranger") == 1; }));
  EXPECT_TRUE(hooks_.reasons[0] == errc::connection_lost || hooks_.reasons[0] == errc::connection_reset) << hooks_.reasons[0].message();
  expect_others_untouched();
}

TEST_F(peer_hostile, messages_of_no_bytes_are_messages) {
  raw_socket stranger(server.local_endpoint());
  stranger.send(wire::named("stranger") + wire::message("") + wire::message("x") + wire::message(""));
  ASSERT_TRUE(drive(loop_, [&] { return messages_.size() == 3; }));
  EXPECT_EQ(messages_, (std::vector<std::string>{"stranger:0", "stranger:1", "stranger:0"}));
}

TEST_F(peer_hostile, bytes_one_at_a_time_are_understood_all_the_same) {
  raw_socket stranger(server.local_endpoint());
  for (const char one : wire::named("drip") + wire::message("by and by")) {
    stranger.send(std::string_view(&one, 1));
    loop_.run_once(0ms);
  }
  ASSERT_TRUE(drive(loop_, [&] { return messages_.size() == 1; }));
  EXPECT_EQ(messages_[0], "drip:9");
}

TEST_F(peer_hostile, strangers_of_another_protocol_are_closed_and_never_connected) {
  for (const std::string_view opening : {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x02\x00\x01", "SSH-2.0-OpenSSH_9.2\r\n", "\xd7HWZ\x01\x01"}) {
    raw_socket stranger(server.local_endpoint());
    stranger.send(opening);
    ASSERT_TRUE(drive(loop_, [&] { return stranger.ended(); })) << opening;
    EXPECT_TRUE(stranger.received().empty()) << "nothing is said to those who do not speak it";
  }
  EXPECT_EQ(hooks_.count("connected"), 1u) << "only the honest one";
  expect_others_untouched();
}

TEST_F(peer_hostile, random_bytes_after_the_handshake_end_every_connection_that_sends_them) {
  std::uint64_t state = 88172645463325252u;
  const auto next = [&] { return state ^= state << 13, state ^= state >> 7, state ^= state << 17; };
  const std::size_t rounds = scaled(100);
  for (std::size_t round = 0; round < rounds; ++round) {
    raw_socket stranger(server.local_endpoint());
    std::string bytes = wire::preface() + wire::hello(wire::peer_id());
    for (int i = 0; i < 4'000; ++i) bytes.push_back(static_cast<char>(next()));
    stranger.send(bytes);
    settle(loop_, 1ms);
    stranger.finish_sending();
    ASSERT_TRUE(drive(loop_, [&] { return server.connections().size() == 1 && hooks_.count("connected") == hooks_.count("disconnected") + 1; }));
  }
  expect_others_untouched();
}

TEST(peer_silent_strangers, are_closed_after_the_handshake_timeout_and_make_room) {
  loop on;
  diary hooks;
  peer_options options{.name = "server", .listen = "127.0.0.1:0", .hooks = &hooks};
  options.wire.handshake_timeout = 50ms;
  peer server(on, options);
  raw_socket silent(server.local_endpoint()), halfway(server.local_endpoint());
  halfway.send(wire::preface());
  ASSERT_TRUE(drive(on, [&] { return silent.ended() && halfway.ended(); }));
  EXPECT_EQ(hooks.count("connected"), 0u);
}

TEST(peer_silent_listeners, are_given_up_by_the_dialer_with_a_typed_error) {
  // A listener that accepts and says nothing: the kernel's backlog alone.
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&at), sizeof at), 0);
  ASSERT_EQ(::listen(fd, 8), 0);
  socklen_t size = sizeof at;
  ASSERT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &size), 0);
  loop on;
  peer_options options;
  options.wire.handshake_timeout = 50ms;
  peer dialer(on, options);
  EXPECT_TRUE(failed_with(finish(on, dialer.connect("127.0.0.1:" + std::to_string(ntohs(at.sin_port)))), errc::handshake_timeout));
  EXPECT_TRUE(dialer.connections().empty());
  ::close(fd);
}

}  // namespace
}  // namespace hawser::peer_test
