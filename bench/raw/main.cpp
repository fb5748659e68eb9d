// SPDX-License-Identifier: Apache-2.0 OR MIT
// bench_raw: prints the raw baselines alone. `hawser bench` runs the same functions between its own samples.
#include "common/spread.hpp"
#include "raw/raw.hpp"

#include <CLI/CLI.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

namespace raw = hawser::bench::raw;
using hawser::bench::spread_of;

namespace {

struct request {
  std::vector<std::string> scenarios;
  std::vector<std::string> waits;
  std::size_t in_flight = 64;
  std::size_t block_bytes = raw::buffer_bytes;
  int repeat = 5;
  int milliseconds = 500;
  bool json = false;
};

struct row {
  std::string scenario;
  std::string wait;
  std::vector<raw::sample> samples;

  double median(const std::function<double(const raw::sample&)>& of) const {
    std::vector<double> values;
    for (const raw::sample& s : samples) values.push_back(of(s));
    return spread_of(std::move(values)).median;
  }
};

std::expected<raw::sample, std::error_code> run(const std::string& scenario, const raw::options& with, const request& asked) {
  if (scenario == "pingpong") return raw::run_pingpong(with);
  if (scenario == "stream") return raw::run_stream(with);
  if (scenario == "requests") return raw::run_requests(with, asked.in_flight);
  return raw::run_bulk(with, asked.block_bytes);
}

std::string load_of_machine() {
  std::ifstream in("/proc/loadavg");
  std::string one;
  in >> one;
  return one.empty() ? "unknown" : one;
}

void print_row(const row& r) {
  std::vector<double> rates;
  for (const raw::sample& s : r.samples) rates.push_back(s.per_second);
  const auto rate = spread_of(rates);
  std::printf("%-9s %-10s %12.0f %12.0f %12.0f %9.1f %9.2f %9.2f %9.2f  %4.0f %4.0f  %s%s\n", r.scenario.c_str(), r.wait.c_str(), rate.median,
      rate.min, rate.max, r.median([](const auto& s) { return s.bytes_per_second; }) / 1e6,
      r.median([](const auto& s) { return static_cast<double>(s.p50_ns); }) / 1e3,
      r.median([](const auto& s) { return static_cast<double>(s.p99_ns); }) / 1e3,
      r.median([](const auto& s) { return static_cast<double>(s.p999_ns); }) / 1e3,
      100 * r.median([](const auto& s) { return s.client_cpu; }), 100 * r.median([](const auto& s) { return s.server_cpu; }),
      r.samples.front().congestion, r.samples.front().is_pinned ? "" : ", not pinned");
}

void print_json(const std::vector<row>& rows, const request& asked, const std::string& load) {
  std::printf("{\"baseline\":\"raw\",\"frame_bytes\":%zu,\"in_flight\":%zu,\"block_bytes\":%zu,\"load\":\"%s\",\"rows\":[", raw::frame_bytes,
      asked.in_flight, asked.block_bytes, load.c_str());
  const char* between = "";
  for (const row& r : rows) {
    std::printf("%s\n{\"scenario\":\"%s\",\"wait\":\"%s\",\"samples\":[", between, r.scenario.c_str(), r.wait.c_str());
    const char* comma = "";
    for (const raw::sample& s : r.samples) {
      std::printf(
          "%s{\"per_second\":%.1f,\"bytes_per_second\":%.1f,\"count\":%llu,\"p50_ns\":%lld,\"p99_ns\":%lld,\"p999_ns\":%lld,"
          "\"max_ns\":%lld,\"client_cpu\":%.3f,\"server_cpu\":%.3f,\"pinned\":%s,\"congestion\":\"%s\"}",
          comma, s.per_second, s.bytes_per_second, static_cast<unsigned long long>(s.count), static_cast<long long>(s.p50_ns),
          static_cast<long long>(s.p99_ns), static_cast<long long>(s.p999_ns), static_cast<long long>(s.max_ns), s.client_cpu, s.server_cpu,
          s.is_pinned ? "true" : "false", s.congestion);
      comma = ",";
    }
    std::printf("]}");
    between = ",";
  }
  std::printf("\n]}\n");
}

int measure(const request& asked) {
  std::vector<row> rows;
  for (const std::string& scenario : asked.scenarios) {
    for (const std::string& wait : asked.waits) rows.push_back({scenario, wait, {}});
  }
  const std::string load = load_of_machine();
  // Round by round instead of row by row: other load on the machine then falls on all rows alike.
  for (int round = 0; round < asked.repeat; ++round) {
    for (row& r : rows) {
      raw::options with;
      with.wait = *raw::wait_mode_from(r.wait);
      with.measured = std::chrono::milliseconds(asked.milliseconds);
      const auto sample = run(r.scenario, with, asked);
      if (!sample) {
        std::fprintf(stderr, "bench_raw: %s (%s): %s\n", r.scenario.c_str(), r.wait.c_str(), sample.error().message().c_str());
        return 1;
      }
      r.samples.push_back(*sample);
    }
  }
  if (asked.json) {
    print_json(rows, asked, load);
    return 0;
  }
  std::printf("raw sockets, frames of %zu bytes, %d samples of %d ms each, medians; load average before: %s\n", raw::frame_bytes,
      asked.repeat, asked.milliseconds, load.c_str());
  std::printf("%-9s %-10s %12s %12s %12s %9s %9s %9s %9s  %9s\n", "", "wait", "per second", "(least", "most)", "MB/s", "p50 us", "p99 us",
      "p99.9 us", "CPU % c s");
  for (const row& r : rows) print_row(r);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  request asked;
  const std::vector<std::string> all_scenarios = {"pingpong", "stream", "requests", "bulk"};
  const std::vector<std::string> all_waits = {"block", "spin", "epoll-spin"};
  CLI::App app(
      "Measures plain TCP between two processes: the baselines that hawser is compared with.\n"
      "Example: bench_raw pingpong stream --wait spin --repeat 3");
  app.add_option("scenario", asked.scenarios, "pingpong, stream, requests, bulk (all)")->check(CLI::IsMember(all_scenarios));
  app.add_option("--wait", asked.waits, "block, spin, epoll-spin (all)")->check(CLI::IsMember(all_waits));
  app.add_option("--in-flight", asked.in_flight, "requests under way")->check(CLI::Range(1, 65536))->capture_default_str();
  app.add_option("--size", asked.block_bytes, "bytes of a block of bulk")->check(CLI::Range(64, 64 << 20))->capture_default_str();
  app.add_option("--repeat", asked.repeat, "samples of each")->check(CLI::Range(1, 1000))->capture_default_str();
  app.add_option("--time", asked.milliseconds, "milliseconds of each sample")->check(CLI::Range(1, 600'000))->capture_default_str();
  app.add_flag("--json", asked.json, "every sample, for programs");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& failed) {
    return app.exit(failed) == 0 ? 0 : 2;
  }
  if (asked.scenarios.empty()) asked.scenarios = all_scenarios;
  if (asked.waits.empty()) asked.waits = all_waits;
  return measure(asked);
}
