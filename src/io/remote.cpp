// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/remote_state.hpp"

#include <hawser/io/loop.hpp>

#include <utility>

namespace hawser::inline v0 {
namespace detail {
namespace {

// Waiters for room are bounded too: beyond this the answer is would_block.
constexpr std::size_t writable_waiters_max = 65'536;

}  // namespace

remote_state::remote_state(io::engine& engine, std::size_t bytes_max) noexcept : bytes_max_(bytes_max), engine_(&engine) {}

remote_state::~remote_state() {
  destroy(taken_);
  node* rest = head_.load(std::memory_order_acquire);
  if (rest != closed()) destroy(rest);
}

void remote_state::destroy(node* list) noexcept {
  while (list) delete std::exchange(list, list->next);
}

// What head_ holds once the loop is gone: an address that no node has.
remote_state::node* remote_state::closed() noexcept {
  static node marker{nullptr, 0, {}};
  return &marker;
}

result<> remote_state::post(std::move_only_function<void()> work, std::size_t bytes) {
  // The node counts as well, so that work which states 0 bytes is bounded.
  const std::size_t cost = bytes + sizeof(node);
  node* head = head_.load(std::memory_order_acquire);
  if (head == closed()) return failure(errc::loop_stopped);
  // One piece larger than the whole limit may pass when nothing else is queued; it could never pass otherwise.
  const std::size_t queued = queued_bytes_.fetch_add(cost, std::memory_order_seq_cst);
  if (queued != 0 && (cost > bytes_max_ || queued > bytes_max_ - cost)) {
    queued_bytes_.fetch_sub(cost, std::memory_order_seq_cst);
    return failure(errc::would_block);
  }
  node* added = new node{head, cost, std::move(work)};
  do {
    if (head == closed()) {
      delete added;
      return failure(errc::loop_stopped);
    }
    added->next = head;
  } while (!head_.compare_exchange_weak(head, added, std::memory_order_seq_cst, std::memory_order_acquire));
  wake_if_asleep();
  return {};
}

result<> remote_state::on_writable(std::move_only_function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    if (!engine_) return failure(errc::loop_stopped);
    if (writable_.size() >= writable_waiters_max) return failure(errc::would_block);
    writable_.push_back(std::move(work));
    writable_wanted_.store(true, std::memory_order_seq_cst);
  }
  wake_if_asleep();
  return {};
}

// The load spares producers the exclusive cache line while the loop is awake. Under the lock the engine cannot die meanwhile.
void remote_state::wake_if_asleep() noexcept {
  if (!asleep_.load(std::memory_order_seq_cst) || !asleep_.exchange(false, std::memory_order_seq_cst)) return;
  const std::lock_guard lock(mutex_);
  if (engine_) engine_->wake();
}

void remote_state::take() {
  node* newest = head_.exchange(nullptr, std::memory_order_seq_cst);
  while (newest) {
    node* next = newest->next;
    newest->next = taken_;
    taken_ = newest;
    newest = next;
  }
}

std::size_t remote_state::run(std::size_t run_max) {
  std::size_t count = 0;
  while (count < run_max) {
    if (!taken_) {
      if (!head_.load(std::memory_order_relaxed)) break;
      take();
    }
    node* first = std::exchange(taken_, taken_->next);
    first->work();
    const std::size_t cost = first->bytes;
    delete first;
    queued_bytes_.fetch_sub(cost, std::memory_order_seq_cst);
    ++count;
  }
  if (writable_wanted_.load(std::memory_order_seq_cst) && below_half()) count += run_writable();
  return count;
}

std::size_t remote_state::run_writable() {
  {
    const std::lock_guard lock(mutex_);
    writable_wanted_.store(false, std::memory_order_seq_cst);
    running_writable_.swap(writable_);
  }
  const std::size_t count = running_writable_.size();
  for (auto& work : running_writable_) work();
  running_writable_.clear();
  return count;
}

bool remote_state::waiting() const noexcept {
  if (taken_ || head_.load(std::memory_order_seq_cst)) return true;
  return writable_wanted_.load(std::memory_order_seq_cst);
}

// Announce first, look afterwards: a producer pushes first and looks for the announcement afterwards, so one of the two sees
// the other.
bool remote_state::announce_sleep() noexcept {
  asleep_.exchange(true, std::memory_order_seq_cst);
  if (!waiting()) return true;
  asleep_.exchange(false, std::memory_order_seq_cst);
  return false;
}

void remote_state::awake() noexcept { asleep_.exchange(false, std::memory_order_seq_cst); }

void remote_state::close() noexcept {
  std::vector<std::move_only_function<void()>> dropped;
  {
    const std::lock_guard lock(mutex_);
    engine_ = nullptr;
    dropped.swap(writable_);
  }
  node* rest = head_.exchange(closed(), std::memory_order_seq_cst);
  destroy(std::exchange(taken_, nullptr));
  destroy(rest);
}

}  // namespace detail

result<> remote::post(std::move_only_function<void()> work, std::size_t bytes) const {
  if (!state_) return failure(errc::loop_stopped);
  return state_->post(std::move(work), bytes);
}

result<> remote::on_writable(std::move_only_function<void()> work) const {
  if (!state_) return failure(errc::loop_stopped);
  return state_->on_writable(std::move(work));
}

}  // namespace hawser::inline v0
