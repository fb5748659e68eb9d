// SPDX-License-Identifier: Apache-2.0 OR MIT
// Two sides and their books; rounds, ratios and what is printed of them.
#include "common/load.hpp"
#include "common/child.hpp"
#include "common/clock.hpp"
#include "run/chart.hpp"
#include "run/plot.hpp"
#include "run/progress.hpp"
#include "run/report.hpp"
#include "sound.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>
#include <sstream>

#include <signal.h>
#include <unistd.h>

namespace hawser::bench {
namespace {

job brief() { return short_job(workload::pingpong, engine_kind::none, wait_mode::block); }

void listen_only(const job&, const listening& listens, tally& counted) {
  listens(1);
  counted.count = 2;
}
void count_one(const job&, std::uint16_t, tally& counted) { counted.count = 1, counted.measured_ns = 1; }

TEST(match, of_sides_whose_books_differ_fails) {
  const outcome made = match(brief(), listen_only, count_one);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), "books: the client has 1 and sum 0, the server 2 and 0");
}

TEST(match, with_a_server_or_a_client_that_dies_fails_and_says_which) {
  const auto die = [](const job&, const listening&, tally&) { ::_exit(3); };
  EXPECT_EQ(match(brief(), die, count_one).error(), "server: it did not come to listen");
  const auto die_later = [](const job&, const listening& listens, tally&) { listens(1), ::_exit(3); };
  EXPECT_EQ(match(brief(), die_later, count_one).error(), "server: it ended or hangs, and did not tell what it counted");
  const auto die_asking = [](const job&, std::uint16_t, tally&) { ::_exit(3); };
  EXPECT_EQ(match(brief(), listen_only, die_asking).error(), "client: it ended or hangs, and did not tell what it counted");
}

TEST(match, tells_the_failure_of_a_side) {
  const auto fail = [](const job&, std::uint16_t, tally& counted) { counted.fail("no luck"), counted.fail("nor later"); };
  EXPECT_EQ(match(brief(), listen_only, fail).error(), "client: no luck");
}

// Answers what it was given, one after the other.
contestant reciting(std::string peer, engine_kind engine, std::vector<double> rates) {
  return {.peer = std::move(peer), .engine = engine, .run = [rates, at = std::size_t{0}](const job&) mutable -> outcome {
            sample one;
            one.per_second = rates[at++];
            one.p50_ns = static_cast<std::int64_t>(1e9 / one.per_second);
            one.congestion = "cubic";
            one.client_calls = 0.5;
            one.is_pinned = true;
            return one;
          }};
}

std::vector<contestant> two() {
  return {reciting("raw", engine_kind::epoll, {100, 200, 400}), reciting("hawser", engine_kind::epoll, {50, 180, 320})};
}
std::vector<std::string> to_raw(const contestant& who) { return who.peer == "raw" ? std::vector<std::string>{} : std::vector<std::string>{"raw epoll", "nobody"}; }

TEST(contest, takes_ratios_pair_by_pair) {
  job of = brief();
  of.what = workload::stream;
  int runs = 0;
  const auto contestants = two();
  const result_of_contest results = hold(of, contestants, 3, to_raw, [&](const contestant&) { ++runs; });
  EXPECT_EQ(runs, 6);
  ASSERT_EQ(results.standings.size(), 2u);
  EXPECT_TRUE(results.standings[0].ratios.empty());
  ASSERT_EQ(results.standings[1].ratios.size(), 1u) << "nobody takes no part";
  const ratio& one = results.standings[1].ratios[0];
  EXPECT_EQ(one.to, "raw epoll");
  EXPECT_DOUBLE_EQ(one.of.median, 0.8) << "not 180 / 200";
  EXPECT_DOUBLE_EQ(one.of.min, 0.5);
  EXPECT_DOUBLE_EQ(one.of.max, 0.9);
}

TEST(contest, of_round_trips_compares_their_medians) {
  const auto contestants = two();
  const result_of_contest results = hold(brief(), contestants, 3, to_raw);
  EXPECT_NEAR(results.standings[1].ratios.at(0).of.median, 1.25, 1e-6);
}

TEST(contest, goes_on_without_who_failed_and_says_why) {
  std::vector<contestant> contestants = two();
  contestants.push_back({.peer = "raw", .engine = engine_kind::uring, .run = [](const job&) -> outcome { return std::unexpected("server: gone"); }});
  const result_of_contest results = hold(brief(), contestants, 3, to_raw);
  EXPECT_EQ(results.failures, std::vector<std::string>{"raw uring: server: gone"});
  EXPECT_EQ(results.standings.size(), 2u);
}

TEST(contest, leaves_out_who_cannot_do_it) {
  std::vector<contestant> contestants = two();
  contestants[1].can = [](const job&) { return false; };
  const result_of_contest results = hold(brief(), contestants, 3, to_raw);
  EXPECT_TRUE(results.failures.empty());
  EXPECT_EQ(results.standings.size(), 1u);
}

TEST(contest, is_one_json_object_a_line_with_every_field) {
  job of = brief();
  of.what = workload::stream;
  const auto contestants = two();
  const result_of_contest results = hold(of, contestants, 3, to_raw);
  std::ostringstream out;
  print_json(out, results);
  std::istringstream lines(out.str());
  std::vector<nlohmann::json> objects;
  for (std::string line; std::getline(lines, line);) objects.push_back(nlohmann::json::parse(line));
  ASSERT_EQ(objects.size(), 2u);
  for (const char* field : {"workload", "size", "in_flight", "connections", "peer", "engine", "wait", "rate_per_s", "bytes_per_s", "p50_us", "p99_us",
           "baseline", "ratio", "runs", "min", "max", "syscalls_per_message", "congestion", "foreign_load"}) {
    for (const auto& object : objects) EXPECT_TRUE(object.contains(field)) << field;
  }
  EXPECT_TRUE(objects[0]["baseline"].is_null());
  EXPECT_EQ(objects[1]["baseline"], "raw epoll");
  EXPECT_DOUBLE_EQ(objects[1]["ratio"], 0.8);
  EXPECT_EQ(objects[1]["rate_per_s"], 180);
  EXPECT_EQ(objects[1]["min"], 50);
  EXPECT_EQ(objects[1]["max"], 320);
  EXPECT_EQ(objects[1]["syscalls_per_message"]["client"], 0.5);
}

TEST(contest, is_one_row_of_comma_separated_figures_under_its_names) {
  job of = brief();
  of.what = workload::stream;
  std::vector<contestant> contestants = two();
  contestants[1].run = [](const job&) -> outcome {
    sample known;
    known.per_second = 5;
    known.p50_ns = 1;
    for (std::size_t i = 0; i < curve_points.size(); ++i) known.curve.push_back(static_cast<std::int64_t>(i) * 1000);
    known.congestion = "cubic";
    return known;
  };
  const result_of_contest results = hold(of, contestants, 1, to_raw);
  std::ostringstream out;
  print_csv(out, results, true);
  print_csv(out, results, false);
  std::istringstream lines(out.str());
  std::vector<std::vector<std::string>> rows;
  for (std::string line; std::getline(lines, line);) {
    rows.emplace_back();
    std::istringstream cells(line + ',');
    for (std::string cell; std::getline(cells, cell, ',');) rows.back().push_back(cell);
  }
  ASSERT_EQ(rows.size(), 5u) << out.str();
  const auto cell = [&](std::size_t row, const char* name) {
    const auto at = std::find(rows[0].begin(), rows[0].end(), name) - rows[0].begin();
    EXPECT_LT(static_cast<std::size_t>(at), rows[0].size()) << name;
    return rows[row][static_cast<std::size_t>(at)];
  };
  for (const auto& row : rows) EXPECT_EQ(row.size(), rows[0].size());
  EXPECT_EQ(cell(1, "workload"), "stream");
  EXPECT_EQ(cell(1, "baseline"), "");
  EXPECT_EQ(cell(2, "baseline"), "raw epoll");
  EXPECT_EQ(cell(2, "rate_per_s"), "5.0");
  EXPECT_EQ(cell(2, "p1_us"), "0.0");
  EXPECT_EQ(cell(2, "p99.99_us"), std::to_string(curve_points.size() - 1) + ".0");
  EXPECT_EQ(rows[4], rows[2]);
}

TEST(contest, of_processor_time_while_nothing_is_said_takes_no_ratio_and_tells_it) {
  std::vector<contestant> contestants = two();
  for (contestant& one : contestants) {
    one.run = [](const job&) -> outcome {
      sample quiet;
      quiet.quiet_cpu = 0.0025;
      quiet.congestion = "cubic";
      return quiet;
    };
  }
  job of = brief();
  of.what = workload::quiet;
  const result_of_contest results = hold(of, contestants, 3, to_raw);
  EXPECT_TRUE(results.standings[1].ratios.empty());
  std::ostringstream table, json, markdown;
  print_table(table, results);
  EXPECT_NE(table.str().find("0.250 % of a core, both sides together (0.250 - 0.250)"), std::string::npos) << table.str();
  print_json(json, results);
  EXPECT_NE(json.str().find("\"cpu_percent\":0.25"), std::string::npos) << json.str();
  print_markdown(markdown, {results});
  EXPECT_NE(markdown.str().find("| quiet, block | % of a core | 0.25 | 0.25 |"), std::string::npos) << markdown.str();
}

TEST(markdown, keeps_contestants_in_the_order_of_the_line_up_also_where_some_take_no_part) {
  job of = brief();
  of.what = workload::stream;
  const std::vector<contestant> all{reciting("raw", engine_kind::none, {1, 1}), reciting("raw", engine_kind::epoll, {1, 1}), reciting("hawser", engine_kind::epoll, {1, 1})};
  const auto nobody = [](const contestant&) { return std::vector<std::string>(); };
  auto some = all;
  some.erase(some.begin() + 1);
  std::ostringstream out;
  print_markdown(out, {hold(of, some, 1, nobody), hold(of, all, 1, nobody)});
  EXPECT_TRUE(out.str().starts_with("| work | | raw | raw epoll | hawser epoll |\n")) << out.str();
}

TEST(markdown, tells_how_much_of_its_speed_alone_bulk_keeps_beside_a_ping) {
  std::vector<contestant> contestants = two();
  for (contestant& one : contestants) {
    one.run = [](const job& of) -> outcome {
      sample made;
      made.p99_ns = 20'000;
      made.bytes_per_second = of.what == workload::alone ? 2e9 : 1.8e9;
      made.congestion = "cubic";
      return made;
    };
  }
  job of = brief();
  of.what = workload::alone;
  std::vector<result_of_contest> all{hold(of, contestants, 1, to_raw)};
  of.what = workload::beside;
  all.push_back(hold(of, contestants, 1, to_raw));
  std::ostringstream out;
  print_markdown(out, all);
  EXPECT_NE(out.str().find("| beside, block | p99, us | 20; 1.8 GB/s, 90 % | 20, 1.00 (1.00 - 1.00); 1.8 GB/s, 90 % |"), std::string::npos) << out.str();
}

TEST(markdown, tells_hawser_s_ratio_to_each_of_the_others) {
  std::vector<contestant> contestants{reciting("raw", engine_kind::none, {200}), reciting("raw", engine_kind::epoll, {100}), reciting("hawser", engine_kind::epoll, {50})};
  job of = brief();
  of.what = workload::stream;
  std::ostringstream out;
  print_markdown(out, {hold(of, contestants, 1, [](const contestant& who) {
    return who.peer == "raw" ? std::vector<std::string>{} : std::vector<std::string>{"raw epoll", "raw"};
  })});
  EXPECT_NE(out.str().find("| ratio of | to | raw | raw epoll |\n|---|---|---|---|\n| hawser epoll | stream 64 B, block | 0.25 (0.25 - 0.25) | 0.50 (0.50 - 0.50) |\n"),
      std::string::npos)
      << out.str();
}

TEST(markdown, has_a_row_for_each_job_and_a_column_for_each_contestant) {
  job of = brief();
  of.what = workload::stream;
  const auto contestants = two();
  std::ostringstream out;
  print_markdown(out, {hold(of, contestants, 3, to_raw)});
  EXPECT_TRUE(out.str().starts_with("| work | | raw epoll | hawser epoll |\n|---|---|---|---|\n| stream 64 B, block | a second | 200 | 180, 0.80 (0.50 - 0.90) |\n")) << out.str();
}

TEST(chart, of_bars_shows_each_with_its_whisker_and_goes_logarithmic_when_they_are_far_apart) {
  const std::string near = draw_bars("work", "a second", {{"a<b", 100, 90, 110}, {"c", 50, 40, 60}});
  EXPECT_NE(near.find("a&lt;b"), std::string::npos);
  EXPECT_EQ(near.find(", log"), std::string::npos);
  // From 130 at nothing to 640 at 110: 100 is at 593.6, its whisker from 547.3 to 640.
  EXPECT_NE(near.find("width=\"463.6\""), std::string::npos) << near;
  EXPECT_NE(near.find("x1=\"547.3\" y1=\"61.0\" x2=\"640.0\""), std::string::npos) << near;
  EXPECT_NE(draw_bars("work", "a second", {{"a", 1000, 900, 1100}, {"b", 2, 1, 3}}).find(", log"), std::string::npos);
  EXPECT_EQ(draw_bars("work", "a second", {}), "");
}

TEST(chart, of_lines_needs_something_to_draw) {
  const std::vector<tick> ticks{{1, "one"}, {10, "ten"}};
  const std::string made = draw_lines("work", "connections", ticks, "us", {{"a", {{1, 5, 5, 5}, {10, 50, 40, 60}}}});
  EXPECT_NE(made.find("<polyline"), std::string::npos);
  EXPECT_NE(made.find(">ten<"), std::string::npos);
  EXPECT_EQ(draw_lines("work", "connections", {{1, "one"}}, "us", {{"a", {{1, 5, 5, 5}}}}), "");
}

TEST(plot, writes_what_there_is_to_see_and_says_so_when_it_cannot) {
  job of = brief();
  of.what = workload::echoes;
  of.connections = 10;
  const auto contestants = two(), again = two();
  std::vector<result_of_contest> all{hold(of, contestants, 3, to_raw)};
  of.connections = 100;
  all.push_back(hold(of, again, 3, to_raw));
  const std::string directory = testing::TempDir() + "hawser-plots-" + std::to_string(::getpid());
  EXPECT_EQ(plot(directory, all), (std::vector<std::string>{"bars-echoes-10-connections-block.svg", "bars-echoes-100-connections-block.svg", "scaling-echoes-block.svg"}));
  std::filesystem::remove_all(directory);
  EXPECT_TRUE(plot("/proc/nowhere", all).empty());
}

TEST(plot, has_a_picture_of_its_own_for_each_size_of_channels_and_none_of_what_is_near) {
  std::vector<std::vector<contestant>> in_turn(6, two());
  std::vector<result_of_contest> all;
  job of = brief();
  of.what = workload::channels;
  for (const std::size_t size : {64, 1024}) {
    for (const std::size_t channels : {1, 100}) {
      of.size = size;
      of.channels = channels;
      all.push_back(hold(of, in_turn[all.size()], 3, to_raw));
    }
  }
  for (const std::size_t round_trip_ms : {20, 0}) {
    all.push_back(hold(brief(), in_turn[all.size()], 3, to_raw));
    all.back().of.what = workload::connect;
    all.back().of.round_trip_ms = round_trip_ms;
  }
  const std::string directory = testing::TempDir() + "hawser-channels-" + std::to_string(::getpid());
  std::vector<std::string> scaling;
  for (const std::string& name : plot(directory, all)) {
    if (name.starts_with("scaling")) scaling.push_back(name);
  }
  std::filesystem::remove_all(directory);
  EXPECT_EQ(scaling, (std::vector<std::string>{"scaling-channels-64-block.svg", "scaling-channels-1024-block.svg"})) << "one distance is no line";
}

TEST(progress, estimates_by_what_it_took_so_far) {
  EXPECT_EQ(time_left(0, 0, 10), "");
  EXPECT_EQ(time_left(10'000'000'000, 5, 10), "10 s");
  EXPECT_EQ(time_left(60'000'000'000, 1, 11), "10 min");
  EXPECT_EQ(time_left(60'000'000'000, 11, 11), "");
}

TEST(foreign_load, is_what_others_use_and_not_what_children_used_that_have_ended) {
  const foreign_load load;
  const std::int64_t from = now_ns();
  const auto foreign_seconds = [&] { return load.cores() * static_cast<double>(now_ns() - from) / 1e9; };
  auto busy = child::start([](reporter& to_parent) {
    while (thread_cpu_ns() < 300'000'000) {}
    to_parent.write(true);
    for (;;) ::pause();
    return 0;
  });
  ASSERT_TRUE(busy);
  bool done = false;
  ASSERT_TRUE(busy->read(done));
  const double while_it_lived = foreign_seconds();
  EXPECT_GE(while_it_lived, 0.25);
  ::kill(busy->process(), SIGKILL);
  busy->wait();
  EXPECT_LT(foreign_seconds(), while_it_lived - 0.15);
}

}
}  // namespace hawser::bench
