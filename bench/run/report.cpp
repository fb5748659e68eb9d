// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/report.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <ostream>

#include <sys/utsname.h>
#include <unistd.h>

namespace hawser::bench {
namespace {

// Above this the spread will show it.
constexpr double foreign_load_max = 0.05;

double microseconds(std::int64_t ns) { return static_cast<double>(ns) / 1000; }

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

std::string workload_text(const job& of) {
  std::string text(to_text(of.what));
  if (of.what == workload::requests) text += " x" + std::to_string(of.in_flight);
  if (of.connections > 1) text += " x" + std::to_string(of.connections);
  if (of.what == workload::bulk) text += " " + std::to_string(of.size >> 10) + "K";
  return text;
}

bool all_pinned(const standing& one) {
  return std::all_of(one.samples.begin(), one.samples.end(), [](const sample& s) { return s.is_pinned; });
}

nlohmann::json to_json(const ratio& one) { return {{"to", one.to}, {"ratio", one.of.median}, {"min", one.of.min}, {"max", one.of.max}}; }

}  // namespace

void print_conditions(std::ostream& out, const job& of, int rounds) {
  utsname system{};
  ::uname(&system);
  out << system.sysname << ' ' << system.release << ", " << ::sysconf(_SC_NPROCESSORS_ONLN) << " cores, " << (__GNUC__ ? "gcc " : "") << __VERSION__
      << "\nserver on core " << of.server_core << ", client on core " << of.client_core << ", each a process; both " << to_text(of.wait) << "; " << rounds
      << " rounds, " << of.measured.count() << " ms each after " << of.warm_up.count() << " ms, in turn\n"
      << "medians; ratios pair by pair with (min - max); calls/msg: system calls for each message, client + server\n\n"
      << format("%-14s %-13s %12s %9s %9s %9s %15s %7s  %s\n", "workload", "who", "per second", "MB/s", "p50 us", "p99 us", "calls/msg", "tcp", "ratio");
}

void print_table(std::ostream& out, const result_of_contest& results) {
  for (const standing& one : results.standings) {
    out << format("%-14s %-13s %12.0f %9.1f %9.2f %9.2f %6.3f + %6.3f %7s  ", workload_text(results.of).c_str(), one.who->title().c_str(),
        one.over_rounds([](const sample& s) { return s.per_second; }).median, one.over_rounds([](const sample& s) { return s.bytes_per_second / 1e6; }).median,
        one.over_rounds([](const sample& s) { return microseconds(s.p50_ns); }).median, one.over_rounds([](const sample& s) { return microseconds(s.p99_ns); }).median,
        one.over_rounds([](const sample& s) { return s.client_calls; }).median, one.over_rounds([](const sample& s) { return s.server_calls; }).median,
        one.samples.front().congestion.c_str());
    const char* between = "";
    for (const ratio& r : one.ratios) {
      out << between << format("%.2f (%.2f - %.2f) x %s", r.of.median, r.of.min, r.of.max, r.to.c_str());
      between = ", ";
    }
    out << (all_pinned(one) ? "\n" : "  NOT PINNED\n");
  }
  if (counts_latency(results.of.what)) out << "  (ratios of p50: smaller is better)\n";
  if (results.foreign_load > foreign_load_max) out << format("  (other programs took %.2f cores meanwhile: the spread shows it)\n", results.foreign_load);
  out.flush();
}

void print_json(std::ostream& out, const result_of_contest& results) {
  const job& of = results.of;
  for (const standing& one : results.standings) {
    const spread rate = one.over_rounds([](const sample& s) { return s.per_second; });
    nlohmann::json line = {{"workload", to_text(of.what)}, {"size", of.size}, {"in_flight", of.in_flight}, {"connections", of.connections},
        {"peer", one.who->peer}, {"engine", to_text(one.who->engine)}, {"wait", to_text(of.wait)}, {"rate_per_s", rate.median},
        {"bytes_per_s", one.over_rounds([](const sample& s) { return s.bytes_per_second; }).median},
        {"p50_us", one.over_rounds([](const sample& s) { return microseconds(s.p50_ns); }).median},
        {"p99_us", one.over_rounds([](const sample& s) { return microseconds(s.p99_ns); }).median}, {"runs", one.samples.size()},
        {"min", rate.min}, {"max", rate.max}, {"baseline", nullptr}, {"ratio", nullptr}, {"pinned", all_pinned(one)},
        {"congestion", one.samples.front().congestion}, {"foreign_load", results.foreign_load},
        {"syscalls_per_message", {{"client", one.over_rounds([](const sample& s) { return s.client_calls; }).median},
                                     {"server", one.over_rounds([](const sample& s) { return s.server_calls; }).median}}}};
    if (!one.ratios.empty()) {
      line["baseline"] = one.ratios.front().to;
      line["ratio"] = one.ratios.front().of.median;
      line["ratio_of"] = counts_latency(of.what) ? "p50_us" : "rate_per_s";
      line["ratios"] = nlohmann::json::array();
      for (const ratio& r : one.ratios) line["ratios"].push_back(to_json(r));
    }
    out << line.dump() << '\n';
  }
  out.flush();
}

}  // namespace hawser::bench
