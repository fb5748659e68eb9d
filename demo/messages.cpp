// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "jobs.hpp"
#include "service.hpp"

namespace demo {

// Plain messages, one way; the server checks the content and the order of each.
hawser::task<> send_messages(bench_seat& seat) {
  const std::uint64_t total = seat.work.messages;
  const auto start = seat.now();
  std::uint64_t waits = 0;
  std::string failure;
  {
    progress_bar bar = seat.progress("messages of 64 bytes", total, "messages");
    for (std::uint64_t number = 0; number < total;) {
      std::byte message[message_bytes];
      fill_message(number, message);
      const auto sent = seat.server.send(message);
      if (sent) {
        ++number;
        continue;
      }
      if (sent.error() != hawser::errc::would_block) {
        failure = sent.error().message();
        break;
      }
      ++waits;
      bar.at(number);
      if (const auto room = co_await seat.me.writable(seat.server); !room) {
        failure = room.error().message();
        break;
      }
    }
    bar.at(total);
  }
  // Requests may overtake messages (they are different channels), so the count is asked for until it is complete.
  std::string expected = std::to_string(total) + " 0", counted;
  for (int attempt = 0; attempt < 500 && failure.empty() && counted != expected; ++attempt) {
    if (attempt > 0) co_await hawser::sleep(seat.loop, std::chrono::milliseconds(10));
    const auto answer = co_await seat.me.call(seat.server, "messages");
    if (!answer) failure = answer.error().message();
    else counted = hawser::as_text(*answer);
  }
  const double elapsed = seat.seconds_since(start);
  const auto rate = static_cast<std::uint64_t>(static_cast<double>(total) / elapsed);
  std::string figures = with_commas(total) + " sent, server counted and checked " + counted.substr(0, counted.find(' ')) + ", " +
                        with_commas(rate) + "/s, would-block " + with_commas(waits) + " times";
  if (!failure.empty()) figures = failure;
  seat.results.row("messages", std::move(figures), failure.empty() && counted == expected);
}

}  // namespace demo
