// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/error.hpp>
#include <hawser/io/engine.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <mutex>
#include <vector>

namespace hawser::inline v0::detail {

// The queue between a loop and other threads: a stack that producers push onto and the loop takes whole and reverses, so that
// work runs in the order of the pushes. All ordering that matters for sleeping is by seq_cst operations on head_, writable_
// and asleep_ (fences would do, but thread sanitizers do not see them).
class remote_state {
 public:
  remote_state(io::engine& engine, std::size_t bytes_max) noexcept;
  ~remote_state();
  remote_state(const remote_state&) = delete;
  remote_state& operator=(const remote_state&) = delete;

  // Any thread.
  result<> post(std::move_only_function<void()> work, std::size_t bytes);
  result<> on_writable(std::move_only_function<void()> work);

  // The loop's thread.
  // Runs up to run_max pieces of work. Returns how many.
  std::size_t run(std::size_t run_max);
  bool waiting() const noexcept;
  // From here on a producer wakes the engine. False, and nothing is announced, when work is waiting already.
  bool announce_sleep() noexcept;
  void awake() noexcept;
  // Refuses what comes from now on and destroys what is queued.
  void close() noexcept;

 private:
  struct node {
    node* next;
    std::size_t bytes;
    std::move_only_function<void()> work;
  };
  static void destroy(node* list) noexcept;
  static node* closed() noexcept;
  void take();
  bool below_half() const noexcept { return queued_bytes_.load(std::memory_order_seq_cst) <= bytes_max_ / 2; }
  std::size_t run_writable();
  void wake_if_asleep() noexcept;

  const std::size_t bytes_max_;
  node* taken_ = nullptr;                             // loop thread: oldest first
  std::vector<std::move_only_function<void()>> running_writable_;

  alignas(64) std::atomic<node*> head_{nullptr};      // newest first
  std::atomic<std::size_t> queued_bytes_{0};
  std::atomic<bool> writable_wanted_{false};
  alignas(64) std::atomic<bool> asleep_{true};        // a loop that does not turn yet counts as asleep

  std::mutex mutex_;                                  // engine_ against the loop's death, and the waiters for room
  io::engine* engine_;
  std::vector<std::move_only_function<void()>> writable_;
};

}  // namespace hawser::inline v0::detail
