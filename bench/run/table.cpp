// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/report.hpp"

#include <cstdio>
#include <ostream>

namespace hawser::bench {
namespace {

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

std::string calls_text(const standing& one) {
  const double client = spread_over(one, &sample::client_calls).median, server = spread_over(one, &sample::server_calls).median;
  return client == 0 ? "" : format("%.3f + %.3f", client, server);
}

void print_row(std::ostream& out, const standing& one, const job& of) {
  const figure counts = counting(of);
  const auto median = [&](auto member, double unit = 1) { return spread_over(one, member, unit).median; };
  out << format("  %-17s", one.who->title().c_str());
  if (counts == figure::memory) {
    out << format("%12.0f B resident, %.0f B allocated for each connection", median(&sample::resident_bytes), median(&sample::allocated_bytes));
  } else if (counts == figure::cpu) {
    const spread used = spread_over(one, &sample::quiet_cpu, 0.01);
    out << format("%12.3f %% of a core, both sides together (%.3f - %.3f)", used.median, used.min, used.max);
  } else {
    out << format("%12.0f %9.1f %10.2f %10.2f  %4.0f%% %4.0f%%  %15s %7s", median(&sample::per_second), median(&sample::bytes_per_second, 1e6), median(&sample::p50_ns, 1e3),
        median(&sample::p99_ns, 1e3), 100 * median(&sample::client_cpu), 100 * median(&sample::server_cpu), calls_text(one).c_str(), one.samples.front().congestion.c_str());
  }
  if (!one.ratios.empty()) {
    const ratio& r = one.ratios.front();
    out << format("  %.2f (%.2f - %.2f) x %s", r.of.median, r.of.min, r.of.max, r.to.c_str());
  }
  if (of.round_trip_ms > 0) out << format("  %.2f round trips", median(&sample::p50_ns, 1e6) / static_cast<double>(of.round_trip_ms));
  out << (all_pinned(one) ? "\n" : "  NOT PINNED\n");
}

// To the others, whose own ratios are to the baseline.
void print_others(std::ostream& out, const standing& one) {
  if (one.ratios.size() < 2 || one.who->peer != "hawser") return;
  out << "  " << one.who->title() << " is";
  for (std::size_t i = 1; i < one.ratios.size(); ++i) {
    const ratio& r = one.ratios[i];
    out << (i == 1 ? " " : ", ") << format("%.2f (%.2f - %.2f) x %s", r.of.median, r.of.min, r.of.max, r.to.c_str());
  }
  out << '\n';
}

}  // namespace

void print_table(std::ostream& out, const result_of_contest& results) {
  const figure counts = counting(results.of);
  out << '\n'
      << title_of(results.of) << ": " << traits_of(results.of.what).is << '\n';
  if (counts != figure::memory && counts != figure::cpu) {
    out << format("  %-17s%12s %9s %10s %10s  %11s  %15s %7s  %s\n", "", "per second", "MB/s", "p50 us", "p99 us", "cpu", "calls", "tcp",
        counts == figure::rate ? "ratio of rates" : counts == figure::p50 ? "ratio of p50, smaller is better"
                                                                          : "ratio of p99, smaller is better");
  }
  for (const standing& one : results.standings) print_row(out, one, results.of);
  for (const standing& one : results.standings) print_others(out, one);
  if (results.foreign_load > foreign_load_max) out << format("  other programs took %.2f cores meanwhile: the spread shows it\n", results.foreign_load);
  out.flush();
}

}  // namespace hawser::bench
