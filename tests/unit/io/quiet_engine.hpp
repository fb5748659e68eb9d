// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "support/socketless_engine.hpp"

#include <atomic>
#include <functional>
#include <string_view>

namespace hawser::testing_io {

// An engine whose clock stands still until the test or a waiting turn moves it. It writes down how the loop
// asked it to wait.
class quiet_engine final : public test::socketless_engine {
 public:
  explicit quiet_engine(int descriptor_shown = 0) : descriptor_(descriptor_shown) {}

  std::string_view name() const noexcept override { return "quiet"; }
  instant now() noexcept override {
    ++clock_reads;
    return time;
  }
  std::size_t turn(instant until, instant& now_out) override {
    ++turns;
    last_until = until;
    if (until > now_out) {
      ++waits;
      if (during_wait) during_wait();
      if (woken.exchange(false)) {
        now_out = time;
      } else {
        now_out = time = until;
      }
    } else {
      time += look_takes;
    }
    if (completions == 0) return 0;
    now_out = time;
    return std::exchange(completions, 0);
  }
  void wake() noexcept override {
    ++wakes;
    woken = true;
  }
  int descriptor() const noexcept override { return descriptor_; }
  bool pending() const noexcept override { return false; }
  std::optional<io::name_answer> look_up(const endpoint& host) override {
    if (!table) return std::nullopt;
    return table(host);
  }

  instant time{};
  instant last_until{};
  duration look_takes{};                     // by how much a turn without waiting moves the clock
  std::size_t completions = 0;               // what the next turn reports
  std::size_t turns = 0, waits = 0, clock_reads = 0;
  std::atomic<std::size_t> wakes{0};
  std::atomic<bool> woken{false};
  std::function<void()> during_wait;
  std::function<io::name_answer(const endpoint&)> table;

 private:
  int descriptor_;
};

}  // namespace hawser::testing_io
