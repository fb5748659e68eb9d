// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

// What peers know of each other: metadata, ids, addresses, routes.

namespace hawser::peer_test {
namespace {

peer_options described(std::string metadata) {
  peer_options options;
  options.metadata = std::move(metadata);
  return options;
}

class peer_introductions : public pair_of_peers {
 protected:
  peer_introductions() : pair_of_peers(described("server: v2, Hamburg"), described("client\0with a zero"s)) {}
};

TEST_F(peer_introductions, exchange_opaque_metadata_and_ids_both_ways) {
  connection mine = there();
  ASSERT_EQ(server.connections().size(), 1u);
  connection theirs = server.connections()[0];
  EXPECT_EQ(as_text(mine.metadata()), "server: v2, Hamburg");
  EXPECT_EQ(as_text(theirs.metadata()), "client\0with a zero"s);
  EXPECT_EQ(mine.name(), "server");
  EXPECT_EQ(theirs.name(), "client");
  EXPECT_EQ(mine.id(), server.id());
  EXPECT_EQ(theirs.id(), client.id());
  EXPECT_NE(server.id(), client.id());
  EXPECT_EQ(mine.owner(), &client);
  EXPECT_EQ(theirs.owner(), &server);
}

TEST_F(peer_introductions, know_both_endpoints) {
  connection mine = there(), theirs = server.connections().at(0);
  EXPECT_EQ(mine.remote_endpoint(), server.local_endpoint());
  EXPECT_EQ(mine.local_endpoint(), theirs.remote_endpoint());
  EXPECT_EQ(theirs.local_endpoint(), server.local_endpoint());
  EXPECT_NE(mine.number(), theirs.number());
}

TEST(peer_addresses, that_were_asked_for_are_known_after_a_reset) {
  struct log_book : peer_hooks {
    virtual ~log_book() = default;
    endpoint came, left;
    bool is_over = false;
    void connected(connection& with) override { came = with.remote_endpoint(); }
    void disconnected(connection& with, std::error_code) override { left = with.remote_endpoint(), is_over = true; }
  } book;
  loop here;
  peer server(here, {.listen = {"127.0.0.1:0"}, .hooks = &book});
  peer client(here);
  connection mine = connect(client, server);
  const endpoint of_mine = mine.local_endpoint();
  mine.abort();
  ASSERT_TRUE(drive(here, [&] { return book.is_over; }));
  EXPECT_EQ(book.came, of_mine);
  EXPECT_EQ(book.left, of_mine);
}

TEST_F(peer_introductions, list_who_is_connected_and_who_can_be_reached) {
  EXPECT_TRUE(server.connections().empty());
  EXPECT_EQ(server.has_route("client"), std::nullopt);
  connection mine = there();
  peer other(loop_, {.name = "other"});
  connect(other, server);
  EXPECT_EQ(server.connections().size(), 2u);
  EXPECT_EQ(server.has_route("client"), 1u);
  EXPECT_EQ(server.has_route("other"), 1u);
  EXPECT_EQ(server.has_route("server"), 0u);
  EXPECT_EQ(server.has_route("nobody"), std::nullopt);
  EXPECT_EQ(other.has_route("client"), std::nullopt);
  mine.close();
  ASSERT_TRUE(until([&] { return server.connections().size() == 1; }));
  EXPECT_EQ(server.has_route("client"), std::nullopt);
}

TEST_F(peer_introductions, show_a_listener_everything_before_it_decides) {
  struct doorkeeper : peer_hooks {
    std::string name, metadata, token, software;
    peer_id id{};
    endpoint remote;
    virtual ~doorkeeper() = default;
    result<> admit(const introduction& who) override {
      name = who.name, metadata = as_text(who.metadata), token = as_text(who.token), software = who.software;
      id = who.id, remote = who.remote;
      if (token == "open sesame") return {};
      return failure(errc::unauthenticated);
    }
  };
  doorkeeper door;
  peer guarded(loop_, {.name = "guarded", .listen = "127.0.0.1:0", .hooks = &door});
  peer stranger(loop_, {.name = "stranger", .metadata = "who knows", .token = "please"});
  EXPECT_TRUE(failed_with(run(stranger.connect(guarded.local_endpoint())), errc::unauthenticated));
  EXPECT_EQ(door.name, "stranger");
  EXPECT_EQ(door.metadata, "who knows");
  EXPECT_EQ(door.id, stranger.id());
  EXPECT_FALSE(door.software.empty());
  EXPECT_EQ(door.remote.kind(), endpoint::family::ipv4);
  EXPECT_NE(door.remote.port(), 0);
  peer friendly(loop_, {.name = "friend", .token = "open sesame"});
  EXPECT_TRUE(succeeded(run(friendly.connect(guarded.local_endpoint()))));
}

TEST_F(peer_introductions, carry_metadata_of_the_largest_size) {
  peer large(loop_, described(std::string(4'096, 'm')));
  connect(large, server);
  ASSERT_TRUE(until([&] { return !server.connections().empty(); }));
  EXPECT_EQ(server.connections()[0].metadata().size(), 4'096u);
}

TEST_F(peer_introductions, measure_the_round_trip_where_they_can) {
  connection mine = there();
  EXPECT_GE(mine.statistics().round_trip, duration::zero());
}

}  // namespace
}  // namespace hawser::peer_test
