// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <array>

// Requests that are made first and started later; headers of requests and answers.

namespace hawser::peer_test {
namespace {

using peer_prepared_requests = pair_of_peers;

TEST_F(peer_prepared_requests, leave_only_when_they_are_started) {
  std::size_t seen = 0;
  server.on("echo", [&](request& rq) -> task<> {
    ++seen;
    co_await echo(rq);
  });
  connection to = there();
  const auto make = [&]() -> task<> {
    outgoing_request rq = client.prepare(to, "echo");
    EXPECT_FALSE(rq.started());
    HAWSER_CO_ASSERT(succeeded(co_await rq.write("written ")));
    HAWSER_CO_ASSERT(succeeded(co_await rq.write("before")));
    co_await sleep(loop_, 10ms);
    EXPECT_EQ(seen, 0u);
    HAWSER_CO_ASSERT(succeeded(rq.start()));
    EXPECT_TRUE(rq.started());
    HAWSER_CO_ASSERT(succeeded(co_await rq.write(" and after")));
    rq.finish();
    const auto answer = co_await rq.read_all(1000);
    HAWSER_CO_ASSERT(succeeded(answer));
    EXPECT_EQ(as_text(*answer), "written before and after");
  };
  run(make());
  EXPECT_EQ(seen, 1u);
}

TEST_F(peer_prepared_requests, with_a_complete_body_cost_one_frame_each_way) {
  server.on("test", [](request& rq) -> task<> {
    const auto body = co_await rq.read_all(1000);
    HAWSER_CO_ASSERT(succeeded(body));
    static_cast<void>(co_await rq.write("ok"));
  });
  connection to = there();
  const auto call = [&]() -> task<> {
    outgoing_request rq = client.prepare(to, "test");
    HAWSER_CO_ASSERT(succeeded(co_await rq.write("h")));
    HAWSER_CO_ASSERT(succeeded(co_await rq.write("i")));
    rq.finish();
    HAWSER_CO_ASSERT(succeeded(rq.start()));
    const auto answer = co_await rq.read_all(1000);
    HAWSER_CO_ASSERT(succeeded(answer));
    EXPECT_EQ(as_text(*answer), "ok");
  };
  run(call());                                // names the operation; from now on it is an alias
  settle(loop_);
  const connection_statistics before = to.statistics();
  run(call());
  settle(loop_);
  const connection_statistics after = to.statistics();
  EXPECT_EQ(after.bytes_sent - before.bytes_sent, 8u) << "22 05 40 00 12 02 68 69 (spec/wire.md, section 10)";
  EXPECT_EQ(after.bytes_received - before.bytes_received, 6u) << "61 05 20 00 6f 6b";
}

TEST_F(peer_prepared_requests, of_one_call_cost_the_same) {
  server.on("test", [](request& rq) -> task<> {
    const auto body = co_await rq.read_all(1000);
    HAWSER_CO_ASSERT(succeeded(body));
    static_cast<void>(co_await rq.write("ok"));
  });
  ASSERT_EQ(ask("test", "hi").value_or("failed"), "ok");
  settle(loop_);
  const connection_statistics before = there().statistics();
  ASSERT_EQ(ask("test", "hi").value_or("failed"), "ok");
  settle(loop_);
  const connection_statistics after = there().statistics();
  EXPECT_EQ(after.bytes_sent - before.bytes_sent, 8u);
  EXPECT_EQ(after.bytes_received - before.bytes_received, 6u);
}

TEST_F(peer_prepared_requests, larger_than_the_watermark_are_taken_up_to_it_and_flow_once_started) {
  server.on("echo", echo);
  connection to = there();
  outgoing_request rq = client.prepare(to, "echo");
  std::uint64_t kept = 0;
  for (;;) {
    const std::string piece = pattern(kept, 10'000);
    const auto taken = rq.try_write(as_bytes(piece));
    if (!taken) {
      EXPECT_TRUE(failed_with(taken, errc::would_block));
      break;
    }
    kept += *taken;
    ASSERT_LT(kept, 16u << 20) << "kept without any bound";
  }
  EXPECT_GE(kept, 10'000u);
  const auto rest = [&]() -> task<> {
    HAWSER_CO_ASSERT(succeeded(rq.start()));
    const std::string more = pattern(kept, 50'000);
    HAWSER_CO_ASSERT(succeeded(co_await rq.write(more)));
    rq.finish();
    const auto back = co_await rq.read_all(std::size_t{32} << 20);
    HAWSER_CO_ASSERT(succeeded(back));
    EXPECT_EQ(back->size(), kept + 50'000);
    EXPECT_TRUE(follows_pattern(*back, 0));
  };
  run(rest());
}

TEST_F(peer_prepared_requests, that_are_never_started_reach_nobody_and_leave_nothing_behind) {
  std::size_t seen = 0;
  server.on("echo", [&](request& rq) -> task<> {
    ++seen;
    co_await echo(rq);
  });
  connection to = there();
  {
    outgoing_request dropped = client.prepare(to, "echo");
    static_cast<void>(dropped.try_write(as_bytes("x")));
  }
  outgoing_request cancelled = client.prepare(to, "echo");
  cancelled.cancel();
  EXPECT_FALSE(cancelled.start().has_value());
  EXPECT_EQ(ask("echo", "after").value_or("failed"), "after");
  EXPECT_EQ(seen, 1u);
}

TEST_F(peer_prepared_requests, started_after_the_connection_ended_are_not_connected) {
  connection to = there();
  outgoing_request rq = client.prepare(to, "echo");
  to.close();
  ASSERT_TRUE(until([&] { return client.connections().empty(); }));
  EXPECT_TRUE(failed_with(rq.start(), errc::not_connected));
}

using peer_headers = pair_of_peers;

TEST_F(peer_headers, of_a_request_are_there_before_its_body) {
  std::vector<std::string> seen;
  server.on("headers", [&](request& rq) -> task<> {
    seen.push_back(std::string(rq.header("language")));
    seen.push_back(std::string(rq.header("accept")));
    seen.push_back(std::string(rq.header("absent")));
    EXPECT_EQ(rq.header_count(), 3u);
    EXPECT_EQ(rq.header_at(0).key, "language");
    EXPECT_EQ(rq.header_at(2).key, "empty");
    EXPECT_EQ(rq.header_at(2).value, "");
    EXPECT_EQ(rq.available(), 0u) << "no byte of the body was sent yet";
    const auto body = co_await rq.read_all(1000);
    HAWSER_CO_ASSERT(succeeded(body));
    seen.push_back(std::string(as_text(*body)));
  });
  connection to = there();
  const auto call = [&]() -> task<> {
    const std::array<header, 3> headers{{{"language", "hr"}, {"accept", "anything"}, {"empty", ""}}};
    auto rq = client.start(to, "headers", {.headers = headers});
    HAWSER_CO_ASSERT(succeeded(rq));
    while (seen.size() < 3) co_await sleep(loop_, 100us);
    HAWSER_CO_ASSERT(succeeded(co_await rq->write("the body")));
    rq->finish();
    HAWSER_CO_ASSERT(succeeded(co_await rq->read_all(10)));
  };
  run(call());
  EXPECT_EQ(seen, (std::vector<std::string>{"hr", "anything", "", "the body"}));
}

TEST_F(peer_headers, of_an_answer_are_there_before_its_body) {
  hawser::event gate(loop_);
  server.on("headers", [&](request& rq) -> task<> {
    const std::array<header, 2> headers{{{"type", "text/plain"}, {"length", "8"}}};
    HAWSER_CO_ASSERT(succeeded(rq.respond_headers(headers)));
    co_await gate.wait();
    HAWSER_CO_ASSERT(succeeded(co_await rq.write("the body")));
    EXPECT_TRUE(failed_with(rq.respond_headers(headers), errc::protocol)) << "bytes have been written already";
  });
  connection to = there();
  const auto call = [&]() -> task<> {
    auto rq = client.start(to, "headers");
    HAWSER_CO_ASSERT(succeeded(rq));
    rq->finish();
    HAWSER_CO_ASSERT(succeeded(co_await rq->headers()));
    EXPECT_EQ(rq->answer_header("type"), "text/plain");
    EXPECT_EQ(rq->answer_header("length"), "8");
    EXPECT_EQ(rq->answer_header("absent"), "");
    EXPECT_EQ(rq->available(), 0u);
    gate.set();
    const auto body = co_await rq->read_all(100);
    HAWSER_CO_ASSERT(succeeded(body));
    EXPECT_EQ(as_text(*body), "the body");
    EXPECT_EQ(rq->answer_header("type"), "text/plain") << "they stay";
  };
  run(call());
}

TEST_F(peer_headers, that_an_answer_does_not_have_are_known_absent_with_its_first_byte_or_its_end) {
  server.on("echo", echo);
  connection to = there();
  const auto call = [&](std::string_view body) -> task<> {
    auto rq = client.start(to, "echo");
    HAWSER_CO_ASSERT(succeeded(rq));
    HAWSER_CO_ASSERT(succeeded(co_await rq->write(body)));
    rq->finish();
    HAWSER_CO_ASSERT(succeeded(co_await rq->headers()));
    EXPECT_EQ(rq->answer_header("type"), "");
    const auto answer = co_await rq->read_all(100);
    HAWSER_CO_ASSERT(succeeded(answer));
    EXPECT_EQ(as_text(*answer), body);
  };
  run(call("a body"));
  run(call(""));
}

TEST_F(peer_headers, that_an_answer_does_not_have_are_known_absent_while_somebody_else_reads_it) {
  hawser::event gate(loop_);
  server.on("slow", [&](request& rq) -> task<> {
    HAWSER_CO_ASSERT(succeeded(co_await rq.write("first")));
    co_await gate.wait();
    HAWSER_CO_ASSERT(succeeded(co_await rq.write("second")));
  });
  auto rq = client.start(there(), "slow");
  ASSERT_TRUE(succeeded(rq));
  rq->finish();
  bool absent = false;
  std::string all;
  const auto look = [&]() -> task<> {
    HAWSER_CO_ASSERT(succeeded(co_await rq->headers()));
    absent = true;
  };
  const auto read = [&]() -> task<> {
    const auto body = co_await rq->read_all(100);
    HAWSER_CO_ASSERT(succeeded(body));
    all = as_text(*body);
  };
  {
    scope work(loop_);
    work.spawn(look());
    work.spawn(read());
    EXPECT_TRUE(until([&] { return absent; }, 5s)) << "the first bytes are here";
    gate.set();
    EXPECT_TRUE(until([&] { return !all.empty(); }));
  }
  EXPECT_EQ(all, "firstsecond");
}

TEST_F(peer_headers, of_a_failed_request_end_with_its_error) {
  server.on("fail", [](request& rq) -> task<> {
    rq.fail(0x10001);
    co_return;
  });
  connection to = there();
  const auto call = [&]() -> task<> {
    auto rq = client.start(to, "fail");
    HAWSER_CO_ASSERT(succeeded(rq));
    rq->finish();
    EXPECT_TRUE(failed_with(co_await rq->headers(), make_application_error(0x10001)));
  };
  run(call());
}

TEST_F(peer_headers, too_large_for_the_other_side_are_refused_here) {
  server.on("echo", echo);
  connection to = there();
  const std::string large(10'000, 'h');
  const std::array<header, 1> headers{{{"large", large}}};
  const auto rq = client.start(to, "echo", {.headers = headers});
  EXPECT_TRUE(failed_with(rq, errc::message_too_big));
  EXPECT_EQ(ask("echo", "and nothing is harmed").value_or("failed"), "and nothing is harmed");
}

}  // namespace
}  // namespace hawser::peer_test
