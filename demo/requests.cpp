// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "jobs.hpp"

#include <algorithm>

namespace demo {
namespace {

struct tally {
  std::uint64_t right = 0, wrong = 0, running = 0, running_max = 0;
  std::string first_error;
};

hawser::task<> ask(bench_seat& seat, std::uint64_t number, tally& count, progress_bar& bar) {
  const std::string body = "request " + std::to_string(number) + std::string(number % 200, '.');
  count.running_max = std::max(count.running_max, ++count.running);
  const auto answer = co_await seat.me.call(seat.server, "echo", hawser::as_bytes(body));
  --count.running;
  if (answer && hawser::as_text(*answer) == body) {
    ++count.right;
  } else {
    ++count.wrong;
    if (count.first_error.empty()) count.first_error = answer ? "a wrong answer" : answer.error().message();
  }
  bar.at(count.right);
}

}  // namespace

// All of them at once; those beyond the server's channel limit wait their turn in the peer.
hawser::task<> interleave_requests(bench_seat& seat) {
  tally count;
  const auto start = seat.now();
  {
    progress_bar bar = seat.progress("interleaved requests", seat.work.requests, "requests");
    hawser::scope all(seat.loop);
    for (std::uint64_t number = 0; number < seat.work.requests; ++number) all.spawn(ask(seat, number, count, bar));
    co_await all.join();
    bar.at(count.right);
  }
  const auto rate = static_cast<std::uint64_t>(static_cast<double>(count.right) / seat.seconds_since(start));
  std::string figures = with_commas(count.right) + " answered right on one connection, up to " + with_commas(count.running_max) +
                        " under way, " + with_commas(rate) + "/s";
  if (count.wrong > 0) figures = with_commas(count.wrong) + " wrong, the first: " + count.first_error;
  seat.results.row("requests", std::move(figures), count.right == seat.work.requests && count.wrong == 0);
}

}  // namespace demo
