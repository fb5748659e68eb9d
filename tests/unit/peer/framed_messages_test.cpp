// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <memory>

// The same to many connections.

namespace hawser::peer_test {
namespace {

TEST(peer_framed_messages, reach_every_connection_in_order_and_each_hook_hears_of_each) {
  loop on;
  diary book;
  book.with_traffic = true;
  peer server(on, listening("server", {.hooks = &book}));
  std::vector<std::unique_ptr<peer>> clients;
  std::vector<connection> there;
  std::vector<std::string> heard(20);
  for (std::size_t i = 0; i < heard.size(); ++i) {
    clients.push_back(std::make_unique<peer>(on, named("client " + std::to_string(i))));
    clients.back()->on_message([&heard, i](connection&, byte_view message) { heard[i] += std::string(as_text(message)) + ";"; });
    there.push_back(connect(*clients.back(), server));
  }
  ASSERT_TRUE(drive(on, [&] { return server.connections().size() == heard.size(); }));
  framed_messages all(on.buffers());
  std::string expected = "first;";
  for (int i = 0; i < 50; ++i) {
    const std::string text = pattern(static_cast<std::size_t>(i), static_cast<std::size_t>(i) * 7 % 200);
    ASSERT_TRUE(succeeded(all.append(as_bytes(text))));
    expected += text + ";";
  }
  for (connection& one : server.connections()) {
    ASSERT_TRUE(succeeded(one.send("first")));
    ASSERT_TRUE(succeeded(one.send(all)));
    ASSERT_TRUE(succeeded(one.send("last")));
  }
  all.clear();
  ASSERT_TRUE(drive(on, [&] { return std::all_of(heard.begin(), heard.end(), [](const std::string& text) { return text.ends_with("last;"); }); }));
  for (const std::string& text : heard) EXPECT_EQ(text, expected + "last;");
  EXPECT_EQ(book.count("sending message"), heard.size() * 52);
  connection gone = server.connections().front();
  gone.abort();
  EXPECT_TRUE(failed_with(gone.send(all), make_error_code(errc::not_connected)));
}

// A hook may end everything while it is being told.
TEST(peer_framed_messages, whose_hook_ends_the_connection_are_told_no_further) {
  class ender final : public peer_hooks {
   public:
    std::unique_ptr<peer>* whose = nullptr;
    int told = 0;
    void sending(connection&, traffic, std::string_view, std::size_t) override {
      if (++told == 2) whose->reset();
    }
  } hooks;
  loop on;
  auto server = std::make_unique<peer>(on, listening("server", {.hooks = &hooks}));
  hooks.whose = &server;
  peer client(on, named("client"));
  connection there = connect(client, *server);
  ASSERT_TRUE(drive(on, [&] { return server->connections().size() == 1; }));
  framed_messages all(on.buffers());
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(succeeded(all.append(as_bytes("news"))));
  connection here = server->connections().front();
  EXPECT_TRUE(succeeded(here.send(all)));
  EXPECT_EQ(hooks.told, 2);
  EXPECT_EQ(server, nullptr);
  ASSERT_TRUE(drive(on, [&] { return !there.is_open(); }));
}

}  // namespace
}  // namespace hawser::peer_test
