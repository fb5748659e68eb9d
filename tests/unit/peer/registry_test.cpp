// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <memory>
#include <random>

// Who is found among very many connections, of several peers, that come and go.

namespace hawser::peer_test {
namespace {

TEST(peer_connections, of_several_peers_are_found_by_id_and_by_name_oldest_first_while_they_come_and_go) {
  loop on;
  peer server(on, {.name = "server", .listen = "127.0.0.1:0"});
  struct dialler {
    std::unique_ptr<peer> of;
    std::vector<connection> open;      // as the server has them, oldest first
  };
  std::vector<dialler> all(6);
  for (std::size_t i = 0; i < all.size(); ++i) all[i].of = std::make_unique<peer>(on, peer_options{.name = i % 2 ? "c" + std::to_string(i) : ""});
  std::minstd_rand random(7);
  std::size_t open_count = 0;
  const auto check = [&] {
    const std::vector<connection> seen = server.connections();
    ASSERT_EQ(seen.size(), open_count);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end(), [](const auto& a, const auto& b) { return a.number() < b.number(); }));
    for (const dialler& one : all) {
      const auto found = server.find(one.of->id());
      ASSERT_EQ(found.has_value(), !one.open.empty());
      if (found) { EXPECT_TRUE(*found == one.open.front()); }
      EXPECT_EQ(std::count_if(seen.begin(), seen.end(), [&](const connection& c) { return c.id() == one.of->id(); }), std::ssize(one.open));
      if (one.open.empty() || one.open.front().name().empty()) continue;
      const auto named = server.find(one.open.front().name());
      ASSERT_TRUE(named.has_value());
      EXPECT_TRUE(*named == one.open.front());
    }
  };
  for (int step = 0; step < 300; ++step) {
    dialler& one = all[random() % all.size()];
    if (one.open.empty() || random() % 3 != 0) {
      ASSERT_TRUE(succeeded(finish(on, one.of->connect(server.local_endpoint()))));
      ++open_count;
      ASSERT_TRUE(drive(on, [&] { return server.connections().size() == open_count; }));
      connection newest;
      for (const connection& each : server.connections()) newest = each;
      ASSERT_TRUE(newest.id() == one.of->id());
      one.open.push_back(newest);
    } else {
      const auto at = one.open.begin() + static_cast<std::ptrdiff_t>(random() % one.open.size());
      at->abort();
      one.open.erase(at);
      --open_count;
      ASSERT_TRUE(drive(on, [&] { return server.connections().size() == open_count; }));
    }
    if (step % 10 == 0) {
      ASSERT_NO_FATAL_FAILURE(check());
    }
  }
  check();
}

}  // namespace
}  // namespace hawser::peer_test
