// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "own/own.hpp"

#include "common/affinity.hpp"
#include "common/clock.hpp"
#include "own/sides.hpp"

#include <algorithm>
#include <cstdio>
#include <memory>

namespace hawser::bench::own {

loop_options loop_for(const job& of) {
  loop_options options;
  options.wait = of.with.wait == raw::wait_mode::block ? wait_policy::block : wait_policy::busy;
  return options;
}

peer_options peer_for(const job& of) {
  peer_options options;
  if (of.what == work::requests && of.in_flight > options.wire.announced.channels_max) options.wire.announced.channels_max = 2'047;
  return options;
}

namespace {

std::unexpected<std::error_code> broken() { return std::unexpected(std::make_error_code(std::errc::bad_message)); }

std::expected<raw::sample, std::error_code> run(job of) {
  using std::chrono::nanoseconds;
  const std::int64_t start = now_ns() + 50'000'000;      // forking, connecting
  of.measure_from_ns = start + nanoseconds(of.with.warm_up).count();
  of.until_ns = of.measure_from_ns + nanoseconds(of.with.measured).count();
  auto server = child::start([&of](reporter& to) { return serve(of, to); });
  if (!server) return std::unexpected(server.error());
  std::uint16_t port = 0;
  if (!server->read(port)) return broken();
  const auto client = drive(of, port);
  if (!client) return std::unexpected(client.error());
  const auto served = std::make_unique<tally>();
  if (!server->read(*served)) return broken();
  server->wait();
  const bool both_ways = of.what == work::pingpong || of.what == work::requests;
  if (client->failed || served->failed) return broken();
  if (!both_ways && (client->count != served->count || client->sum != served->sum)) return broken();

  const tally& measured = both_ways ? *client : *served;
  if (measured.measured_ns <= 0) return std::unexpected(std::make_error_code(std::errc::timed_out));
  raw::sample s;
  const double seconds = static_cast<double>(measured.measured_ns) / 1e9;
  const double units = static_cast<double>(measured.measured_count) / (of.what == work::bulk ? static_cast<double>(of.block_bytes) : 1.0);
  s.per_second = units / seconds;
  s.bytes_per_second = s.per_second * static_cast<double>(of.what == work::bulk ? of.block_bytes : raw::payload_bytes);
  s.p50_ns = measured.latency.quantile(0.5);
  s.p99_ns = measured.latency.quantile(0.99);
  s.p999_ns = measured.latency.quantile(0.999);
  s.max_ns = measured.latency.max();
  s.count = static_cast<std::uint64_t>(units);
  s.client_cpu = client->cpu;
  s.server_cpu = served->cpu;
  s.is_pinned = client->is_pinned && served->is_pinned;
  std::snprintf(s.congestion, sizeof s.congestion, "not bbr");
  return s;
}

}  // namespace

std::expected<raw::sample, std::error_code> run_pingpong(const raw::options& with) { return run({.what = work::pingpong, .with = with}); }
std::expected<raw::sample, std::error_code> run_stream(const raw::options& with) { return run({.what = work::stream, .with = with}); }
std::expected<raw::sample, std::error_code> run_requests(const raw::options& with, std::size_t in_flight) {
  return run({.what = work::requests, .with = with, .in_flight = in_flight});
}
std::expected<raw::sample, std::error_code> run_bulk(const raw::options& with, std::size_t block_bytes) {
  return run({.what = work::bulk, .with = with, .block_bytes = block_bytes});
}

}  // namespace hawser::bench::own
