// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/connection_state.hpp"
#include "peer/core.hpp"
#include "peer/doorway.hpp"
#include "peer/self_pair.hpp"

#include <hawser/async/sleep.hpp>

#include <utility>

// The end of a peer: stop() waits for what runs, tear_down() does not.

namespace hawser::inline v0::detail {

// Until nothing is left, or the instant has come.
class peer_core::idle_wait final : public waiter, private io::timer {
 public:
  idle_wait(peer_core& of, instant until) noexcept : core_(&of), until_(until) {}
  bool await_ready() const noexcept { return core_->idle() || until_ <= core_->loop_->now(); }
  void await_suspend(std::coroutine_handle<> coroutine) {
    suspend(coroutine);
    core_->idle_waiters_.push_back(*this);
    if (until_ != never) core_->loop_->arm(*this, until_);
  }
  void await_resume() const noexcept {}

 private:
  void on_timer() override {
    list_hook::unlink();
    resume_now();
  }
  peer_core* core_;
  instant until_;
};

bool peer_core::idle() const noexcept { return alive_count_ == 0 && run_count_ == 0 && calls_.running == 0; }

void peer_core::perhaps_idle() noexcept {
  if (idle()) idle_waiters_.resume_all_later(*loop_);
}

void peer_core::begin_stop(duration drain) {
  stopping_ = true;
  log(log_level::info, 0, "stopping, %zu connections, %zu handlers", alive_count_, run_count_);
  stop_listening();
  ending_.cancel();
  for (const ref<peer_connection>& one : alive()) one->begin_drain(drain);
}

void peer_core::abort_connections() {
  for (const ref<peer_connection>& one : alive()) one->abort();
}

// Handlers that run now (one of them may be the caller) end at their next suspension.
void peer_core::drop_runs() noexcept {
  intrusive_list<execution> ending;
  ending.splice_back(runs_);
  while (execution* one = ending.pop_front()) drop_execution(*one);
}

task<> peer_core::stop(ref<peer_core> core, duration drain) {
  const ref<peer_core> self = std::move(core);
  const instant until = after(self->loop_->now(), std::max(drain, duration::zero()));
  self->begin_stop(drain);
  {
    idle_wait drained(*self, until);
    co_await drained;
  }
  if (self->idle()) co_return;
  // Handlers learn that their connection is gone, and may end by themselves, before they are dropped.
  self->abort_connections();
  for (int turn = 0; turn < 2 && !self->idle(); ++turn) {
    yield_awaiter pass(*self->loop_);
    co_await pass;
  }
  self->drop_runs();
  idle_wait ended(*self, never);
  co_await ended;
}

void peer_core::tear_down() {
  const ref<peer_core> self(this);
  stopping_ = true;
  stop_listening();
  ending_.cancel();
  for (const ref<peer_connection>& one : alive()) one->tear_down();
  drop_runs();
  self_ = nullptr;
  owner_ = nullptr;
  // Closures of the user's go with the peer; those that still run keep themselves.
  on_message_ = nullptr;
  on_stream_ = nullptr;
  on_messages_ = nullptr;
  operations_.clear_handlers();
}

}  // namespace hawser::inline v0::detail
