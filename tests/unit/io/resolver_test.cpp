// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/io/resolver.hpp>

#include "io/name_lookup.hpp"
#include "unit/io/quiet_engine.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <optional>

namespace hawser::io {
namespace {

using namespace std::chrono_literals;
using answer = result<std::vector<endpoint>>;

// Stands in for the system's resolver, and can be made to hang; whoever hangs is let go at the end of the test.
class replaced_lookup {
 public:
  explicit replaced_lookup(lookup_function answer_with) { replace_system_lookup(std::move(answer_with)); }
  replaced_lookup() {
    replace_system_lookup([state = state_](const std::string&, std::uint16_t) -> answer {
      std::unique_lock lock(state->mutex);
      ++state->entered;
      state->changed.wait(lock, [&] { return state->over; });
      --state->entered;
      state->changed.notify_all();
      return failure(errc::name_not_found);
    });
  }
  ~replaced_lookup() {
    replace_system_lookup({});
    let_go();
  }
  void let_go() {
    std::unique_lock lock(state_->mutex);
    state_->over = true;
    state_->changed.notify_all();
    state_->changed.wait(lock, [&] { return state_->entered == 0; });
  }
  std::size_t hanging() {
    const std::lock_guard lock(state_->mutex);
    return state_->entered;
  }

 private:
  struct shared {
    std::mutex mutex;
    std::condition_variable changed;
    bool over = false;
    std::size_t entered = 0;
  };
  std::shared_ptr<shared> state_ = std::make_shared<shared>();
};

struct asking {
  explicit asking(loop& on, const endpoint& where, duration timeout = 20s)
      : held(resolve(on, where, timeout, [this](answer a) {
          ++calls;
          got.emplace(std::move(a));
        })) {
    EXPECT_EQ(calls, 0) << "answered from inside resolve()";
  }
  int calls = 0;
  std::optional<answer> got;
  resolution held;
};

void run_until(loop& on, const std::function<bool()>& done) {
  const instant end = after(on.engine().now(), 20s);
  while (!done() && on.engine().now() < end) on.run_once(100ms);
}

TEST(resolver, an_address_is_answered_as_itself_and_not_from_inside_the_call) {
  loop on;
  for (const char* text : {"127.0.0.1:5", "[::1]:5", "unix:/x"}) {
    asking one(on, text);
    run_until(on, [&] { return one.got.has_value(); });
    ASSERT_TRUE(one.got && *one.got);
    EXPECT_EQ(**one.got, std::vector<endpoint>{endpoint(text)});
  }
  asking wrong(on, "no endpoint");
  run_until(on, [&] { return wrong.got.has_value(); });
  ASSERT_TRUE(wrong.got);
  EXPECT_EQ(wrong.got->error(), errc::address_invalid);
}

TEST(resolver, localhost_resolves_through_the_system_with_the_port_asked_for) {
  loop on;
  asking one(on, "localhost:4711");
  run_until(on, [&] { return one.got.has_value(); });
  ASSERT_TRUE(one.got && *one.got);
  ASSERT_FALSE((*one.got)->empty());
  for (const endpoint& e : **one.got) {
    EXPECT_TRUE(e.loopback()) << e.text();
    EXPECT_EQ(e.port(), 4711);
  }
  EXPECT_EQ(one.calls, 1);
}

TEST(resolver, a_name_that_does_not_exist_is_a_typed_error) {
  const replaced_lookup nothing([](const std::string&, std::uint16_t) -> answer { return failure(errc::name_not_found); });
  loop on;
  asking one(on, "nowhere.invalid:1");
  run_until(on, [&] { return one.got.has_value(); });
  ASSERT_TRUE(one.got);
  EXPECT_EQ(one.got->error(), errc::name_not_found);
}

TEST(resolver, a_dead_resolver_gives_a_typed_timeout_and_the_loop_never_blocks) {
  replaced_lookup dead;
  loop on;
  asking one(on, "slow.example:1", 30ms);
  struct ticking final : timer {
    void on_timer() override {
      ++ticks;
      of->arm(*this, after(of->now(), 1ms));
    }
    loop* of = nullptr;
    int ticks = 0;
  } ticker;
  ticker.of = &on;
  on.arm(ticker, on.now());
  run_until(on, [&] { return one.got.has_value(); });
  ASSERT_TRUE(one.got);
  EXPECT_EQ(one.got->error(), errc::resolve_timeout);
  EXPECT_GT(ticker.ticks, 1);
  dead.let_go();
  on.run_once(10ms);
  EXPECT_EQ(one.calls, 1) << "the late answer is dropped";
}

TEST(resolver, looks_up_on_at_most_four_threads_and_bounds_what_waits) {
  replaced_lookup dead;
  loop on;
  std::vector<std::unique_ptr<asking>> all;
  for (int i = 0; i < 4; ++i) all.push_back(std::make_unique<asking>(on, "name.example:1", 10s));
  run_until(on, [&] { return dead.hanging() == lookup_threads_max; });
  ASSERT_EQ(dead.hanging(), lookup_threads_max);
  for (std::size_t i = 0; i < lookups_waiting_max; ++i) all.push_back(std::make_unique<asking>(on, "name.example:1", 10s));
  asking one_too_many(on, "name.example:1", 10s);
  run_until(on, [&] { return one_too_many.got.has_value(); });
  ASSERT_TRUE(one_too_many.got);
  EXPECT_EQ(one_too_many.got->error(), errc::out_of_memory_budget);
  EXPECT_EQ(dead.hanging(), lookup_threads_max);
  // Abandoned look-ups make room.
  all.resize(10);
  asking fits(on, "name.example:1", 10s);
  on.run_once(1ms);
  EXPECT_FALSE(fits.got);
}

TEST(resolver, dropping_the_resolution_means_no_call) {
  replaced_lookup dead;
  loop on;
  int calls = 0;
  { const resolution dropped = resolve(on, "slow.example:1", 5ms, [&](answer) { ++calls; }); }
  { const resolution dropped = resolve(on, "127.0.0.1:1", 5ms, [&](answer) { ++calls; }); }
  on.run_once(20ms);
  dead.let_go();
  on.run_once(20ms);
  EXPECT_EQ(calls, 0);
}

TEST(resolver, the_handler_may_drop_its_own_resolution_and_ask_again) {
  const replaced_lookup quick([](const std::string&, std::uint16_t port) -> answer {
    return std::vector<endpoint>{endpoint("10.0.0.1:0").with_port(port)};
  });
  loop on;
  resolution held;
  int rounds = 0;
  std::function<void()> ask = [&] {
    held = resolve(on, "again.example:1", 10s, [&](answer a) {
      EXPECT_TRUE(a);
      held = {};
      if (++rounds < 5) ask();
    });
  };
  ask();
  run_until(on, [&] { return rounds == 5; });
  EXPECT_EQ(rounds, 5);
}

TEST(resolver, an_answer_to_a_loop_that_is_gone_is_dropped) {
  replaced_lookup dead;
  {
    loop on;
    asking one(on, "slow.example:1", 10s);
    run_until(on, [&] { return dead.hanging() == 1; });
  }
  dead.let_go();
}

TEST(resolver, families_take_turns_and_the_systems_first_choice_stays_first) {
  const auto of = [](std::initializer_list<const char*> texts) { return std::vector<endpoint>(texts.begin(), texts.end()); };
  EXPECT_EQ(interleave_families(of({"[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1", "2.2.2.2:1"})),
            of({"[::1]:1", "1.1.1.1:1", "[::2]:1", "2.2.2.2:1", "[::3]:1"}));
  EXPECT_EQ(interleave_families(of({"1.1.1.1:1", "[::1]:1", "[::2]:1"})), of({"1.1.1.1:1", "[::1]:1", "[::2]:1"}));
  EXPECT_EQ(interleave_families({}), std::vector<endpoint>{});
}

TEST(resolver, an_engine_with_a_table_answers_instead_of_the_system) {
  auto engine = std::make_unique<testing_io::quiet_engine>(-1);
  engine->table = [](const endpoint& host) -> name_answer {
    if (host.name() == "known") return {std::vector<endpoint>{endpoint("10.0.0.9:0").with_port(host.port())}, 2s};
    if (host.name() == "dead") return {failure(errc::internal), duration::max()};
    return {failure(errc::name_not_found), 0s};
  };
  loop on(std::move(engine));
  asking known(on, "known:7");
  asking unknown(on, "unknown:7");
  asking dead(on, "dead:7", 9s);
  on.run_once(0s);
  EXPECT_TRUE(unknown.got);
  EXPECT_FALSE(known.got);
  while (!dead.got) on.run_once(1h);
  ASSERT_TRUE(known.got && *known.got);
  EXPECT_EQ((**known.got).front(), endpoint("10.0.0.9:7"));
  EXPECT_EQ(unknown.got->error(), errc::name_not_found);
  EXPECT_EQ(dead.got->error(), errc::resolve_timeout);
  EXPECT_EQ(on.now(), instant(9s));
}

}  // namespace
}  // namespace hawser::io
