// SPDX-License-Identifier: Apache-2.0 OR MIT
// Every contestant does everything that it offers, for a moment, as two processes: the books of both sides must agree.
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <sstream>
#include <string>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hawser::bench::peers {
namespace {

using arguments = std::vector<std::string>;

// A program with pipes to its standard input and output; killed when it is not waited for.
class process {
 public:
  process(const std::string& program, const arguments& with) {
    int in[2], out[2];
    if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0) std::abort();
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, in[0], 0);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    std::vector<char*> words = {const_cast<char*>(program.c_str())};
    for (const std::string& word : with) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    if (::posix_spawn(&id_, program.c_str(), &actions, nullptr, words.data(), environ) != 0) id_ = -1;
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(in[0]);
    ::close(out[1]);
    input_ = in[1];
    output_ = out[0];
  }
  ~process() {
    close_input();
    ::close(output_);
    if (id_ > 0) {
      ::kill(id_, SIGKILL);
      ::waitpid(id_, nullptr, 0);
    }
  }
  process(const process&) = delete;
  process& operator=(const process&) = delete;

  // The next line, without its end; empty when there is none within 20 s.
  std::string line() {
    for (;;) {
      const std::size_t end = buffered_.find('\n');
      if (end != buffered_.npos) {
        const std::string found = buffered_.substr(0, end);
        buffered_.erase(0, end + 1);
        return found;
      }
      pollfd waits{output_, POLLIN, 0};
      char more[4096];
      if (::poll(&waits, 1, 20'000) <= 0) return {};
      const ssize_t n = ::read(output_, more, sizeof more);
      if (n <= 0) return {};
      buffered_.append(more, static_cast<std::size_t>(n));
    }
  }
  void close_input() {
    if (input_ >= 0) ::close(input_);
    input_ = -1;
  }
  // Waits for the end; its exit code, or -1.
  int exit_code() {
    int status = 0;
    if (id_ <= 0 || ::waitpid(id_, &status, 0) != id_) return -1;
    id_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t id_ = -1;
  int input_ = -1, output_ = -1;
  std::string buffered_;
};

std::string program_of(const std::string& peer) { return HAWSER_PEERS_DIR "/" + peer; }

std::vector<arguments> offers_of(const std::string& peer) {
  process lists(program_of(peer), {"--workloads"});
  std::vector<arguments> all;
  for (std::string line = lists.line(); !line.empty(); line = lists.line()) {
    std::istringstream words(line);
    std::string name, wait;
    words >> name;
    while (words >> wait) all.push_back({name, "--wait", wait});
  }
  EXPECT_EQ(lists.exit_code(), 0);
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
  process server(program_of(peer), server_words);
  const std::string port = server.line();
  EXPECT_TRUE(port.starts_with("port ")) << port;
  if (!port.starts_with("port ")) return {};
  client_words.insert(client_words.end(), {"--port", port.substr(5)});
  process client(program_of(peer), client_words);
  const std::string here = client.line();
  EXPECT_EQ(client.exit_code(), 0);
  server.close_input();
  const std::string there = server.line();
  EXPECT_EQ(server.exit_code(), 0);
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
  process unknown(program_of(GetParam()), {"server", "swimming"});
  EXPECT_NE(unknown.exit_code(), 0);
  process portless(program_of(GetParam()), {"client", "pingpong"});
  EXPECT_EQ(portless.exit_code(), 1);
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
