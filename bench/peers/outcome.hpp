// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>

namespace hawser::bench::peers {

// For libraries that call back on threads of their own: whoever works there holds the lock, and what fails there is told by wait().
class outcome {
 public:
  template <class Work>
  void guarded(Work&& work) noexcept {
    const std::lock_guard held(lock_);
    try {
      work();
    } catch (...) {
      failed_ = std::current_exception();
      over();
    }
  }
  // Called inside of guarded().
  void over() noexcept {
    is_over_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock held(lock_);
    changed_.wait(held, [this] { return is_over_; });
    if (failed_) std::rethrow_exception(failed_);
  }

 private:
  std::recursive_mutex lock_;              // a library may call back before a call of ours returns
  std::condition_variable_any changed_;
  std::exception_ptr failed_;
  bool is_over_ = false;
};

}  // namespace hawser::bench::peers
