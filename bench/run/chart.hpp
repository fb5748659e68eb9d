// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <string>
#include <vector>

// Pictures for documents: plain SVG, readable on white and on dark pages, without anything from elsewhere.
namespace hawser::bench {

struct bar {
  std::string name;
  double value, min, max;                  // the bar, and its whisker
};
// Horizontal bars, from 0; on a logarithmic scale when the largest is 30 times the smallest.
std::string draw_bars(const std::string& title, const std::string& unit, const std::vector<bar>& bars);

struct mark {
  double x, y, min, max;                   // min = max = y: no whisker
};
struct line {
  std::string name;
  std::vector<mark> marks;                 // x ascending
};
struct tick {
  double at;
  std::string text;
};
// Lines over a logarithmic x, whose ticks are given, and a logarithmic y.
std::string draw_lines(const std::string& title, const std::string& x_unit, const std::vector<tick>& x_ticks, const std::string& y_unit, const std::vector<line>& lines);

// 12300 as "12.3 k".
std::string short_number(double value);

}  // namespace hawser::bench
