// SPDX-License-Identifier: Apache-2.0 OR MIT
// Many threads with messages, one with the socket, and a bounded queue between them.
#include "common/producers.hpp"
#include "raw/queue.hpp"
#include "raw/sides.hpp"

#include <atomic>
#include <thread>

namespace hawser::bench::raw {
namespace {

// What wakes the one with the socket.
class sleeper {
 public:
  // Sleeps until wake(), unless there is something in the queue, or `over()` is true.
  template <class Over>
  void wait(const queue& from, Over&& over) noexcept {
    const std::uint32_t before = wakes_.load();
    sleep_.announce();
    if (!from.front() && !over()) wakes_.wait(before);
    sleep_.retract();
  }
  void wake() noexcept {
    if (!sleep_.is_to_be_woken()) return;
    wakes_.fetch_add(1);
    wakes_.notify_one();
  }

 private:
  announced_sleep sleep_;
  std::atomic<std::uint32_t> wakes_ = 0;
};

}  // namespace

void pour_from_threads(wire& to, const job& of, tally& counted) {
  queue between;
  sleeper sleeps;
  std::atomic<std::size_t> running = of.threads;
  const auto push = [&](std::size_t, const payload& message) {
    while (!between.push(message)) std::this_thread::yield();
    sleeps.wake();
    return true;
  };
  const auto ended = [&](std::size_t) {
    --running;
    sleeps.wake();
    return true;
  };
  producers threads(of, push, ended);
  frame_writer out;
  while (to.failure().empty()) {
    const bool last = running == 0;        // asked before looking: what they put there last is then seen
    if (!to.flush()) break;
    out.clear();
    while (out.has_space()) {
      const payload* next = between.front();
      if (!next) break;
      out.append(next);
      between.taken();
    }
    if (out.bytes() != 0) to.send(out.data(), out.bytes());
    else if (last) break;
    else if (of.wait == wait_mode::block) sleeps.wait(between, [&running] { return running == 0; });
  }
  to.flush();
  threads.add_up(counted);
}

}  // namespace hawser::bench::raw
