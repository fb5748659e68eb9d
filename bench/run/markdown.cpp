// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/chart.hpp"
#include "run/report.hpp"

#include <algorithm>
#include <cstdio>
#include <ostream>

namespace hawser::bench {
namespace {

std::string text_of(const spread& of) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f (%.2f - %.2f)", of.median, of.min, of.max);
  return text;
}

double bytes_per_second_of(const standing& one) { return spread_over(one, &sample::bytes_per_second).median; }

const standing* find(const result_of_contest& results, const std::string& title) {
  const auto found = std::find_if(results.standings.begin(), results.standings.end(), [&](const standing& one) { return one.who->title() == title; });
  return found == results.standings.end() ? nullptr : &*found;
}

// What the bulk reached beside the ping, and how much that is of what it reaches alone.
std::string bulk_text(const std::vector<result_of_contest>& all, const job& beside, const standing& one) {
  std::string text = "; " + short_number(bytes_per_second_of(one)) + "B/s";
  for (const result_of_contest& results : all) {
    if (results.of.what != workload::alone || results.of.wait != beside.wait) continue;
    const standing* alone = find(results, one.who->title());
    char share[32];
    if (alone && std::snprintf(share, sizeof share, ", %.0f %%", 100 * bytes_per_second_of(one) / bytes_per_second_of(*alone)) > 0) text += share;
  }
  return text;
}

std::string cell(const std::vector<result_of_contest>& all, const job& of, const standing& one) {
  const spread counted = one.over_rounds([&](const sample& s) { return figure_of(counting(of), s); });
  std::string text = short_number(counted.median);
  if (!one.ratios.empty()) text += ", " + text_of(one.ratios.front().of);
  if (of.what == workload::beside) text += bulk_text(all, of, one);
  return text;
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

void print_head(std::ostream& out, const std::string& first, const std::vector<std::string>& titles) {
  out << "| " << first << " |";
  for (const std::string& title : titles) out << ' ' << title << " |";
  out << "\n|---|---|";
  for (std::size_t i = 0; i < titles.size(); ++i) out << "---|";
  out << '\n';
}

// hawser's ratios to all the others, whose own ones are to a baseline.
void print_ratios(std::ostream& out, const std::vector<result_of_contest>& all, const std::vector<std::string>& titles) {
  std::vector<std::string> others;
  const auto is_opponent = [&](const std::string& title) {
    return std::any_of(all.begin(), all.end(), [&](const result_of_contest& results) {
      return std::any_of(results.standings.begin(), results.standings.end(), [&](const standing& one) {
        return one.who->peer == "hawser" && std::any_of(one.ratios.begin(), one.ratios.end(), [&](const ratio& r) { return r.to == title; });
      });
    });
  };
  std::copy_if(titles.begin(), titles.end(), std::back_inserter(others), is_opponent);
  if (others.empty()) return;
  out << '\n';
  print_head(out, "ratio of | to", others);
  for (const result_of_contest& results : all) {
    for (const standing& one : results.standings) {
      if (one.who->peer != "hawser" || one.ratios.empty()) continue;
      out << "| " << one.who->title() << " | " << title_of(results.of) << " |";
      for (const std::string& title : others) {
        const auto found = std::find_if(one.ratios.begin(), one.ratios.end(), [&](const ratio& r) { return r.to == title; });
        out << ' ' << (found == one.ratios.end() ? "" : text_of(found->of)) << " |";
      }
      out << '\n';
    }
  }
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
  print_head(out, "work |", titles);
  for (const result_of_contest& results : all) {
    out << "| " << title_of(results.of) << " | " << unit_of(counting(results.of)) << " |";
    for (const std::string& title : titles) {
      const standing* found = find(results, title);
      out << ' ' << (found ? cell(all, results.of, *found) : "") << " |";
    }
    out << '\n';
  }
  out << "\nBehind each figure its ratio to the baseline (min - max): raw sockets on the same engine, else on epoll; hawser's own on one channel, or\n"
         "spinning, or with a handler, where that is there. Beside: the bulk, and how much that is of the bulk alone.";
  for (const std::string& version : versions) out << (version == versions.front() ? " " : ", ") << version;
  out << (versions.empty() ? "\n" : ".\n");
  print_ratios(out, all, titles);
  out.flush();
}

}  // namespace hawser::bench
