// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/io/loop.hpp>

#include "unit/io/quiet_engine.hpp"

#include <gtest/gtest.h>

#include <poll.h>

#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace hawser {
namespace {

using namespace std::chrono_literals;
using testing_io::quiet_engine;

struct loop_on_quiet : testing::Test {
  loop& made(const loop_options& options = {.wait = wait_policy::block}, int descriptor = 0) {
    auto engine = std::make_unique<quiet_engine>(descriptor);
    quiet = engine.get();
    loop_ = std::make_unique<loop>(std::move(engine), options);
    return *loop_;
  }
  quiet_engine* quiet = nullptr;

 private:
  std::unique_ptr<loop> loop_;
};

struct calling_job final : io::job {
  void run() override { call(); }
  std::function<void()> call;
};
struct calling_flush final : io::flushable {
  void flush() override { call(); }
  std::function<void()> call;
};
struct calling_timer final : io::timer {
  void on_timer() override { call(); }
  std::function<void()> call;
};

TEST_F(loop_on_quiet, one_turn_runs_remote_work_then_timers_then_jobs_then_flushes) {
  loop& on = made();
  std::string order;
  calling_job job;
  calling_flush flush;
  calling_timer timer;
  job.call = [&] { order += "job "; };
  flush.call = [&] { order += "flush "; };
  timer.call = [&] {
    order += "timer ";
    on.post(job);
  };
  on.flush_later(flush);
  on.arm(timer, on.now());
  ASSERT_TRUE(on.remote().post([&] { order += "remote "; }));
  EXPECT_TRUE(on.poll());
  EXPECT_EQ(order, "remote timer job flush ");
}

TEST_F(loop_on_quiet, a_job_posted_twice_runs_once_and_a_destroyed_one_not_at_all) {
  loop& on = made();
  int runs = 0;
  calling_job twice;
  twice.call = [&] { ++runs; };
  on.post(twice);
  on.post(twice);
  {
    calling_job gone;
    gone.call = [] { FAIL(); };
    on.post(gone);
  }
  on.poll();
  on.poll();
  EXPECT_EQ(runs, 1);
}

TEST_F(loop_on_quiet, a_job_that_posts_itself_for_ever_leaves_the_engine_its_turn) {
  loop& on = made();
  std::size_t runs = 0;
  calling_job forever;
  forever.call = [&] {
    ++runs;
    on.post(forever);
  };
  on.post(forever);
  on.poll();
  EXPECT_EQ(quiet->turns, 1u);
  EXPECT_LE(runs, 2048u);
  EXPECT_EQ(on.next_timeout(), duration::zero());
  on.run_once(1s);
  EXPECT_EQ(quiet->waits, 0u) << "a loop with jobs does not sleep";
}

TEST_F(loop_on_quiet, what_is_put_off_runs_in_the_next_turn_while_that_has_a_share_left_and_in_order) {
  struct piece final : io::job {
    std::vector<int>* ran = nullptr;
    int number = 0;
    void run() override { ran->push_back(number); }
  };
  constexpr int count = 3'000;
  std::vector<int> ran;
  std::vector<piece> pieces(count);
  loop& on = made();
  for (int i = 0; i < count; ++i) {
    pieces[static_cast<std::size_t>(i)].ran = &ran;
    pieces[static_cast<std::size_t>(i)].number = i;
    on.put_off(pieces[static_cast<std::size_t>(i)]);
  }
  EXPECT_EQ(on.next_timeout(), duration::zero());
  int turns = 0;
  for (; ran.size() < count && turns < 100; ++turns) {
    const std::size_t before = ran.size();
    on.poll();
    EXPECT_LE(ran.size() - before, 1'024u);
    EXPECT_GT(ran.size(), before);
  }
  EXPECT_GT(turns, 1);
  for (int i = 0; i < count; ++i) ASSERT_EQ(ran[static_cast<std::size_t>(i)], i);
  EXPECT_NE(on.next_timeout(), duration::zero());
}

TEST_F(loop_on_quiet, a_destroyed_timer_or_flushable_is_not_called) {
  loop& on = made();
  {
    calling_timer timer;
    timer.call = [] { FAIL(); };
    on.arm(timer, on.now());
    calling_flush flush;
    flush.call = [] { FAIL(); };
    on.flush_later(flush);
  }
  EXPECT_FALSE(on.poll());
}

TEST_F(loop_on_quiet, block_waits_at_once_until_the_next_timer) {
  loop& on = made();
  calling_timer timer;
  timer.call = [&] { on.stop(); };
  on.arm(timer, after(on.now(), 3s));
  on.run();
  EXPECT_EQ(quiet->waits, 1u);
  EXPECT_EQ(quiet->time, instant(3s));
  EXPECT_EQ(on.now(), instant(3s));
}

TEST_F(loop_on_quiet, spinning_looks_for_the_budget_after_the_last_work_then_sleeps_and_reads_the_clock_seldom) {
  loop& on = made({.wait = wait_policy::spin_then_block, .spin = 50us});
  quiet->look_takes = 100ns;
  calling_timer end;
  end.call = [&] { on.stop(); };
  on.arm(end, after(on.now(), 1s));
  calling_job work;
  work.call = [] {};
  on.post(work);
  on.run();
  EXPECT_EQ(quiet->waits, 1u);
  const std::size_t looks = quiet->turns - quiet->waits;
  EXPECT_GE(looks, 500u);
  EXPECT_LE(looks, 540u) << "50 us at 100 ns a look, and one clock interval";
  EXPECT_LE(quiet->clock_reads, looks / 4 + 6);
}

TEST_F(loop_on_quiet, busy_never_sleeps) {
  loop& on = made({.wait = wait_policy::busy});
  quiet->look_takes = 1us;
  calling_timer end;
  end.call = [&] { on.stop(); };
  on.arm(end, after(on.now(), 1ms));
  on.run();
  EXPECT_EQ(quiet->waits, 0u);
}

TEST_F(loop_on_quiet, simulated_time_is_never_spun_away) {
  loop& on = made({.wait = wait_policy::busy}, -1);
  calling_timer end;
  end.call = [&] { on.stop(); };
  on.arm(end, after(on.now(), 1h));
  on.run();
  EXPECT_EQ(on.now(), instant(1h));
}

TEST_F(loop_on_quiet, next_timeout_is_the_next_timer_or_zero_with_work_or_never) {
  loop& on = made();
  EXPECT_EQ(on.next_timeout(), duration::max());
  calling_timer timer;
  timer.call = [] {};
  on.arm(timer, after(on.now(), 5ms));
  EXPECT_EQ(on.next_timeout(), duration(5ms));
  quiet->time += 2ms;
  EXPECT_EQ(on.next_timeout(), duration(3ms));
  quiet->time += 20ms;
  EXPECT_EQ(on.next_timeout(), duration::zero());
  on.disarm(timer);
  EXPECT_EQ(on.next_timeout(), duration::max());
  ASSERT_TRUE(on.remote().post([] {}));
  EXPECT_EQ(on.next_timeout(), duration::zero());
  on.poll();
  EXPECT_EQ(on.next_timeout(), duration::max());
}

TEST_F(loop_on_quiet, run_once_returns_at_its_timeout_on_the_engines_clock) {
  loop& on = made();
  EXPECT_FALSE(on.run_once(7ms));
  EXPECT_EQ(quiet->time, instant(7ms));
  quiet->completions = 3;
  EXPECT_TRUE(on.run_once(7ms));
  EXPECT_FALSE(on.run_once(-1ms));
  EXPECT_FALSE(on.poll());
}

TEST_F(loop_on_quiet, producers_wake_a_loop_only_when_it_announced_sleep) {
  loop& on = made();
  const remote way_in = on.remote();
  std::size_t during_turn = 0;
  calling_job job;
  job.call = [&] {
    ASSERT_TRUE(way_in.post([&] { during_turn = quiet->wakes; }));
    during_turn = quiet->wakes;
  };
  on.post(job);
  const std::size_t before = quiet->wakes;
  on.run_once(0ms);
  EXPECT_EQ(during_turn, before) << "a turning loop is awake";
  // While it waits, the first post wakes it and the second need not.
  std::size_t in_wait = 0;
  quiet->during_wait = [&] {
    const std::size_t sleeping = quiet->wakes;
    ASSERT_TRUE(way_in.post([] {}));
    ASSERT_TRUE(way_in.post([&] { on.stop(); }));
    in_wait = quiet->wakes - sleeping;
  };
  on.run();
  EXPECT_EQ(in_wait, 1u);
}

TEST_F(loop_on_quiet, a_destroyed_loop_destroys_queued_work_and_disarms_timers) {
  calling_timer timer;
  auto token = std::make_shared<int>(1);
  remote way_in;
  {
    loop on(std::make_unique<quiet_engine>());
    way_in = on.remote();
    on.arm(timer, never - 1s);
    ASSERT_TRUE(way_in.post([token] {}));
    ASSERT_TRUE(way_in.on_writable([token] {}));
  }
  EXPECT_FALSE(timer.armed());
  EXPECT_EQ(token.use_count(), 1);
  EXPECT_EQ(way_in.post([] {}).error(), errc::loop_stopped);
  EXPECT_EQ(remote().post([] {}).error(), errc::loop_stopped);
}

TEST_F(loop_on_quiet, a_stop_before_run_ends_it_at_once_and_the_next_run_runs) {
  loop& on = made();
  on.stop();
  on.run();
  EXPECT_EQ(quiet->turns, 0u);
  calling_job job;
  job.call = [&] { on.stop(); };
  on.post(job);
  on.run();
  EXPECT_EQ(quiet->turns, 1u);
}

// Whatever ran the loop last: run() in particular leaves it awake.
TEST(foreign_loops, next_timeout_announces_sleep_so_that_a_post_makes_the_descriptor_readable) {
  loop on({.wait = wait_policy::block});
  calling_timer timer;
  timer.call = [&] { on.stop(); };
  on.arm(timer, on.engine().now() + 1ms);
  on.run();
  ASSERT_EQ(on.next_timeout(), duration::max());
  std::thread other([way_in = on.remote()] { EXPECT_TRUE(way_in.post([] {})); });
  other.join();
  pollfd watched{on.descriptor(), POLLIN, 0};
  EXPECT_EQ(::poll(&watched, 1, 0), 1);
  EXPECT_TRUE(on.run_once(0ms));
}

TEST(remote_queue, zero_byte_work_is_bounded_too_and_one_large_piece_passes_an_empty_queue) {
  loop on(std::make_unique<quiet_engine>(), {.wait = wait_policy::block, .remote_bytes_max = 4096});
  const remote way_in = on.remote();
  std::size_t taken = 0;
  while (way_in.post([] {})) ASSERT_LT(++taken, 4096u);
  EXPECT_GT(taken, 0u);
  while (on.poll()) {
  }
  EXPECT_TRUE(way_in.post([] {}, 1 << 20));
  EXPECT_EQ(way_in.post([] {}).error(), errc::would_block);
  EXPECT_TRUE(on.poll());
  EXPECT_TRUE(way_in.post([] {}));
}

TEST(remote_queue, one_turn_runs_a_bounded_amount_in_order) {
  loop on(std::make_unique<quiet_engine>(), {.wait = wait_policy::block});
  const remote way_in = on.remote();
  std::vector<int> seen;
  for (int i = 0; i < 3000; ++i) ASSERT_TRUE(way_in.post([&seen, i] { seen.push_back(i); }));
  on.poll();
  EXPECT_LT(seen.size(), 3000u);
  while (on.poll()) {
  }
  ASSERT_EQ(seen.size(), 3000u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

// Producers, waiters for room and the loop's death at the same time: for the thread sanitizer as much as for the result.
TEST(remote_queue, survives_producers_that_post_while_the_loop_dies) {
  for (int round = 0; round < 40 / HAWSER_COUNT_SCALE; ++round) {
    auto on = std::make_unique<loop>(loop_options{.wait = wait_policy::block, .remote_bytes_max = 2048});
    std::vector<std::thread> producers;
    for (int p = 0; p < 3; ++p) {
      producers.emplace_back([way_in = on->remote()] {
        for (;;) {
          const auto answer = way_in.post([] {}, 64);
          if (answer) continue;
          if (answer.error() == errc::loop_stopped) break;
          const auto told = way_in.on_writable([] {});
          if (!told && told.error() == errc::loop_stopped) break;
        }
      });
    }
    for (int turn = 0; turn < 20; ++turn) on->run_once(1ms);
    on.reset();
    for (std::thread& one : producers) one.join();
  }
}

TEST(loop_contract, an_exception_that_leaves_a_handler_ends_the_program) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto throws = [] {
    loop on(std::make_unique<quiet_engine>(), {});
    static_cast<void>(on.remote().post([] { throw std::runtime_error("thrown by posted work"); }));
    try {
      on.poll();
    } catch (...) {
      std::_Exit(0);
    }
  };
  EXPECT_DEATH(throws(), "thrown by posted work");
}

TEST(loop_contract, turning_a_loop_from_its_own_turn_aborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        loop on(std::make_unique<quiet_engine>());
        calling_job job;
        job.call = [&] { on.poll(); };
        on.post(job);
        on.poll();
      },
      "contract broken");
}

}  // namespace
}  // namespace hawser
