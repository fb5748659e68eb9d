// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/async/scope.hpp>

#include <cstdio>
#include <cstdlib>

namespace hawser::inline v0 {
namespace {

bool runs_now(const detail::execution* one) noexcept {
  for (const detail::running* at = detail::innermost; at; at = at->outer)
    if (at->root == one) return true;
  return false;
}

detail::spawned carry(task<> work) {
  // A local, because parameters outlive the promise, and the promise is what tells the scope that all is over.
  task<> own = std::move(work);
  co_await std::move(own);
}

}  // namespace

bool detail::condemned(const execution* root) noexcept { return root->doomed; }

void detail::finish_condemned(execution* root) noexcept {
  if (runs_now(root)) return;
  // Out of the scope's list first: destructors of the task's locals may cancel the scope.
  root->unlink();
  root->destroy();
}

detail::execution::~execution() {
  for (running* at = innermost; at; at = at->outer)
    if (at->root == this) at->root = nullptr;
  if (owner) owner->left(*this);
}

void detail::spawned::promise_type::unhandled_exception() noexcept {
  // Without a scope the task had been cancelled, and nobody is left to be told.
  if (owner) owner->failed(std::current_exception());
}

scope::~scope() {
  closing_ = true;
  cancel();
  while (detail::execution* spared = tasks_.pop_front()) spared->owner = nullptr;
  joining_.resume_all_later(*loop_);
}

void scope::spawn(task<> work) {
  HAWSER_EXPECTS(work, "an empty task");
  if (closing_) return;
  const auto coroutine = carry(std::move(work)).coroutine;
  detail::execution& node = coroutine.promise();
  node.owner = this;
  tasks_.push_back(node);
  ++count_;
  detail::resume(coroutine, &node);
}

void scope::cancel() noexcept {
  intrusive_list<detail::execution> ending;
  ending.splice_back(tasks_);
  while (detail::execution* one = ending.pop_front()) {
    if (runs_now(one)) {
      one->doomed = true;
      tasks_.push_back(*one);
    } else {
      one->destroy();
    }
  }
}

void scope::left(detail::execution& one) noexcept {
  one.unlink();
  if (--count_ == 0) joining_.resume_all_later(*loop_);
}

void scope::failed(std::exception_ptr reason) noexcept {
  if (on_exception_) return on_exception_(std::move(reason));
  try {
    std::rethrow_exception(reason);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "hawser: an exception left a spawned task: %s\n", error.what());
  } catch (...) {
    std::fprintf(stderr, "hawser: an exception left a spawned task\n");
  }
  std::abort();
}

}  // namespace hawser::inline v0
