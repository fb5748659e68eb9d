// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder.hpp"
#include "script_engine.hpp"

#include <hawser/async/cancel.hpp>
#include <hawser/async/sleep.hpp>
#include <hawser/link/dial.hpp>

namespace hawser::test {
namespace {

using namespace std::chrono_literals;

class dial_test : public ::testing::Test {
 protected:
  dial_test() {
    auto owned = std::make_unique<script_engine>();
    engine_ = owned.get();
    loop_.emplace(std::move(owned));
    begin_ = engine_->now();
  }
  void run_for(duration span) {
    const instant end = engine_->now() + span;
    while (engine_->now() < end) loop_->run_once(end - engine_->now());
  }
  void address(const char* text, duration delay, std::optional<errc> error = {}) {
    auto& a = engine_->addresses[text];
    a.delay = delay;
    if (error) a.error = make_error_code(*error);
  }
  void name(const char* host, std::vector<endpoint> addresses, duration delay = {}) { engine_->names[host] = {std::move(addresses), delay}; }
  result<connected_socket> run(const endpoint& where, const dial_options& options = {}) { return loop_->run(dial(*loop_, where, options)); }
  duration elapsed() { return engine_->now() - begin_; }

  script_engine* engine_;
  std::optional<loop> loop_;
  instant begin_;
};

TEST_F(dial_test, connects_to_an_address_with_reading_paused) {
  address("10.0.0.2:80", 10ms);
  const auto got = run("10.0.0.2:80");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->remote(), endpoint("10.0.0.2:80"));
  EXPECT_TRUE(engine_->sockets[got->id().index].paused);
  EXPECT_EQ(elapsed(), 10ms);
}

TEST_F(dial_test, a_socket_that_nobody_takes_is_closed) {
  address("10.0.0.2:80", 10ms);
  static_cast<void>(run("10.0.0.2:80"));
  EXPECT_EQ(engine_->open_sockets(), 0u);
}

TEST_F(dial_test, each_failure_is_its_typed_error) {
  address("10.0.0.2:80", 1ms, errc::connection_refused);
  EXPECT_EQ(run("10.0.0.2:80").error(), errc::connection_refused);
  EXPECT_EQ(run("no such thing").error(), errc::address_invalid);
  EXPECT_EQ(run("nowhere.example:80").error(), errc::name_not_found);
  engine_->names["silent.example"] = {failure(errc::internal), duration::max()};
  EXPECT_EQ(run("silent.example:80").error(), errc::resolve_timeout);
  begin_ = engine_->now();
  EXPECT_EQ(run("10.0.0.3:80").error(), errc::connect_timeout) << "an address that never answers";
  EXPECT_EQ(elapsed(), dial_options().timeout);
  engine_->addresses["10.0.0.4:80"] = {{}, make_error_code(errc::too_many_descriptors), true};
  EXPECT_EQ(run("10.0.0.4:80").error(), errc::too_many_descriptors);
  EXPECT_EQ(engine_->open_sockets(), 0u);
}

TEST_F(dial_test, a_name_that_answers_after_the_time_out_begins_nothing) {
  name("late.example", {"10.0.0.2:80"}, 2s);
  address("10.0.0.2:80", 1ms);
  std::vector<std::error_code> answers;
  dial_options options;
  options.timeout = 1s;
  const dialer kept(*loop_, "late.example:80", options, [&](result<connected_socket> got) {
    answers.push_back(got ? std::error_code() : got.error());
  });
  run_for(5s);
  EXPECT_EQ(answers, std::vector<std::error_code>{make_error_code(errc::connect_timeout)});
  EXPECT_EQ(engine_->open_sockets(), 0u);
}

TEST_F(dial_test, the_next_address_starts_250_ms_later_and_the_first_to_connect_wins) {
  name("two.example", {"10.0.0.2:80", "10.0.0.3:80"});
  address("10.0.0.2:80", 2s);
  address("10.0.0.3:80", 10ms);
  const auto got = run("two.example:80");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->remote(), endpoint("10.0.0.3:80"));
  EXPECT_EQ(elapsed(), 260ms);
  EXPECT_EQ(engine_->open_sockets(), 1u) << "the loser is closed";
}

TEST_F(dial_test, the_next_address_starts_at_once_when_the_previous_failed) {
  name("two.example", {"[2001:db8::1]:80", "10.0.0.3:80"});
  address("[2001:db8::1]:80", 5ms, errc::unreachable);
  address("10.0.0.3:80", 10ms);
  EXPECT_TRUE(run("two.example:80"));
  EXPECT_EQ(elapsed(), 15ms);
}

TEST_F(dial_test, an_earlier_address_may_still_win_after_a_later_one_has_started) {
  name("two.example", {"10.0.0.2:80", "10.0.0.3:80"});
  address("10.0.0.2:80", 300ms);
  address("10.0.0.3:80", 100ms);
  const auto got = run("two.example:80");
  ASSERT_TRUE(got);
  EXPECT_EQ(got->remote(), endpoint("10.0.0.2:80"));
}

TEST_F(dial_test, of_several_failures_the_most_telling_is_reported) {
  name("two.example", {"[2001:db8::1]:80", "10.0.0.3:80", "10.0.0.4:80"});
  address("[2001:db8::1]:80", 1ms, errc::unreachable);
  address("10.0.0.3:80", 1ms, errc::connection_refused);
  address("10.0.0.4:80", 1ms, errc::unreachable);
  EXPECT_EQ(run("two.example:80").error(), errc::connection_refused);
}

TEST_F(dial_test, tries_at_most_as_many_addresses_as_allowed) {
  std::vector<endpoint> many;
  for (int i = 1; i <= 40; ++i) {
    many.emplace_back("10.0.1." + std::to_string(i) + ":80");
    address(many.back().text().c_str(), 1ms, errc::connection_refused);
  }
  name("many.example", many);
  EXPECT_EQ(run("many.example:80", {.attempts_max = 7}).error(), errc::connection_refused);
  EXPECT_EQ(engine_->sockets.size(), 7u);
}

TEST_F(dial_test, dropping_it_gives_up_in_every_stage) {
  name("slow.example", {"10.0.0.2:80", "10.0.0.3:80"}, 10ms);
  for (const duration when : {duration(0), duration(5ms), duration(20ms), duration(300ms)}) {
    bool called = false;
    {
      dialer dropped(*loop_, "slow.example:80", {}, [&](result<connected_socket>) { called = true; });
      run_for(when);
    }
    run_for(1s);
    EXPECT_FALSE(called);
    EXPECT_EQ(engine_->open_sockets(), 0u);
  }
  task<result<connected_socket>> coroutine = dial(*loop_, "slow.example:80");
  coroutine.start();
  run_for(100ms);
  coroutine.reset();
  EXPECT_EQ(engine_->open_sockets(), 0u);
}

TEST_F(dial_test, the_handler_may_destroy_the_dialer) {
  address("10.0.0.2:80", 1ms);
  address("10.0.0.3:80", 1ms, errc::connection_refused);
  for (const char* where : {"10.0.0.2:80", "10.0.0.3:80", "10.0.0.4:80", "nonsense", "nowhere.example:1"}) {
    std::unique_ptr<dialer> self;
    int calls = 0;
    self = std::make_unique<dialer>(*loop_, where, dial_options(), [&](result<connected_socket>) {
      ++calls;
      self.reset();
    });
    EXPECT_EQ(calls, 0) << "never inside the constructor";
    run_for(11s);
    EXPECT_EQ(calls, 1) << where;
  }
  EXPECT_EQ(engine_->open_sockets(), 0u);
}

TEST_F(dial_test, a_deadline_around_it_closes_its_attempts) {
  auto bounded = [&]() -> task<result<connected_socket>> {
    task<result<connected_socket>> inner = dial(*loop_, "10.0.0.9:80");
    co_return co_await with_deadline(*loop_, loop_->now() + 50ms, std::move(inner));
  };
  EXPECT_EQ(loop_->run(bounded()).error(), errc::deadline);
  EXPECT_EQ(engine_->open_sockets(), 0u);
}

TEST_F(dial_test, bytes_that_arrive_before_the_owner_does_are_kept) {
  address("10.0.0.2:80", 1ms);
  recorder user(*loop_);
  auto slow_owner = [&]() -> task<> {
    auto got = co_await dial(*loop_, "10.0.0.2:80");
    if (!got) co_return;
    engine_->give(got->id(), "early");
    co_await sleep(*loop_, 100ms);
    user.wire->adopt(std::move(*got));
    co_await sleep(*loop_, 1ms);
  };
  loop_->run(slow_owner());
  EXPECT_EQ(user.received, "early");
}

}  // namespace
}  // namespace hawser::test
