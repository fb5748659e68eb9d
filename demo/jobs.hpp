// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "show.hpp"

#include <hawser/hawser.hpp>

#include <cstdint>
#include <functional>
#include <string>

// What the client does. Nothing here knows a process, a socket or a clock of its own, so that the same jobs run between two processes
// and in the simulated network.

namespace demo {

struct plan {
  std::uint64_t messages = 1'000'000;
  std::uint64_t requests = 10'000;
  std::uint64_t sink_bytes = std::uint64_t{64} << 20;
  std::uint64_t file_bytes = std::uint64_t{256} << 20;
  std::string file;                   // empty: one is made
  bool spinning = true;               // the goal for the ping under load holds only then
  bool shows_progress = true;
};

// What every job works with.
struct bench_seat {
  hawser::loop& loop;
  hawser::peer& me;
  hawser::connection server;
  const plan& work;
  report& results;
  std::function<void()> kill_server;  // SIGKILL

  // Read anew, other than loop.now(), which is as old as its turn.
  hawser::instant now() const { return loop.engine().now(); }
  double seconds_since(hawser::instant start) const { return std::chrono::duration<double>(now() - start).count(); }
  progress_bar progress(std::string title, std::uint64_t total, std::string unit) const {
    return progress_bar(std::move(title), total, std::move(unit), work.shows_progress);
  }
};

// All of them, in this order; the last one kills the server.
hawser::task<> do_all(bench_seat& seat);

hawser::task<> send_messages(bench_seat& seat);
hawser::task<> interleave_requests(bench_seat& seat);
hawser::task<> fill_sink(bench_seat& seat);
hawser::task<> stream_file(bench_seat& seat);
hawser::task<> show_failures(bench_seat& seat);

}  // namespace demo
