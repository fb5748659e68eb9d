// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/affinity.hpp"
#include "common/payload.hpp"
#include "common/tally.hpp"

#include <thread>
#include <utility>
#include <vector>

namespace hawser::bench {

// The threads that send in the workload `threads`, each on whatever core there is. One message in 1024 carries the time.
template <class Send, class Ended>
class producers {
 public:
  // send(line, message), on the thread of that line: false gives up. After its last message each thread calls ended(line): false is a
  // failure too.
  producers(const job& of, Send send, Ended ended)
      : until_ns_(end_of(of)), send_(std::move(send)), ended_(std::move(ended)), all_(of.threads) {
    for (std::size_t line = 0; line < all_.size(); ++line) all_[line].thread = std::thread([this, line] { run(line); });
  }
  producers(const producers&) = delete;
  producers& operator=(const producers&) = delete;
  ~producers() {
    for (one& each : all_) each.thread.join();
  }

  // Once all have called ended().
  void add_up(tally& counted) {
    for (one& each : all_) {
      each.thread.join();
      counted.count += each.count;
      counted.sum += each.sum;
      if (each.has_failed) counted.fail("a thread could not send");
    }
    all_.clear();
  }

 private:
  struct one {
    std::thread thread;
    std::uint64_t count = 0, sum = 0;
    bool has_failed = false;
  };

  void run(std::size_t line) {
    run_anywhere();
    one& mine = all_[line];
    payload message;
    for (; !mine.has_failed && (mine.count % 64 != 0 || now_ns() < until_ns_); ++mine.count) {
      message.sequence = sequence_in(line, mine.count);
      message.stamp_ns = mine.count % 1024 == 0 ? now_ns() : 0;
      mine.sum += sum_of(&message);
      mine.has_failed = !send_(line, message);
    }
    mine.has_failed = !ended_(line) || mine.has_failed;
  }

  std::int64_t until_ns_;
  Send send_;
  Ended ended_;
  std::vector<one> all_;
};

}  // namespace hawser::bench
