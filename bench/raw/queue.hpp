// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/payload.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace hawser::bench::raw {

// From many threads to one: a ring of slots, each with the turn in which it may be written or read. Producers take a slot with one
// compare-and-swap and wait for nobody but a full ring.
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

 private:
  static constexpr std::size_t slots = 16'384;
  struct alignas(64) slot {
    std::atomic<std::uint64_t> turn;
    payload message;
  };
  std::unique_ptr<slot[]> slots_;
  alignas(64) std::atomic<std::uint64_t> end_ = 0;
  alignas(64) std::uint64_t begin_ = 0;
};

// The consumer says that it is about to sleep, so that producers wake it only then. It looks into its queue between announce() and
// sleeping: what was pushed before is seen there, or its producer sees the announcement.
class announced_sleep {
 public:
  void announce() noexcept { asleep_.store(true); }
  void retract() noexcept { asleep_.store(false); }
  // After a push: whether this producer is the one that has to wake it.
  bool is_to_be_woken() noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return asleep_.load(std::memory_order_relaxed) && asleep_.exchange(false);
  }

 private:
  alignas(64) std::atomic<bool> asleep_ = false;
};

}  // namespace hawser::bench::raw
