// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/sides.hpp"

#include <fcntl.h>

namespace hawser::bench::raw {
namespace {

constexpr std::size_t room_bytes = 256;

// One accept; while it spins, as many as it takes.
int accepted_from(const descriptor& listener, tally& counted) {
  for (;;) {
    ++counted.system_calls;
    auto one = accept_from(listener);
    if (one) return one->release();
    if (errno != EAGAIN && errno != EINTR) counted.fail(one.error());
    if (counted.failed()) return -1;
  }
}

}  // namespace

void serve_connects(const descriptor& listener, const job& of, tally& counted) {
  if (of.wait == wait_mode::spin) ::fcntl(listener.get(), F_SETFL, O_NONBLOCK);
  for (bool over = false; !over && !counted.failed();) {
    const int socket = accepted_from(listener, counted);
    if (socket < 0) return;
    if (counted.count == 0) congestion_of_sockets(counted.congestion);
    const auto with = make_socket_wire(socket, of, room_bytes);
    for (bytes_view bytes = with->receive(); !bytes.empty(); bytes = with->receive()) {
      over = bytes.size() == sizeof control_frame;
      if (!over && bytes.size() != frame_bytes) return counted.fail("a frame was cut");
      if (over) break;
      ++counted.count;
      counted.sum += sum_of(bytes.data() + header_bytes);
      with->send(bytes.data(), bytes.size());
    }
    counted.system_calls += with->system_calls() + 1;
    if (!with->failure().empty()) counted.fail(with->failure());
  }
}

void drive_connects(std::uint16_t port, const job& of, tally& counted) {
  payload sent;
  std::byte frame[frame_bytes];
  meter measured(of, counted);
  for (std::int64_t began = now_ns(); !counted.failed();) {
    auto socket = connect_to(port);
    if (!socket) return counted.fail(socket.error());
    if (counted.count == 0) congestion_of_sockets(counted.congestion);
    const auto with = make_socket_wire(socket->release(), of, room_bytes);
    if (measured.is_over(began)) {
      with->send(control_frame, sizeof control_frame);
      return;
    }
    write_frame(frame, &sent);
    counted.sum += sum_of(&sent);
    with->send(frame, sizeof frame);
    const bytes_view answer = with->receive();
    if (answer.size() != frame_bytes || std::memcmp(answer.data(), frame, frame_bytes) != 0) return counted.fail("a wrong answer");
    counted.system_calls += with->system_calls() + 3;      // connecting, closing
    ++sent.sequence;
    const std::int64_t ended = now_ns();
    measured.took(ended - began);
    measured.arrived(ended, 1);
    began = ended;
  }
}

}  // namespace hawser::bench::raw
