// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "conformance/suite.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

namespace hawser::conformance {
namespace {

TEST_P(engine_rules, connect_meets_accept_and_both_ends_name_the_same_endpoints) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  const endpoint listening = two.listener->where();
  EXPECT_EQ(client().engine().remote_endpoint(two.near->id), listening);
  EXPECT_EQ(server().engine().local_endpoint(two.far->id), listening);
  if (tcp()) {
    EXPECT_NE(listening.port(), 0);
    EXPECT_EQ(two.listener->last_remote, client().engine().local_endpoint(two.near->id));
    EXPECT_EQ(server().engine().remote_endpoint(two.far->id), two.listener->last_remote);
  }
  EXPECT_EQ(two.near->log, "connected ");
  EXPECT_EQ(two.far->log, "");
}

TEST_P(engine_rules, what_is_sent_while_connecting_leaves_when_connected_and_the_end_after_it) {
  harbour listener(server());
  ASSERT_TRUE(listener.listen(world_of().vacant(over())));
  side near(client());
  ASSERT_TRUE(near.connect(listener.where()));
  near.send("early");
  near.end();
  ASSERT_TRUE(drive([&] { return !listener.sides.empty() && listener.sides.front()->ended && near.sends == 1; }));
  EXPECT_EQ(near.log, "connected sent ");
  EXPECT_EQ(near.sent_bytes, 5u);
  EXPECT_EQ(listener.sides.front()->got, "early");
}

TEST_P(engine_rules, an_end_while_connecting_arrives_alone) {
  harbour listener(server());
  ASSERT_TRUE(listener.listen(world_of().vacant(over())));
  side near(client());
  ASSERT_TRUE(near.connect(listener.where()));
  near.end();
  ASSERT_TRUE(drive([&] { return !listener.sides.empty() && listener.sides.front()->ended; }));
  listener.sides.front()->send("answer");
  ASSERT_TRUE(drive([&] { return near.got == "answer"; }));
  EXPECT_FALSE(near.failed);
}

TEST_P(engine_rules, what_is_sent_to_nobody_goes_with_the_failure) {
  side lonely(client());
  ASSERT_TRUE(lonely.connect(world_of().refusing(over())));
  lonely.send("early");
  lonely.end();
  ASSERT_TRUE(drive([&] { return lonely.failed.has_value(); }));
  EXPECT_EQ(lonely.log, "failed ");
}

TEST_P(engine_rules, connect_to_nobody_is_refused_from_a_turn) {
  side lonely(client());
  ASSERT_TRUE(lonely.connect(world_of().refusing(over())));
  ASSERT_TRUE(drive([&] { return lonely.failed.has_value(); }));
  EXPECT_EQ(*lonely.failed, errc::connection_refused);
  EXPECT_EQ(lonely.log, "failed ");
  lonely.close();
  EXPECT_EQ(client().engine().open_sockets(), 0u);
}

TEST_P(engine_rules, connect_that_hangs_is_cancelled_by_close) {
  HAWSER_NEEDS(silence);
  side waiting(client());
  ASSERT_TRUE(waiting.connect(world_of().silent(over())));
  idle(50ms);
  EXPECT_EQ(waiting.log, "");
  waiting.close();
  idle(20ms);
  EXPECT_EQ(waiting.log, "");
  EXPECT_EQ(client().engine().open_sockets(), 0u);
}

TEST_P(engine_rules, connect_and_listen_refuse_what_is_no_address_at_once) {
  side nowhere(client());
  EXPECT_FALSE(nowhere.connect(endpoint("not an endpoint")));
  EXPECT_EQ(nowhere.refused_at_once, errc::address_invalid);
  harbour deaf(server());
  const auto answer = deaf.listen(endpoint("host.example:80"));
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), errc::address_invalid);
  EXPECT_EQ(client().engine().open_sockets(), 0u);
}

TEST_P(engine_rules, a_second_listener_at_the_same_place_is_refused) {
  harbour first(server());
  ASSERT_TRUE(first.listen(world_of().vacant(over())));
  harbour second(server());
  const auto answer = second.listen(first.where());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), errc::address_in_use);
}

TEST_P(engine_rules, connections_survive_their_listener_and_new_ones_are_refused) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  const endpoint where = two.listener->where();
  two.listener->close();
  two.near->send("still here");
  ASSERT_TRUE(drive([&] { return two.far->got == "still here"; }));
  side late(client());
  ASSERT_TRUE(late.connect(where));
  ASSERT_TRUE(drive([&] { return late.failed.has_value(); }));
  EXPECT_EQ(*late.failed, errc::connection_refused);
}

TEST_P(engine_rules, a_closed_place_can_be_listened_on_again) {
  harbour first(server());
  ASSERT_TRUE(first.listen(world_of().vacant(over())));
  const endpoint where = first.where();
  first.close();
  harbour again(server());
  ASSERT_TRUE(again.listen(where));
  EXPECT_EQ(again.where(), where);
  side guest(client());
  ASSERT_TRUE(guest.connect(where));
  EXPECT_TRUE(drive([&] { return guest.connected && again.accepts == 1; }));
}

TEST_P(engine_rules, on_accept_may_refuse_with_close) {
  harbour door(server());
  door.when_accepted = [&](io::socket_id id) { server().engine().close(id); };
  ASSERT_TRUE(door.listen(world_of().vacant(over())));
  side guest(client());
  ASSERT_TRUE(guest.connect(door.where()));
  ASSERT_TRUE(drive([&] { return guest.ended; }));
  EXPECT_FALSE(guest.failed);
  EXPECT_EQ(server().engine().open_sockets(), 0u);
}

TEST_P(engine_rules, on_accept_may_refuse_with_abort) {
  harbour door(server());
  door.when_accepted = [&](io::socket_id id) { server().engine().abort(id); };
  ASSERT_TRUE(door.listen(world_of().vacant(over())));
  side guest(client());
  ASSERT_TRUE(guest.connect(door.where()));
  ASSERT_TRUE(drive([&] { return guest.failed || guest.ended; }));
  if (tcp()) {
    ASSERT_TRUE(guest.failed);
    EXPECT_EQ(*guest.failed, errc::connection_reset);
  }
  EXPECT_EQ(server().engine().open_sockets(), 0u);
}

TEST_P(engine_rules, ids_of_closed_sockets_touch_nobody_even_when_their_slot_is_used_again) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  const io::socket_id old_id = two.near->id;
  two.near->close();
  ASSERT_TRUE(drive([&] { return client().engine().open_sockets() == 0 || &server() == &client(); }));
  ASSERT_TRUE(drive([&] { return two.far->ended; }));
  two.far->close();
  ASSERT_TRUE(drive([&] { return client().engine().open_sockets() == 0; }));

  side next(client());
  ASSERT_TRUE(next.connect(two.listener->where()));
  ASSERT_TRUE(drive([&] { return next.connected && two.listener->sides.size() == 2; }));
  side stranger(client());
  io::engine& commands = client().engine();
  chain out(client().buffers());
  out.append(client().buffers().copy(as_bytes("for nobody")));
  commands.send(old_id, out);
  EXPECT_TRUE(out.empty());
  commands.pause_receiving(old_id);
  commands.resume_receiving(old_id);
  commands.shutdown_sending(old_id);
  commands.hand_over(old_id, stranger);
  commands.abort(old_id);
  commands.close(old_id);
  EXPECT_FALSE(commands.remote_endpoint(old_id).valid());

  two.listener->sides[1]->send("for next");
  EXPECT_TRUE(drive([&] { return next.got == "for next"; }));
  EXPECT_EQ(two.listener->sides[1]->log, "sent ");
}

TEST_P(engine_rules, hand_over_gives_the_events_to_another_owner) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  side heir(server());
  heir.connected = true;
  heir.id = two.far->id;
  two.far->closed = true;
  server().engine().hand_over(heir.id, heir);
  two.near->send("inherited");
  EXPECT_TRUE(drive([&] { return heir.got == "inherited"; }));
  EXPECT_EQ(two.far->log, "");
}

TEST_P(engine_rules, a_wildcard_listener_takes_ipv4_and_ipv6) {
  HAWSER_NEEDS(descriptors);
  if (!tcp()) GTEST_SKIP() << "only TCP has two families";
  harbour everywhere(server());
  ASSERT_TRUE(everywhere.listen(":0"));
  const std::uint16_t port = everywhere.where().port();
  side four(client());
  ASSERT_TRUE(four.connect(endpoint("127.0.0.1:0").with_port(port)));
  ASSERT_TRUE(drive([&] { return everywhere.accepts == 1; }));
  EXPECT_EQ(everywhere.last_remote.kind(), endpoint::family::ipv4);
  side six(client());
  if (!six.connect(endpoint("[::1]:0").with_port(port))) GTEST_SKIP() << "this machine has no IPv6";
  ASSERT_TRUE(drive([&] { return everywhere.accepts == 2 || six.failed; }));
  if (six.failed) GTEST_SKIP() << "this machine has no ::1";
  EXPECT_EQ(everywhere.last_remote.kind(), endpoint::family::ipv6);
}

TEST_P(engine_rules, listeners_with_reuse_port_share_a_port) {
  HAWSER_NEEDS(descriptors);
  if (!tcp()) GTEST_SKIP() << "only TCP has ports";
  harbour first(server());
  ASSERT_TRUE(first.listen("127.0.0.1:0", {.reuse_port = true}));
  harbour second(client());
  ASSERT_TRUE(second.listen(first.where(), {.reuse_port = true}));
  std::deque<side> guests;
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(guests.emplace_back(client()).connect(first.where()));
  EXPECT_TRUE(drive([&] { return first.accepts + second.accepts == guests.size(); }));
}

TEST_P(engine_rules, the_file_of_a_unix_listener_goes_with_it) {
  HAWSER_NEEDS(descriptors);
  if (tcp()) GTEST_SKIP() << "TCP leaves no files";
  harbour owner(server());
  const endpoint where = world_of().vacant(over());
  const std::string path(where.name());
  ASSERT_TRUE(owner.listen(where));
  EXPECT_EQ(::access(path.c_str(), F_OK), 0);
  owner.close();
  EXPECT_NE(::access(path.c_str(), F_OK), 0);
}

TEST_P(engine_rules, a_unix_path_that_a_dead_process_left_is_taken_over_and_other_files_are_not) {
  HAWSER_NEEDS(descriptors);
  if (tcp()) GTEST_SKIP() << "TCP leaves no files";
  const endpoint where = world_of().vacant(over());
  sockaddr_un at{};
  at.sun_family = AF_UNIX;
  std::memcpy(at.sun_path, where.name().data(), where.name().size());
  const int dead = ::socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(::bind(dead, reinterpret_cast<const sockaddr*>(&at), sizeof at), 0);
  ::close(dead);
  harbour heir(server());
  EXPECT_TRUE(heir.listen(where));

  const endpoint taken = world_of().vacant(over());
  std::ofstream(std::string(taken.name())) << "a file";
  harbour careful(server());
  const auto answer = careful.listen(taken);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), errc::address_in_use);
  EXPECT_EQ(::access(std::string(taken.name()).c_str(), F_OK), 0);
}

TEST_P(engine_rules, abstract_unix_names_need_no_file) {
  HAWSER_NEEDS(descriptors);
  if (tcp()) GTEST_SKIP() << "only unix sockets have abstract names";
  harbour unseen(server());
  ASSERT_TRUE(unseen.listen(endpoint("unix:@hawser-conformance-" + std::to_string(::getpid()))));
  side guest(client());
  ASSERT_TRUE(guest.connect(unseen.where()));
  EXPECT_TRUE(drive([&] { return guest.connected && unseen.accepts == 1; }));
}

}  // namespace
}  // namespace hawser::conformance
