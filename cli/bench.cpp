// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command.hpp"

#include "common/spread.hpp"
#include "own/own.hpp"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include <sys/utsname.h>
#include <unistd.h>

namespace cli {
namespace {

using hawser::bench::spread;
using hawser::bench::spread_of;
namespace raw = hawser::bench::raw;
namespace own = hawser::bench::own;
using outcome_of_run = std::expected<raw::sample, std::error_code>;

struct bench_options {
  std::vector<std::string> workloads;
  bool json = false;
  int runs = 5;
  int milliseconds = 500;
  std::size_t in_flight = 64;
  std::string wait = "epoll-spin";
  std::string engine = "auto";         // the one that it came to, once the command runs
};

struct workload {
  std::string name;
  std::size_t size;
  std::size_t in_flight;
  bool by_latency;                                   // the ratio is of p50, and smaller is better
  std::function<outcome_of_run(const raw::options&)> raw_run, own_run;
};

struct measured {
  std::vector<double> rate, bytes, p50, p99;
  bool pinned = true;
  void add(const raw::sample& s) {
    rate.push_back(s.per_second);
    bytes.push_back(s.bytes_per_second);
    p50.push_back(static_cast<double>(s.p50_ns) / 1000);
    p99.push_back(static_cast<double>(s.p99_ns) / 1000);
    pinned = pinned && s.is_pinned;
  }
};

std::vector<workload> all_workloads(std::size_t in_flight) {
  return {
      {"pingpong", raw::payload_bytes, 1, true, raw::run_pingpong, own::run_pingpong},
      {"stream", raw::payload_bytes, 0, false, raw::run_stream, own::run_stream},
      {"requests", raw::payload_bytes, in_flight, false, [=](const raw::options& o) { return raw::run_requests(o, in_flight); },
       [=](const raw::options& o) { return own::run_requests(o, in_flight); }},
      {"bulk", raw::buffer_bytes, 0, false, [](const raw::options& o) { return raw::run_bulk(o); }, [](const raw::options& o) { return own::run_bulk(o); }},
  };
}

void print_machine(const bench_options& options) {
  utsname system{};
  ::uname(&system);
  double load[1] = {0};
  (void)::getloadavg(load, 1);
  std::printf("%s %s, %ld cores, " __VERSION__ ", engine %s, client on core 0, server on core 1, wait %s, %d runs of %d ms each, interleaved\n", system.sysname,
              system.release, ::sysconf(_SC_NPROCESSORS_ONLN), options.engine.c_str(), options.wait.c_str(), options.runs, options.milliseconds);
  if (load[0] > 0.7) std::printf("note: the load average is %.1f: other programs run, and the spread shows it\n", load[0]);
  std::printf("\n%-10s %-7s %16s %14s %10s %10s   %s\n", "workload", "who", "per second", "MB/s", "p50 us", "p99 us", "ratio to raw (min - max)");
}

void print_row(const char* name, const char* who, const measured& m, const char* ratio) {
  std::printf("%-10s %-7s %16.0f %14.1f %10.2f %10.2f   %s\n", name, who, spread_of(m.rate).median, spread_of(m.bytes).median / 1e6, spread_of(m.p50).median,
              spread_of(m.p99).median, ratio);
  std::fflush(stdout);
}

void print_json(const workload& w, const char* who, const bench_options& options, const measured& m, const spread* ratio) {
  const spread rate = spread_of(m.rate);
  nlohmann::json line = {{"workload", w.name}, {"size", w.size}, {"in_flight", w.in_flight}, {"connections", 1}, {"peer", who}, {"engine", who == std::string("raw") ? "none" : options.engine},
                         {"wait", options.wait}, {"rate_per_s", rate.median}, {"bytes_per_s", spread_of(m.bytes).median}, {"p50_us", spread_of(m.p50).median},
                         {"p99_us", spread_of(m.p99).median}, {"runs", options.runs}, {"min", rate.min}, {"max", rate.max}, {"pinned", m.pinned}};
  if (ratio) {
    line["baseline"] = "raw sockets, " + options.wait;
    line["ratio"] = ratio->median;
    line["ratio_min"] = ratio->min;
    line["ratio_max"] = ratio->max;
    line["ratio_of"] = w.by_latency ? "p50_us" : "rate_per_s";
  }
  std::cout << line.dump() << std::endl;
}

// Raw and hawser in turn, so that a drift of the machine touches both; the ratio is taken pair by pair.
bool measure(const workload& w, const bench_options& options, const raw::options& settings) {
  measured baseline, ours;
  std::vector<double> ratios;
  for (int run = 0; run < options.runs; ++run) {
    const outcome_of_run of_raw = w.raw_run(settings);
    const outcome_of_run of_own = of_raw ? w.own_run(settings) : of_raw;
    if (!of_own) {
      std::cerr << "hawser: bench " << w.name << (of_raw ? ": " : " (raw): ") << of_own.error().message() << '\n';
      return false;
    }
    baseline.add(*of_raw);
    ours.add(*of_own);
    ratios.push_back(w.by_latency ? static_cast<double>(of_own->p50_ns) / static_cast<double>(of_raw->p50_ns) : of_own->per_second / of_raw->per_second);
  }
  const spread ratio = spread_of(ratios);
  if (options.json) {
    print_json(w, "raw", options, baseline, nullptr);
    print_json(w, "hawser", options, ours, &ratio);
    return true;
  }
  char text[80];
  std::snprintf(text, sizeof text, "%.2f (%.2f - %.2f)%s%s", ratio.median, ratio.min, ratio.max, w.by_latency ? ", of p50: smaller is better" : "",
                ours.pinned && baseline.pinned ? "" : ", NOT PINNED");
  print_row(w.name.c_str(), "raw", baseline, "1");
  print_row(w.name.c_str(), "hawser", ours, text);
  return true;
}

}  // namespace

void add_bench(CLI::App& application, int& outcome) {
  auto options = std::make_shared<bench_options>();
  CLI::App* command = application.add_subcommand("bench", "Measure hawser beside raw sockets doing the same work, in one run");
  command->add_option("workload", options->workloads, "pingpong, stream, requests or bulk; none: all of them")
      ->check(CLI::IsMember({"pingpong", "stream", "requests", "bulk"}));
  command->add_flag("--json", options->json, "print one JSON object a line");
  command->add_option("--runs", options->runs, "pairs of runs; the median counts")->capture_default_str()->check(CLI::Range(1, 1000));
  command->add_option("--milliseconds", options->milliseconds, "length of one run")->capture_default_str()->check(CLI::Range(50, 60'000));
  command->add_option("--in-flight", options->in_flight, "callers of the workload requests")->capture_default_str()->check(CLI::Range(1, 65'536));
  command->add_option("--wait", options->wait, "both sides: block, spin or epoll-spin (hawser: block or busy)")->capture_default_str()
      ->check(CLI::IsMember({"block", "spin", "epoll-spin"}));
  add_engine_option(*command, options->engine);
  command->footer("stream and pingpong are messages of 64 bytes, bulk is a stream of 64 KiB blocks.\nExamples:\n  hawser bench\n  hawser bench pingpong --wait spin\n"
                  "  hawser bench requests --in-flight 1024 --runs 9 --json");
  command->callback([options, &outcome] {
    raw::options settings;
    settings.wait = *raw::wait_mode_from(options->wait);
    settings.measured = std::chrono::milliseconds(options->milliseconds);
    // The processes that are measured take the engine from the environment.
    if (options->engine != "auto") ::setenv("HAWSER_ENGINE", options->engine.c_str(), 1);
    options->engine = hawser::loop().engine().name();
    if (!options->json) print_machine(*options);
    for (const workload& w : all_workloads(options->in_flight)) {
      const auto& wanted = options->workloads;
      if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), w.name) == wanted.end()) continue;
      if (!measure(w, *options, settings)) outcome = answered_with_error;
    }
  });
}

}  // namespace cli
