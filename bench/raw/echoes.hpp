// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "raw/frames.hpp"

#include <cstdint>
#include <vector>

namespace hawser::bench::raw {

// One of many connections: what it reads, and the one frame that it has under way.
struct echo_line {
  int socket = -1;
  frame_reader in;
  payload sent;
  std::int64_t began_ns = 0;
  std::byte frame[frame_bytes];
};

inline std::vector<echo_line> lines_of(const std::vector<int>& sockets) {
  std::vector<echo_line> lines(sockets.size());
  for (std::size_t i = 0; i < lines.size(); ++i) lines[i].socket = sockets[i];
  return lines;
}

// The server's part, whatever the engine: for each frame that came, one is ready in line.frame when `answer(line)` is called.
class echo_server {
 public:
  explicit echo_server(tally& counted) noexcept : counted_(counted) {}

  template <class Answer>
  void came(echo_line& line, bytes_view bytes, Answer&& answer) {
    line.in.feed(bytes);
    while (const std::byte* payload = line.in.next()) {
      ++counted_.count;
      counted_.sum += sum_of(payload);
      write_frame(line.frame, payload);
      answer(line);
    }
    if (line.in.is_broken()) counted_.fail("a frame of a wrong length");
  }

 private:
  tally& counted_;
};

// The client's part: the next question of each connection leaves when its answer has come, until the time is over.
class echo_client {
 public:
  echo_client(const job& of, tally& counted) : counted_(counted), measured_(of, counted) {}

  // Puts the next question into line.frame.
  void ask(echo_line& line, std::int64_t now) {
    write_frame(line.frame, &line.sent);
    line.began_ns = now;
    counted_.sum += sum_of(&line.sent);
    ++under_way_;
  }
  template <class Ask>
  void came(echo_line& line, bytes_view bytes, std::int64_t now, Ask&& send) {
    line.in.feed(bytes);
    while (const std::byte* answer = line.in.next()) {
      if (std::memcmp(answer, &line.sent, payload_bytes) != 0) counted_.fail("a wrong answer");
      --under_way_;
      measured_.took(now - line.began_ns);
      measured_.arrived(now, 1);
      ++line.sent.sequence;
      if (measured_.is_over(now)) continue;
      ask(line, now);
      send(line);
    }
    if (line.in.is_broken()) counted_.fail("a frame of a wrong length");
  }
  bool is_over() const noexcept { return under_way_ == 0 || counted_.failed(); }

 private:
  tally& counted_;
  meter measured_;
  std::size_t under_way_ = 0;
};

}  // namespace hawser::bench::raw
