// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/contest.hpp"

#include "common/load.hpp"

namespace hawser::bench {
namespace {

double figure_of(workload what, const sample& one) { return counts_latency(what) ? static_cast<double>(one.p50_ns) : one.per_second; }

void compare(result_of_contest& all, standing& one, const std::string& title) {
  for (const standing& other : all.standings) {
    if (other.who->title() != title || &other == &one) continue;
    std::vector<double> ratios;
    for (std::size_t round = 0; round < one.samples.size(); ++round) {
      ratios.push_back(figure_of(all.of.what, one.samples[round]) / figure_of(all.of.what, other.samples[round]));
    }
    one.ratios.push_back({title, spread_of(std::move(ratios))});
  }
}

}  // namespace

result_of_contest hold(const job& of, const std::vector<contestant>& contestants, int rounds,
    const std::function<std::vector<std::string>(const contestant& who)>& against, const std::function<void()>& after_each) {
  result_of_contest all;
  all.of = of;
  for (const contestant& who : contestants) all.standings.push_back({&who, {}, {}});
  const foreign_load load;
  for (int round = 0; round < rounds; ++round) {
    for (standing& one : all.standings) {
      job mine = of;
      mine.engine = one.who->engine;
      outcome made = one.who->run(mine);
      if (!made) {
        all.failure = one.who->title() + ": " + made.error();
        return all;
      }
      one.samples.push_back(std::move(*made));
      if (after_each) after_each();
    }
  }
  all.foreign_load = load.cores();
  for (standing& one : all.standings) {
    for (const std::string& title : against(*one.who)) compare(all, one, title);
  }
  return all;
}

}  // namespace hawser::bench
