// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <utility>

namespace hawser::bench {
namespace {

constexpr double width = 760, left = 130, right = 120, top = 44, row = 26, line_height = 380;
constexpr const char* ink = "#777";

template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

// hawser stands out, raw sockets stand back; who is not known here is purple.
std::string colour_of(const std::string& name) {
  constexpr std::array<std::pair<const char*, const char*>, 11> known{{{"hawser epoll", "#e8871e"}, {"hawser uring", "#c8322b"}, {"raw", "#b5b5b5"},
      {"raw epoll", "#8f8f8f"}, {"raw uring", "#646464"}, {"asio", "#2b7bba"}, {"libuv", "#2aa3a3"}, {"zeromq", "#3a9b57"}, {"nng", "#93b14a"}, {"grpc", "#b04d86"},
      {"capnp", "#a3742a"}}};
  for (const auto& [who, colour] : known) {
    if (name == who) return colour;
  }
  if (name.starts_with("hawser ")) return name.ends_with("epoll") ? "#f0b878" : "#e08a86";    // one, busy, task
  return "#8457b0";
}

std::string escaped(const std::string& text) {
  std::string made;
  for (const char c : text) {
    if (c == '&') made += "&amp;";
    else if (c == '<') made += "&lt;";
    else if (c == '>') made += "&gt;";
    else made += c;
  }
  return made;
}

std::string text_at(double x, double y, const char* anchor, const std::string& words) {
  return format("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor) + escaped(words) + "</text>\n";
}
std::string stroke(double x1, double y1, double x2, double y2, const std::string& colour, double thickness) {
  return format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\" stroke-width=\"%.1f\"/>\n", x1, y1, x2, y2, colour.c_str(), thickness);
}
std::string grid(double x1, double y1, double x2, double y2) {
  return format("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#888\" stroke-opacity=\"0.3\"/>\n", x1, y1, x2, y2);
}
std::string whole(double height, const std::string& title, const std::string& body) {
  return format("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" font-family=\"sans-serif\" font-size=\"12\" fill=\"%s\">\n", width, height, ink) +
      "<text x=\"12\" y=\"22\" font-size=\"15\">" + escaped(title) + "</text>\n" + body + "</svg>\n";
}

// A number to a place between two ends.
struct scale {
  double from, to, begin, end;
  bool logarithmic;
  double operator()(double value) const {
    const auto part = logarithmic ? std::log(value / from) / std::log(to / from) : (value - from) / (to - from);
    return begin + std::clamp(part, 0.0, 1.0) * (end - begin);
  }
};

// Powers of ten between the ends, with their halves and fifths where they are few.
std::vector<double> decades(double from, double to) {
  std::vector<double> ticks;
  const bool few = to / from < 300;
  for (double power = std::pow(10, std::floor(std::log10(from))); power <= to * 1.001; power *= 10) {
    for (const double step : {1.0, 2.0, 5.0}) {
      if ((step == 1 || few) && power * step >= from * 0.999 && power * step <= to * 1.001) ticks.push_back(power * step);
    }
  }
  return ticks;
}

std::vector<double> steps_to(double to) {
  const double power = std::pow(10, std::floor(std::log10(to)));
  const double step = to / power >= 5 ? power : to / power >= 2 ? power / 2
                                                                : power / 5;
  std::vector<double> ticks;
  for (double at = 0; at <= to * 1.001; at += step) ticks.push_back(at);
  return ticks;
}

}  // namespace

std::string short_number(double value) {
  if (value >= 1e9) return format("%.3g G", value / 1e9);
  if (value >= 1e6) return format("%.3g M", value / 1e6);
  if (value >= 1e3) return format("%.3g k", value / 1e3);
  return format("%.3g", value);
}

std::string draw_bars(const std::string& title, const std::string& unit, const std::vector<bar>& bars) {
  double most = 0, least = std::numeric_limits<double>::max();
  for (const bar& one : bars) {
    most = std::max(most, one.max);
    least = std::min(least, one.min);
  }
  if (bars.empty() || least <= 0) return {};
  const bool logarithmic = most / least > 30;
  const scale x{logarithmic ? std::pow(10, std::floor(std::log10(least))) : 0, most, left, width - right, logarithmic};
  const double bottom = top + row * static_cast<double>(bars.size()) + 6;
  std::string body;
  for (const double at : logarithmic ? decades(x.from, most) : steps_to(most)) {
    body += grid(x(at), top, x(at), bottom) + text_at(x(at), bottom + 16, "middle", short_number(at));
  }
  body += text_at(width - 12, bottom + 16, "end", unit + (logarithmic ? ", log" : ""));
  double y = top + 6;
  for (const bar& one : bars) {
    const std::string colour = colour_of(one.name);
    const double middle = y + row / 2 - 3;
    body += text_at(left - 8, middle + 4, "end", one.name);
    body += format("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" fill=\"%s\"/>\n", left, y, std::max(x(one.value) - left, 1.0), row - 8, colour.c_str());
    body += stroke(x(one.min), middle + 1, x(one.max), middle + 1, "#222", 1.5) + stroke(x(one.min), y + 5, x(one.min), y + row - 13, "#222", 1.5) +
        stroke(x(one.max), y + 5, x(one.max), y + row - 13, "#222", 1.5);
    body += text_at(x(std::max(one.value, one.max)) + 6, middle + 4, "start", short_number(one.value));
    y += row;
  }
  return whole(bottom + 28, title, body);
}

std::string draw_lines(const std::string& title, const std::string& x_unit, const std::vector<tick>& x_ticks, const std::string& y_unit, const std::vector<line>& lines) {
  double most = 0, least = std::numeric_limits<double>::max();
  for (const line& one : lines) {
    for (const mark& at : one.marks) {
      most = std::max(most, at.max);
      least = std::min(least, at.min);
    }
  }
  if (x_ticks.size() < 2 || least <= 0 || most <= least) return {};
  const double bottom = top + line_height;
  const scale x{x_ticks.front().at, x_ticks.back().at, 70, width - right - 10, true};
  const scale y{least * 0.9, most * 1.1, bottom, top, true};
  std::string body;
  for (const double at : decades(y.from, y.to)) body += grid(x.begin, y(at), x.end, y(at)) + text_at(x.begin - 6, y(at) + 4, "end", short_number(at));
  for (const tick& at : x_ticks) body += grid(x(at.at), top, x(at.at), bottom) + text_at(x(at.at), bottom + 16, "middle", at.text);
  body += text_at(12, top - 6, "start", y_unit) + text_at(x.end, bottom + 32, "end", x_unit);
  double name_y = top + 10;
  for (const line& one : lines) {
    const std::string colour = colour_of(one.name);
    std::string path;
    for (const mark& at : one.marks) {
      path += format("%.1f,%.1f ", x(at.x), y(at.y));
      if (at.max > at.min) body += stroke(x(at.x), y(at.min), x(at.x), y(at.max), colour, 1);
    }
    body += "<polyline fill=\"none\" stroke-width=\"2\" stroke=\"" + colour + "\" points=\"" + path + "\"/>\n";
    body += stroke(x.end + 12, name_y - 4, x.end + 28, name_y - 4, colour, 3) + text_at(x.end + 33, name_y, "start", one.name);
    name_y += 18;
  }
  return whole(bottom + 42, title, body);
}

}  // namespace hawser::bench
