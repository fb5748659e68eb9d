// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "counting_engine.hpp"
#include "fixture.hpp"

#include <memory>

// connect() with a first message: it leaves with the introduction, and only who is let in is heard.

namespace hawser::peer_test {
namespace {

class first_message : public ::testing::Test {
 protected:
  void serve(peer_options options = {}) {
    options.hooks = &at_server;
    server = std::make_unique<peer>(loop_, listening("server", std::move(options)));
    server->on_message([&](connection& from, byte_view message) {
      heard.emplace_back(as_text(message));
      static_cast<void>(from.send(message));
    });
  }
  result<connection> dial(peer& from, std::string_view message) { return finish(loop_, from.connect(server->local_endpoint(), message)); }

  loop loop_;
  diary at_server, at_client;
  std::unique_ptr<peer> server;
  std::vector<std::string> heard;
};

TEST_F(first_message, leaves_with_the_introduction_and_its_answer_with_the_verdict) {
  serve();
  auto counted = std::make_unique<counting_engine>();
  const counting_engine& sends = *counted;
  loop own(std::move(counted));
  peer client(own, named("client"));
  std::string answer;
  client.on_message([&](connection&, byte_view message) { answer = as_text(message); });
  task<result<connection>> dialling = client.connect(server->local_endpoint(), "hello");
  dialling.start();
  ASSERT_TRUE(drive_both(own, loop_, [&] { return dialling.done() && !answer.empty(); }));
  const result<connection> made = dialling.take();
  ASSERT_TRUE(succeeded(made));
  EXPECT_EQ(answer, "hello");
  EXPECT_EQ(heard, std::vector<std::string>{"hello"});
  EXPECT_EQ(sends.sends(), 1u);
  EXPECT_EQ(made->statistics().messages_sent, 1u);
}

TEST_F(first_message, of_any_length_arrives_once_and_before_what_is_sent_later) {
  serve();
  peer client(loop_, named("client"));
  for (const std::size_t size : {0, 1, 4'095, 4'096, 4'097, 100'000, 1 << 20}) {
    heard.clear();
    const std::string message = pattern(0, size);
    const result<connection> made = dial(client, message);
    ASSERT_TRUE(succeeded(made)) << size;
    while (!made->send("later")) ASSERT_TRUE(succeeded(finish(loop_, client.writable(*made))));
    ASSERT_TRUE(drive(loop_, [&] { return heard.size() == 2; })) << size;
    EXPECT_TRUE(heard[0] == message) << size;
    EXPECT_EQ(heard[1], "later");
  }
}

TEST_F(first_message, that_is_longer_than_the_other_side_takes_ends_the_connection_and_says_so) {
  peer_options small;
  small.wire.announced.message_bytes_max = 10'000;
  serve(small);
  peer client(loop_, named("client"));
  EXPECT_TRUE(failed_with(dial(client, pattern(0, 10'001)), errc::message_too_big));
  EXPECT_TRUE(drive(loop_, [&] { return server->connections().empty() && client.connections().empty(); }));
  EXPECT_TRUE(heard.empty());
}

TEST_F(first_message, of_who_is_not_let_in_is_never_heard) {
  at_server.verdict = failure(errc::forbidden);
  at_server.with_traffic = true;
  serve();
  peer client(loop_, {.name = "client", .hooks = &at_client});
  at_client.with_traffic = true;
  EXPECT_TRUE(failed_with(dial(client, "let me in"), errc::forbidden));
  settle(loop_);
  EXPECT_TRUE(heard.empty());
  EXPECT_EQ(at_server.count("received"), 0u);
  EXPECT_TRUE(at_client.lines.empty());
}

TEST_F(first_message, to_this_very_peer_is_never_heard) {
  serve();
  EXPECT_TRUE(failed_with(dial(*server, "me?"), errc::self_connect));
  settle(loop_);
  EXPECT_TRUE(heard.empty());
}

TEST_F(first_message, is_told_to_hooks_once_and_in_their_order) {
  serve();
  at_client.with_traffic = at_server.with_traffic = true;
  peer client(loop_, {.name = "client", .hooks = &at_client});
  for (const std::size_t size : {5, 5'000}) {
    at_client.lines.clear();
    at_server.lines.clear();
    const std::string message(size, 'x');
    result<connection> made = dial(client, message);
    ASSERT_TRUE(succeeded(made));
    ASSERT_TRUE(drive(loop_, [&] { return at_client.count("received") == 1; }));
    const std::string told = "message of " + std::to_string(size);
    EXPECT_EQ(at_client.lines, (std::vector<std::string>{"connected server", "sending " + told, "received " + told}));
    EXPECT_EQ(at_server.lines, (std::vector<std::string>{"accept_socket", "admit client", "connected client", "received " + told, "sending " + told}));
    made->close();
    ASSERT_TRUE(drive(loop_, [&] { return at_server.count("disconnected") == 1; }));
  }
}

// What is sent ahead would choose the new connection; where one is to stay, it goes on that one.
TEST_F(first_message, goes_on_the_connection_that_stays) {
  using parallel = peer_options::parallel_connections;
  serve({.parallel = parallel::one});
  peer client(loop_, {.name = "client", .parallel = parallel::one});
  const result<connection> first = dial(client, "first");
  const result<connection> again = dial(client, "second");
  ASSERT_TRUE(succeeded(first));
  ASSERT_TRUE(succeeded(again));
  EXPECT_TRUE(*first == *again);
  ASSERT_TRUE(drive(loop_, [&] { return heard.size() == 2; }));
  settle(loop_);
  EXPECT_EQ(heard, (std::vector<std::string>{"first", "second"}));
  EXPECT_EQ(server->connections().size(), 1u);
}

TEST_F(first_message, whose_dial_is_dropped_is_heard_at_most_once_and_its_connection_ends) {
  serve();
  peer client(loop_, named("client"));
  bool through = false;
  for (int turns = 0; !through; ++turns) {
    heard.clear();
    {
      task<result<connection>> dialling = client.connect(server->local_endpoint(), "hello");
      dialling.start();
      for (int i = 0; i < turns && !dialling.done(); ++i) loop_.poll();
      through = dialling.done();
    }
    settle(loop_);
    EXPECT_EQ(server->connections().size(), through ? 1u : 0u) << turns;
    EXPECT_LE(heard.size(), 1u);
  }
}

}  // namespace
}  // namespace hawser::peer_test
