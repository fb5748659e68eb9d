// SPDX-License-Identifier: Apache-2.0 OR MIT
// A message, silence, and a second message, asleep in between: what of the silence was spent awake.
#include "raw/sides.hpp"

#include <optional>
#include <thread>

namespace hawser::bench::raw {

void serve_quiet(int socket, const job& of, tally& counted) {
  const auto with = make_socket_wire(socket, of, buffer_bytes);
  std::optional<cpu_clock> silence;
  for (bytes_view bytes = with->receive(); !bytes.empty(); bytes = with->receive()) {
    if (bytes.size() != frame_bytes) return counted.fail("a frame was cut");
    if (silence) counted.quiet_cpu = silence->share();
    ++counted.count;
    counted.sum += sum_of(bytes.data() + header_bytes);
    with->send(bytes.data(), bytes.size());
    if (!silence) silence.emplace();
  }
  counted.system_calls = with->system_calls();
  if (!with->failure().empty()) counted.fail(with->failure());
}

void drive_quiet(int socket, const job& of, tally& counted) {
  const auto with = make_socket_wire(socket, of, buffer_bytes);
  payload sent;
  const auto ask = [&] {
    std::byte frame[frame_bytes];
    write_frame(frame, &sent);
    counted.sum += sum_of(&sent);
    ++counted.count;
    ++sent.sequence;
    with->send(frame, sizeof frame);
    const bytes_view answer = with->receive();
    if (answer.size() != sizeof frame || std::memcmp(answer.data(), frame, sizeof frame) != 0) counted.fail("a wrong answer");
  };
  ask();
  const cpu_clock silence;
  const std::int64_t began = now_ns();
  std::this_thread::sleep_for(of.measured);
  counted.quiet_cpu = silence.share();
  counted.measured_count = 1;
  counted.measured_ns = now_ns() - began;
  ask();
  counted.system_calls = with->system_calls();
}

}  // namespace hawser::bench::raw
