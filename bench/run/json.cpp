// SPDX-License-Identifier: Apache-2.0 OR MIT
// What was measured, for programs: an object for each contestant, whole as JSON, its figures as a row of CSV.
#include "run/report.hpp"

#include <nlohmann/json.hpp>

#include <array>
#include <cstdio>
#include <ostream>

namespace hawser::bench {
namespace {

nlohmann::json to_json(const ratio& one) { return {{"to", one.to}, {"ratio", one.of.median}, {"min", one.of.min}, {"max", one.of.max}}; }

std::string percent_of(double point) {
  char text[16];
  std::snprintf(text, sizeof text, "%g", point * 100);
  return text;
}

nlohmann::ordered_json to_json(const result_of_contest& results, const standing& one) {
  const job& of = results.of;
  const auto median = [&](auto member, double unit = 1) { return spread_over(one, member, unit).median; };
  const spread counted = one.over_rounds([&](const sample& s) { return figure_of(counting(of), s); });
  nlohmann::ordered_json line = {{"workload", to_text(of.what)}, {"size", of.size}, {"in_flight", of.in_flight}, {"connections", of.connections},
      {"peer", one.who->peer}, {"engine", to_text(one.who->engine)}, {"wait", to_text(of.wait)}, {"rate_per_s", median(&sample::per_second)},
      {"bytes_per_s", median(&sample::bytes_per_second)}, {"p50_us", median(&sample::p50_ns, 1e3)}, {"p99_us", median(&sample::p99_ns, 1e3)},
      {"baseline", nullptr}, {"ratio", nullptr}, {"runs", one.samples.size()}, {"min", counted.min}, {"max", counted.max},
      {"channels", of.channels}, {"threads", of.threads}, {"gap_us", of.gap.count()}, {"burst", of.burst}, {"round_trip_ms", of.round_trip_ms}, {"figure", to_text(counting(of))}, {"ratios", nlohmann::json::array()}, {"p999_us", median(&sample::p999_ns, 1e3)},
      {"client_cpu", median(&sample::client_cpu)}, {"server_cpu", median(&sample::server_cpu)}, {"pinned", all_pinned(one)},
      {"congestion", one.samples.front().congestion}, {"foreign_load", results.foreign_load}};
  if (const std::string& version = one.samples.front().version; !version.empty()) line["version"] = version;
  if (!one.ratios.empty()) {
    line["baseline"] = one.ratios.front().to;
    line["ratio"] = one.ratios.front().of.median;
    for (const ratio& r : one.ratios) line["ratios"].push_back(nlohmann::ordered_json(to_json(r)));
  }
  // The latencies below which so many per cent of all were, where the whole distribution is known.
  const sample& first = one.samples.front();
  for (std::size_t i = 0; i < first.curve.size() && first.p50_ns > 0; ++i) {
    line["percentiles_us"][percent_of(curve_points[i])] = one.over_rounds([i](const sample& s) { return static_cast<double>(s.curve[i]) / 1000; }).median;
  }
  const double client_calls = median(&sample::client_calls);
  if (client_calls > 0) line["syscalls_per_message"] = {{"client", client_calls}, {"server", median(&sample::server_calls)}};
  if (of.what == workload::idle) {
    line["resident_bytes"] = median(&sample::resident_bytes);
    line["allocated_bytes"] = median(&sample::allocated_bytes);
  }
  if (of.what == workload::quiet) line["cpu_percent"] = median(&sample::quiet_cpu, 0.01);
  return line;
}

constexpr std::array columns{"workload", "size", "in_flight", "connections", "channels", "threads", "gap_us", "burst", "round_trip_ms", "peer", "engine",
    "wait", "rate_per_s", "bytes_per_s", "baseline", "ratio", "runs", "min", "max", "figure", "client_cpu", "server_cpu", "foreign_load"};

}  // namespace

void print_json(std::ostream& out, const result_of_contest& results) {
  for (const standing& one : results.standings) out << to_json(results, one).dump() << '\n';
  out.flush();
}

// Names hold neither commas nor quotes.
void print_csv(std::ostream& out, const result_of_contest& results, bool with_names) {
  if (with_names) {
    for (const char* name : columns) out << name << ',';
    for (const double point : curve_points) out << 'p' << percent_of(point) << (point == curve_points.back() ? "_us\n" : "_us,");
  }
  for (const standing& one : results.standings) {
    const nlohmann::ordered_json line = to_json(results, one);
    for (const char* name : columns) out << (line[name].is_string() ? line[name].get<std::string>() : line[name].is_null() ? "" : line[name].dump()) << ',';
    const nlohmann::ordered_json known = line.value("percentiles_us", nlohmann::ordered_json::object());
    for (const double point : curve_points) {
      const auto at = known.find(percent_of(point));
      out << (at == known.end() ? "" : at->dump()) << (point == curve_points.back() ? '\n' : ',');
    }
  }
  out.flush();
}

}  // namespace hawser::bench
