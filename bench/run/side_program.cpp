// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "run/side_program.hpp"

#include "common/program.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>

#include <unistd.h>

namespace hawser::bench {
namespace {

constexpr int patience_ms = 20'000;        // connecting thousands, and what a busy machine adds

std::vector<std::string> command_for(const std::string& path, const char* side, const job& of) {
  return {path, side, std::string(to_text(of.what)), "--size", std::to_string(of.size), "--in-flight",
      std::to_string(of.what == workload::echoes ? of.connections : of.in_flight), "--connections", std::to_string(of.connections), "--wait",
      std::string(to_text(of.wait)), "--warm-up-ms", std::to_string(of.warm_up.count()), "--measured-ms", std::to_string(of.measured.count())};
}

// The line that a side ends with.
std::expected<nlohmann::json, std::string> sample_from(program& side, const char* name, int timeout_ms) {
  const auto text = side.line(timeout_ms);
  if (!text) return std::unexpected(std::string(name) + ": it ended or hangs, and did not tell what it counted");
  auto made = nlohmann::json::parse(*text, nullptr, false);
  if (made.is_discarded() || !made.is_object()) return std::unexpected(std::string(name) + ": this is no sample: " + *text);
  if (const int code = side.wait(); code != 0) return std::unexpected(std::string(name) + ": it ended with code " + std::to_string(code));
  return made;
}

template <class Value>
Value number(const nlohmann::json& of, const char* field) { return of.contains(field) ? of[field].get<Value>() : Value(); }

outcome sample_of(const job& of, const nlohmann::json& server, const nlohmann::json& client) {
  const auto count = [](const nlohmann::json& side) { return number<std::uint64_t>(side, "count"); };
  const auto sum = [](const nlohmann::json& side) { return number<std::uint64_t>(side, "sum"); };
  if (count(client) != count(server) || sum(client) != sum(server)) {
    return std::unexpected("books: the client has " + std::to_string(count(client)) + " and sum " + std::to_string(sum(client)) + ", the server " +
        std::to_string(count(server)) + " and " + std::to_string(sum(server)));
  }
  const nlohmann::json& measured = traits_of(of.what).one_way ? server : client;
  const auto ns = number<std::int64_t>(measured, "measured_ns");
  if (ns <= 0 && of.what != workload::idle) return std::unexpected("books: nothing was measured: the time is too short for this machine");
  sample made;
  made.count = number<std::uint64_t>(measured, "measured_count");
  if (ns > 0) made.per_second = static_cast<double>(made.count) * 1e9 / static_cast<double>(ns);
  made.bytes_per_second = of.what == workload::beside ? number<double>(server, "bytes_per_s") : made.per_second * static_cast<double>(payload_bytes_of(of));
  made.p50_ns = number<std::int64_t>(measured, "p50_ns");
  made.p99_ns = number<std::int64_t>(measured, "p99_ns");
  made.p999_ns = number<std::int64_t>(measured, "p999_ns");
  made.max_ns = number<std::int64_t>(measured, "max_ns");
  made.resident_bytes = number<std::int64_t>(server, "resident_bytes");
  made.allocated_bytes = number<std::int64_t>(server, "allocated_bytes");
  made.client_cpu = number<double>(client, "cpu");
  made.server_cpu = number<double>(server, "cpu");
  made.is_pinned = true;
  made.version = client.value("version", std::string());
  const auto congestion = [](const nlohmann::json& side) { return side.value("congestion", std::string("system")); };
  made.congestion = congestion(client) == congestion(server) ? congestion(client) : "mixed";
  return made;
}

outcome run(const std::string& path, const job& of) {
  const int limit_ms = static_cast<int>((of.warm_up + of.measured).count()) + patience_ms;
  program server(command_for(path, "server", of), of.server_core);
  const auto first = server.line(patience_ms);
  if (!first || !first->starts_with("port ")) return std::unexpected("server: it did not come to listen");
  std::vector<std::string> command = command_for(path, "client", of);
  command.insert(command.end(), {"--port", first->substr(5)});
  program client(command, of.client_core);
  const auto asked = sample_from(client, "client", limit_ms);
  if (!asked) return std::unexpected(asked.error());
  server.close_input();
  const auto served = sample_from(server, "server", limit_ms);
  if (!served) return std::unexpected(served.error());
  try {
    return sample_of(of, *served, *asked);
  } catch (const nlohmann::json::exception& wrong) {
    return std::unexpected(std::string("this is no sample: ") + wrong.what());
  }
}

}  // namespace

std::expected<contestant, std::string> contestant_in(const std::string& path) {
  program asked({path, "--workloads"}, -1);
  asked.close_input();
  std::set<std::string> offers;            // "pingpong spin"
  while (const auto text = asked.line(patience_ms)) {
    std::istringstream words(*text);
    std::string what, wait;
    words >> what;
    const auto is_it = [&](const workload_traits& one) { return one.name == what; };
    if (std::none_of(workloads.begin(), workloads.end(), is_it)) return std::unexpected(path + ": it speaks of \"" + what + "\", which is no workload");
    while (words >> wait) offers.insert(what + ' ' + wait);
  }
  if (asked.wait() != 0 || offers.empty()) return std::unexpected(path + ": it does not say what it can do");
  contestant made;
  made.peer = std::filesystem::path(path).filename();
  made.run = [path](const job& of) { return run(path, of); };
  made.can = [offers](const job& of) { return offers.contains(std::string(to_text(of.what)) + ' ' + std::string(to_text(of.wait))); };
  return made;
}

std::vector<contestant> contestants_in_directory(const std::string& directory, std::vector<std::string>& complaints) {
  std::vector<std::string> paths;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(directory, ignored)) {
    if (entry.is_regular_file() && ::access(entry.path().c_str(), X_OK) == 0) paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<contestant> all;
  for (const std::string& path : paths) {
    auto made = contestant_in(path);
    if (made) all.push_back(std::move(*made));
    else complaints.push_back(made.error());
  }
  return all;
}

}  // namespace hawser::bench
