// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/plot.hpp"

#include "run/chart.hpp"
#include "run/report.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <tuple>

namespace hawser::bench {
namespace {

struct picture {
  std::string name, svg;
};

std::string unit_of(figure counts) {
  switch (counts) {
    case figure::p50: return "us, p50";
    case figure::p99: return "us, p99";
    case figure::memory: return "bytes";
    case figure::cpu: return "% of a core";
    case figure::rate: break;
  }
  return "a second";
}

spread counted_of(const result_of_contest& results, const standing& one) {
  return one.over_rounds([&](const sample& s) { return figure_of(counting(results.of), s); });
}

picture bars_of(const result_of_contest& results) {
  std::vector<bar> bars;
  for (const standing& one : results.standings) {
    const spread counted = counted_of(results, one);
    bars.push_back({one.who->title(), counted.median, counted.min, counted.max});
  }
  return {"bars-" + slug_of(results.of), draw_bars(title_of(results.of), unit_of(counting(results.of)), bars)};
}

// The median of the rounds at each point. x is one in how many was slower: 2, 10, 100 ...
picture latencies_of(const result_of_contest& results) {
  std::vector<line> lines;
  for (const standing& one : results.standings) {
    if (one.samples.front().curve.empty() || one.samples.front().p50_ns == 0) continue;
    line made{one.who->title(), {}};
    for (std::size_t i = 0; i < curve_points.size(); ++i) {
      const spread at = one.over_rounds([i](const sample& s) { return static_cast<double>(s.curve[i]) / 1000; });
      made.marks.push_back({1 / (1 - curve_points[i]), at.median, at.median, at.median});
    }
    lines.push_back(std::move(made));
  }
  const std::vector<tick> ticks{{1, "0"}, {2, "50 %"}, {10, "90 %"}, {100, "99 %"}, {1000, "99.9 %"}, {10'000, "99.99 %"}};
  return {"latency-" + slug_of(results.of), draw_lines(title_of(results.of), "of all within", ticks, "us", lines)};
}

// What jobs of one workload differ in.
std::size_t varied_of(const job& of) {
  if (of.what == workload::stream || of.what == workload::bulk) return of.size;
  if (of.what == workload::channels) return of.channels;
  if (of.what == workload::threads) return of.threads;
  if (of.what == workload::connect || of.what == workload::open) return of.round_trip_ms;
  return of.connections > 1 ? of.connections : of.in_flight;
}

const char* x_unit_of(const job& of) {
  switch (of.what) {
    case workload::stream:
    case workload::bulk: return "bytes";
    case workload::connect:
    case workload::open: return "ms there and back";
    case workload::channels: return "channels";
    case workload::threads: return "threads";
    default: return of.connections > 1 ? "connections" : "under way";
  }
}

picture scaling_of(const std::vector<const result_of_contest*>& jobs) {
  std::vector<line> lines;
  std::vector<tick> ticks;
  for (const result_of_contest* results : jobs) {
    if (varied_of(results->of) == 0) continue;             // near, which has no place on a logarithmic scale
    const auto x = static_cast<double>(varied_of(results->of));
    ticks.push_back({x, std::to_string(varied_of(results->of))});
    for (const standing& one : results->standings) {
      const spread counted = counted_of(*results, one);
      auto of_it = std::find_if(lines.begin(), lines.end(), [&](const line& known) { return known.name == one.who->title(); });
      if (of_it == lines.end()) of_it = lines.insert(lines.end(), {one.who->title(), {}});
      of_it->marks.push_back({x, counted.median, counted.min, counted.max});
    }
  }
  const job& of = jobs.back()->of;
  std::string work(to_text(of.what));
  if (of.what == workload::channels) work.append("-").append(std::to_string(of.size));
  const std::string wait(to_text(of.wait));
  return {"scaling-" + work + "-" + wait, draw_lines(work + ", " + wait, x_unit_of(of), ticks, unit_of(counting(of)), lines)};
}

}  // namespace

std::vector<std::string> plot(const std::string& directory, const std::vector<result_of_contest>& all) {
  std::vector<picture> pictures;
  std::map<std::tuple<workload, wait_mode, std::size_t>, std::vector<const result_of_contest*>> by_workload;
  for (const result_of_contest& results : all) {
    pictures.push_back(bars_of(results));
    pictures.push_back(latencies_of(results));
    const std::size_t size = results.of.what == workload::channels ? results.of.size : 0;      // of the others it is what varies, or all the same
    by_workload[{results.of.what, results.of.wait, size}].push_back(&results);
  }
  for (auto& [work, jobs] : by_workload) {
    std::stable_sort(jobs.begin(), jobs.end(), [](const auto* a, const auto* b) { return varied_of(a->of) < varied_of(b->of); });
    pictures.push_back(scaling_of(jobs));
  }
  std::error_code failed;
  std::filesystem::create_directories(directory, failed);
  std::vector<std::string> written;
  for (const picture& one : pictures) {
    if (one.svg.empty()) continue;         // there is nothing that it could show
    const std::string name = one.name + ".svg";
    std::ofstream out(std::filesystem::path(directory) / name);
    out << one.svg;
    out.close();
    if (!out) return {};
    written.push_back(name);
  }
  return written;
}

}  // namespace hawser::bench
