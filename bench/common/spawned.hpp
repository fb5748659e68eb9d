// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <utility>

#include <sys/types.h>

namespace hawser::bench {

// A process of ours. It dies with us; destroying this kills it.
class spawned {
 public:
  spawned() noexcept = default;
  // Forks; the new process does `work` and exits with what that returns. Start it from a program without threads, or before they
  // exist. Where that fails errno says why and the object stands for no process.
  static spawned start(const std::function<int()>& work);
  spawned(spawned&& other) noexcept : process_(std::exchange(other.process_, -1)) {}
  spawned& operator=(spawned&& other) noexcept {
    std::swap(process_, other.process_);
    return *this;
  }
  ~spawned();

  explicit operator bool() const noexcept { return process_ > 0; }
  pid_t id() const noexcept { return process_; }
  // Waits for the end; gives the exit code, or -1 when a signal ended it or it was never there.
  int wait() noexcept;

 private:
  explicit spawned(pid_t process) noexcept : process_(process) {}
  pid_t process_ = -1;
};

// Reads what there is, as soon as there is something. 0: the end, a failure, or nothing until then.
std::size_t read_until(int descriptor, void* to, std::size_t bytes, std::int64_t until_ns) noexcept;

}  // namespace hawser::bench
