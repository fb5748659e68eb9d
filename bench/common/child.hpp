// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/spawned.hpp"

#include <cstddef>
#include <expected>
#include <functional>
#include <span>
#include <system_error>
#include <type_traits>
#include <utility>

namespace hawser::bench {

// The child's end of the pipe to its parent.
class reporter {
 public:
  explicit reporter(int descriptor) noexcept : descriptor_(descriptor) {}
  bool write(const void* from, std::size_t bytes) noexcept;
  template <class Report>
  bool write(const Report& report) noexcept {
    static_assert(std::is_trivially_copyable_v<Report>);
    return write(&report, sizeof report);
  }

 private:
  int descriptor_;
};

// A process of our own that runs one function and reports through a pipe: the other side of a measurement.
class child {
 public:
  // Forks; the new process runs `work` and exits with what that returns. It keeps standard input, output and error, the pipe and
  // `keep`, and closes every other descriptor: a forgotten copy would keep the parent's connections from ending.
  static std::expected<child, std::error_code> start(const std::function<int(reporter&)>& work, std::span<const int> keep = {});

  child(child&& other) noexcept : process_(std::move(other.process_)), pipe_(std::exchange(other.pipe_, -1)) {}
  child& operator=(child&&) = delete;
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child();

  // Waits for the next report. False: the child ended, or was silent for timeout_ms, before all of it was there.
  bool read(void* to, std::size_t bytes, int timeout_ms = 30'000) noexcept;
  template <class Report>
  bool read(Report& report, int timeout_ms = 30'000) noexcept {
    static_assert(std::is_trivially_copyable_v<Report>);
    return read(&report, sizeof report, timeout_ms);
  }

  // Waits for the end; gives the exit code, or -1 when a signal ended it.
  int wait() noexcept { return process_.wait(); }
  pid_t process() const noexcept { return process_.id(); }

 private:
  child(spawned process, int pipe) noexcept : process_(std::move(process)), pipe_(pipe) {}

  spawned process_;
  int pipe_;
};

}  // namespace hawser::bench
