// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "testing/world.hpp"

#include "testing/host_engine.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

// Time, events, and who takes a turn when. Time moves only when no event is due and no program has anything to do.

namespace hawser::inline v0::testing::sim {

using namespace std::chrono_literals;

namespace {

// Instants are never near the epoch: a zero instant means "unset" to some programs.
constexpr instant first_instant = instant(1000s);
// A program that polls without waiting gets this many turns for nothing; from then on each takes poll_cost, so that it comes to
// see the future.
constexpr unsigned free_polls = 1000;
constexpr duration poll_cost = 100us;
// Passes at one and the same instant; beyond, the programs chase each other for ever.
constexpr std::uint64_t steps_at_instant_max = 50'000'000;
// Up to so many programs, each is asked before every jump of time when it wants a turn: then even a program that was touched from
// outside of its own turns (a test may, being one thread) is never late. Beyond, that is noticed at every sixteenth jump.
constexpr std::size_t asked_always_max = 256;
constexpr std::uint64_t asked_every = 16;
// Real time to wait for another thread's wake() when nothing in the simulation can ever happen.
constexpr auto outside_patience = 10s;

constexpr auto later = [](const event& a, const event& b) noexcept { return a.at != b.at ? a.at > b.at : a.order > b.order; };

}  // namespace

// Marks that the world moves, for as long as it does; also when a handler throws (a test's assertion).
class driving {
 public:
  explicit driving(world& w) : world_(w) {
    HAWSER_EXPECTS(!w.driving_, "the simulated network was run from inside one of its handlers, jobs, tasks or actions");
    w.driving_ = true;
  }
  ~driving() {
    world_.driving_ = false;
    world_.turning_ = nullptr;
  }
  driving(const driving&) = delete;
  driving& operator=(const driving&) = delete;

 private:
  world& world_;
};

world::world(const network_options& options)
    : options_(options),
      entropy_(mix(options.seed)),
      start_(first_instant),
      now_(first_instant),
      chance_(options.seed),
      trace_(first_instant, options.seed) {}

// Sends in flight hold buffers of the loops, and the loops' engines refer to the world.
world::~world() {
  connections_.clear();
  for (auto& p : processes_) p->on.reset();
}

void world::push(event e) {
  e.order = next_order_++;
  e.at = std::max(e.at, now_);
  events_.push_back(e);
  std::push_heap(events_.begin(), events_.end(), later);
}

void world::schedule(event_kind kind, instant at, const connection& c, unsigned which, std::uint64_t position, bool flag) {
  push({.at = at, .order = 0, .position = position, .slot = c.slot, .generation = c.generation, .epoch = c.epoch, .kind = kind,
        .side = static_cast<std::uint8_t>(which), .flag = flag});
}

void world::schedule_listener_retry(std::uint32_t slot, instant at) {
  push({.at = at, .order = 0, .position = 0, .slot = slot, .generation = listeners_[slot]->generation, .epoch = 0,
        .kind = event_kind::listener_retry, .side = 0, .flag = false});
}

void world::at(instant when, std::move_only_function<void()> action) {
  const std::uint64_t key = next_order_;
  push({.at = when, .order = 0, .position = key, .slot = 0, .generation = 0, .epoch = 0, .kind = event_kind::action, .side = 0, .flag = false});
  actions_.emplace(key, std::move(action));
}

void world::dispatch(const event& e) {
  if (e.kind == event_kind::action) {
    auto node = actions_.extract(e.position);
    trace_.record(now_, "network", 0, 0, happening::action, 0, 0);
    read_clocks();
    node.mapped()();
    return ask_all_when();
  }
  if (e.kind == event_kind::wire_free) {
    link& of = *links_by_number_[e.slot];
    wire& w = of.directions[e.side];
    w.armed = false;
    return run_wire(w, of);
  }
  if (e.kind == event_kind::listener_retry) {
    listener& l = *listeners_[e.slot];
    if (l.generation != e.generation || !l.open) return;
    l.pausing = false;
    return make_ready(e.slot, l);
  }
  connection& c = *connections_[e.slot];
  if (c.generation != e.generation) return;
  const bool lost = c.epoch != e.epoch;
  switch (e.kind) {
    case event_kind::syn: if (!lost) handle_syn(c); break;
    case event_kind::syn_ack: if (!lost) handle_syn_ack(c); break;
    case event_kind::arrive: if (!lost) handle_arrival(c, e.side, e.position, e.flag); break;
    case event_kind::reset: if (!lost) handle_reset(c, e.side); break;
    case event_kind::syn_retry: handle_syn_retry(c); break;
    case event_kind::acknowledge:
      c.sides[e.side].out.ack_armed = false;
      proceed(c, e.side);
      break;
    case event_kind::unacknowledged: handle_timeout(c, e.side); break;
    case event_kind::linger:
      if (c.sides[e.side].state == phase::draining) leave_to_system(c, e.side);
      break;
    case event_kind::resume:
      c.sides[e.side].out.stalled = false;
      line_up(c, e.side);
      acknowledge(c, e.side);
      break;
    default: break;
  }
}

bool world::run_due_events() {
  bool any = false;
  while (!events_.empty() && events_.front().at <= now_) {
    std::pop_heap(events_.begin(), events_.end(), later);
    const event e = events_.back();
    events_.pop_back();
    dispatch(e);
    any = true;
  }
  return any;
}

void world::ask_when(const process& p) noexcept {
  wake_at_[p.index] = p.dead ? never : after(now_, p.on->next_timeout());
}

void world::ask_all_when() noexcept {
  for (const auto& p : processes_) ask_when(*p);
}

// For the code outside of turns that comes next: it may arm timers on any loop.
void world::read_clocks() noexcept {
  for (const auto& p : processes_) {
    if (!p->dead) p->on->read_clock();
  }
}

// Everybody but the driver, whose loop calls us, takes one turn if there is something to do. By index: an action or a handler may make
// hosts.
bool world::pass(process* driver) {
  HAWSER_EXPECTS(++steps_at_instant_ < steps_at_instant_max, "simulated programs stay busy for ever without any time passing");
  bool any = run_due_events();
  if (any_woken_.exchange(false)) {
    for (const auto& p : processes_) {
      if (p->woken.load(std::memory_order_relaxed)) mark_due(*p);
    }
  }
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    if (!due_[i] && wake_at_[i] > now_) continue;
    process& p = *processes_[i];
    if (&p == driver || p.dead || p.home->frozen) continue;
    due_[i] = 0;
    turning_ = &p;
    p.on->poll();
    turning_ = nullptr;
    ask_when(p);
    any = true;
  }
  return any;
}

void world::set_now(instant now) noexcept {
  if (now <= now_) return;
  now_ = now;
  steps_at_instant_ = 0;
}

// To the next instant at which something happens, `limit` at most. False when nothing ever will.
bool world::advance(instant limit, process* driver) {
  if (processes_.size() <= asked_always_max || ++jumps_ % asked_every == 0 || events_.empty()) ask_all_when();
  instant next = events_.empty() ? limit : std::min(limit, events_.front().at);
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    if (wake_at_[i] >= next) continue;
    const process& p = *processes_[i];
    if (&p != driver && !p.dead && !p.home->frozen) next = wake_at_[i];
  }
  if (next == never) return false;
  set_now(next);
  return true;
}

void world::run_until(instant limit, const std::function<bool()>* done, bool& held) {
  const driving guard(*this);
  ask_all_when();
  for (;;) {
    if (done && (held = (*done)())) break;
    if (pass(nullptr)) continue;
    if (now_ >= limit || !advance(limit, nullptr)) break;
  }
  read_clocks();
}

// The driver's loop waits inside this call, so the rest of the world goes on here.
void world::drive(process& driver, instant until) {
  const bool waits = until > now_;
  ask_all_when();
  bool quiet = !pass(&driver);
  for (;;) {
    expect_alive(driver);
    const bool frozen = driver.home->frozen;
    if (!frozen) {
      if (!driver.ready.empty() || driver.woken.exchange(false) || now_ >= until) break;
    }
    if (!quiet) {
      quiet = !pass(&driver);
      continue;
    }
    if (!advance(frozen ? never : until, &driver)) wait_outside(driver);
    quiet = false;
  }
  if (waits || !driver.ready.empty()) {
    driver.empty_polls = 0;
  } else if (++driver.empty_polls > free_polls) {
    set_now(now_ + poll_cost);
  }
  read_clocks();
}

// A program that is over cannot go on to turn the network, nor come back from its run().
void world::expect_alive(const process& driver) const {
  if (!driver.dead) return;
  std::fprintf(stderr, "hawser: host %s was killed while its own loop turned the simulation, which network::run_for() or another host's loop must do; to replay: %s\n",
               driver.home->name.c_str(), hawser::testing::replay_command(options_.seed, "").c_str());
  HAWSER_EXPECTS(false, "a simulated host was killed while its own loop turned the network");
}

// Every program waits without a limit and nothing is under way. Only another thread can change that, by loop::remote().
void world::wait_outside(process& driver) {
  std::unique_lock lock(outside_);
  const auto somebody_woke = [this] {
    return std::any_of(processes_.begin(), processes_.end(), [](const auto& p) { return p->woken.load(); });
  };
  if (outside_woke_.wait_for(lock, outside_patience, somebody_woke)) return;
  std::fprintf(stderr, "hawser: simulation stuck on host %s after %lld ns; to replay: %s\n", driver.home->name.c_str(),
               static_cast<long long>((now_ - start_).count()), hawser::testing::replay_command(options_.seed, "").c_str());
  HAWSER_EXPECTS(false, "every simulated program waits for ever and nothing is under way");
}

void world::wake(process& sleeper) noexcept {
  const bool news = !sleeper.woken.exchange(true);
  any_woken_.store(true);
  if (!news) return;
  // Taken and released, so that the waiter has either seen the flag or waits already.
  { const std::lock_guard lock(outside_); }
  outside_woke_.notify_all();
}

std::size_t world::turn(process& driver, instant until, instant& now) {
  if (driving_) {
    HAWSER_EXPECTS(turning_ == &driver, "a loop of the simulated network was run from inside a handler of another");
    driver.woken.store(false, std::memory_order_relaxed);
    now = now_;
    return driver.engine->hand_out();
  }
  const driving guard(*this);
  expect_alive(driver);
  drive(driver, until);
  now = now_;
  turning_ = &driver;
  const std::size_t done = driver.engine->hand_out();
  expect_alive(driver);
  due_[driver.index] = !driver.ready.empty();
  return done;
}

void world::note(const machine& host, happening what, std::uint64_t connection, std::uint64_t count, std::uint64_t content) {
  trace_.record(now_, host.name, host.index, connection, what, count, content);
}

void world::note(const connection& c, unsigned which, happening what, std::uint64_t count, std::uint64_t content) {
  const machine& host = *c.sides[which].home;
  trace_.record(now_, host.name, host.index, c.serial * 2 + which, what, count, content);
}

}  // namespace hawser::inline v0::testing::sim
