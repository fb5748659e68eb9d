// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"
#include "wire.hpp"

// Peers that are addressed by the name that they presented, and every way in which a name is refused.

namespace hawser::peer_test {
namespace {

using peer_names = pair_of_peers;

TEST_F(peer_names, a_server_sends_to_the_peer_that_presented_that_name) {
  peer other(loop_, {.name = "other"});
  std::string to_client, to_other;
  client.on_message([&](connection& from, byte_view message) {
    EXPECT_EQ(from.name(), "server");
    to_client = as_text(message);
  });
  other.on_message([&](connection&, byte_view message) { to_other = as_text(message); });
  connect(client, server);
  connect(other, server);
  ASSERT_TRUE(until([&] { return server.connections().size() == 2; }));
  EXPECT_TRUE(succeeded(server.send("client", "for the client")));
  EXPECT_TRUE(succeeded(server.send("other", "for the other")));
  EXPECT_TRUE(succeeded(client.send("server", "names work both ways")));
  ASSERT_TRUE(until([&] { return !to_client.empty() && !to_other.empty(); }));
  EXPECT_EQ(to_client, "for the client");
  EXPECT_EQ(to_other, "for the other");
}

TEST_F(peer_names, are_found_with_what_the_other_side_said_of_itself) {
  connect(client, server);
  ASSERT_TRUE(until([&] { return server.find("client").has_value(); }));
  EXPECT_EQ(server.find("client")->name(), "client");
  EXPECT_EQ(server.find("client")->id(), client.id());
  ASSERT_TRUE(client.find(server.id()).has_value());
  EXPECT_EQ(client.find(server.id())->name(), "server");
  EXPECT_FALSE(server.find("nobody").has_value());
  EXPECT_FALSE(server.find("").has_value());
}

TEST_F(peer_names, an_unknown_name_is_not_connected_in_every_command) {
  connect(client, server);
  EXPECT_TRUE(failed_with(server.send("nobody", "x"), errc::not_connected));
  EXPECT_TRUE(failed_with(server.open_stream("nobody"), errc::not_connected));
  EXPECT_TRUE(failed_with(server.open_messages("nobody"), errc::not_connected));
  EXPECT_TRUE(failed_with(server.start("nobody", "echo"), errc::not_connected));
  EXPECT_TRUE(failed_with(server.sender("nobody"), errc::not_connected));
  EXPECT_TRUE(failed_with(server.prepare("nobody", "echo").start(), errc::not_connected));
  const auto call = [&]() -> task<result<>> {
    const result<chunk> answer = co_await server.call("nobody", "echo", as_bytes("x"));
    if (!answer) co_return failure(answer.error());
    co_return result<>();
  };
  EXPECT_TRUE(failed_with(run(call()), errc::not_connected));
}

TEST_F(peer_names, a_departed_name_is_not_connected_and_free_for_the_next_who_presents_it) {
  connection first = connect(client, server);
  ASSERT_TRUE(until([&] { return server.find("client").has_value(); }));
  connection seen = *server.find("client");
  first.close();
  ASSERT_TRUE(until([&] { return server.connections().empty(); }));
  EXPECT_TRUE(failed_with(server.send("client", "too late"), errc::not_connected));
  EXPECT_TRUE(failed_with(seen.send("too late"), errc::not_connected));
  EXPECT_FALSE(seen.is_open());
  EXPECT_EQ(seen.name(), "client") << "a handle stays readable after the end";

  connect(client, server);
  ASSERT_TRUE(until([&] { return server.find("client").has_value(); }));
  EXPECT_TRUE(succeeded(server.send("client", "welcome back")));
}

TEST_F(peer_names, a_duplicate_is_told_id_taken_and_does_not_displace_the_living) {
  std::string got;
  client.on_message([&](connection&, byte_view message) { got = as_text(message); });
  connect(client, server);
  peer impostor(loop_, {.name = "client"});
  EXPECT_TRUE(failed_with(run(impostor.connect(server.local_endpoint())), errc::id_taken));
  EXPECT_EQ(server.connections().size(), 1u);
  EXPECT_TRUE(succeeded(server.send("client", "you are the one")));
  EXPECT_TRUE(until([&] { return got == "you are the one"; }));
  EXPECT_TRUE(impostor.connections().empty());
}

TEST_F(peer_names, an_overlong_name_is_refused_as_invalid) {
  peer dialer(loop_, {.name = std::string(65, 'n')});
  EXPECT_TRUE(failed_with(run(dialer.connect(server.local_endpoint())), errc::name_invalid));
  EXPECT_TRUE(server.connections().empty());
}

TEST_F(peer_names, of_64_bytes_and_of_any_utf8_are_fine) {
  const std::string longest(64, 'n');
  peer first(loop_, {.name = longest}), second(loop_, {.name = "кит 鯨"});
  connect(first, server);
  connect(second, server);
  ASSERT_TRUE(until([&] { return server.connections().size() == 2; }));
  EXPECT_TRUE(succeeded(server.send(longest, "x")));
  EXPECT_TRUE(succeeded(server.send("кит 鯨", "x")));
}

TEST(peer_names_required, a_dialer_without_a_name_is_told_name_absent) {
  loop on;
  peer server(on, {.name = "server", .listen = "127.0.0.1:0", .listener_names = peer_options::names::required});
  peer nameless(on), named_one(on, {.name = "somebody"});
  EXPECT_TRUE(failed_with(finish(on, nameless.connect(server.local_endpoint())), errc::name_absent));
  EXPECT_TRUE(succeeded(finish(on, named_one.connect(server.local_endpoint()))));
}

TEST(peer_names_optional, many_dialers_without_a_name_are_let_in_and_found_by_no_name) {
  loop on;
  peer server(on, {.name = "server", .listen = "127.0.0.1:0"});
  peer first(on), second(on);
  EXPECT_TRUE(succeeded(finish(on, first.connect(server.local_endpoint()))));
  EXPECT_TRUE(succeeded(finish(on, second.connect(server.local_endpoint()))));
  ASSERT_TRUE(drive(on, [&] { return server.connections().size() == 2; }));
  EXPECT_FALSE(server.find("").has_value());
  EXPECT_TRUE(failed_with(server.send("", "x"), errc::not_connected));
}

TEST(peer_veto, the_dialer_gets_the_very_reason_that_the_owner_gave) {
  loop on;
  diary hooks;
  peer server(on, {.name = "server", .listen = "127.0.0.1:0", .hooks = &hooks});
  peer dialer(on, {.name = "dialer"});
  for (const errc reason : {errc::veto, errc::forbidden, errc::unauthenticated}) {
    hooks.verdict = failure(reason);
    EXPECT_TRUE(failed_with(finish(on, dialer.connect(server.local_endpoint())), reason));
  }
  EXPECT_EQ(hooks.count("admit dialer"), 3u);
  EXPECT_EQ(hooks.count("connected"), 0u);
  EXPECT_EQ(hooks.count("disconnected"), 0u);
  hooks.verdict = {};
  EXPECT_TRUE(succeeded(finish(on, dialer.connect(server.local_endpoint()))));
}

TEST(peer_application, another_application_is_refused_with_that_reason) {
  loop on;
  peer server(on, {.name = "server", .listen = "127.0.0.1:0", .application = "chess/1"});
  peer same(on, {.name = "same", .application = "chess/1"}), other(on, {.name = "other", .application = "go/1"}), none(on, {.name = "none"});
  EXPECT_TRUE(succeeded(finish(on, same.connect(server.local_endpoint()))));
  EXPECT_TRUE(failed_with(finish(on, other.connect(server.local_endpoint())), errc::application_tag));
  EXPECT_TRUE(failed_with(finish(on, none.connect(server.local_endpoint())), errc::application_tag));
}

// -- what no hawser peer would present, over a plain socket

struct wire_refusal {
  const char* what;
  std::string greeting;
  errc expected;
};

class peer_names_on_the_wire : public ::testing::TestWithParam<wire_refusal> {};

TEST_P(peer_names_on_the_wire, are_refused_with_their_code_and_never_reach_the_connected_hook) {
  loop on;
  diary hooks;
  peer server(on, {.name = "server", .listen = "127.0.0.1:0", .hooks = &hooks});
  raw_socket stranger(server.local_endpoint());
  stranger.send(GetParam().greeting);
  std::optional<std::uint32_t> code;
  ASSERT_TRUE(drive(on, [&] { return (code = code ? code : stranger.farewell()).has_value(); }));
  EXPECT_EQ(*code, static_cast<std::uint32_t>(GetParam().expected));
  EXPECT_TRUE(drive(on, [&] { return stranger.ended(); })) << "the listener closes what it refused";
  EXPECT_EQ(hooks.count("connected"), 0u);
  EXPECT_EQ(hooks.count("disconnected"), 0u);
  EXPECT_TRUE(server.connections().empty());
}

INSTANTIATE_TEST_SUITE_P(
    each, peer_names_on_the_wire,
    ::testing::Values(wire_refusal{"empty", wire::named(""), errc::name_invalid},
                    wire_refusal{"overlong", wire::named(std::string(65, 'n')), errc::name_invalid},
                    wire_refusal{"no_utf8", wire::named("\xff\xfe"), errc::name_invalid},
                    wire_refusal{"newer_version_only", wire::preface(9, 7) + wire::hello(wire::peer_id()), errc::version}),
    [](const auto& one) { return std::string(one.param.what); });

TEST(peer_names_raw, a_sound_greeting_made_by_hand_is_let_in_and_its_message_delivered) {
  loop on;
  diary hooks;
  peer server(on, {.name = "server", .listen = "127.0.0.1:0", .hooks = &hooks});
  std::string got;
  server.on_message([&](connection& from, byte_view message) { got = std::string(from.name()) + " " + std::string(as_text(message)); });
  raw_socket stranger(server.local_endpoint());
  stranger.send(wire::named("by hand") + wire::message("hello"));
  EXPECT_TRUE(drive(on, [&] { return !got.empty(); }));
  EXPECT_EQ(got, "by hand hello");
  EXPECT_EQ(hooks.count("connected by hand"), 1u);
}

TEST(peer_names_raw, a_message_sent_ahead_of_a_veto_is_never_delivered) {
  loop on;
  diary hooks;
  hooks.verdict = failure(errc::veto);
  peer server(on, {.name = "server", .listen = "127.0.0.1:0", .hooks = &hooks});
  bool delivered = false;
  server.on_message([&](connection&, byte_view) { delivered = true; });
  raw_socket stranger(server.local_endpoint());
  stranger.send(wire::named("eager") + wire::message("processed before I was let in?"));
  ASSERT_TRUE(drive(on, [&] { return stranger.ended(); }));
  settle(on);
  EXPECT_FALSE(delivered);
  EXPECT_EQ(stranger.farewell(), static_cast<std::uint32_t>(errc::veto));
}

}  // namespace
}  // namespace hawser::peer_test
