// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/hawser.hpp>

#include <gtest/gtest.h>

#include <string>

namespace {

hawser::task<> echo(hawser::request& rq) {
  for (;;) {
    auto chunk = co_await rq.read();
    if (!chunk || chunk->empty()) co_return;
    if (!co_await rq.write(std::move(*chunk))) co_return;
  }
}

hawser::task<std::string> ask(hawser::peer& me, hawser::endpoint where) {
  auto there = co_await me.connect(where);
  if (!there) co_return there.error().message();
  auto answer = co_await me.call(*there, "echo", hawser::as_bytes("hello"));
  if (!answer) co_return answer.error().message();
  co_return std::string(hawser::as_text(*answer));
}

TEST(peer_smoke, the_first_program_of_the_readme_gets_its_answer) {
  hawser::loop loop;
  hawser::peer server(loop, {.name = "server", .listen = "127.0.0.1:0"});
  ASSERT_FALSE(server.listen_error());
  server.on("echo", echo);
  hawser::peer client(loop, {.name = "client"});
  EXPECT_EQ(loop.run(ask(client, server.local_endpoint())), "hello");
  EXPECT_EQ(client.calls().answered, 1u);
  EXPECT_EQ(server.operations().at(0).started, 1u);
}

hawser::task<int> exchange(hawser::peer& server, hawser::peer& client, int count, int& received) {
  auto there = co_await client.connect(server.local_endpoint());
  if (!there) co_return -1;
  for (int i = 0; i < count; ++i) {
    if (auto sent = there->send("sixty-four bytes of text are sent here, again and again and again"); !sent) {
      if (sent.error() != hawser::errc::would_block) co_return -2;
      --i;
      if (!co_await client.writable(*there)) co_return -3;
    }
  }
  while (received < count) co_await hawser::yield(client.home());
  co_await client.stop();
  co_await server.stop();
  co_return received;
}

TEST(peer_smoke, messages_arrive_and_both_peers_stop) {
  hawser::loop loop;
  hawser::peer server(loop, {.name = "server", .listen = "127.0.0.1:0"});
  hawser::peer client(loop, {.name = "client"});
  int received = 0;
  server.on_message([&](hawser::connection& from, hawser::byte_view message) {
    EXPECT_EQ(from.name(), "client");
    received += message.size() == 65;
  });
  EXPECT_EQ(loop.run(exchange(server, client, 100'000, received)), 100'000);
  EXPECT_TRUE(server.connections().empty());
}

hawser::task<std::string> ask_myself(hawser::peer& me) {
  auto answer = co_await me.call(me.self(), "echo", hawser::as_bytes("mirror"));
  if (!answer) co_return answer.error().message();
  co_return std::string(hawser::as_text(*answer));
}

TEST(peer_smoke, a_call_to_oneself_runs_the_same_handler) {
  hawser::loop loop;
  hawser::peer me(loop, {.name = "me"});
  me.on("echo", echo);
  EXPECT_EQ(loop.run(ask_myself(me)), "mirror");
}

}  // namespace
