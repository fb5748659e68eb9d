// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/match.hpp"
#include "common/spread.hpp"

#include <functional>
#include <string>
#include <vector>

// One job, done by several in turn, round after round, so that a drift of the machine touches all alike.
namespace hawser::bench {

// Somebody who can do jobs.
struct contestant {
  std::string peer;                        // "raw", "hawser", or a library's name
  engine_kind engine = engine_kind::none;
  std::function<outcome(const job&)> run;
  std::function<bool(const job&)> can = [](const job&) { return true; };
  std::string title() const { return engine == engine_kind::none ? peer : peer + " " + std::string(to_text(engine)); }
};

// What one contestant reached against another, round by round.
struct ratio {
  std::string to;                          // the other's title
  spread of;                               // of the figure that counts
};

struct standing {
  const contestant* who = nullptr;
  std::vector<sample> samples;
  std::vector<ratio> ratios;               // the first one is to the baseline

  // Over all rounds.
  template <class Figure>
  spread over_rounds(Figure&& figure) const {
    std::vector<double> values;
    for (const sample& one : samples) values.push_back(figure(one));
    return spread_of(std::move(values));
  }
};

struct result_of_contest {
  job of;
  std::vector<standing> standings;         // in the order of the contestants
  double foreign_load = 0;                 // processor time of other programs per wall time of one core, while it lasted
  std::string left_out;                    // why nobody could; empty: they could
  std::vector<std::string> failures;       // of those who could not do it: they have no standing
};

// What a ratio is taken of; but for rates the smaller one is the better.
inline figure counting(const job& of) noexcept { return of.round_trip_ms > 0 ? figure::p50 : traits_of(of.what).counts; }

// Those of the contestants who can do the job, round by round; each hears of it before `before_each` run. The ratios of a contestant are
// taken to `against(who)`: the titles of others, the baseline first; who is not there takes no part.
result_of_contest hold(const job& of, const std::vector<contestant>& contestants, int rounds,
    const std::function<std::vector<std::string>(const contestant& who)>& against, const std::function<void(const contestant& who)>& before_each = {});

}  // namespace hawser::bench
