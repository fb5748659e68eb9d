// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "command.hpp"

#include "../bench/common/nearest_rank.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>

namespace cli {
namespace {

struct ping_options : common_options {
  std::string where;
  std::uint64_t count = 4;
  double interval_s = 1.0;
  std::size_t size = 64;
  double timeout_s = 5.0;
};

struct ping_result {
  std::uint64_t sent = 0;
  std::vector<double> times_us;
};

void print_one(const ping_options& options, std::uint64_t number, double us) {
  if (options.json) std::cout << nlohmann::json{{"sequence", number}, {"bytes", options.size}, {"time_us", us}}.dump() << std::endl;
  else std::printf("%zu bytes from %s: seq=%llu time=%.1f us\n", options.size, options.where.c_str(), static_cast<unsigned long long>(number), us);
  std::fflush(stdout);
}

void print_summary(const ping_options& options, ping_result& result) {
  std::vector<double>& times = result.times_us;
  std::sort(times.begin(), times.end());
  const auto at = [&times](double part) { return times.empty() ? 0.0 : times[hawser::bench::nearest_rank(part, times.size())]; };
  if (options.json) {
    std::cout << nlohmann::json{{"sent", result.sent}, {"answered", times.size()}, {"min_us", at(0)}, {"p50_us", at(0.5)}, {"p99_us", at(0.99)}, {"max_us", at(1)}}.dump() << std::endl;
    return;
  }
  std::printf("%llu sent, %zu answered; min %.1f p50 %.1f p99 %.1f max %.1f us\n", static_cast<unsigned long long>(result.sent), times.size(), at(0), at(0.5), at(0.99), at(1));
}

hawser::task<int> ping(hawser::loop& loop, const ping_options& options) {
  hawser::peer me(loop, options.peer());
  auto there = co_await me.connect(options.where);
  if (!there) {
    tell_failure(options, "cannot connect to " + options.where, there.error());
    co_return unreachable;
  }
  bool stop = false;
  on_interrupt(loop, [&stop] { stop = true; });
  const std::vector<std::byte> body(options.size);
  const auto interval = std::chrono::duration_cast<hawser::duration>(std::chrono::duration<double>(options.interval_s));
  const auto timeout = std::chrono::duration_cast<hawser::duration>(std::chrono::duration<double>(options.timeout_s));
  ping_result result;
  int outcome = succeeded;
  while (!stop && (options.count == 0 || result.sent < options.count)) {
    if (result.sent > 0 && interval > hawser::duration::zero()) co_await hawser::sleep(loop, interval);
    ++result.sent;
    const auto start = std::chrono::steady_clock::now();
    const auto answer = co_await me.call(*there, "echo", body, {.deadline = timeout});
    const double us = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    if (answer && answer->size() == options.size) {
      result.times_us.push_back(us);
      print_one(options, result.sent, us);
      continue;
    }
    const std::error_code reason = answer ? make_error_code(hawser::errc::protocol) : answer.error();
    tell_failure(options, "no echo", reason);
    outcome = there->is_open() ? answered_with_error : unreachable;
    if (outcome == unreachable || reason == hawser::errc::operation_not_found) break;
  }
  print_summary(options, result);
  co_await me.stop(goodbye_max);
  co_return outcome;
}

}  // namespace

void add_ping(CLI::App& application, int& outcome) {
  auto options = std::make_shared<ping_options>();
  CLI::App* command = application.add_subcommand("ping", "Measure round trips of the operation 'echo' of another peer");
  command->add_option("where", options->where, "the peer: 127.0.0.1:7000, host:7000, unix:/path")->required()->check(is_endpoint());
  command->add_option("--count,-c", options->count, "how many; 0: until interrupted")->capture_default_str();
  command->add_option("--interval,-i", options->interval_s, "seconds between two; 0: one after another")->capture_default_str()->check(CLI::NonNegativeNumber);
  command->add_option("--size,-s", options->size, "bytes of each")->capture_default_str()->check(CLI::Range(0, 1 << 20));
  command->add_option("--timeout,-t", options->timeout_s, "seconds to wait for each answer")->capture_default_str()->check(CLI::PositiveNumber);
  options->add_to(*command);
  command->footer("Examples:\n  hawser ping 127.0.0.1:7000\n  hawser ping host.example:7000 --count 100000 --interval 0 --wait busy --json");
  command->callback([options, &outcome] {
    hawser::loop loop(options->loop());
    outcome = loop.run(ping(loop, *options));
  });
}

}  // namespace cli
