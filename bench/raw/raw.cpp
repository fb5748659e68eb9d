// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/raw.hpp"

#include "common/process.hpp"
#include "raw/ring.hpp"
#include "raw/sides.hpp"
#include "raw/sockets.hpp"

#include <algorithm>
#include <bit>

namespace hawser::bench::raw {
namespace {

std::size_t receive_bytes_of(const job& of) {
  return is_large(of) ? std::clamp(std::bit_ceil(of.size), buffer_bytes, 4 * buffer_bytes) : buffer_bytes;
}

// One connection, and what serve() or drive() does with it.
template <class Part>
void with_wire(made_descriptor socket, const job& of, tally& counted, Part part) {
  if (!socket) return counted.fail(socket.error());
  congestion_of_sockets(counted.congestion);
  std::expected<std::unique_ptr<wire>, std::string> made;
  if (of.engine == engine_kind::uring) made = make_ring_wire(socket->release(), of, receive_bytes_of(of));
  else made = make_socket_wire(socket->release(), of, receive_bytes_of(of));
  if (!made) return counted.fail(made.error());
  wire& with = **made;
  const cpu_clock cpu;
  part(with, of, counted);
  counted.cpu = cpu.share();
  counted.system_calls = with.system_calls();
  if (!with.failure().empty()) counted.fail(with.failure());
}

// Many: all are there before the first byte moves.
template <class Make, class Part>
void with_sockets(const job& of, tally& counted, Make make, Part part) {
  std::vector<descriptor> open;
  std::vector<int> numbers;
  while (open.size() < of.connections) {
    auto one = make();
    if (!one) return counted.fail(one.error());
    numbers.push_back(one->get());
    open.push_back(std::move(*one));
  }
  congestion_of_sockets(counted.congestion);
  const cpu_clock cpu;
  part(numbers, of, counted);
  counted.cpu = cpu.share();
}

void serve_job(const job& of, const listening& listens, tally& counted) {
  auto listener = open_listener();
  if (!listener) return counted.fail(listener.error());
  listens(port_of(*listener));
  if (of.what != workload::echoes) return with_wire(accept_from(*listener), of, counted, serve);
  with_sockets(of, counted, [&] { return accept_from(*listener); }, of.engine == engine_kind::uring ? serve_echoes_by_uring : serve_echoes_by_epoll);
}

// Closing with unread bytes would reset the connection under the server's last ones.
void drive_to_its_end(wire& with, const job& of, tally& counted) {
  drive(with, of, counted);
  with.finish();
  while (!with.ended()) with.receive();
}

void drive_job(const job& of, std::uint16_t port, tally& counted) {
  if (of.what != workload::echoes) return with_wire(connect_to(port), of, counted, drive_to_its_end);
  with_sockets(of, counted, [&] { return connect_to(port); }, of.engine == engine_kind::uring ? drive_echoes_by_uring : drive_echoes_by_epoll);
}

bool has_size(workload what) { return what == workload::stream || what == workload::bulk; }

const char* complaint_about(const job& of) {
  if (of.measured.count() <= 0 || of.warm_up.count() < 0) return "there is no time to measure in";
  if (of.in_flight < 1 || of.in_flight > 65'536) return "in_flight is 1-65536";
  if (of.connections < 1) return "there is no connection";
  if (has_size(of.what) ? of.size < payload_bytes || of.size > (std::size_t{64} << 20) : of.size != payload_bytes) return "messages have 64 bytes, of stream and bulk up to 64 MiB";
  return can(of) ? nullptr : "this engine has no baseline for it";
}

}  // namespace

std::string refusal(engine_kind engine) {
  if (engine != engine_kind::uring) return {};
  const auto tried = ring::make({.submissions = 8, .completions = 16, .buffers = 2, .buffer_bytes = 4096});
  return tried ? std::string() : tried.error();
}

bool can(const job& of) {
  switch (of.what) {
    case workload::pingpong:
    case workload::stream:
    case workload::requests:
    case workload::streamed:
    case workload::bulk: return of.connections == 1;
    case workload::echoes: return of.engine != engine_kind::none;
    default: return false;
  }
}

outcome run(const job& of) {
  if (const char* complaint = complaint_about(of)) return std::unexpected(complaint);
  return match(of, serve_job, drive_job);
}

}  // namespace hawser::bench::raw
