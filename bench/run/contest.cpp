// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/contest.hpp"

#include "common/distance.hpp"
#include "common/load.hpp"

#include <optional>

namespace hawser::bench {
namespace {

void compare(result_of_contest& all, standing& one, const std::string& title) {
  for (const standing& other : all.standings) {
    if (other.who->title() != title || &other == &one) continue;
    std::vector<double> ratios;
    for (std::size_t round = 0; round < one.samples.size(); ++round) {
      ratios.push_back(figure_of(counting(all.of), one.samples[round]) / figure_of(counting(all.of), other.samples[round]));
    }
    one.ratios.push_back({title, spread_of(std::move(ratios))});
  }
}

}  // namespace

result_of_contest hold(const job& of, const std::vector<contestant>& contestants, int rounds,
    const std::function<std::vector<std::string>(const contestant& who)>& against, const std::function<void(const contestant& who)>& before_each) {
  result_of_contest all;
  all.of = of;
  std::optional<distance> far;
  if (of.round_trip_ms > 0) {
    auto made = distance::make(std::chrono::milliseconds(of.round_trip_ms));
    if (!made) {
      all.left_out = "a network with round trips of " + std::to_string(of.round_trip_ms) + " ms cannot be made here: " + made.error();
      return all;
    }
    far.emplace(std::move(*made));
  }
  for (const contestant& who : contestants) {
    job mine = of;
    mine.engine = who.engine;
    if (who.can(mine)) all.standings.push_back({&who, {}, {}});
  }
  const foreign_load load;
  for (int round = 0; round < rounds; ++round) {
    for (standing& one : all.standings) {
      if (std::ssize(one.samples) != round) continue;      // it has failed before
      if (before_each) before_each(*one.who);
      job mine = of;
      mine.engine = one.who->engine;
      outcome made = one.who->run(mine);
      if (made) one.samples.push_back(std::move(*made));
      else all.failures.push_back(one.who->title() + ": " + made.error());
    }
  }
  std::erase_if(all.standings, [&](const standing& one) { return std::ssize(one.samples) != rounds; });
  far.reset();                             // its processor time counts as ours once it has ended
  all.foreign_load = load.cores();
  for (standing& one : all.standings) {
    for (const std::string& title : against(*one.who)) compare(all, one, title);
  }
  return all;
}

}  // namespace hawser::bench
