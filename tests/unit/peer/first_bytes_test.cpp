// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <functional>
#include <memory>
#include <optional>

// What comes in one piece with a request lies in the receive buffer while its handler runs for the first time. Whatever the handler
// does with it, nothing is lost, nothing is seen twice, and its credit goes back.

namespace hawser::peer_test {
namespace {

class first_bytes : public pair_of_peers {
 protected:
  // Far more than the windows hold, in requests that come whole: credit that stayed behind would stop the connection.
  void send_many(std::string_view operation, std::optional<std::error_code> expected = {}) {
    connection to = there();
    std::size_t sum = 0;
    for (std::size_t i = 0; sum < (std::size_t{1} << 20); ++i) {
      const std::size_t size = std::size_t{1} << (i % 13);
      sum += size;
      const auto answer = ask(operation, pattern(0, size));
      if (expected) {
        ASSERT_TRUE(failed_with(answer, *expected)) << i;
      } else {
        ASSERT_TRUE(succeeded(answer)) << i;
        ASSERT_EQ(*answer, std::to_string(size)) << i;
      }
    }
    ASSERT_TRUE(until([&] { return server.connections().size() == 1 && server.connections()[0].statistics().bytes_buffered == 0; }));
    EXPECT_TRUE(to.is_open());
  }
};

task<> count_by_reading(request& rq) {
  std::uint64_t got = 0;
  for (;;) {
    const auto piece = co_await rq.read();
    HAWSER_CO_ASSERT(succeeded(piece));
    if (piece->empty()) break;
    HAWSER_CO_ASSERT(follows_pattern(*piece, got));
    got += piece->size();
  }
  EXPECT_TRUE(rq.ended());
  static_cast<void>(co_await rq.write(std::to_string(got)));
}

TEST_F(first_bytes, are_read_at_once_and_after_a_while) {
  server.on("read", count_by_reading);
  server.on("later", [&](request& rq) -> task<> {
    const std::size_t before = rq.available();
    const std::string seen(as_text(rq.peek()));
    co_await sleep(loop_, 1us);
    EXPECT_GE(rq.available(), before);
    EXPECT_TRUE(as_text(rq.peek()).starts_with(seen));
    EXPECT_FALSE(rq.ended());
    co_await count_by_reading(rq);
  });
  send_many("read");
  send_many("later");
}

TEST_F(first_bytes, are_peeked_and_consumed_in_part_then_read) {
  server.on("peek", [&](request& rq) -> task<> {
    std::uint64_t got = 0;
    // One by one at first, so that some of it is consumed and the rest is not.
    for (int i = 0; i < 3 && rq.available() != 0; ++i) {
      const std::size_t before = rq.available();
      HAWSER_CO_ASSERT(follows_pattern(rq.peek(), got));
      rq.consume(1);
      ++got;
      EXPECT_EQ(rq.available(), before - 1);
    }
    for (;;) {
      const auto piece = co_await rq.read();
      HAWSER_CO_ASSERT(succeeded(piece));
      if (piece->empty()) break;
      HAWSER_CO_ASSERT(follows_pattern(*piece, got));
      got += piece->size();
    }
    static_cast<void>(co_await rq.write(std::to_string(got)));
  });
  send_many("peek");
}

TEST_F(first_bytes, are_read_at_least_and_all_of_them) {
  server.on("at least", [&](request& rq) -> task<> {
    const auto first = co_await rq.read_at_least(1);
    HAWSER_CO_ASSERT(succeeded(first));
    HAWSER_CO_ASSERT(follows_pattern(*first, 0));
    const auto rest = co_await rq.read_all(1 << 20);
    HAWSER_CO_ASSERT(succeeded(rest));
    HAWSER_CO_ASSERT(follows_pattern(*rest, first->size()));
    static_cast<void>(co_await rq.write(std::to_string(first->size() + rest->size())));
  });
  server.on("too much", [&](request& rq) -> task<> {
    const auto all = co_await rq.read_all(0);
    EXPECT_TRUE(failed_with(all, errc::message_too_big));
    rq.reset(errc::forbidden);
  });
  send_many("at least");
  send_many("too much", make_error_code(errc::forbidden));
}

TEST_F(first_bytes, are_read_where_the_handler_has_taken_the_request) {
  scope elsewhere(loop_);
  const auto go_on = [&](request rq) -> task<> {
    co_await count_by_reading(rq);
    rq.finish();
  };
  server.on("elsewhere", [&](request& rq) -> task<> {
    elsewhere.spawn(go_on(std::move(rq)));
    co_return;
  });
  send_many("elsewhere");
}

TEST_F(first_bytes, are_there_for_who_has_taken_the_request_and_reads_when_others_have_come) {
  scope elsewhere(loop_);
  event come(loop_);
  bool taken = false, read = false;
  const auto go_on = [&](request rq) -> task<> {
    taken = true;
    co_await come.wait();
    co_await count_by_reading(rq);
    read = true;
    rq.finish();
  };
  server.on("elsewhere", [&](request& rq) -> task<> {
    elsewhere.spawn(go_on(std::move(rq)));
    co_return;
  });
  server.on("other", echo);
  connection to = there();
  scope callers(loop_);
  const auto call = [&]() -> task<> {
    const std::string body = pattern(0, 600);
    const auto answer = co_await client.call(to, "elsewhere", as_bytes(body));
    HAWSER_CO_ASSERT(succeeded(answer));
    EXPECT_EQ(as_text(*answer), "600");
  };
  callers.spawn(call());
  ASSERT_TRUE(until([&] { return taken; }));
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(succeeded(ask("other", std::string(700, '-'))));      // more than an engine has buffers
  come.set();
  ASSERT_TRUE(until([&] { return callers.count() == 0; }));
  EXPECT_TRUE(read);
}

TEST_F(first_bytes, give_their_credit_back_when_nobody_reads_them) {
  server.on("returns", [](request& rq) -> task<> {
    static_cast<void>(co_await rq.write(std::to_string(rq.available())));
  });
  server.on("stops", [](request& rq) -> task<> {
    const std::size_t here = rq.available();
    rq.stop_reading();
    EXPECT_EQ(rq.available(), 0u);
    EXPECT_TRUE(rq.peek().empty());
    static_cast<void>(co_await rq.write(std::to_string(here)));
  });
  server.on("resets", [](request& rq) -> task<> {
    rq.reset(errc::forbidden);
    EXPECT_TRUE(rq.peek().empty());
    co_return;
  });
  server.on("drops", [](request& rq) -> task<> {
    const request taken = std::move(rq);
    co_return;
  });
  server.on("throws", [](request&) -> task<> {
    throw std::runtime_error("as it should");
    co_return;
  });
  send_many("returns");
  send_many("stops");
  send_many("resets", make_error_code(errc::forbidden));
  send_many("drops", make_error_code(errc::cancelled));
  send_many("throws", make_error_code(errc::operation_failed));
}

TEST_F(first_bytes, are_read_after_the_connection_was_lost_and_by_nobody_after_the_peer_is_gone) {
  std::optional<result<chunk>> kept;
  const auto body = pattern(0, 3'000);
  server.on("aborts", [&](request& rq) -> task<> {
    rq.caller().abort();
    kept = co_await rq.read();
  });
  EXPECT_TRUE(failed_with(ask("aborts", body), errc::connection_lost));
  ASSERT_TRUE(kept.has_value());
  ASSERT_TRUE(succeeded(*kept));
  EXPECT_TRUE(follows_pattern(**kept, 0));

  auto mortal = std::make_unique<peer>(loop_, listening("mortal"));
  bool looked = false;
  mortal->on("destroys", [&](request& rq) -> task<> {
    mortal.reset();
    EXPECT_TRUE(rq.peek().empty());
    looked = true;
    static_cast<void>(co_await rq.read());
  });
  connection to = connect(client, *mortal);
  const auto call = [&]() -> task<result<chunk>> { co_return co_await client.call(to, "destroys", as_bytes(body)); };
  EXPECT_TRUE(failed_with(run(call()), errc::connection_lost));
  EXPECT_TRUE(looked);
}

TEST_F(first_bytes, of_a_stream_are_read_like_those_of_a_request) {
  std::vector<std::string> got;
  server.on_stream([&](channel& one) -> task<> {
    const auto all = co_await one.read_all(1 << 20);
    HAWSER_CO_ASSERT(succeeded(all));
    got.emplace_back(as_text(*all));
  });
  connection to = there();
  auto stream = client.open_stream(to, "s");
  ASSERT_TRUE(succeeded(stream));
  const auto write = [&]() -> task<> {
    HAWSER_CO_ASSERT(succeeded(co_await stream->write("some bytes")));
    stream->finish();
  };
  run(write());
  ASSERT_TRUE(until([&] { return got.size() == 1; }));
  EXPECT_EQ(got[0], "some bytes");
}

// -- many plain messages in one input

using batch_of_messages = pair_of_peers;

TEST_F(batch_of_messages, go_to_whoever_is_the_handler_by_then_and_from_may_be_kept) {
  std::vector<std::string> got;
  std::vector<connection> kept;
  std::function<void(int)> install = [&](int number) {
    server.on_message([&, number](connection& from, byte_view message) {
      got.push_back(std::to_string(number) + ":" + std::string(as_text(message)));
      if (number % 3 == 0) kept.push_back(std::move(from));
      if (number % 3 == 1) from = connection();
      install(number + 1);      // and with that this one goes
    });
  };
  install(0);
  connection to = there();
  std::vector<std::string> expected;
  for (int i = 0; i < 700; ++i) {
    ASSERT_TRUE(succeeded(to.send(std::to_string(i))));
    expected.push_back(std::to_string(i) + ":" + std::to_string(i));
  }
  ASSERT_TRUE(until([&] { return got.size() >= 700; }));
  EXPECT_EQ(got, expected);
  for (const connection& one : kept) EXPECT_TRUE(one.is_open());
}

TEST_F(batch_of_messages, end_where_the_peer_is_destroyed_or_a_handler_throws) {
  for (const bool destroys : {true, false}) {
    for (const int at : {0, 1, 100, 255, 256, 257, 400}) {
      auto mortal = std::make_unique<peer>(loop_, listening("mortal"));
      int got = 0;
      mortal->on_message([&](connection&, byte_view) {
        if (got++ != at) return;
        if (destroys) return mortal.reset();
        throw std::runtime_error("as it should");
      });
      connection to = connect(client, *mortal);
      for (int i = 0; i < 500; ++i) ASSERT_TRUE(succeeded(to.send("x")));
      ASSERT_TRUE(until([&] { return !to.is_open(); }));
      settle(loop_, 2ms);
      EXPECT_EQ(got, at + 1);
    }
  }
}

// Every message leads to an answer: what half of them led to goes ahead, in order, and nothing is lost whatever ends in between.
TEST_F(batch_of_messages, are_answered_in_order_while_more_of_them_wait) {
  std::uint64_t answers = 0;
  client.on_message([&](connection&, byte_view message) {
    ASSERT_EQ(as_text(message), std::to_string(answers));
    ++answers;
  });
  server.on_message([&](connection& from, byte_view message) {
    if (!from.send(message)) from.close();
  });
  connection to = there();
  const auto send_all = [&]() -> task<> {
    for (std::uint64_t i = 0; i < scaled(100'000);) {
      const std::string text = std::to_string(i);
      if (to.send(text)) ++i;
      else HAWSER_CO_ASSERT(succeeded(co_await client.writable(to)));
      if (i % 5'000 == 0) while (answers + 4'000 < i) co_await sleep(loop_, 100us);
    }
  };
  run(send_all());
  ASSERT_TRUE(until([&] { return answers == scaled(100'000); })) << answers;
}

TEST_F(batch_of_messages, that_close_the_connection_half_way_send_all_that_was_said_before) {
  for (const int at : {0, 63, 600, 1'500}) {
    int answers = 0, heard = 0;
    client.on_message([&](connection&, byte_view) { ++answers; });
    server.on_message([&](connection& from, byte_view message) {
      if (heard > at) return;
      EXPECT_TRUE(succeeded(from.send(message)));
      if (heard++ == at) from.close();
    });
    connection to = there();
    for (int i = 0; i < 2'000; ++i) ASSERT_TRUE(succeeded(to.send("y")));
    ASSERT_TRUE(until([&] { return client.connections().empty() && server.connections().empty(); })) << at;
    EXPECT_EQ(answers, at + 1);
  }
}

// A turn's share of completions is for those who go on for ever. Requests that are here as a whole, and are answered once, need none of
// it: were some of a thousand that came together put off, each would be taken up again after all the others had been.
TEST(many_requests, that_came_together_are_each_done_in_the_turn_in_which_they_began) {
  loop on;
  peer_options many;
  many.wire.announced.channels_max = 1'000;
  peer server(on, listening("server", many));
  peer client(on, named("client"));
  std::size_t answered = 0, put_off = 0;
  server.on("echo", [&](request& rq) -> task<> {
    const std::uint64_t began = on.turns();
    co_await echo(rq);
    ++answered;
    put_off += on.turns() != began;
  });
  connection to = connect(client, server);
  scope callers(on);
  const auto call = [&]() -> task<> {
    const auto answer = co_await client.call(to, "echo", as_bytes("a question"));
    EXPECT_TRUE(succeeded(answer));
  };
  for (int i = 0; i < 900; ++i) callers.spawn(call());
  ASSERT_TRUE(drive(on, [&] { return callers.count() == 0; }));
  EXPECT_EQ(answered, 900u);
  EXPECT_EQ(put_off, 0u);
}

}  // namespace
}  // namespace hawser::peer_test
