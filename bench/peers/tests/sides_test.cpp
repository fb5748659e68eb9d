// SPDX-License-Identifier: Apache-2.0 OR MIT
// Every contestant does everything that it offers, for a moment, as two processes: the books of both sides must agree.
#include "common/program.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <sstream>
#include <string>
#include <vector>

namespace hawser::bench::peers {
namespace {

using arguments = std::vector<std::string>;

constexpr int patience_ms = 20'000;

program started(const std::string& peer, const arguments& with) {
  arguments command = {HAWSER_PEERS_DIR "/" + peer};
  command.insert(command.end(), with.begin(), with.end());
  return {command, -1};
}

std::vector<arguments> offers_of(const std::string& peer) {
  program lists = started(peer, {"--workloads"});
  std::vector<arguments> all;
  while (const auto line = lists.line(patience_ms)) {
    std::istringstream words(*line);
    std::string name, wait;
    words >> name;
    while (words >> wait) all.push_back({name, "--wait", wait});
  }
  EXPECT_EQ(lists.wait(), 0);
  return all;
}

// What a workload is tried with.
std::vector<arguments> tries_of(const std::string& workload) {
  if (workload == "stream") return {{"--size", "64"}, {"--size", "65536"}, {"--size", "1048576"}};
  if (workload == "requests") return {{"--in-flight", "1"}, {"--in-flight", "64"}};
  if (workload == "streamed") return {{"--in-flight", "1"}, {"--in-flight", "8"}};
  if (workload == "fanout") return {{"--connections", "20"}};
  if (workload == "echoes") return {{"--connections", "100"}, {"--connections", "3"}};
  if (workload == "idle") return {{"--connections", "20"}};
  return {{}};
}

struct samples {
  nlohmann::json client, server;
};

samples samples_of(const std::string& peer, const arguments& with) {
  arguments server_words = {"server"}, client_words = {"client"};
  server_words.insert(server_words.end(), with.begin(), with.end());
  client_words.insert(client_words.end(), with.begin(), with.end());
  program server = started(peer, server_words);
  const std::string port = server.line(patience_ms).value_or("");
  EXPECT_TRUE(port.starts_with("port ")) << port;
  if (!port.starts_with("port ")) return {};
  client_words.insert(client_words.end(), {"--port", port.substr(5)});
  program client = started(peer, client_words);
  const std::string here = client.line(patience_ms).value_or("");
  EXPECT_EQ(client.wait(), 0);
  server.close_input();
  const std::string there = server.line(patience_ms).value_or("");
  EXPECT_EQ(server.wait(), 0);
  return {nlohmann::json::parse(here, nullptr, false), nlohmann::json::parse(there, nullptr, false)};
}

// False: so little was measured, on a busy machine, that a longer run has to show it.
bool have_measured(const std::string& workload, const samples& of) {
  if (workload == "idle") return of.server.contains("resident_bytes") && of.server.contains("allocated_bytes");
  const auto& measured = workload == "stream" || workload == "alone" ? of.server : of.client;
  EXPECT_LE(measured.at("p50_ns"), measured.at("max_ns"));
  if (workload == "beside" && (!of.server.contains("bytes_per_s") || of.server.at("bytes_per_s") <= 0)) return false;
  return measured.at("measured_count") > 0 && measured.at("measured_ns") > 0 && measured.at("p50_ns") > 0;
}

void expect_books_that_agree(const std::string& peer, const arguments& what) {
  for (const char* milliseconds : {"70", "700", "7000"}) {
    arguments with = what;
    with.insert(with.end(), {"--warm-up-ms", "30", "--measured-ms", milliseconds});
    const samples both = samples_of(peer, with);
    ASSERT_TRUE(both.client.is_object() && both.server.is_object()) << "a sample is missing";
    EXPECT_GT(both.client.at("count"), 0);
    EXPECT_EQ(both.client.at("count"), both.server.at("count"));
    EXPECT_EQ(both.client.at("sum"), both.server.at("sum"));
    EXPECT_EQ(both.client.at("congestion"), both.server.at("congestion"));
    if (have_measured(what[0], both)) return;
  }
  ADD_FAILURE() << "nothing was measured in 7 s";
}

class sides : public testing::TestWithParam<std::string> {};

TEST_P(sides, agree_on_what_was_sent) {
  const auto offers = offers_of(GetParam());
  ASSERT_GE(offers.size(), 7u);
  for (const arguments& offer : offers) {
    for (const arguments& extra : tries_of(offer[0])) {
      arguments all = offer;
      all.insert(all.end(), extra.begin(), extra.end());
      SCOPED_TRACE(testing::PrintToString(all));
      expect_books_that_agree(GetParam(), all);
      if (HasFailure()) return;
    }
  }
}

TEST_P(sides, fail_without_a_server_and_on_what_was_not_offered) {
  EXPECT_GT(started(GetParam(), {"server", "swimming"}).wait(), 0);
  EXPECT_EQ(started(GetParam(), {"client", "pingpong"}).wait(), 1);
}

std::vector<std::string> peers() {
  std::istringstream names(HAWSER_PEERS);
  std::vector<std::string> all;
  for (std::string name; names >> name;) all.push_back(name);
  return all;
}
INSTANTIATE_TEST_SUITE_P(peer, sides, testing::ValuesIn(peers()), [](const auto& of) { return of.param; });

}
}  // namespace hawser::bench::peers
