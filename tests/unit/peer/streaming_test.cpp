// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

// Bodies that stream both ways, and the ways to read them.

namespace hawser::peer_test {
namespace {

using peer_streaming = pair_of_peers;

TEST_F(peer_streaming, goes_both_ways_at_once_far_beyond_any_window) {
  server.on("echo", echo);
  const std::uint64_t total = scaled(std::size_t{64} << 20);
  connection to = there();
  std::uint64_t back = 0;
  const auto both = [&]() -> task<> {
    auto rq = client.start(to, "echo");
    HAWSER_CO_ASSERT(succeeded(rq));
    scope writing(loop_);
    const auto write = [&]() -> task<> {
      for (std::uint64_t at = 0; at < total;) {
        const std::string piece = pattern(at, std::min<std::uint64_t>(total - at, 100'000));
        HAWSER_CO_ASSERT(succeeded(co_await rq->write(piece)));
        at += piece.size();
      }
      rq->finish();
    };
    writing.spawn(write());
    for (;;) {
      const auto piece = co_await rq->read();
      HAWSER_CO_ASSERT(succeeded(piece));
      if (piece->empty()) break;
      HAWSER_CO_ASSERT(follows_pattern(*piece, back));
      back += piece->size();
    }
    EXPECT_TRUE(rq->ended());
    EXPECT_FALSE(rq->error()) << rq->error().message();
  };
  run(both());
  EXPECT_EQ(back, total);
}

TEST_F(peer_streaming, the_answer_may_begin_and_end_before_the_body_does) {
  std::string rest;
  bool handler_ended = false;
  server.on("hasty", [&](request& rq) -> task<> {
    HAWSER_CO_ASSERT(succeeded(co_await rq.write("answer")));
    rq.finish();
    const auto body = co_await rq.read_all(1000);
    HAWSER_CO_ASSERT(succeeded(body));
    rest = as_text(*body);
    handler_ended = true;
  });
  connection to = there();
  const auto call = [&]() -> task<> {
    auto rq = client.start(to, "hasty");
    HAWSER_CO_ASSERT(succeeded(rq));
    const auto answer = co_await rq->read_all(1000);
    HAWSER_CO_ASSERT(succeeded(answer));
    EXPECT_EQ(as_text(*answer), "answer");
    EXPECT_FALSE(handler_ended);
    HAWSER_CO_ASSERT(succeeded(co_await rq->write("the body, afterwards")));
    rq->finish();
  };
  run(call());
  ASSERT_TRUE(until([&] { return handler_ended; }));
  EXPECT_EQ(rest, "the body, afterwards");
}

TEST_F(peer_streaming, each_side_half_closes_for_itself) {
  std::vector<std::string> order;
  server.on("two halves", [&](request& rq) -> task<> {
    const auto body = co_await rq.read_all(1000);
    HAWSER_CO_ASSERT(succeeded(body));
    order.push_back("server saw the end of the body");
    const auto end = co_await rq.read();
    HAWSER_CO_ASSERT(succeeded(end));
    EXPECT_TRUE(end->empty()) << "the end stays the end";
    EXPECT_TRUE(rq.ended());
    for (int i = 0; i < 3; ++i) HAWSER_CO_ASSERT(succeeded(co_await rq.write("piece ")));
  });
  connection to = there();
  const auto call = [&]() -> task<> {
    auto rq = client.start(to, "two halves");
    HAWSER_CO_ASSERT(succeeded(rq));
    HAWSER_CO_ASSERT(succeeded(co_await rq->write("body")));
    rq->finish();
    const auto answer = co_await rq->read_all(1000);
    HAWSER_CO_ASSERT(succeeded(answer));
    order.push_back("client saw the end of the answer");
    EXPECT_EQ(as_text(*answer), "piece piece piece ");
  };
  run(call());
  EXPECT_EQ(order, (std::vector<std::string>{"server saw the end of the body", "client saw the end of the answer"}));
}

TEST_F(peer_streaming, reads_some_at_least_and_all) {
  hawser::event go_on(loop_);
  server.on("alphabet", [&](request& rq) -> task<> {
    for (char letter = 'a'; letter <= 'z'; ++letter) {
      HAWSER_CO_ASSERT(succeeded(co_await rq.write(std::string(10, letter))));
      if (letter == 'a') co_await go_on.wait();
      else co_await sleep(loop_, 50us);
    }
  });
  connection to = there();
  const auto call = [&]() -> task<> {
    auto rq = client.start(to, "alphabet");
    HAWSER_CO_ASSERT(succeeded(rq));
    rq->finish();
    const auto some = co_await rq->read();
    HAWSER_CO_ASSERT(succeeded(some));
    EXPECT_EQ(as_text(*some), "aaaaaaaaaa") << "what is there, at once";
    go_on.set();
    std::string all(as_text(*some));
    const auto at_least = co_await rq->read_at_least(55);
    HAWSER_CO_ASSERT(succeeded(at_least));
    EXPECT_GE(at_least->size(), 55u);
    all += as_text(*at_least);
    const auto rest = co_await rq->read_all(1000);
    HAWSER_CO_ASSERT(succeeded(rest));
    all += as_text(*rest);
    std::string expected;
    for (char letter = 'a'; letter <= 'z'; ++letter) expected.append(10, letter);
    EXPECT_EQ(all, expected);
    const auto end = co_await rq->read();
    HAWSER_CO_ASSERT(succeeded(end));
    EXPECT_TRUE(end->empty());
  };
  run(call());
}

TEST_F(peer_streaming, reads_at_least_more_than_the_window_holds) {
  server.on("source", [](request& rq) -> task<> {
    const std::string all = pattern(0, 500'000);
    HAWSER_CO_ASSERT(succeeded(co_await rq.write(all)));
  });
  connection to = there();
  const auto call = [&]() -> task<> {
    auto rq = client.start(to, "source");
    HAWSER_CO_ASSERT(succeeded(rq));
    rq->finish();
    const auto most = co_await rq->read_at_least(400'000);
    HAWSER_CO_ASSERT(succeeded(most));
    EXPECT_GE(most->size(), 400'000u);
    EXPECT_TRUE(follows_pattern(*most, 0));
    const auto rest = co_await rq->read_all(1 << 20);
    HAWSER_CO_ASSERT(succeeded(rest));
    EXPECT_EQ(most->size() + rest->size(), 500'000u);
    EXPECT_TRUE(follows_pattern(*rest, most->size()));
  };
  run(call());
}

TEST_F(peer_streaming, that_ends_before_enough_was_there_says_so_and_keeps_the_rest_to_look_at) {
  server.on("short", [](request& rq) -> task<> { static_cast<void>(co_await rq.write("seven b")); });
  connection to = there();
  const auto call = [&]() -> task<> {
    auto rq = client.start(to, "short");
    HAWSER_CO_ASSERT(succeeded(rq));
    rq->finish();
    EXPECT_TRUE(failed_with(co_await rq->read_at_least(8), errc::end_of_stream));
    EXPECT_EQ(as_text(rq->peek()), "seven b");
    EXPECT_EQ(rq->available(), 7u);
    EXPECT_FALSE(rq->ended()) << "there are bytes that nobody read";
    rq->consume(7);
    EXPECT_TRUE(rq->ended());
    const auto end = co_await rq->read();
    HAWSER_CO_ASSERT(succeeded(end));
    EXPECT_TRUE(end->empty());
  };
  run(call());
}

TEST_F(peer_streaming, reads_everything_only_up_to_its_limit) {
  server.on("echo", echo);
  connection to = there();
  const auto call = [&](std::size_t body, std::size_t limit) -> task<result<chunk>> {
    auto rq = client.start(to, "echo");
    if (!rq) co_return failure(rq.error());
    const std::string bytes = pattern(0, body);
    static_cast<void>(co_await rq->write(bytes));
    rq->finish();
    co_return co_await rq->read_all(limit);
  };
  EXPECT_EQ(run(call(10'000, 10'000)).value().size(), 10'000u);
  EXPECT_TRUE(failed_with(run(call(10'001, 10'000)), errc::message_too_big));
  EXPECT_EQ(run(call(0, 0)).value().size(), 0u);
  EXPECT_EQ(run(call(100'000, 100'000)).value().size(), 100'000u) << "larger than the first window";
}

TEST_F(peer_streaming, can_be_looked_at_before_it_is_consumed) {
  server.on("line by line", [](request& rq) -> task<> { static_cast<void>(co_await rq.write("first\nsecond\nthird\n")); });
  connection to = there();
  std::vector<std::string> lines;
  const auto call = [&]() -> task<> {
    auto rq = client.start(to, "line by line");
    HAWSER_CO_ASSERT(succeeded(rq));
    rq->finish();
    while (rq->available() < 19) co_await sleep(loop_, 100us);
    for (;;) {
      const std::string_view seen = as_text(rq->peek());
      const std::size_t end = seen.find('\n');
      if (end == std::string_view::npos) break;
      lines.emplace_back(seen.substr(0, end));
      const std::size_t before = rq->available();
      rq->consume(end + 1);
      EXPECT_EQ(rq->available(), before - end - 1);
    }
    EXPECT_EQ(rq->available(), 0u);
    EXPECT_TRUE(rq->peek().empty());
  };
  run(call());
  EXPECT_EQ(lines, (std::vector<std::string>{"first", "second", "third"}));
}

// The sender's side of credit: how much can be written while nobody reads.
TEST_F(peer_streaming, stops_its_writer_when_nobody_reads_and_goes_on_with_each_byte_that_is_read) {
  hawser::event gate(loop_);
  std::uint64_t got = 0;
  server.on("slow reader", [&](request& rq) -> task<> {
    co_await gate.wait();
    for (;;) {
      const auto piece = co_await rq.read();
      HAWSER_CO_ASSERT(succeeded(piece));
      if (piece->empty()) break;
      HAWSER_CO_ASSERT(follows_pattern(*piece, got));
      got += piece->size();
    }
  });
  connection to = there();
  auto rq = client.start(to, "slow reader");
  ASSERT_TRUE(succeeded(rq));
  std::uint64_t written = 0;
  // Until nothing was taken for a while, however often the loop turns.
  for (int idle = 0; idle < 50;) {
    const std::string piece = pattern(written, 8'192);
    const result<std::size_t> taken = rq->try_write(as_bytes(piece));
    if (taken) {
      written += *taken;
      idle = 0;
    } else {
      ASSERT_TRUE(failed_with(taken, errc::would_block));
      ++idle;
      loop_.run_once(1ms);
    }
    ASSERT_LT(written, 8u << 20) << "nobody reads, and yet the writer is never stopped";
  }
  EXPECT_GE(written, 65'536u - 16 * 64) << "the first window at least";
  const std::uint64_t stalled_at = written;
  gate.set();
  const auto more = [&]() -> task<> {
    while (written < stalled_at + (1 << 20)) {
      const std::string piece = pattern(written, 8'192);
      HAWSER_CO_ASSERT(succeeded(co_await rq->write(piece)));
      written += piece.size();
    }
    rq->finish();
    const auto end = co_await rq->read();
    HAWSER_CO_ASSERT(succeeded(end));
    EXPECT_TRUE(end->empty());
  };
  run(more());
  EXPECT_EQ(got, written);
}

TEST_F(peer_streaming, returns_credit_for_what_is_peeked_and_consumed_too) {
  std::uint64_t got = 0;
  server.on("consumer", [&](request& rq) -> task<> {
    while (!rq.ended()) {
      if (rq.available() == 0) {
        co_await sleep(loop_, 100us);
        if (rq.cancelled()) co_return;
        continue;
      }
      const byte_view seen = rq.peek();
      HAWSER_CO_ASSERT(follows_pattern(seen, got));
      got += seen.size();
      rq.consume(seen.size());
    }
    static_cast<void>(co_await rq.write("done"));
  });
  connection to = there();
  const std::string body = pattern(0, 1'000'000);
  const auto answer = ask("consumer", body);
  ASSERT_TRUE(succeeded(answer));
  EXPECT_EQ(*answer, "done");
  EXPECT_EQ(got, body.size());
}

TEST_F(peer_streaming, a_reader_that_had_enough_stops_the_writer_and_still_answers) {
  std::error_code told;
  server.on("enough", [&](request& rq) -> task<> {
    const auto first = co_await rq.read();
    HAWSER_CO_ASSERT(succeeded(first));
    rq.stop_reading();
    HAWSER_CO_ASSERT(succeeded(co_await rq.write("thank you, enough")));
  });
  connection to = there();
  const auto call = [&]() -> task<> {
    auto rq = client.start(to, "enough");
    HAWSER_CO_ASSERT(succeeded(rq));
    const std::string piece(16'384, 'x');
    for (;;) {
      const auto written = co_await rq->write(piece);
      if (!written) {
        told = written.error();
        break;
      }
    }
    const auto answer = co_await rq->read_all(1000);
    HAWSER_CO_ASSERT(succeeded(answer));
    EXPECT_EQ(as_text(*answer), "thank you, enough");
  };
  run(call());
  EXPECT_TRUE(is(told, errc::cancelled));
}

TEST_F(peer_streaming, shares_a_chunk_that_is_passed_on) {
  server.on("echo", echo);
  connection to = there();
  const auto call = [&]() -> task<> {
    auto rq = client.start(to, "echo");
    HAWSER_CO_ASSERT(succeeded(rq));
    const std::string bytes = pattern(0, 200'000);
    chunk large = loop_.buffers().copy(as_bytes(bytes));
    HAWSER_CO_ASSERT(succeeded(co_await rq->write(large)));
    rq->finish();
    const auto back = co_await rq->read_all(1 << 20);
    HAWSER_CO_ASSERT(succeeded(back));
    EXPECT_TRUE(as_text(*back) == bytes);
  };
  run(call());
}

TEST_F(peer_streaming, many_bodies_share_one_connection_and_none_is_mixed_up) {
  server.on("echo", echo);
  connection to = there();
  std::size_t right = 0;
  scope calls(loop_);
  const auto one = [&](std::uint64_t seed) -> task<> {
    const std::string body = pattern(seed << 24, 200'000 + seed * 1'111);
    const result<chunk> back = co_await client.call(to, "echo", as_bytes(body));
    EXPECT_TRUE(succeeded(back));
    if (back && as_text(*back) == body) ++right;
  };
  for (std::uint64_t i = 0; i < 100; ++i) calls.spawn(one(i));
  ASSERT_TRUE(until([&] { return calls.count() == 0; }));
  EXPECT_EQ(right, 100u);
}

}  // namespace
}  // namespace hawser::peer_test
