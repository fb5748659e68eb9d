// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "show.hpp"

#include <hawser/hawser.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace demo {

struct plan {
  std::uint64_t messages = 1'000'000;
  std::uint64_t requests = 10'000;
  std::uint64_t file_bytes = std::uint64_t{256} << 20;
  std::string file;                   // empty: one is made
  bool spinning = true;               // the goal for the ping under load holds only then
};

// What every job works with.
struct bench_seat {
  hawser::loop& loop;
  hawser::peer& me;
  hawser::connection server;
  const plan& work;
  report& results;
  std::function<void()> kill_server;  // SIGKILL
};

hawser::task<> send_messages(bench_seat& seat);
hawser::task<> interleave_requests(bench_seat& seat);
hawser::task<> stream_file(bench_seat& seat);
hawser::task<> show_failures(bench_seat& seat);

}  // namespace demo
