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

// One connection that is not on a wire from its first byte on.
template <class Part>
void with_socket(made_descriptor socket, const job& of, tally& counted, Part part) {
  if (!socket) return counted.fail(socket.error());
  congestion_of_sockets(counted.congestion);
  const cpu_clock cpu;
  part(socket->release(), of, counted);
  counted.cpu = cpu.share();
}

// Closing with unread bytes would reset the connection under the server's last ones.
void drive_to_its_end(wire& with, const job& of, tally& counted) {
  drive(with, of, counted);
  with.finish();
  while (!with.ended()) with.receive();
}

void serve_job(const job& of, const listening& listens, tally& counted) {
  auto listener = open_listener();
  if (!listener) return counted.fail(listener.error());
  listens(port_of(*listener));
  const auto accept = [&] { return accept_from(*listener); };
  switch (of.what) {
    case workload::echoes: return with_sockets(of, counted, accept, of.engine == engine_kind::uring ? serve_echoes_by_uring : serve_echoes_by_epoll);
    case workload::fanout: return with_sockets(of, counted, accept, publish);
    case workload::paced: return with_sockets(of, counted, accept, serve_paced);
    case workload::quiet: return with_socket(accept(), of, counted, serve_quiet);
    case workload::alone:
    case workload::beside: return with_socket(accept(), of, counted, serve_beside);
    case workload::idle: {
      const memory before = memory_now();
      return with_sockets(of, counted, accept, [&](const std::vector<int>& sockets, const job&, tally&) { serve_idle(sockets, of, counted, before); });
    }
    case workload::connect: {
      const cpu_clock cpu;
      serve_connects(*listener, of, counted);
      counted.cpu = cpu.share();
      return;
    }
    default: return with_wire(accept(), of, counted, serve);
  }
}

void drive_job(const job& of, std::uint16_t port, tally& counted) {
  const auto connect = [&] { return connect_to(port); };
  switch (of.what) {
    case workload::echoes: return with_sockets(of, counted, connect, of.engine == engine_kind::uring ? drive_echoes_by_uring : drive_echoes_by_epoll);
    case workload::fanout: return with_sockets(of, counted, connect, subscribe);
    case workload::paced: return with_sockets(of, counted, connect, drive_paced);
    case workload::idle: return with_sockets(of, counted, connect, drive_idle);
    case workload::quiet: return with_socket(connect(), of, counted, drive_quiet);
    case workload::handover: return with_socket(connect(), of, counted, drive_handover);
    case workload::alone:
    case workload::beside: return with_socket(connect(), of, counted, drive_beside);
    case workload::connect: {
      const cpu_clock cpu;
      drive_connects(port, of, counted);
      counted.cpu = cpu.share();
      return;
    }
    default: return with_wire(connect(), of, counted, drive_to_its_end);
  }
}

bool has_size(workload what) { return what == workload::stream || what == workload::bulk || what == workload::channels || what == workload::paced; }

const char* complaint_about(const job& of) {
  if (of.measured.count() <= 0 || of.warm_up.count() < 0) return "there is no time to measure in";
  if (of.in_flight < 1 || of.in_flight > 65'536) return "in_flight is 1-65536";
  if (of.connections < 1) return "there is no connection";
  if (has_size(of.what) ? of.size < sizeof(payload_head) || of.size > (std::size_t{64} << 20) : of.size != payload_bytes) return "messages have 64 bytes, where they may have another size 16 bytes to 64 MiB";
  return can(of) ? nullptr : "this engine has no baseline for it";
}

}  // namespace

std::string refusal(engine_kind engine) {
  if (engine != engine_kind::uring) return {};
  const auto tried = ring::make({.submissions = 8, .completions = 16, .buffers = 2, .buffer_bytes = 4096});
  return tried ? std::string() : tried.error();
}

bool can(const job& of) {
  if (of.wait == wait_mode::adaptive) return false;
  switch (of.what) {
    case workload::pingpong:
    case workload::open:
    case workload::stream:
    case workload::requests:
    case workload::streamed:
    case workload::channels:
    case workload::threads:
    case workload::bulk: return of.connections == 1;
    case workload::echoes: return of.engine != engine_kind::none;
    case workload::fanout:
    case workload::paced:
    case workload::idle: return of.engine == engine_kind::epoll;
    case workload::alone:
    case workload::beside: return of.engine == engine_kind::epoll && of.connections == 1;
    case workload::handover: return of.engine == engine_kind::epoll && of.wait == wait_mode::block && of.connections == 1;
    case workload::quiet: return of.engine == engine_kind::none && of.wait == wait_mode::block && of.connections == 1;
    case workload::connect: return of.engine == engine_kind::none && of.connections == 1;
  }
  return false;
}

outcome run(const job& of) {
  if (const char* complaint = complaint_about(of)) return std::unexpected(complaint);
  return match(of, serve_job, drive_job);
}

}  // namespace hawser::bench::raw
