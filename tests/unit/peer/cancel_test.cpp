// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <memory>

// The ways in which a request ends early: each ends it exactly once, and the handler learns of it.

namespace hawser::peer_test {
namespace {

class peer_cancelling : public pair_of_peers {
 protected:
  // What the handler of "wait" saw.
  std::size_t began_ = 0, ended_ = 0;
  std::vector<std::error_code> told_;
  std::vector<bool> cancelled_;

  explicit peer_cancelling(peer_options of_server = {}) : pair_of_peers(std::move(of_server)) {
    server.on("wait", [this](request& rq) -> task<> {
      ++began_;
      for (;;) {
        const auto piece = co_await rq.read();
        if (!piece) {
          told_.push_back(piece.error());
          cancelled_.push_back(rq.cancelled());
          ++ended_;
          co_return;
        }
        if (piece->empty()) co_await sleep(loop_, 1ms);
      }
    });
    server.on("echo", echo);
  }
  // A request whose body never ends, begun at the other side.
  outgoing_request begun(call_options options = {}) {
    auto rq = client.start(there(), "wait", options);
    EXPECT_TRUE(succeeded(rq));
    const std::size_t before = began_;
    EXPECT_TRUE(until([&] { return began_ == before + 1; }));
    return std::move(*rq);
  }
  void expect_told_once(std::error_code reason) {
    ASSERT_TRUE(until([&] { return ended_ == 1; }));
    settle(loop_);
    EXPECT_EQ(ended_, 1u);
    ASSERT_EQ(told_.size(), 1u);
    EXPECT_TRUE(is(told_[0], reason));
    EXPECT_TRUE(cancelled_[0]);
    EXPECT_EQ(ask("echo", "the connection stands").value_or("failed"), "the connection stands");
  }
};

TEST_F(peer_cancelling, by_the_caller_ends_the_read_that_waits_and_tells_the_handler) {
  outgoing_request rq = begun();
  std::vector<std::error_code> outcomes;
  scope readers(loop_);
  const auto reader = [&]() -> task<> {
    const auto answer = co_await rq.read();
    outcomes.push_back(answer ? std::error_code() : answer.error());
  };
  readers.spawn(reader());
  settle(loop_);
  EXPECT_TRUE(outcomes.empty());
  rq.cancel();
  rq.cancel();
  ASSERT_TRUE(until([&] { return !outcomes.empty(); }));
  expect_told_once(errc::cancelled);
  ASSERT_EQ(outcomes.size(), 1u);
  EXPECT_TRUE(is(outcomes[0], errc::cancelled));
  EXPECT_TRUE(is(rq.error(), errc::cancelled));
  EXPECT_FALSE(rq.try_write(as_bytes("late")).has_value());
}

TEST_F(peer_cancelling, by_dropping_the_handle) {
  { outgoing_request rq = begun(); }
  expect_told_once(errc::cancelled);
}

TEST_F(peer_cancelling, by_dropping_the_task_that_calls) {
  {
    scope calls(loop_);
    const auto call = [&]() -> task<> {
      static_cast<void>(co_await client.call(there(), "hold"));
      ADD_FAILURE() << "a dropped task goes on";
    };
    bool cancelled = false;
    server.on("hold", [&](request& rq) -> task<> {
      ++began_;
      while (!rq.cancelled()) co_await sleep(loop_, 1ms);
      cancelled = true;
    });
    there();
    calls.spawn(call());
    ASSERT_TRUE(until([&] { return began_ == 1; }));
    calls.cancel();
    ASSERT_TRUE(until([&] { return cancelled; }));
  }
  EXPECT_EQ(client.calls().cancelled, 1u);
  EXPECT_EQ(client.calls().running, 0u);
}

TEST_F(peer_cancelling, by_moving_another_request_over_the_handle) {
  outgoing_request rq = begun();
  rq = outgoing_request();
  expect_told_once(errc::cancelled);
}

TEST_F(peer_cancelling, by_its_deadline_on_both_sides) {
  outgoing_request rq = begun({.deadline = 30ms});
  const auto wait = [&]() -> task<result<>> {
    const auto answer = co_await rq.read();
    if (!answer) co_return failure(answer.error());
    co_return result<>();
  };
  EXPECT_TRUE(failed_with(run(wait()), errc::deadline));
  expect_told_once(errc::deadline);
}

TEST_F(peer_cancelling, by_a_deadline_leaves_the_handler_its_time_to_know) {
  std::optional<duration> with, without;
  server.on("time left", [&](request& rq) -> task<> {
    (with ? without : with) = rq.deadline();
    co_return;
  });
  EXPECT_TRUE(succeeded(ask("time left", "", {.deadline = 10s})));
  ASSERT_TRUE(with.has_value());
  EXPECT_LE(*with, duration(10s));
  EXPECT_GT(*with, duration(5s));
  EXPECT_TRUE(succeeded(ask("time left", "")));
  EXPECT_FALSE(without.has_value());
}

TEST_F(peer_cancelling, of_a_call_by_its_deadline_gives_one_answer_and_the_next_call_is_untouched) {
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(failed_with(ask("wait", "x", {.deadline = 2ms}), errc::deadline));
  EXPECT_EQ(ask("echo", "x", {.deadline = 10s}).value_or("failed"), "x");
  EXPECT_EQ(client.calls().expired, 20u);
}

TEST_F(peer_cancelling, by_a_deadline_that_has_passed_already_is_still_one_typed_answer) {
  EXPECT_TRUE(failed_with(ask("wait", "x", {.deadline = 0ms}), errc::deadline));
  EXPECT_EQ(ask("echo", "x").value_or("failed"), "x");
}

TEST_F(peer_cancelling, by_loss_of_the_connection_is_told_to_both_ends_once) {
  outgoing_request rq = begun();
  std::vector<std::error_code> outcomes;
  scope readers(loop_);
  const auto reader = [&]() -> task<> {
    const auto answer = co_await rq.read();
    outcomes.push_back(answer ? std::error_code() : answer.error());
  };
  readers.spawn(reader());
  ASSERT_EQ(server.connections().size(), 1u);
  server.connections()[0].abort();
  ASSERT_TRUE(until([&] { return outcomes.size() == 1 && ended_ == 1; }));
  settle(loop_);
  EXPECT_EQ(outcomes.size(), 1u);
  EXPECT_TRUE(is(outcomes[0], errc::connection_lost));
  EXPECT_EQ(told_.size(), 1u);
  EXPECT_TRUE(told_[0]);
}

TEST_F(peer_cancelling, by_the_end_of_the_calling_peer) {
  {
    auto brief = std::make_unique<peer>(loop_, peer_options{.name = "brief"});
    connection to = connect(*brief, server);
    auto rq = brief->start(to, "wait");
    ASSERT_TRUE(succeeded(rq));
    ASSERT_TRUE(until([&] { return began_ == 1; }));
    brief.reset();
    EXPECT_FALSE(to.is_open());
    EXPECT_EQ(to.owner(), nullptr);
    EXPECT_FALSE(rq->try_write(as_bytes("x")).has_value()) << "a handle outlives its peer and answers errors";
  }
  ASSERT_TRUE(until([&] { return ended_ == 1; }));
  EXPECT_EQ(told_.size(), 1u);
}

TEST_F(peer_cancelling, can_drop_the_handler_instead_of_telling_it) {
  struct watcher {
    bool* gone;
    explicit watcher(bool& g) : gone(&g) {}
    watcher(const watcher&) = delete;
    ~watcher() { *gone = true; }
  };
  bool gone = false, went_on = false;
  server.on("stubborn", [&](request&) -> task<> {
    watcher here(gone);
    ++began_;
    co_await sleep_until(loop_, never);
    went_on = true;
  }, {.cancel = operation_options::on_cancel::drop});
  auto rq = client.start(there(), "stubborn");
  ASSERT_TRUE(succeeded(rq));
  ASSERT_TRUE(until([&] { return began_ == 1; }));
  EXPECT_FALSE(gone);
  rq->cancel();
  ASSERT_TRUE(until([&] { return gone; }));
  EXPECT_FALSE(went_on);
  EXPECT_EQ(ask("echo", "fine").value_or("failed"), "fine");
}

peer_options trusting() {
  peer_options options;
  options.wire.abuse_buckets = false;
  return options;
}
class peer_cancelling_without_end : public peer_cancelling {
 protected:
  explicit peer_cancelling_without_end(peer_options of_server = trusting()) : peer_cancelling(std::move(of_server)) {}
  // Starts and gives up far more requests than the other side has channels.
  void cancel_many(std::size_t count) {
    for (std::size_t i = 0; i < count && there().is_open(); ++i) {
      auto rq = client.start(there(), "wait");
      ASSERT_TRUE(succeeded(rq));
      if (i % 3 == 0) loop_.run_once(0ms);
      if (i % 2 == 0) rq->cancel();
    }
  }
};

TEST_F(peer_cancelling_without_end, gives_the_slot_back_so_that_any_number_can_follow) {
  const std::size_t count = scaled(2'000);
  cancel_many(count);
  const auto answer = ask("echo", "room for more");
  ASSERT_TRUE(succeeded(answer));
  EXPECT_EQ(*answer, "room for more");
  ASSERT_TRUE(until([&] { return client.calls().running == 0 && client.calls().queued == 0; }));
  EXPECT_EQ(client.calls().cancelled, count);
  EXPECT_TRUE(there().is_open());
}

class peer_cancelling_rapidly : public peer_cancelling_without_end {
 protected:
  peer_cancelling_rapidly() : peer_cancelling_without_end({}) {}
};

TEST_F(peer_cancelling_rapidly, is_told_calm_by_a_server_that_counts_abandoned_opens) {
  connection with = there();
  for (std::size_t i = 0; i < 5'000 && with.is_open(); ++i) {
    auto rq = client.start(with, "wait");
    if (!rq) break;
    loop_.run_once(0ms);
    rq->cancel();
  }
  EXPECT_TRUE(until([&] { return !with.is_open(); })) << "abandoned requests cost their maker nothing";
  ASSERT_TRUE(until([&] { return server.connections().empty(); }));
  EXPECT_EQ(ask("echo", "after a new dial").value_or("failed"), "after a new dial");
}

TEST_F(peer_cancelling, by_the_handler_with_reset_tells_the_caller_that_reason) {
  server.on("reset", [](request& rq) -> task<> {
    rq.reset(errc::stalled);
    co_return;
  });
  EXPECT_TRUE(failed_with(ask("reset", "x"), errc::stalled));
}

TEST_F(peer_cancelling, and_an_answer_that_cross_each_other_end_the_call_once) {
  const std::size_t count = scaled(500);
  std::size_t outcomes = 0;
  for (std::size_t i = 0; i < count; ++i) {
    auto rq = client.start(there(), "echo");
    ASSERT_TRUE(succeeded(rq));
    static_cast<void>(rq->try_write(as_bytes("x")));
    rq->finish();
    scope readers(loop_);
    bool ended = false;
    const auto reader = [&]() -> task<> {
      static_cast<void>(co_await rq->read_all(10));
      ++outcomes;
      ended = true;
    };
    readers.spawn(reader());
    for (std::size_t turn = 0; turn < i % 5; ++turn) loop_.poll();
    rq->cancel();
    ASSERT_TRUE(until([&] { return ended; }));
  }
  EXPECT_EQ(outcomes, count);
  const call_statistics sums = client.calls();
  EXPECT_EQ(sums.started, sums.answered + sums.cancelled);
  EXPECT_EQ(sums.running, 0u);
}

}  // namespace
}  // namespace hawser::peer_test
