// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <stdexcept>

namespace hawser::test {
namespace {

using cancel_test = async_test;

class cancel_fixture : public async_test {
 protected:
  task<result<int>> slow(live, int ms) {
    co_await sleep(loop_, std::chrono::milliseconds(ms));
    co_return 7;
  }
  static task<result<int>> immediate() { co_return 7; }
  int alive_ = 0;
  cancel_source source_{loop_};
};
using with_cancel_test = cancel_fixture;
using with_deadline_test = cancel_fixture;
using when_test = cancel_fixture;

TEST_F(with_cancel_test, gives_the_value_when_nobody_cancels) {
  EXPECT_EQ(loop_.run(with_cancel(source_.token(), slow(live(alive_), 5))), 7);
  EXPECT_EQ(loop_.run(with_cancel(source_.token(), immediate())), 7);
  EXPECT_EQ(loop_.run(with_cancel(cancel_token(), slow(live(alive_), 5))), 7);
  EXPECT_EQ(alive_, 0);
}

TEST_F(with_cancel_test, answers_cancelled_and_destroys_the_inner_task) {
  auto cancels = [&]() -> task<> {
    co_await sleep(loop_, std::chrono::milliseconds(5));
    source_.cancel();
    EXPECT_GT(alive_, 0) << "never inside cancel()";
  };
  auto both = [&]() -> task<result<int>> {
    scope tasks(loop_);
    tasks.spawn(cancels());
    co_return co_await with_cancel(source_.token(), slow(live(alive_), 1'000));
  };
  const result<int> answer = loop_.run(both());
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), errc::cancelled);
  EXPECT_EQ(alive_, 0);
}

TEST_F(with_cancel_test, cancelled_before_the_start_never_starts) {
  source_.cancel();
  bool ran = false;
  auto notes = [&]() -> task<result<>> {
    ran = true;
    co_return result<>();
  };
  EXPECT_EQ(loop_.run(with_cancel(source_.token(), notes())).error(), errc::cancelled);
  EXPECT_FALSE(ran);
}

// The await is destroyed with the task that holds it, and must not go on to resume that task.
TEST_F(with_cancel_test, the_locals_of_what_is_given_up_may_cancel_the_scope_of_who_awaits_it) {
  struct cancels_at_end {
    explicit cancels_at_end(scope& of) noexcept : in(&of) {}
    cancels_at_end(const cancels_at_end&) = delete;
    ~cancels_at_end() { in->cancel(); }
    scope* in;
  };
  scope tasks(loop_);
  auto inner = [&]() -> task<result<>> {
    const cancels_at_end local(tasks);
    co_await sleep_until(loop_, never);
    co_return result<>();
  };
  bool resumed = false;
  auto by_token = [&](live) -> task<> {
    static_cast<void>(co_await with_cancel(source_.token(), inner()));
    resumed = true;
  };
  auto by_time = [&](live) -> task<> {
    static_cast<void>(co_await with_deadline(loop_, after(loop_.now(), std::chrono::milliseconds(1)), inner()));
    resumed = true;
  };
  tasks.spawn(by_token(live(alive_)));
  source_.cancel();
  turns(2);
  EXPECT_EQ(alive_, 0);
  tasks.spawn(by_time(live(alive_)));
  loop_.run_once(std::chrono::milliseconds(5));
  EXPECT_EQ(alive_, 0);
  EXPECT_FALSE(resumed);
  EXPECT_EQ(tasks.count(), 0u);
}

TEST_F(with_cancel_test, the_inner_task_may_cancel_itself) {
  auto first_step = [&](live) -> task<result<int>> {
    source_.cancel();
    co_await yield(loop_);
    co_return 1;
  };
  EXPECT_EQ(loop_.run(with_cancel(source_.token(), first_step(live(alive_)))).error(), errc::cancelled);
  EXPECT_EQ(alive_, 0);

  cancel_source other(loop_);
  auto later = [&](live) -> task<result<int>> {
    co_await yield(loop_);
    other.cancel();
    co_await sleep_until(loop_, never);
    co_return 1;
  };
  EXPECT_EQ(loop_.run(with_cancel(other.token(), later(live(alive_)))).error(), errc::cancelled);
  EXPECT_EQ(alive_, 0);

  cancel_source third(loop_);
  auto ends_anyway = [&]() -> task<result<int>> {
    co_await yield(loop_);
    third.cancel();
    co_return 3;
  };
  EXPECT_EQ(loop_.run(with_cancel(third.token(), ends_anyway())), 3) << "it ended before the cancellation arrived";
}

TEST_F(with_cancel_test, a_source_destroyed_first_leaves_the_wait_alone) {
  auto source = std::make_unique<cancel_source>(loop_);
  task<result<int>> waits = with_cancel(source->token(), slow(live(alive_), 5));
  waits.start();
  source.reset();
  EXPECT_EQ(alive_, 1);
  waits.reset();
  EXPECT_EQ(alive_, 0);
}

TEST_F(with_cancel_test, exceptions_pass_through) {
  auto throws = [&]() -> task<result<int>> {
    co_await yield(loop_);
    throw std::runtime_error("inner");
  };
  EXPECT_THROW(static_cast<void>(loop_.run(with_cancel(source_.token(), throws()))), std::runtime_error);
}

TEST_F(with_deadline_test, gives_the_value_in_time_and_deadline_when_late) {
  auto in = [&](int ms) { return loop_.now() + std::chrono::milliseconds(ms); };
  EXPECT_EQ(loop_.run(with_deadline(loop_, in(100), slow(live(alive_), 5))), 7);
  EXPECT_EQ(loop_.run(with_deadline(loop_, in(5), slow(live(alive_), 100))).error(), errc::deadline);
  EXPECT_EQ(loop_.run(with_deadline(loop_, never, slow(live(alive_), 100))), 7);
  EXPECT_EQ(loop_.run(with_deadline(loop_, in(0), immediate())).error(), errc::deadline) << "passed before the start";
  EXPECT_EQ(alive_, 0);
  EXPECT_EQ(loop_.next_timeout(), duration::max()) << "no timer is left";
}

TEST_F(with_deadline_test, nests_with_cancel_and_the_earlier_wins) {
  auto in = [&](int ms) { return loop_.now() + std::chrono::milliseconds(ms); };
  auto nested = [&]() -> task<result<int>> {
    task<result<int>> inner = with_deadline(loop_, in(50), slow(live(alive_), 100));
    co_return co_await with_cancel(source_.token(), std::move(inner));
  };
  EXPECT_EQ(loop_.run(nested()).error(), errc::deadline);
  auto outer = [&]() -> task<result<int>> {
    task<result<int>> inner = with_deadline(loop_, in(50), slow(live(alive_), 100));
    co_return co_await with_deadline(loop_, in(10), std::move(inner));
  };
  const instant begun = loop_.now();
  EXPECT_EQ(loop_.run(outer()).error(), errc::deadline);
  EXPECT_LT(loop_.now() - begun, std::chrono::milliseconds(50));
  EXPECT_EQ(alive_, 0);
}

TEST_F(with_deadline_test, dropped_while_waiting_leaves_nothing) {
  task<result<int>> waits = with_deadline(loop_, loop_.now() + std::chrono::seconds(1), slow(live(alive_), 5'000));
  waits.start();
  waits.reset();
  EXPECT_EQ(alive_, 0);
  EXPECT_EQ(loop_.next_timeout(), duration::max());
}

TEST_F(with_deadline_test, steady_state_allocates_nothing) {
  auto rounds = [&](int count) -> task<> {
    for (int i = 0; i < count; ++i) {
      const instant soon = loop_.now() + std::chrono::milliseconds(i % 2 ? 1 : 10);
      const auto answer = co_await with_deadline(loop_, soon, slow(live(alive_), 5));
      EXPECT_EQ(answer.has_value(), i % 2 == 0);
    }
  };
  loop_.run(rounds(10));
  const std::uint64_t before = heap_allocations;
  loop_.run(rounds(1'000));
  EXPECT_EQ(heap_allocations - before, 0u);
}

TEST_F(when_test, all_gives_every_value_in_the_order_of_the_arguments) {
  auto waits = [&](live) -> task<> { co_await yield(loop_); };
  auto [a, b, c] = loop_.run(when_all(loop_, slow(live(alive_), 20), waits(live(alive_)), immediate()));
  EXPECT_EQ(a, 7);
  EXPECT_EQ(c, 7);
  static_cast<void>(b);
  EXPECT_EQ(alive_, 0);
}

TEST_F(when_test, all_throws_the_first_exception_after_all_have_ended) {
  bool ended = false;
  auto throws = [&]() -> task<> {
    co_await yield(loop_);
    throw std::runtime_error("one of them");
  };
  auto longer = [&]() -> task<> {
    co_await sleep(loop_, std::chrono::seconds(1));
    ended = true;
  };
  EXPECT_THROW(loop_.run(when_all(loop_, throws(), longer())), std::runtime_error);
  EXPECT_TRUE(ended);
}

TEST_F(when_test, any_gives_the_first_and_destroys_the_others) {
  auto text = [&](live) -> task<std::string> {
    co_await sleep(loop_, std::chrono::milliseconds(1));
    co_return "fast";
  };
  auto answer = loop_.run(when_any(loop_, slow(live(alive_), 100), text(live(alive_)), slow(live(alive_), 50)));
  ASSERT_EQ(answer.index(), 1u);
  EXPECT_EQ(std::get<1>(answer), "fast");
  EXPECT_EQ(alive_, 0);
  auto at_once = loop_.run(when_any(loop_, slow(live(alive_), 100), immediate()));
  EXPECT_EQ(at_once.index(), 1u);
  EXPECT_EQ(alive_, 0);
}

TEST_F(when_test, dropped_while_waiting_destroys_every_branch) {
  {
    auto all = when_all(loop_, slow(live(alive_), 10), slow(live(alive_), 20));
    all.start();
    auto any = when_any(loop_, slow(live(alive_), 10), slow(live(alive_), 20));
    any.start();
    EXPECT_EQ(alive_, 4);
  }
  EXPECT_EQ(alive_, 0);
}

}  // namespace
}  // namespace hawser::test
