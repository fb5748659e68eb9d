// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/chart.hpp"
#include "run/report.hpp"

#include <algorithm>
#include <cstdio>
#include <ostream>

namespace hawser::bench {
namespace {

std::string cell(const result_of_contest& results, const standing& one) {
  const spread counted = one.over_rounds([&](const sample& s) { return figure_of(counting(results.of), s); });
  std::string text = short_number(counted.median);
  if (one.ratios.empty()) return text;
  char ratio_text[64];
  const spread& ratio = one.ratios.front().of;
  std::snprintf(ratio_text, sizeof ratio_text, ", %.2f (%.2f - %.2f)", ratio.median, ratio.min, ratio.max);
  return text + ratio_text;
}

const char* unit_of(figure counts) {
  switch (counts) {
    case figure::p50: return "p50, us";
    case figure::p99: return "p99, us";
    case figure::memory: return "bytes";
    case figure::cpu: return "% of a core";
    case figure::rate: break;
  }
  return "a second";
}

}  // namespace

// A row for each job, a column for each contestant: the figure, and its ratio to the baseline.
void print_markdown(std::ostream& out, const std::vector<result_of_contest>& all) {
  std::vector<std::string> titles, versions;
  for (const result_of_contest& results : all) {
    auto place = titles.begin();           // of the next title: behind the one before it in this row
    for (const standing& one : results.standings) {
      const auto known = std::find(titles.begin(), titles.end(), one.who->title());
      place = std::next(known != titles.end() ? known : titles.insert(place, one.who->title()));
      const std::string& version = one.samples.front().version;
      if (!version.empty() && std::find(versions.begin(), versions.end(), version) == versions.end()) versions.push_back(version);
    }
  }
  out << "| work | |";
  for (const std::string& title : titles) out << ' ' << title << " |";
  out << "\n|---|---|";
  for (std::size_t i = 0; i < titles.size(); ++i) out << "---|";
  out << '\n';
  for (const result_of_contest& results : all) {
    out << "| " << title_of(results.of) << " | " << unit_of(counting(results.of)) << " |";
    for (const std::string& title : titles) {
      const auto found = std::find_if(results.standings.begin(), results.standings.end(), [&](const standing& one) { return one.who->title() == title; });
      out << ' ' << (found == results.standings.end() ? "" : cell(results, *found)) << " |";
    }
    out << '\n';
  }
  out << "\nBehind each figure its ratio to the baseline (min - max): raw sockets on the same engine, else on epoll.";
  for (const std::string& version : versions) out << (version == versions.front() ? " " : ", ") << version;
  out << (versions.empty() ? "\n" : ".\n");
  out.flush();
}

}  // namespace hawser::bench
