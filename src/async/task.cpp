// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/async/sleep.hpp>
#include <hawser/async/task.hpp>
#include <hawser/async/wait.hpp>

namespace hawser::inline v0 {
namespace {

class first_step final : public io::job {
 public:
  explicit first_step(std::coroutine_handle<> root) noexcept : root_(root) {}
  void run() override { detail::resume(root_, nullptr); }

 private:
  std::coroutine_handle<> root_;
};

}  // namespace

bool may_complete_at_once(const loop& on) noexcept {
  return ++on.immediate_completions_ <= loop::immediate_completions_max;
}

// Counts as one start itself: what is put off meanwhile comes back here.
void detail::run_late_starts() {
  while (late_start) std::exchange(late_start, nullptr).resume();
}

detail::epilogue detail::stop_loop(loop& on) {
  on.stop();
  co_return;
}

void detail::drive(loop& on, std::coroutine_handle<> root) {
  // As a job: the task's first look at the clock is then a fresh one.
  first_step start(root);
  on.post(start);
  while (!root.done()) on.run();
}

void sleep_awaiter::await_suspend(std::coroutine_handle<> coroutine) {
  coroutine_ = coroutine;
  root_ = detail::current_execution();
  if (until_ != never) loop_->arm(*this, until_);
}

void sleep_awaiter::on_timer() { detail::resume(coroutine_, root_); }

}  // namespace hawser::inline v0
