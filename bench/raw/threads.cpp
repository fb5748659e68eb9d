// SPDX-License-Identifier: Apache-2.0 OR MIT
// Many threads with messages, one with the socket, and a bounded queue between them.
#include "common/affinity.hpp"
#include "raw/sides.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

namespace hawser::bench::raw {
namespace {

// A ring of slots, each with the turn in which it may be written or read: producers take a slot with one compare-and-swap and wait for
// nobody but a full ring.
class queue {
 public:
  queue() : slots_(new slot[slots]) {
    for (std::size_t i = 0; i < slots; ++i) slots_[i].turn.store(i, std::memory_order_relaxed);
  }

  // False: it is full.
  bool push(const payload& message) noexcept {
    std::uint64_t at = end_.load(std::memory_order_relaxed);
    for (;;) {
      slot& here = slots_[at % slots];
      const std::uint64_t turn = here.turn.load(std::memory_order_acquire);
      if (turn == at) {
        if (!end_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) continue;
        here.message = message;
        here.turn.store(at + 1, std::memory_order_release);
        wake();
        return true;
      }
      if (turn < at) return false;
      at = end_.load(std::memory_order_relaxed);
    }
  }

  // nullptr: it is empty. What was taken is given back by taken().
  const payload* front() const noexcept {
    const slot& here = slots_[begin_ % slots];
    return here.turn.load(std::memory_order_acquire) == begin_ + 1 ? &here.message : nullptr;
  }
  void taken() noexcept {
    slots_[begin_ % slots].turn.store(begin_ + slots, std::memory_order_release);
    ++begin_;
  }

  // Sleeps until there is something, or wake() was called once `over()` is true.
  template <class Over>
  void wait(Over&& over) noexcept {
    const std::uint32_t before = wakes_.load();
    asleep_.store(true);
    if (!front() && !over()) wakes_.wait(before);
    asleep_.store(false);
  }
  // What was written before is seen by who goes to sleep now, or he is seen here.
  void wake() noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (!asleep_.load(std::memory_order_relaxed) || !asleep_.exchange(false)) return;
    wakes_.fetch_add(1);
    wakes_.notify_one();
  }

 private:
  static constexpr std::size_t slots = 16'384;
  struct alignas(64) slot {
    std::atomic<std::uint64_t> turn;
    payload message;
  };
  std::unique_ptr<slot[]> slots_;
  alignas(64) std::atomic<std::uint64_t> end_ = 0;
  alignas(64) std::uint64_t begin_ = 0;
  std::atomic<bool> asleep_ = false;
  std::atomic<std::uint32_t> wakes_ = 0;
};

struct producer {
  std::thread thread;
  std::uint64_t count = 0, sum = 0;
};

void produce(queue& to, std::size_t line, std::int64_t until, producer& mine) {
  run_anywhere();
  payload message;
  for (; mine.count % 64 != 0 || now_ns() < until; ++mine.count) {
    message.sequence = sequence_in(line, mine.count);
    message.stamp_ns = mine.count % 1024 == 0 ? now_ns() : 0;
    mine.sum += sum_of(&message);
    while (!to.push(message)) std::this_thread::yield();
  }
}

}  // namespace

void pour_from_threads(wire& to, const job& of, tally& counted) {
  queue between;
  std::vector<producer> producers(of.threads);
  std::atomic<std::size_t> running = of.threads;
  const std::int64_t until = end_of(of);
  for (std::size_t line = 0; line < producers.size(); ++line) {
    producers[line].thread = std::thread([&, line] {
      produce(between, line, until, producers[line]);
      --running;
      between.wake();
    });
  }
  frame_writer out;
  while (to.failure().empty()) {
    const bool last = running == 0;        // asked before looking: what they put there last is then seen
    if (!to.flush()) break;
    out.clear();
    while (out.has_space()) {
      const payload* next = between.front();
      if (!next) break;
      out.append(next);
      between.taken();
    }
    if (out.bytes() != 0) to.send(out.data(), out.bytes());
    else if (last) break;
    else if (of.wait == wait_mode::block) between.wait([&running] { return running == 0; });
  }
  to.flush();
  for (producer& one : producers) {
    one.thread.join();
    counted.count += one.count;
    counted.sum += one.sum;
  }
}

}  // namespace hawser::bench::raw
