// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "run/contest.hpp"

#include <iosfwd>
#include <string>
#include <vector>

namespace hawser::bench {

// conditions.cpp: what has to be known beside a figure.
struct conditions {
  std::string machine, system, compiler, when;
  int rounds = 0;
  std::chrono::milliseconds warm_up{}, measured{};
  int server_core = 1, client_core = 0;
};
conditions conditions_of(const job& of, int rounds);
// Some lines for people.
std::string to_text(const conditions& of);

// "requests 64 under way, spin": what is done, and how.
std::string title_of(const job& of);
// Under what a result is looked up and its plot is filed: "requests-64-spin".
std::string slug_of(const job& of);

// table.cpp, json.cpp (one object a line for each contestant, or one row of the same columns whatever was done), markdown.cpp (one
// table for all)
void print_table(std::ostream& out, const result_of_contest& results);
void print_json(std::ostream& out, const result_of_contest& results);
void print_csv(std::ostream& out, const result_of_contest& results, bool with_names);
void print_markdown(std::ostream& out, const std::vector<result_of_contest>& all);

// What standings say of all their samples.
bool all_pinned(const standing& one);
template <class Member>
spread spread_over(const standing& one, Member sample::* member, double unit = 1) {
  return one.over_rounds([&](const sample& s) { return static_cast<double>(s.*member) / unit; });
}

// Above this, in cores, others spoil the figures.
inline constexpr double foreign_load_max = 0.05;

}  // namespace hawser::bench
