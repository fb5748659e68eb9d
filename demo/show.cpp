// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "show.hpp"

#include "../bench/common/nearest_rank.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include <unistd.h>

namespace demo {
namespace {

bool on_terminal() {
  static const bool answer = ::isatty(STDOUT_FILENO) == 1;
  return answer;
}

const char* colour(const char* code) {
  static const bool wanted = on_terminal() && std::getenv("NO_COLOR") == nullptr;
  return wanted ? code : "";
}

}  // namespace

std::string with_commas(std::uint64_t n) {
  std::string digits = std::to_string(n);
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, ",");
  return digits;
}

std::string microseconds(std::uint64_t ns) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f us", static_cast<double>(ns) / 1000.0);
  return text;
}

progress_bar::progress_bar(std::string title, std::uint64_t total, std::string unit, bool shown)
    : title_(std::move(title)), unit_(std::move(unit)), total_(total), shown_(shown), started_(std::chrono::steady_clock::now()), drawn_(started_) {}

progress_bar::~progress_bar() {
  if (!shown_) return;
  draw(last_);
  std::printf("\n");
  std::fflush(stdout);
}

void progress_bar::at(std::uint64_t done) {
  last_ = done;
  if (!shown_ || !on_terminal()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now - drawn_ < std::chrono::milliseconds(50)) return;
  drawn_ = now;
  draw(done);
}

void progress_bar::draw(std::uint64_t done) const {
  constexpr std::uint64_t width = 30;
  const std::uint64_t filled = total_ == 0 ? width : std::min(width, done * width / total_);
  const double elapsed = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  const std::string bar = std::string(filled, '#') + std::string(width - filled, '.');
  const double rate = elapsed > 0 ? static_cast<double>(done) / elapsed : 0;
  std::printf("%s  %-34s [%s] %15s %s  %6.2f s  %15s %s/s", on_terminal() ? "\r" : "", title_.c_str(), bar.c_str(), with_commas(done).c_str(),
              unit_.c_str(), elapsed, with_commas(static_cast<std::uint64_t>(rate)).c_str(), unit_.c_str());
  std::fflush(stdout);
}

void report::row(std::string what, std::string figures, bool verified) { lines_.push_back({std::move(what), std::move(figures), verified}); }

bool report::verified() const {
  return std::all_of(lines_.begin(), lines_.end(), [](const line& l) { return l.verified; });
}

void report::print() const {
  std::size_t what = 0, figures = 0;
  for (const line& l : lines_) {
    what = std::max(what, l.what.size());
    figures = std::max(figures, l.figures.size());
  }
  std::printf("\n");
  for (const line& l : lines_) {
    std::printf("  %-*s  %-*s  %s%s%s\n", static_cast<int>(what), l.what.c_str(), static_cast<int>(figures), l.figures.c_str(),
                colour(l.verified ? "\033[32m" : "\033[31m"), l.verified ? "verified" : "NOT VERIFIED", colour("\033[0m"));
  }
  std::printf("\n");
}

std::uint64_t samples::percentile(double part) {
  if (values_.empty()) return 0;
  const auto at = values_.begin() + static_cast<std::ptrdiff_t>(hawser::bench::nearest_rank(part, values_.size()));
  std::nth_element(values_.begin(), at, values_.end());
  return *at;
}

}  // namespace demo
