// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/report.hpp"

#include <algorithm>
#include <ctime>
#include <fstream>

#include <sys/utsname.h>
#include <unistd.h>

namespace hawser::bench {
namespace {

std::string processor() {
  std::ifstream information("/proc/cpuinfo");
  for (std::string line; std::getline(information, line);) {
    if (line.starts_with("model name")) return line.substr(std::min(line.find(": ") + 2, line.size()));
  }
  return "unknown processor";
}

std::string size_text(std::size_t bytes) {
  if (bytes >= 1 << 20 && bytes % (1 << 20) == 0) return std::to_string(bytes >> 20) + " MiB";
  if (bytes >= 1 << 10 && bytes % (1 << 10) == 0) return std::to_string(bytes >> 10) + " KiB";
  return std::to_string(bytes) + " B";
}

std::string several(std::size_t count, const char* what) { return std::to_string(count) + ' ' + what + (count == 1 ? "" : "s"); }

}  // namespace

conditions conditions_of(const job& of, int rounds) {
  conditions made;
  utsname system{};
  ::uname(&system);
  made.machine = processor() + ", " + std::to_string(::sysconf(_SC_NPROCESSORS_ONLN)) + " cores";
  made.system = std::string(system.sysname) + ' ' + system.release;
#ifdef __clang__
  made.compiler = __VERSION__;
#else
  made.compiler = "g++ " __VERSION__;
#endif
  char date[32] = {};
  const std::time_t now = std::time(nullptr);
  tm parts{};
  if (::gmtime_r(&now, &parts)) std::strftime(date, sizeof date, "%Y-%m-%d", &parts);
  made.when = date;
  made.rounds = rounds;
  made.warm_up = of.warm_up;
  made.measured = of.measured;
  made.server_core = of.server_core;
  made.client_core = of.client_core;
  return made;
}

std::string to_text(const conditions& of) {
  return of.machine + "; " + of.system + "; " + of.compiler + "; " + of.when + "\nserver on core " + std::to_string(of.server_core) + ", client on core " +
      std::to_string(of.client_core) + ", each a process; " + std::to_string(of.rounds) + " rounds in turn, each " + std::to_string(of.measured.count()) +
      " ms after " + std::to_string(of.warm_up.count()) +
      " ms of warm-up\nmedians of the rounds; a ratio is taken round by round, its spread is (min - max); calls: system calls for each message\n"
      "block: both sides sleep when there is nothing; spin: both ask again and again; adaptive: they ask for 50 us, then sleep\n";
}

std::string title_of(const job& of) {
  std::string text(to_text(of.what));
  switch (of.what) {
    case workload::stream:
    case workload::bulk: text += ' ' + size_text(of.size); break;
    case workload::requests:
    case workload::streamed: text += ", " + std::to_string(of.in_flight) + " under way"; break;
    case workload::echoes:
    case workload::fanout:
    case workload::idle: text += ", " + several(of.connections, "connection"); break;
    case workload::channels: text += ' ' + size_text(of.size) + ", " + several(of.channels, "channel"); break;
    case workload::paced:
      text += ' ' + std::to_string(of.burst) + " x " + size_text(of.size) + " every " + std::to_string(of.gap.count()) + " us, " + several(of.connections, "connection");
      break;
    case workload::threads: text += ", " + several(of.threads, "thread"); break;
    default: break;
  }
  if (of.round_trip_ms > 0) text += ", round trip " + std::to_string(of.round_trip_ms) + " ms";
  return text + ", " + std::string(to_text(of.wait));
}

std::string slug_of(const job& of) {
  std::string text = title_of(of);
  for (char& c : text) {
    if (c == ' ') c = '-';
  }
  std::erase(text, ',');
  return text;
}

bool all_pinned(const standing& one) {
  return std::all_of(one.samples.begin(), one.samples.end(), [](const sample& s) { return s.is_pinned; });
}

}  // namespace hawser::bench
