// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace demo {

// One line that grows while a job runs; on anything but a terminal only its last state is printed, and nothing when it is not shown.
class progress_bar {
 public:
  progress_bar(std::string title, std::uint64_t total, std::string unit, bool shown);
  ~progress_bar();
  progress_bar(const progress_bar&) = delete;
  void at(std::uint64_t done);      // draws at most 20 times a second

 private:
  void draw(std::uint64_t done) const;
  std::string title_, unit_;
  std::uint64_t total_, last_ = 0;
  bool shown_;
  std::chrono::steady_clock::time_point started_, drawn_;
};

// The closing table: what was done, how it went, and whether it was verified.
class report {
 public:
  void row(std::string what, std::string figures, bool verified);
  bool verified() const;
  void print() const;

  struct line {
    std::string what, figures;
    bool verified;
    bool operator==(const line&) const = default;
  };
  const std::vector<line>& lines() const { return lines_; }

 private:
  std::vector<line> lines_;
};

std::string with_commas(std::uint64_t n);
std::string microseconds(std::uint64_t ns);

// Round-trip times in nanoseconds; the percentile sorts.
class samples {
 public:
  void add(std::uint64_t ns) { values_.push_back(ns); }
  std::size_t count() const { return values_.size(); }
  std::uint64_t percentile(double part);      // nearest rank; 0 when there are none

 private:
  std::vector<std::uint64_t> values_;
};

}  // namespace demo
