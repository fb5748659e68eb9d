// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <array>

// Operations by name, and every way in which a request fails: a typed error each.

namespace hawser::peer_test {
namespace {

using peer_operations = pair_of_peers;

TEST_F(peer_operations, answer_under_their_names) {
  server.on("echo", echo);
  server.on("reverse", [](request& rq) -> task<> {
    const auto body = co_await rq.read_all(1 << 16);
    if (!body) co_return;
    std::string text(as_text(*body));
    std::reverse(text.begin(), text.end());
    static_cast<void>(co_await rq.write(text));
  });
  EXPECT_EQ(ask("echo", "hawser").value(), "hawser");
  EXPECT_EQ(ask("reverse", "hawser").value(), "reswah");
  EXPECT_EQ(ask("echo", "").value(), "");
  EXPECT_EQ(ask("echo", pattern(0, 3 << 20)).value(), pattern(0, 3 << 20));
}

TEST_F(peer_operations, of_the_dialling_side_are_called_by_the_listening_side) {
  client.on("echo", echo);
  there();
  const auto call = [&]() -> task<result<std::string>> {
    const result<chunk> answer = co_await server.call("client", "echo", as_bytes("the other way"));
    if (!answer) co_return failure(answer.error());
    co_return std::string(as_text(*answer));
  };
  const auto answer = run(call());
  ASSERT_TRUE(succeeded(answer));
  EXPECT_EQ(*answer, "the other way");
}

TEST_F(peer_operations, with_unknown_names_are_not_found_and_the_connection_goes_on) {
  server.on("echo", echo);
  EXPECT_TRUE(failed_with(ask("no such thing", "x"), errc::operation_not_found));
  EXPECT_TRUE(failed_with(ask("ech", "x"), errc::operation_not_found));
  EXPECT_TRUE(failed_with(ask("echoo", "x"), errc::operation_not_found));
  EXPECT_EQ(ask("echo", "still").value(), "still");
}

TEST_F(peer_operations, can_be_replaced_and_removed) {
  server.on("who", [](request& rq) -> task<> { static_cast<void>(co_await rq.write("first")); });
  EXPECT_EQ(ask("who", "").value(), "first");
  server.on("who", [](request& rq) -> task<> { static_cast<void>(co_await rq.write("second")); });
  EXPECT_EQ(ask("who", "").value(), "second");
  server.remove("who");
  EXPECT_TRUE(failed_with(ask("who", ""), errc::operation_not_found));
}

TEST_F(peer_operations, removed_while_they_run_go_on_to_their_end) {
  hawser::event gate(loop_);
  server.on("slow", [&](request& rq) -> task<> {
    co_await gate.wait();
    static_cast<void>(co_await rq.write("late but here"));
  });
  std::optional<std::string> answer;
  scope calls(loop_);
  const auto call = [&]() -> task<> {
    const result<chunk> got = co_await client.call(there(), "slow");
    EXPECT_TRUE(succeeded(got));
    if (got) answer = as_text(*got);
  };
  there();
  calls.spawn(call());
  settle(loop_);
  server.remove("slow");
  gate.set();
  ASSERT_TRUE(until([&] { return answer.has_value(); }));
  EXPECT_EQ(*answer, "late but here");
}

TEST_F(peer_operations, replaced_while_they_run_keep_the_handler_they_began_with) {
  hawser::event gate(loop_);
  const std::string first = "captured by the first handler, longer than any small string";
  server.on("which", [&gate, first](request& rq) -> task<> {
    co_await gate.wait();
    static_cast<void>(co_await rq.write(first));
  });
  std::optional<std::string> answer;
  scope calls(loop_);
  const auto call = [&]() -> task<> {
    const result<chunk> got = co_await client.call(there(), "which");
    answer = got ? std::string(as_text(*got)) : got.error().message();
  };
  there();
  calls.spawn(call());
  settle(loop_);
  server.on("which", [](request& rq) -> task<> { static_cast<void>(co_await rq.write("second")); });
  settle(loop_);
  gate.set();
  ASSERT_TRUE(until([&] { return answer.has_value(); }));
  EXPECT_EQ(*answer, first);
}

TEST_F(peer_operations, that_fail_give_the_caller_their_own_code) {
  server.on("fail", [](request& rq) -> task<> {
    rq.fail(0x10000 + 404, "not on this shelf");
    co_return;
  });
  server.on("fail late", [](request& rq) -> task<> {
    static_cast<void>(co_await rq.write("half an answer"));
    rq.fail(0x12345);
  });
  server.on("forbid", [](request& rq) -> task<> {
    rq.fail(errc::forbidden);
    co_return;
  });
  EXPECT_TRUE(failed_with(ask("fail", "x"), make_application_error(0x10000 + 404)));
  EXPECT_TRUE(failed_with(ask("fail late", "x"), make_application_error(0x12345)));
  EXPECT_TRUE(failed_with(ask("forbid", "x"), errc::forbidden));
}

TEST_F(peer_operations, that_let_go_of_their_request_go_on_to_their_end) {
  std::size_t ended = 0;
  const auto answer_and_let_go = [](request& rq) {
    request mine = std::move(rq);
    EXPECT_TRUE(succeeded(mine.try_write(as_bytes("early"))));
    mine.finish();
  };
  server.on("at once", [&](request& rq) -> task<> {
    answer_and_let_go(rq);
    co_await sleep(loop_, 2ms);
    ++ended;
  });
  server.on("later", [&](request& rq) -> task<> {
    co_await sleep(loop_, 1ms);
    answer_and_let_go(rq);
    ++ended;
    co_await sleep(loop_, 2ms);
    ++ended;
  });
  EXPECT_EQ(ask("at once", "x").value(), "early");
  EXPECT_EQ(ask("later", "x").value(), "early");
  run(server.stop(patience));
  EXPECT_EQ(ended, 3u);
  for (const operation_statistics& each : server.operations()) {
    EXPECT_EQ(each.running, 0u);
    EXPECT_EQ(each.started, 1u);
    EXPECT_EQ(each.answered, 1u);
  }
}

TEST_F(peer_operations, that_throw_end_their_own_request_only) {
  hawser::event gate(loop_);
  server.on("echo", echo);
  server.on("throw", [](request&) -> task<> {
    throw std::runtime_error("the handler's own trouble");
    co_return;
  });
  server.on("throw later", [&](request& rq) -> task<> {
    static_cast<void>(co_await rq.read());
    co_await gate.wait();
    throw 42;
  });
  server.on("patient", [&](request& rq) -> task<> {
    co_await gate.wait();
    static_cast<void>(co_await rq.write("unharmed"));
  });
  std::vector<std::error_code> failures;
  std::string patient;
  scope calls(loop_);
  const auto call = [&](std::string_view operation) -> task<> {
    const result<chunk> got = co_await client.call(there(), operation, as_bytes("x"));
    if (!got) failures.push_back(got.error());
    else patient = as_text(*got);
  };
  there();
  calls.spawn(call("throw later"));
  calls.spawn(call("patient"));
  calls.spawn(call("throw"));
  ASSERT_TRUE(until([&] { return failures.size() == 1; }));
  gate.set();
  ASSERT_TRUE(until([&] { return calls.count() == 0; }));
  ASSERT_EQ(failures.size(), 2u);
  for (const auto& one : failures) EXPECT_TRUE(is(one, errc::operation_failed));
  EXPECT_EQ(patient, "unharmed");
  EXPECT_EQ(ask("echo", "and the connection stands").value(), "and the connection stands");
}

TEST_F(peer_operations, beyond_their_own_limit_in_flight_are_refused_and_safe_to_retry) {
  hawser::event gate(loop_);
  std::size_t running = 0, most = 0;
  server.on("narrow", [&](request& rq) -> task<> {
    most = std::max(most, ++running);
    co_await gate.wait();
    --running;
    static_cast<void>(co_await rq.write("done"));
  }, {.in_flight_max = 3});
  std::size_t done = 0, refused = 0;
  scope calls(loop_);
  const auto call = [&]() -> task<> {
    const result<chunk> got = co_await client.call(there(), "narrow");
    if (got) ++done;
    else if (got.error() == errc::refused) ++refused;
  };
  there();
  for (int i = 0; i < 10; ++i) calls.spawn(call());
  ASSERT_TRUE(until([&] { return refused == 7; }));
  gate.set();
  ASSERT_TRUE(until([&] { return calls.count() == 0; }));
  EXPECT_EQ(done, 3u);
  EXPECT_EQ(most, 3u);
  EXPECT_EQ(ask("narrow", "").value(), "done");
}

TEST_F(peer_operations, whose_answer_is_larger_than_the_caller_allows_end_as_too_big) {
  server.on("echo", echo);
  EXPECT_TRUE(failed_with(ask("echo", pattern(0, 100'001), {.answer_bytes_max = 100'000}), errc::message_too_big));
  EXPECT_EQ(ask("echo", pattern(0, 100'000), {.answer_bytes_max = 100'000}).value().size(), 100'000u);
}

TEST_F(peer_operations, interleave_by_the_thousand_on_one_connection) {
  server.on("echo", echo);
  const std::size_t count = scaled(5'000);
  std::size_t right = 0;
  scope calls(loop_);
  connection to = there();
  const auto call = [&](std::size_t i) -> task<> {
    const std::string body = pattern(i * 64, 1 + i % 300);
    const result<chunk> got = co_await client.call(to, "echo", as_bytes(body));
    EXPECT_TRUE(succeeded(got));
    if (got && as_text(*got) == body) ++right;
  };
  for (std::size_t i = 0; i < count; ++i) calls.spawn(call(i));
  ASSERT_TRUE(until([&] { return calls.count() == 0; }));
  EXPECT_EQ(right, count);
  EXPECT_EQ(server.connections().size(), 1u);
}

TEST_F(peer_operations, called_with_names_of_every_legal_length_and_more_names_than_there_are_aliases) {
  for (std::size_t length : {1u, 127u, 128u, 255u}) server.on(std::string(length, 'o'), echo);
  for (std::size_t length : {1u, 127u, 128u, 255u}) {
    EXPECT_EQ(ask(std::string(length, 'o'), "by any length").value_or("failed"), "by any length") << length;
  }
  for (int i = 0; i < 600; ++i) server.on("operation " + std::to_string(i), echo);
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 600; ++i) {
      const std::string name = "operation " + std::to_string(i);
      ASSERT_EQ(ask(name, name).value_or("failed"), name);
    }
  }
}

TEST_F(peer_operations, see_their_caller) {
  std::string seen;
  endpoint from, at;
  server.on("who am I", [&](request& rq) -> task<> {
    seen = rq.caller().name();
    from = rq.caller().remote_endpoint();
    at = rq.caller().local_endpoint();
    EXPECT_EQ(rq.operation(), "who am I");
    EXPECT_EQ(rq.caller().owner(), &server);
    co_return;
  });
  EXPECT_TRUE(succeeded(ask("who am I", "")));
  EXPECT_EQ(seen, "client");
  EXPECT_EQ(from, there().local_endpoint());
  EXPECT_EQ(at, there().remote_endpoint());
}

TEST_F(peer_operations, calls_to_a_connection_that_ended_are_not_connected) {
  connection with = there();
  with.close();
  ASSERT_TRUE(until([&] { return client.connections().empty(); }));
  const auto call = [&]() -> task<result<>> {
    const result<chunk> answer = co_await client.call(with, "echo");
    if (!answer) co_return failure(answer.error());
    co_return result<>();
  };
  EXPECT_TRUE(failed_with(run(call()), errc::not_connected));
  EXPECT_TRUE(failed_with(client.start(with, "echo"), errc::not_connected));
}

// -- to oneself

TEST_F(peer_operations, called_on_oneself_run_locally_through_the_same_handler) {
  std::size_t calls_seen = 0;
  server.on("echo", [&](request& rq) -> task<> {
    ++calls_seen;
    EXPECT_EQ(rq.caller().name(), "server");
    co_await echo(rq);
  });
  const auto call = [&](target to) -> task<result<std::string>> {
    const result<chunk> answer = co_await server.call(to, "echo", as_bytes("to myself"));
    if (!answer) co_return failure(answer.error());
    co_return std::string(as_text(*answer));
  };
  EXPECT_EQ(run(call(server.self())).value_or("failed"), "to myself");
  EXPECT_EQ(run(call("server")).value_or("failed"), "to myself") << "its own name is itself";
  EXPECT_EQ(calls_seen, 2u);
  EXPECT_EQ(server.has_route("server"), 0u);
  EXPECT_TRUE(server.connections().empty()) << "oneself is no connection";
}

TEST_F(peer_operations, called_on_oneself_stream_fail_and_are_unknown_like_any_other) {
  server.on("echo", echo);
  server.on("throw", [](request&) -> task<> {
    throw std::runtime_error("trouble");
    co_return;
  });
  const auto call = [&](std::string_view operation, std::string body) -> task<result<std::string>> {
    const result<chunk> answer = co_await server.call(server.self(), operation, as_bytes(body));
    if (!answer) co_return failure(answer.error());
    co_return std::string(as_text(*answer));
  };
  EXPECT_TRUE(failed_with(run(call("unknown", "x")), errc::operation_not_found));
  EXPECT_TRUE(failed_with(run(call("throw", "x")), errc::operation_failed));
  const std::string large = pattern(0, 2 << 20);
  EXPECT_TRUE(run(call("echo", large)).value_or("failed") == large);
}

TEST_F(peer_operations, messages_to_oneself_arrive_at_ones_own_handler) {
  std::string got;
  server.on_message([&](connection& from, byte_view message) { got = std::string(from.name()) + ": " + std::string(as_text(message)); });
  ASSERT_TRUE(succeeded(server.send(server.self(), "memo")));
  ASSERT_TRUE(until([&] { return !got.empty(); }));
  EXPECT_EQ(got, "server: memo");
}

}  // namespace
}  // namespace hawser::peer_test
