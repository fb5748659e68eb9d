// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command.hpp"

#include "run/plan.hpp"
#include "run/plot.hpp"
#include "run/progress.hpp"
#include "run/report.hpp"
#include "run/side_program.hpp"

#include <algorithm>
#include <iostream>
#include <memory>

namespace cli {
namespace {

using namespace hawser::bench;

struct bench_options {
  selection wanted;
  int runs = 5;
  int milliseconds = 0;                    // 0: as long as is usual
  std::string engine = "both";
  std::string peers, plots;
  std::vector<std::string> only;
  bool json = false, csv = false, markdown = false;
};

// On a machine that refuses io_uring, `both` is epoll, and it is said.
std::vector<engine_kind> engines_of(const std::string& wanted) {
  if (wanted == "epoll") return {engine_kind::epoll};
  if (wanted == "uring") return {engine_kind::uring};
  const std::string refused = hawser::uring_refusal();
  if (wanted == "auto") return {refused.empty() ? engine_kind::uring : engine_kind::epoll};
  if (refused.empty()) return {engine_kind::epoll, engine_kind::uring};
  std::cerr << "hawser: bench: io_uring refused: " << refused << ": on epoll alone\n";
  return {engine_kind::epoll};
}

std::vector<contestant> contestants_of(const bench_options& options) {
  std::vector<std::string> complaints;
  auto others = options.peers.empty() ? std::vector<contestant>() : contestants_in_directory(options.peers, complaints);
  for (const std::string& complaint : complaints) std::cerr << "hawser: bench: " << complaint << '\n';
  auto all = line_up(engines_of(options.engine), std::move(others), options.wanted.quick);
  const auto unwanted = [&](const contestant& who) {
    const std::string family = who.peer.substr(0, who.peer.find(' '));     // "hawser one" comes with hawser
    return !options.only.empty() && std::find(options.only.begin(), options.only.end(), family) == options.only.end();
  };
  std::erase_if(all, unwanted);
  return all;
}

std::size_t runs_of(const std::vector<job>& jobs, const std::vector<contestant>& contestants, int rounds) {
  std::size_t pairs = 0;
  for (job one : jobs) {
    for (const contestant& who : contestants) {
      one.engine = who.engine;
      if (who.can(one)) ++pairs;
    }
  }
  return pairs * static_cast<std::size_t>(rounds);
}

bool measure(const bench_options& options) {
  selection wanted = options.wanted;
  wanted.measured = std::chrono::milliseconds(options.milliseconds != 0 ? options.milliseconds : wanted.quick ? 250
                                                                                                              : 500);
  const std::vector<job> jobs = plan_of(wanted);
  if (jobs.empty()) {
    std::cerr << "hawser: bench: nothing is left to do: over a simulated round trip both sides sleep (--wait block)\n";
    return false;
  }
  const std::vector<contestant> contestants = contestants_of(options);
  const auto against = [&](const contestant& who) { return opponents_of(who, contestants); };
  const bool table = !options.json && !options.csv && !options.markdown;
  if (table) std::cout << to_text(conditions_of(jobs.front(), options.runs));
  progress shown(runs_of(jobs, contestants, options.runs));
  std::vector<result_of_contest> all;
  bool good = true;
  for (const job& one : jobs) {
    result_of_contest results = hold(one, contestants, options.runs, against, [&](const contestant& who) { shown.next(title_of(one) + ", " + who.title()); });
    shown.clear();
    for (const std::string& failure : results.failures) std::cerr << "hawser: bench " << title_of(one) << ": " << failure << '\n';
    good = good && results.failures.empty();
    if (!results.left_out.empty()) std::cerr << "hawser: bench " << title_of(one) << ": LEFT OUT: " << results.left_out << '\n';
    if (results.standings.empty()) continue;
    if (options.json) print_json(std::cout, results);
    if (options.csv) print_csv(std::cout, results, all.empty());
    if (table) print_table(std::cout, results);
    all.push_back(std::move(results));
  }
  if (options.markdown) {
    std::cout << to_text(conditions_of(jobs.front(), options.runs)) << '\n';
    print_markdown(std::cout, all);
  }
  if (!options.plots.empty() && plot(options.plots, all).empty()) {
    std::cerr << "hawser: bench: the plots could not be written to " << options.plots << '\n';
    good = false;
  }
  return good;
}

}  // namespace

void add_bench(CLI::App& application, int& outcome) {
  auto options = std::make_shared<bench_options>();
  selection& wanted = options->wanted;
  std::vector<std::string> names;
  for (const workload_traits& one : workloads) names.emplace_back(one.name);
  CLI::App* command = application.add_subcommand("bench", "Measure hawser beside raw sockets doing the same work, in one run");
  command->add_option("workload", wanted.workloads, "which work; none: all of it")->check(CLI::IsMember(names));
  command->add_flag("--quick", wanted.quick, "one or two jobs of each kind, in a few minutes");
  command->add_option("--runs", options->runs, "rounds; the median counts")->capture_default_str()->check(CLI::Range(1, 1000));
  command->add_option("--milliseconds", options->milliseconds, "length of one run (500; with --quick 250)")->check(CLI::Range(50, 60'000));
  command->add_option("--wait", wanted.waits, "how both sides wait: asleep, again and again, or for 50 us and then asleep (hawser alone)")->check(CLI::IsMember({"block", "spin", "adaptive"}));
  command->add_option("--size", wanted.sizes, "bytes of a message of stream, a block of bulk")->check(CLI::Range(64, 1 << 20));
  command->add_option("--in-flight", wanted.in_flight, "of requests and streamed")->check(CLI::Range(1, 65'536));
  command->add_option("--connections", wanted.connections, "of echoes, fanout and idle")->check(CLI::Range(1, 9'900));
  command->add_option("--round-trip", wanted.round_trips_ms, "milliseconds, simulated, of connect and open; 0: none (others need root and iproute2)")->check(CLI::Range(0, 1'000));
  add_engine_option(*command, options->engine, {"both"});
  command->add_option("--peers", options->peers, "directory of programs that do the same with other libraries")->check(CLI::ExistingDirectory)->type_name("DIR");
  command->add_option("--only", options->only, "raw, hawser or a library: those alone");
  command->add_option("--plot", options->plots, "directory to write SVG files to: bars, latencies, how it scales")->type_name("DIR");
  CLI::Option* json = command->add_flag("--json", options->json, "print one JSON object a line");
  CLI::Option* csv = command->add_flag("--csv", options->csv, "print a row of comma-separated figures a line, names first; percentiles included")->excludes(json);
  command->add_flag("--markdown", options->markdown, "print one table for a document")->excludes(json)->excludes(csv);
  std::string work = "Work:\n";
  for (const workload_traits& one : workloads) work += "  " + std::string(one.name) + std::string(10 - one.name.size(), ' ') + std::string(one.is) + '\n';
  command->footer(work +
      "Examples:\n  hawser bench --quick\n  hawser bench pingpong --engine both --wait spin\n  hawser bench echoes --connections 1000\n"
      "  hawser bench requests --in-flight 1024 --runs 9 --json\n  hawser bench paced --size 128 --connections 16 --csv >latencies.csv");
  command->callback([options, &outcome] {
    if (!measure(*options)) outcome = answered_with_error;
  });
}

}  // namespace cli
