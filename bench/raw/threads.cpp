// SPDX-License-Identifier: Apache-2.0 OR MIT
// Many threads with messages, one with the socket, and a bounded queue between them.
#include "common/affinity.hpp"
#include "raw/queue.hpp"
#include "raw/sides.hpp"

#include <atomic>
#include <thread>
#include <vector>

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

struct producer {
  std::thread thread;
  std::uint64_t count = 0, sum = 0;
};

void produce(queue& to, sleeper& who, std::size_t line, std::int64_t until, producer& mine) {
  run_anywhere();
  payload message;
  for (; mine.count % 64 != 0 || now_ns() < until; ++mine.count) {
    message.sequence = sequence_in(line, mine.count);
    message.stamp_ns = mine.count % 1024 == 0 ? now_ns() : 0;
    mine.sum += sum_of(&message);
    while (!to.push(message)) std::this_thread::yield();
    who.wake();
  }
}

}  // namespace

void pour_from_threads(wire& to, const job& of, tally& counted) {
  queue between;
  sleeper sleeps;
  std::vector<producer> producers(of.threads);
  std::atomic<std::size_t> running = of.threads;
  const std::int64_t until = end_of(of);
  for (std::size_t line = 0; line < producers.size(); ++line) {
    producers[line].thread = std::thread([&, line] {
      produce(between, sleeps, line, until, producers[line]);
      --running;
      sleeps.wake();
    });
  }
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
  for (producer& one : producers) {
    one.thread.join();
    counted.count += one.count;
    counted.sum += one.sum;
  }
}

}  // namespace hawser::bench::raw
