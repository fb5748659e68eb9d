// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>
#include <hawser/base/export.hpp>
#include <hawser/base/intrusive.hpp>
#include <hawser/base/time.hpp>
#include <hawser/io/engine.hpp>
#include <hawser/io/timer.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hawser::inline v0 {

// How a loop waits when nothing is to be done.
enum class wait_policy : std::uint8_t {
  block,             // sleep in the kernel at once: least CPU, a wake costs 20-50 us
  spin_then_block,   // look without sleeping for `spin` after the last work, then sleep
  busy,              // never sleep: lowest latency, a whole core
};

// What moves the bytes. `automatic` is uring where the machine accepts it, else epoll, and says in the log (info, once) why.
enum class engine_choice : std::uint8_t { automatic, epoll, uring };

// Why loops cannot have engine_choice::uring here, and what helps against it, for a person to read; empty: they can. Tries a small ring,
// for at most a second, the first time that somebody asks or makes a loop.
HAWSER_API std::string uring_refusal();

struct loop_options {
  engine_choice engine = engine_choice::automatic;      // HAWSER_ENGINE=epoll|uring|auto overrides `automatic`
  wait_policy wait = wait_policy::spin_then_block;
  duration spin = std::chrono::microseconds(50);
  std::size_t cached_bytes_max = std::size_t{16} << 20;  // free buffers kept for reuse
  std::size_t remote_bytes_max = std::size_t{16} << 20;  // what other threads may have queued, by the size they state
};

namespace detail { class remote_state; }
class loop;
HAWSER_API bool may_complete_at_once(const loop& on) noexcept;

// The way into a loop from other threads: copyable, any thread, may outlive the loop.
class HAWSER_API remote {
 public:
  remote() noexcept = default;
  // Queues `work` to run on the loop's thread; one producer's work keeps its order. `bytes` is what it counts against
  // remote_bytes_max. Errors: would_block (full: nothing was queued), loop_stopped (the loop is gone). Never spins or blocks.
  // Wakes the loop only when it announced sleep. Allocates one node.
  result<> post(std::move_only_function<void()> work, std::size_t bytes = 0) const;
  // Runs `work` once, on the loop's thread, when the queue is below half of its limit again.
  result<> on_writable(std::move_only_function<void()> work) const;

 private:
  friend class loop;
  std::shared_ptr<detail::remote_state> state_;
};

// One thread's event loop: an engine, timers, jobs, buffers. Everything that belongs to it is used on that thread only; the one
// way in for others is remote(). It may be made in another thread than the one that turns it, and destroyed in another once that one has
// ended; on io_uring a second thread that turns it ends the program. It must outlive what was built on it (peers, links, tasks). Programs that have a loop of their
// own call poll() in each round, or watch descriptor() and next_timeout() and call run_once().
//
// An exception that leaves a handler, a timer, a job or posted work ends the program (std::terminate) where it was thrown: what
// it interrupted cannot be taken up again. Tasks hand theirs to whom awaits them.
class HAWSER_API loop {
 public:
  explicit loop(const loop_options& options = {});                                // aborts when no engine can be made: no descriptors, or see uring_refusal()
  loop(std::unique_ptr<io::engine> engine, const loop_options& options = {});
  ~loop();
  loop(const loop&) = delete;
  loop& operator=(const loop&) = delete;

  void run();                          // turns until stop()
  // Runs until the task has ended, and returns what it returns (async/task.hpp).
  template <class Task>
  auto run(Task task) { return run_task(*this, std::move(task)); }
  void stop() noexcept;                // run() returns after the current turn. Loop thread; others post it through remote()
  // One bounded turn that never waits: for game loops and foreign loops. True when it did something.
  bool poll();
  // Turns until something was done or `timeout` has passed. True when something was done.
  bool run_once(duration timeout);
  int descriptor() const noexcept { return engine_->descriptor(); }     // readable when a turn has something to do; -1 in simulation
  // Announces sleep, so that other threads wake descriptor(): call it last before waiting there.
  duration next_timeout() noexcept;                                      // until the next timer; 0: work is waiting; duration::max(): none

  instant now() const noexcept { return now_; }                          // read once a turn
  // Makes now() current again outside of turns, for who arms timers there after a long time.
  void read_clock() noexcept { now_ = engine_->now(); }
  buffer_pool& buffers() noexcept { return pool_; }
  io::engine& engine() noexcept { return *engine_; }
  hawser::remote remote();

  // Arms (or re-arms) a timer. `when` may be past: it fires in the next turn. `never` disarms.
  void arm(io::timer& timer, instant when);
  void disarm(io::timer& timer) noexcept;
  void post(io::job& job) noexcept { jobs_.push_back(job); }
  // For who has had his share of this turn (may_complete_at_once()): runs in the next one, or when those before it leave it a share.
  void put_off(io::job& job) noexcept { put_off_.push_back(job); }
  void flush_later(io::flushable& item) noexcept { if (!item.linked()) flushes_.push_back(item); }

  std::uint64_t turns() const noexcept { return turns_; }

 private:
  struct HAWSER_LOCAL parts;
  friend bool may_complete_at_once(const loop& on) noexcept;
  bool turn(instant wait_until) noexcept;
  std::size_t run_due();
  std::size_t run_put_off();
  static constexpr std::uint32_t immediate_completions_max = 1024;
  std::unique_ptr<io::engine> engine_;
  loop_options options_;
  buffer_pool pool_;
  instant now_{};
  std::uint64_t turns_ = 0;
  mutable std::uint32_t immediate_completions_ = 0;   // in this turn (async/wait.hpp)
  bool stopping_ = false;
  intrusive_list<io::job> jobs_;
  intrusive_list<io::job> put_off_;
  intrusive_list<io::flushable> flushes_;
  std::unique_ptr<parts> parts_;       // timer heap, remote queue
};

}  // namespace hawser::inline v0
