// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command.hpp"

#include "own/own.hpp"
#include "raw/raw.hpp"
#include "run/report.hpp"

#include <algorithm>
#include <iostream>
#include <memory>

namespace cli {
namespace {

using namespace hawser::bench;

struct bench_options {
  std::vector<std::string> workloads;
  bool json = false;
  int runs = 5;
  int milliseconds = 500;
  std::size_t in_flight = 64;
  std::vector<std::size_t> connections{1'000, 9'900};
  std::string wait = "spin";
  std::string engine = "auto";
};

// On a machine that refuses io_uring, `both` is epoll, and it is said.
std::vector<engine_kind> engines_of(const bench_options& options) {
  if (options.engine == "epoll") return {engine_kind::epoll};
  if (options.engine == "uring") return {engine_kind::uring};
  const std::string refused = hawser::uring_refusal();
  if (options.engine == "auto") return {refused.empty() ? engine_kind::uring : engine_kind::epoll};
  if (refused.empty()) return {engine_kind::epoll, engine_kind::uring};
  std::cerr << "hawser: bench: io_uring refused: " << refused << ": on epoll alone\n";
  return {engine_kind::epoll};
}

std::vector<job> jobs_of(const bench_options& options) {
  std::vector<job> jobs;
  for (std::size_t i = 0; i < workload_names.size(); ++i) {
    const auto& wanted = options.workloads;
    if (!wanted.empty() && std::find(wanted.begin(), wanted.end(), workload_names[i]) == wanted.end()) continue;
    job one;
    one.what = static_cast<workload>(i);
    one.wait = options.wait == "block" ? wait_mode::block : wait_mode::spin;
    one.measured = std::chrono::milliseconds(options.milliseconds);
    if (one.what == workload::requests) one.in_flight = options.in_flight;
    if (one.what == workload::bulk) one.size = raw::buffer_bytes;
    if (one.what != workload::echoes) {
      jobs.push_back(one);
      continue;
    }
    for (const std::size_t count : options.connections) {
      one.connections = count;
      jobs.push_back(one);
    }
  }
  return jobs;
}

// Sockets without an engine stand beside round trips: what a program reaches that waits for nothing else.
std::vector<contestant> contestants_for(const job& of, const std::vector<engine_kind>& engines) {
  std::vector<contestant> all;
  if (of.what == workload::pingpong) all.push_back({"raw", engine_kind::none, raw::run});
  for (const engine_kind engine : engines) all.push_back({"raw", engine, raw::run});
  for (const engine_kind engine : engines) all.push_back({"hawser", engine, own::run});
  return all;
}

// hawser to raw on the same engine; then io_uring to epoll; then engines to none.
std::vector<std::string> against(const contestant& who) {
  std::vector<std::string> titles;
  if (who.peer != "raw") titles.push_back("raw " + std::string(to_text(who.engine)));
  if (who.engine == engine_kind::uring) titles.push_back(who.peer + " epoll");
  if (who.engine != engine_kind::none) titles.push_back("raw");
  return titles;
}

bool measure(const bench_options& options) {
  const std::vector<engine_kind> engines = engines_of(options);
  bool good = true, first = true;
  for (const job& one : jobs_of(options)) {
    if (first && !options.json) print_conditions(std::cout, one, options.runs);
    first = false;
    const std::vector<contestant> contestants = contestants_for(one, engines);
    const result_of_contest results = hold(one, contestants, options.runs, against);
    if (!results.failure.empty()) {
      std::cerr << "hawser: bench " << to_text(one.what) << ": " << results.failure << '\n';
      good = false;
    } else if (options.json) {
      print_json(std::cout, results);
    } else {
      print_table(std::cout, results);
    }
  }
  return good;
}

}  // namespace

void add_bench(CLI::App& application, int& outcome) {
  auto options = std::make_shared<bench_options>();
  CLI::App* command = application.add_subcommand("bench", "Measure hawser beside raw sockets doing the same work, in one run");
  command->add_option("workload", options->workloads, "pingpong, stream, requests, bulk or echoes; none: all of them")
      ->check(CLI::IsMember(std::vector<std::string>(workload_names.begin(), workload_names.end())));
  command->add_flag("--json", options->json, "print one JSON object a line");
  command->add_option("--runs", options->runs, "rounds; the median counts")->capture_default_str()->check(CLI::Range(1, 1000));
  command->add_option("--milliseconds", options->milliseconds, "length of one run")->capture_default_str()->check(CLI::Range(50, 60'000));
  command->add_option("--in-flight", options->in_flight, "callers of the workload requests")->capture_default_str()->check(CLI::Range(1, 65'536));
  command->add_option("--connections", options->connections, "of the workload echoes")->capture_default_str()->check(CLI::Range(1, 9'900));
  command->add_option("--wait", options->wait, "both sides: block or spin (hawser: block or busy)")->capture_default_str()
      ->check(CLI::IsMember({"block", "spin"}));
  add_engine_option(*command, options->engine, {"both"});
  command->footer("stream, pingpong and echoes are messages of 64 bytes, bulk is a stream of 64 KiB blocks. raw sockets do the same on the same engine.\n"
                  "Examples:\n  hawser bench\n  hawser bench pingpong --engine both\n  hawser bench echoes --connections 1000 --engine both\n"
                  "  hawser bench requests --in-flight 1024 --runs 9 --json");
  command->callback([options, &outcome] {
    if (!measure(*options)) outcome = answered_with_error;
  });
}

}  // namespace cli
