// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/contest.hpp"

#include "common/distance.hpp"
#include "common/load.hpp"

namespace hawser::bench {
namespace {

void compare(result_of_contest& all, standing& one, const std::string& title) {
  if (counting(all.of) == figure::cpu) return;             // next to nothing by next to nothing
  for (const standing& other : all.standings) {
    if (other.who->title() != title || &other == &one) continue;
    std::vector<double> ratios;
    for (std::size_t round = 0; round < one.samples.size(); ++round) {
      ratios.push_back(figure_of(counting(all.of), one.samples[round]) / figure_of(counting(all.of), other.samples[round]));
    }
    one.ratios.push_back({title, spread_of(std::move(ratios))});
  }
}

using before_each_run = std::function<void(const contestant& who)>;

void hold_rounds(result_of_contest& all, int rounds, const before_each_run& before_each) {
  for (int round = 0; round < rounds; ++round) {
    for (standing& one : all.standings) {
      if (std::ssize(one.samples) != round) continue;      // it has failed before
      if (before_each) before_each(*one.who);
      job mine = all.of;
      mine.engine = one.who->engine;
      outcome made = one.who->run(mine);
      if (made) one.samples.push_back(std::move(*made));
      else all.failures.push_back(one.who->title() + ": " + made.error());
    }
  }
}

}  // namespace

result_of_contest hold(const job& of, const std::vector<contestant>& contestants, int rounds,
    const std::function<std::vector<std::string>(const contestant& who)>& against, const before_each_run& before_each) {
  result_of_contest all;
  all.of = of;
  for (const contestant& who : contestants) {
    job mine = of;
    mine.engine = who.engine;
    if (who.can(mine)) all.standings.push_back({&who, {}, {}});
  }
  const foreign_load load;
  if (of.round_trip_ms == 0) {
    hold_rounds(all, rounds, before_each);
  } else if (const auto far = distance::make(std::chrono::milliseconds(of.round_trip_ms))) {
    hold_rounds(all, rounds, before_each);
  } else {
    all.left_out = "a network with round trips of " + std::to_string(of.round_trip_ms) + " ms cannot be made here: " + far.error();
  }
  std::erase_if(all.standings, [&](const standing& one) { return std::ssize(one.samples) != rounds; });
  all.foreign_load = load.cores();         // the carrier of the packets has ended: its time was ours
  for (standing& one : all.standings) {
    for (const std::string& title : against(*one.who)) compare(all, one, title);
  }
  return all;
}

}  // namespace hawser::bench
