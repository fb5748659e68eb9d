// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/spawned.hpp"

#include <optional>
#include <string>
#include <vector>

namespace hawser::bench {

// A program that is run on one core, by its standard input and output; its errors go where ours go.
class program {
 public:
  // core -1: any.
  program(const std::vector<std::string>& command, int core);
  program(const program&) = delete;
  program& operator=(const program&) = delete;
  ~program();

  // The next line that it prints; nothing: it ended, or was silent for so long.
  std::optional<std::string> line(int timeout_ms);
  void close_input() noexcept;
  // Waits for the end; gives the exit code, or -1 when a signal ended it or it could not be started.
  int wait() noexcept { return process_.wait(); }

 private:
  spawned process_;
  int input_ = -1, output_ = -1;
  std::string read_;                       // and not yet given out
};

}  // namespace hawser::bench
