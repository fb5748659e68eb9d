// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "jobs.hpp"

namespace demo {
namespace {

using namespace std::chrono_literals;

std::string told(std::error_code error) { return "error " + std::to_string(error.value()) + ": " + error.message(); }

// The caller drops a request that streams; the handler has to learn of it.
hawser::task<> cancel_one(bench_seat& seat) {
  auto clock = seat.me.start(seat.server, "clock");
  if (!clock) {
    seat.results.row("cancelled", told(clock.error()), false);
    co_return;
  }
  const auto first = co_await clock->read();
  clock->cancel();
  const auto after = co_await clock->read();
  std::string seen;
  for (int attempt = 0; attempt < 100 && seen != "1"; ++attempt) {
    co_await hawser::sleep(seat.loop, 10ms);
    const auto answer = co_await seat.me.call(seat.server, "clock.cancelled");
    if (answer) seen = hawser::as_text(*answer);
  }
  const bool right = first && !first->empty() && !after && after.error() == hawser::errc::cancelled && seen == "1";
  seat.results.row("cancelled", after ? "no error" : told(after.error()) + "; the handler saw it " + seen + " time", right);
}

hawser::task<> pass_deadline(bench_seat& seat) {
  const auto start = seat.now();
  const auto answer = co_await seat.me.call(seat.server, "clock", {}, {.deadline = 100ms});
  const double waited = seat.seconds_since(start);
  char after[32];
  std::snprintf(after, sizeof after, " after %.0f ms", waited * 1000);
  seat.results.row("past its deadline of 100 ms", answer ? "an answer" : told(answer.error()) + after,
                   !answer && answer.error() == hawser::errc::deadline && waited >= 0.09);
}

hawser::task<> ask_for_nothing(bench_seat& seat) {
  const auto answer = co_await seat.me.call(seat.server, "no such operation");
  seat.results.row("unknown operation", answer ? "an answer" : told(answer.error()), !answer && answer.error() == hawser::errc::operation_not_found);
}

hawser::task<> lose_server(bench_seat& seat) {
  auto clock = seat.me.start(seat.server, "clock");
  if (!clock) {
    seat.results.row("server killed", told(clock.error()), false);
    co_return;
  }
  const auto first = co_await clock->read();
  seat.kill_server();
  auto last = co_await clock->read();
  while (last && !last->empty()) last = co_await clock->read();
  const auto later = seat.server.send("anybody there?");
  const bool right = first && !last && last.error() == hawser::errc::connection_lost && !later && later.error() == hawser::errc::not_connected;
  seat.results.row("server killed in mid-request", last ? "a clean end" : told(last.error()), right);
}

}  // namespace

hawser::task<> show_failures(bench_seat& seat) {
  co_await cancel_one(seat);
  co_await pass_deadline(seat);
  co_await ask_for_nothing(seat);
  co_await lose_server(seat);
}

}  // namespace demo
