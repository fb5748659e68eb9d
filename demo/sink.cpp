// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "jobs.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

namespace demo {
namespace {

constexpr std::size_t block_bytes = 64 * 1024;

hawser::task<hawser::result<>> pour(hawser::outgoing_request& rq, std::uint64_t total, progress_bar& bar) {
  const std::vector<std::byte> block(block_bytes);
  for (std::uint64_t sent = 0; sent < total;) {
    const hawser::byte_view piece(block.data(), std::min<std::uint64_t>(block_bytes, total - sent));
    if (const auto written = co_await rq.write(piece); !written) co_return hawser::failure(written.error());
    sent += piece.size();
    bar.at(sent);
  }
  rq.finish();
  co_return hawser::result<>();
}

}  // namespace

// One way in bulk: the server swallows the bytes and answers how many they were.
hawser::task<> fill_sink(bench_seat& seat) {
  const std::uint64_t total = seat.work.sink_bytes;
  const auto start = seat.now();
  std::string counted, failure;
  if (auto rq = seat.me.start(seat.server, "sink")) {
    progress_bar bar = seat.progress("bytes into the sink", total, "bytes");
    if (const auto poured = co_await pour(*rq, total, bar); !poured) failure = poured.error().message();
    const auto answer = co_await rq->read_all(64);
    if (answer) counted = hawser::as_text(*answer);
    else if (failure.empty()) failure = answer.error().message();
  } else {
    failure = rq.error().message();
  }
  char speed[32];
  std::snprintf(speed, sizeof speed, ", %.2f GB/s", static_cast<double>(total) / seat.seconds_since(start) / 1e9);
  std::string figures = with_commas(total) + " bytes sent, server counted " + counted + speed;
  if (!failure.empty()) figures = failure;
  seat.results.row("sink", std::move(figures), failure.empty() && counted == std::to_string(total));
}

}  // namespace demo
