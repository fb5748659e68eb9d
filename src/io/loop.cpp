// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/io/loop.hpp>

#include "io/make_engine.hpp"
#include "io/remote_state.hpp"
#include "io/timer_heap.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

namespace hawser::inline v0 {
namespace {

// What one pass over jobs, or over work from other threads, runs at most: a job that posts itself for ever delays the network
// by this much and no more.
constexpr std::size_t jobs_per_pass = 1024;
constexpr std::size_t remote_per_turn = 1024;
// Turns without work between two looks at the clock while spinning: a timer is late by half of them at the mean, a quarter of a microsecond each.
constexpr std::uint32_t spins_per_clock = 4;

std::unique_ptr<io::engine> engine_or_abort(engine_choice choice) {
  auto made = io::make_engine(choice);
  if (!made) {
    std::fprintf(stderr, "hawser: no engine can be made: %s\n", made.error().c_str());
    std::abort();
  }
  return std::move(*made);
}

}  // namespace

struct loop::parts {
  explicit parts(io::engine& engine, std::size_t remote_bytes_max)
      : remote(std::make_shared<detail::remote_state>(engine, remote_bytes_max)) {}
  io::timer_heap timers;
  std::shared_ptr<detail::remote_state> remote;
  instant spin_until{};
  std::uint32_t spins = 0;       // turns without work since the clock was read
  bool clock_stale = true;
  bool turning = false;
};

loop::loop(const loop_options& options) : loop(engine_or_abort(options.engine), options) {}

loop::loop(std::unique_ptr<io::engine> engine, const loop_options& options)
    : engine_(std::move(engine)), options_(options), pool_(options.cached_bytes_max) {
  HAWSER_EXPECTS(engine_ != nullptr, "a loop needs an engine");
  // Simulated time stands still while somebody looks without waiting.
  if (engine_->descriptor() < 0) options_.wait = wait_policy::block;
  engine_->use_buffers(pool_);
  now_ = engine_->now();
  parts_ = std::make_unique<parts>(*engine_, options_.remote_bytes_max);
}

// Work of other threads is destroyed while everything that it may refer to still stands; the engine goes before the buffers
// that its sends hold.
loop::~loop() {
  HAWSER_EXPECTS(!parts_->turning, "a loop is destroyed from inside its own turn");
  parts_->remote->close();
  engine_.reset();
}

hawser::remote loop::remote() {
  hawser::remote way_in;
  way_in.state_ = parts_->remote;
  return way_in;
}

void loop::arm(io::timer& timer, instant when) { parts_->timers.arm(this, timer, when); }
void loop::disarm(io::timer& timer) noexcept { parts_->timers.disarm(timer); }
void loop::stop() noexcept { stopping_ = true; }

namespace {

std::size_t run_jobs(intrusive_list<io::job>& jobs) {
  std::size_t count = 0;
  while (count < jobs_per_pass) {
    io::job* next = jobs.pop_front();
    if (!next) break;
    ++count;
    next->run();
  }
  return count;
}

// What is marked while the list runs waits for the next pass.
std::size_t run_flushes(intrusive_list<io::flushable>& flushes) {
  if (flushes.empty()) return 0;
  intrusive_list<io::flushable> marked;
  marked.splice_back(flushes);
  std::size_t count = 0;
  while (io::flushable* next = marked.pop_front()) {
    ++count;
    next->flush();
  }
  return count;
}

}  // namespace

// Each step may end the program (engine::stopped()), and nothing runs afterwards.
std::size_t loop::run_due() {
  std::size_t done = 0;
  if (parts_->timers.next() <= now_ && !engine_->stopped()) done += parts_->timers.fire(now_);
  if (!jobs_.empty() && !engine_->stopped()) done += run_jobs(jobs_);
  if (!flushes_.empty() && !engine_->stopped()) done += run_flushes(flushes_);
  return done;
}

// Each takes one of the completions that this turn may have, and what it does meanwhile takes more.
std::size_t loop::run_put_off() {
  std::size_t done = 0;
  while (!put_off_.empty() && immediate_completions_ < immediate_completions_max && !engine_->stopped()) {
    ++immediate_completions_;
    ++done;
    put_off_.pop_front()->run();
  }
  return done;
}

// One turn. What other threads, timers and jobs want goes first, so that it leaves before the engine is asked; then the engine
// hands out what arrived; then timers, jobs and flushes once more, so that answers leave in the turn that produced them.
bool loop::turn(instant wait_until) noexcept {
  parts& p = *parts_;
  HAWSER_EXPECTS(!p.turning, "a loop is turned from inside its own turn");
  p.turning = true;
  ++turns_;
  immediate_completions_ = 0;
  if (p.clock_stale || p.spins >= spins_per_clock) {
    now_ = engine_->now();
    p.spins = 0;
    p.clock_stale = false;
  }
  // Those first who were put off: what others have run at once would leave them no share of this turn either.
  std::size_t done = run_put_off();
  if (!engine_->stopped()) done += p.remote->run(remote_per_turn);
  done += run_due();

  instant until = now_;
  const bool idle = done == 0 && jobs_.empty() && put_off_.empty() && flushes_.empty() && !engine_->pending();
  const bool spinning = options_.wait == wait_policy::busy || (options_.wait == wait_policy::spin_then_block && now_ < p.spin_until);
  if (idle && !spinning) until = std::min(wait_until, p.timers.next());

  std::size_t handed_out = 0;
  const bool may_sleep = until > now_;
  if (may_sleep && p.remote->announce_sleep()) {
    handed_out = engine_->turn(until, now_);
    p.remote->awake();
  } else {
    handed_out = engine_->turn(now_, now_);
  }
  done += handed_out;
  // While it spins in vain there is nothing new to look for.
  if (done != 0 || may_sleep) done += run_due();

  if (done != 0) {
    p.clock_stale = handed_out == 0;
    p.spins = 0;
    p.spin_until = after(now_, options_.spin);
  } else {
    ++p.spins;
  }
  p.turning = false;
  return done != 0;
}

void loop::run() {
  parts_->remote->awake();
  parts_->clock_stale = true;
  while (!stopping_) turn(never);
  stopping_ = false;
  engine_->submit();
}

// Between the turns of a foreign loop ours counts as asleep: whoever posts then makes descriptor() readable.
bool loop::poll() {
  parts_->remote->awake();
  parts_->clock_stale = true;
  const bool worked = turn(instant::min());
  engine_->submit();
  if (!parts_->remote->announce_sleep()) engine_->wake();
  return worked;
}

bool loop::run_once(duration timeout) {
  parts_->remote->awake();
  parts_->clock_stale = false;
  now_ = engine_->now();
  const instant limit = after(now_, std::max(timeout, duration::zero()));
  bool worked = turn(limit);
  while (!worked && now_ < limit) worked = turn(limit);
  engine_->submit();
  if (!parts_->remote->announce_sleep()) engine_->wake();
  return worked;
}

duration loop::next_timeout() noexcept {
  engine_->submit();
  if (!jobs_.empty() || !put_off_.empty() || !flushes_.empty() || engine_->pending() || !parts_->remote->announce_sleep()) return duration::zero();
  const instant next = parts_->timers.next();
  if (next == never) return duration::max();
  return std::max(next - engine_->now(), duration::zero());
}

}  // namespace hawser::inline v0
