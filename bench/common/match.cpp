// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/match.hpp"

#include "common/affinity.hpp"
#include "common/child.hpp"
#include "common/process.hpp"

#include <cstring>
#include <memory>

namespace hawser::bench {
namespace {

// Connecting thousands, and what a busy machine adds.
constexpr std::chrono::seconds patience(20);

std::unexpected<std::string> failed(const char* side, std::string_view why) { return std::unexpected(std::string(side) + ": " + std::string(why)); }

// A side in a process of its own.
template <class Work>
std::expected<child, std::error_code> start(int core, const Work& work) {
  return child::start([&](reporter& to_parent) {
    const pinned here(core);
    allow_many_descriptors();
    const auto counted = std::make_unique<tally>();
    counted->is_pinned = here.held();
    work(to_parent, *counted);
    return to_parent.write(*counted) ? 0 : 1;
  });
}

sample sample_of(const job& of, const tally& server, const tally& client) {
  const tally& measured = traits_of(of.what).one_way ? server : client;
  sample made;
  if (measured.measured_ns > 0) made.per_second = static_cast<double>(measured.measured_count) * 1e9 / static_cast<double>(measured.measured_ns);
  made.bytes_per_second = of.what == workload::beside ? server.bulk_bytes_per_second : made.per_second * static_cast<double>(payload_bytes_of(of));
  made.p50_ns = measured.latency.quantile(0.5);
  made.p99_ns = measured.latency.quantile(0.99);
  made.p999_ns = measured.latency.quantile(0.999);
  made.max_ns = measured.latency.max();
  made.count = measured.measured_count;
  for (const double point : curve_points) made.curve.push_back(measured.latency.quantile(point));
  made.resident_bytes = server.resident_bytes;
  made.allocated_bytes = server.allocated_bytes;
  made.client_cpu = client.cpu;
  made.server_cpu = server.cpu;
  made.quiet_cpu = client.quiet_cpu + server.quiet_cpu;
  made.client_calls = static_cast<double>(client.system_calls) / static_cast<double>(client.count);
  made.server_calls = static_cast<double>(server.system_calls) / static_cast<double>(server.count);
  made.is_pinned = server.is_pinned && client.is_pinned;
  made.congestion = std::strcmp(server.congestion, client.congestion) == 0 ? server.congestion : "mixed";
  return made;
}

}  // namespace

outcome match(const job& of, const server_side& server, const client_side& client) {
  const int limit_ms = static_cast<int>((of.warm_up + of.measured + patience).count());
  auto serving = start(of.server_core, [&](reporter& to_parent, tally& counted) {
    server(of, [&](std::uint16_t port) { to_parent.write(port); }, counted);
  });
  if (!serving) return failed("server", serving.error().message());
  std::uint16_t port = 0;
  if (!serving->read(port, limit_ms)) return failed("server", "it did not come to listen");

  auto asking = start(of.client_core, [&](reporter&, tally& counted) { client(of, port, counted); });
  if (!asking) return failed("client", asking.error().message());
  const auto here = std::make_unique<tally>(), there = std::make_unique<tally>();
  if (!asking->read(*here, limit_ms)) return failed("client", "it ended or hangs, and did not tell what it counted");
  if (here->failed()) return failed("client", here->failure);
  if (!serving->read(*there, limit_ms)) return failed("server", "it ended or hangs, and did not tell what it counted");
  if (there->failed()) return failed("server", there->failure);

  if (here->count != there->count || here->sum != there->sum) {
    return failed("books", "the client has " + std::to_string(here->count) + " and sum " + std::to_string(here->sum) + ", the server " + std::to_string(there->count) + " and " + std::to_string(there->sum));
  }
  if (of.what != workload::idle && (traits_of(of.what).one_way ? *there : *here).measured_ns <= 0) return failed("books", "nothing was measured: the time is too short for this machine");
  return sample_of(of, *there, *here);
}

}  // namespace hawser::bench
