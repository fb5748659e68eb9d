// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/hawser.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace demo {

inline constexpr const char* application = "hawser-demo";
inline constexpr std::size_t message_bytes = 64;

// What message number n contains: its number, then a pattern derived from it, so that a lost, doubled, moved or damaged message shows.
void fill_message(std::uint64_t number, std::byte (&message)[message_bytes]);

// The server's side of the jobs: echo, file, sink, clock, and the count of right and wrong messages. On any loop; it must live as
// long as the peer's operations run.
class service {
 public:
  service(hawser::loop& loop, hawser::peer& peer);
  service(const service&) = delete;

 private:
  void check(hawser::byte_view message);
  hawser::task<> clock(hawser::request& rq);
  hawser::task<> tell(hawser::request& rq, std::string answer);

  hawser::loop& loop_;
  std::uint64_t good_ = 0, bad_ = 0, clocks_cancelled_ = 0;
};

}  // namespace demo
