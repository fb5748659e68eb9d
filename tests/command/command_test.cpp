// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "process.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace hawser::test {
namespace {

const std::string hawser = HAWSER_COMMAND;

// `hawser echo` on a port of its own.
struct echo_server {
  process program{{hawser, "echo", "--listen", "127.0.0.1:0"}};
  std::string where;
  echo_server() {
    const std::string told = program.line(), prefix = "listening on ";
    if (told.starts_with(prefix)) where = told.substr(prefix.size());
  }
};

// A file of the temporary directory, removed at the end.
struct scratch_file {
  std::string path = std::string(::testing::TempDir()) + "hawser-command-XXXXXX";
  scratch_file() { ::close(::mkstemp(path.data())); }
  ~scratch_file() { ::unlink(path.c_str()); }
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream all;
  all << file.rdbuf();
  return all.str();
}

TEST(command, ping_measures_round_trips_to_an_echo_server) {
  echo_server server;
  const outcome result = run({hawser, "ping", server.where, "--count", "20", "--interval", "0", "--json"});
  EXPECT_EQ(result.code, 0) << result.errors;
  std::istringstream lines(result.output);
  std::string line, last;
  int count = 0;
  for (; std::getline(lines, line); ++count) last = line;
  EXPECT_EQ(count, 21);
  const auto summary = nlohmann::json::parse(last);
  EXPECT_EQ(summary["sent"], 20);
  EXPECT_EQ(summary["answered"], 20);
  EXPECT_GT(summary["min_us"].get<double>(), 0.0);
}

TEST(command, call_streams_a_file_there_and_back_unchanged) {
  echo_server server;
  scratch_file in, out;
  std::string body;
  for (std::uint64_t i = 0; body.size() < 3'000'000; ++i) body += std::to_string(i * 7919) + "\n";
  std::ofstream(in.path, std::ios::binary) << body;
  const outcome result = run({hawser, "call", server.where, "echo", "--in", in.path, "--out", out.path, "--json"});
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_TRUE(content(out.path) == body);
  EXPECT_EQ(nlohmann::json::parse(result.output)["bytes_received"], body.size());
}

TEST(command, an_unknown_operation_is_exit_code_1_with_a_remedy) {
  echo_server server;
  const outcome result = run({hawser, "call", server.where, "nonsense"});
  EXPECT_EQ(result.code, 1);
  EXPECT_NE(result.errors.find("not registered at the other side"), std::string::npos) << result.errors;
}

TEST(command, nobody_there_is_exit_code_3_also_as_json) {
  const outcome result = run({hawser, "ping", "unix:/nonexistent/hawser.sock", "--json"});
  EXPECT_EQ(result.code, 3);
  EXPECT_FALSE(nlohmann::json::parse(result.output)["error"]["message"].get<std::string>().empty());
}

// What --json says of a failure, as {"error": {...}} on standard output.
std::string told_failure(const outcome& result) {
  const auto line = nlohmann::json::parse(result.output, nullptr, false);
  if (line.is_discarded() || !line.contains("error")) return "no object of an error: " + result.output;
  const auto& error = line["error"];
  EXPECT_FALSE(error["message"].get<std::string>().empty());
  return error["what"];
}

TEST(command, call_with_a_file_that_cannot_be_read_or_written_is_exit_code_2_whoever_listens_also_as_json) {
  const echo_server server;
  scratch_file written;
  std::ofstream(written.path) << "kept";
  for (const std::string& where : {server.where, std::string("unix:/nonexistent/hawser.sock")}) {
    const outcome absent = run({hawser, "call", where, "echo", "--in", "/nonexistent/in", "--out", written.path, "--json"});
    EXPECT_EQ(absent.code, 2) << where << absent.errors;
    EXPECT_EQ(told_failure(absent), "cannot read /nonexistent/in");
    EXPECT_EQ(content(written.path), "kept") << "--out was emptied though nothing could be sent";
    const outcome directory = run({hawser, "call", where, "echo", "--in", "/", "--json"});
    EXPECT_EQ(directory.code, 2) << where << directory.errors;
    EXPECT_EQ(told_failure(directory), "cannot read /");
    const outcome unwritable = run({hawser, "call", where, "echo", "--out", "/nonexistent/out", "--json"});
    EXPECT_EQ(unwritable.code, 2) << where << unwritable.errors;
    EXPECT_EQ(told_failure(unwritable), "cannot write /nonexistent/out");
  }
}

TEST(command, call_whose_answer_the_disk_does_not_take_is_exit_code_2_also_as_json) {
  echo_server server;
  scratch_file in;
  for (const std::size_t size : {10, 3'000'000}) {            // seen when it is flushed, and seen on the way
    std::ofstream(in.path, std::ios::binary) << std::string(size, 'x');
    const outcome result = run({hawser, "call", server.where, "echo", "--in", in.path, "--out", "/dev/full", "--json"});
    EXPECT_EQ(result.code, 2) << size << result.errors;
    EXPECT_EQ(told_failure(result), "cannot write the answer");
  }
}

TEST(command, text_that_is_no_endpoint_or_no_header_is_wrong_usage) {
  for (const char* nonsense : {"nonsense", "127.0.0.1", "127.0.0.1:70000", "unix:", ""}) {
    EXPECT_EQ(run({hawser, "ping", nonsense}).code, 2) << nonsense;
    EXPECT_EQ(run({hawser, "call", nonsense, "echo"}).code, 2) << nonsense;
    EXPECT_EQ(run({hawser, "echo", "--listen", nonsense}).code, 2) << nonsense;
  }
  const outcome where = run({hawser, "ping", "127.0.0.1"});
  EXPECT_NE(where.errors.find("\"127.0.0.1\": not an address (write "), std::string::npos) << where.errors;

  echo_server server;
  for (const char* nonsense : {"novalue", "=value", ""}) {
    const outcome result = run({hawser, "call", server.where, "echo", "-H", nonsense});
    EXPECT_EQ(result.code, 2) << nonsense << result.errors;
    EXPECT_NE(result.errors.find("is not key=value"), std::string::npos) << result.errors;
  }
  EXPECT_EQ(run({hawser, "call", server.where, "echo", "-H", "key=", "-H", "other=a=b"}).code, 0);
}

TEST(command, wrong_usage_is_exit_code_2) {
  EXPECT_EQ(run({hawser}).code, 2);
  EXPECT_EQ(run({hawser, "echo"}).code, 2);
  EXPECT_EQ(run({hawser, "ping", "127.0.0.1:1", "--count", "many"}).code, 2);
}

TEST(command, an_engine_can_be_chosen_and_another_one_is_wrong_usage) {
  echo_server server;
  for (const char* engine : {"auto", "epoll", "uring"}) {
    const outcome result = run({hawser, "ping", server.where, "--count", "1", "--engine", engine});
    const bool refused = result.errors.find("io_uring refused: ") != std::string::npos;
    EXPECT_EQ(result.code, refused ? 2 : 0) << engine << ": " << result.errors;
    EXPECT_FALSE(refused && engine != std::string("uring")) << result.errors;
  }
  EXPECT_EQ(run({hawser, "ping", server.where, "--engine", "kqueue"}).code, 2);
}

TEST(command, every_subcommand_has_help_with_examples) {
  for (const char* subcommand : {"echo", "ping", "call"}) {
    const outcome result = run({hawser, subcommand, "--help"});
    EXPECT_EQ(result.code, 0);
    EXPECT_NE(result.output.find("Examples:"), std::string::npos) << subcommand;
  }
}

TEST(command, echo_ends_orderly_at_an_interrupt) {
  echo_server server;
  ASSERT_FALSE(server.where.empty());
  server.program.signal(SIGINT);
  server.program.rest();
  EXPECT_EQ(server.program.wait(), 0);
}

TEST(command, echo_tells_who_comes_and_goes) {
  echo_server server;
  EXPECT_EQ(run({hawser, "ping", server.where, "--count", "1", "--name", "visitor"}).code, 0);
  EXPECT_NE(server.program.line().find("connected"), std::string::npos);
  const std::string gone = server.program.line();
  EXPECT_NE(gone.find("disconnected"), std::string::npos);
  EXPECT_NE(gone.find("visitor"), std::string::npos);
  EXPECT_TRUE(gone.ends_with("visitor")) << "no reason to be told: it said goodbye: " << gone;
}

TEST(command, bench_says_so_when_what_was_chosen_leaves_nothing_to_do) {
  if (run({hawser, "bench", "--help"}).code != 0) GTEST_SKIP() << "this build's command was made without bench (HAWSER_BENCH)";
  const outcome result = run({hawser, "bench", "connect", "--round-trip", "20", "--wait", "spin"});
  EXPECT_NE(result.code, 0);
  EXPECT_EQ(result.output, "");
  EXPECT_EQ(result.errors, "hawser: bench: nothing is left to do: over a simulated round trip both sides sleep (--wait block)\n");
}

TEST(command, bench_gives_raw_sockets_and_hawser_on_each_engine_with_their_ratios) {
  if (run({hawser, "bench", "--help"}).code != 0) GTEST_SKIP() << "this build's command was made without bench (HAWSER_BENCH)";
  const std::vector<std::string> workloads = {"pingpong", "stream", "requests", "bulk", "echoes"};
  // A run that got none of its milliseconds on a busy machine measured nothing and says so: a longer one gets some.
  outcome result{1, {}, {}};
  for (int milliseconds = 50; result.code != 0 && milliseconds <= 3'200; milliseconds *= 4)
    result = run({hawser, "bench", "pingpong", "stream", "requests", "bulk", "echoes", "--json", "--runs", "1", "--wait", "block", "--size", "4096", "--in-flight", "8",
        "--connections", "200", "--engine", "both", "--milliseconds", std::to_string(milliseconds)});
  ASSERT_EQ(result.code, 0) << result.errors;
  const int engines = result.errors.find("io_uring refused") == std::string::npos ? 2 : 1;
  std::map<std::string, int> raw, own;
  int tasks = 0;
  std::istringstream lines(result.output);
  for (std::string text; std::getline(lines, text);) {
    SCOPED_TRACE(text);
    const auto line = nlohmann::json::parse(text);
    EXPECT_EQ(line["runs"], 1);
    EXPECT_GT(line["rate_per_s"].get<double>(), 0.0);
    EXPECT_GT(line["bytes_per_s"].get<double>(), 0.0);
    EXPECT_NE(line["congestion"], "bbr");
    EXPECT_GT(line["syscalls_per_message"]["client"].get<double>(), 0.0);
    EXPECT_GT(line["syscalls_per_message"]["server"].get<double>(), 0.0);
    if (line["peer"] == "hawser task") {
      EXPECT_EQ(line["baseline"], "hawser " + line["engine"].get<std::string>());
      ++tasks;
      continue;
    }
    const bool is_raw = line["peer"] == "raw";
    ++(is_raw ? raw : own)[line["workload"]];
    if (is_raw) continue;
    EXPECT_EQ(line["baseline"], "raw " + line["engine"].get<std::string>());
    EXPECT_EQ(line["figure"], line["workload"] == "pingpong" ? "p50_us" : "rate_per_s");
    ASSERT_FALSE(line["ratios"].empty());
    EXPECT_EQ(line["ratios"][0]["to"], line["baseline"]);
    EXPECT_EQ(line["ratios"][0]["ratio"], line["ratio"]);
    bool beside_the_other_engine = line["engine"] != "uring";
    for (const auto& ratio : line["ratios"]) {
      if (ratio["to"] == "hawser epoll") beside_the_other_engine = true;
      EXPECT_GT(ratio["ratio"].get<double>(), 0.0);
      EXPECT_LE(ratio["min"], ratio["ratio"]);
      EXPECT_GE(ratio["max"], ratio["ratio"]);
    }
    EXPECT_TRUE(beside_the_other_engine);
  }
  EXPECT_EQ(tasks, engines) << "a stream's messages read by a task";
  for (const std::string& workload : workloads) {
    EXPECT_EQ(raw[workload], engines + (workload == "echoes" ? 0 : 1)) << workload;
    EXPECT_EQ(own[workload], engines) << workload;
  }
  EXPECT_EQ(raw.size(), workloads.size());
  EXPECT_EQ(own.size(), workloads.size());
}

// What a ping to that server says on standard error with HAWSER_LOG set so; nullptr: not set.
std::string log_of_ping(const echo_server& server, const char* variable) {
  std::vector<std::string> command{"/usr/bin/env", "-u", "HAWSER_LOG"};
  if (variable) command.push_back(std::string("HAWSER_LOG=") + variable);
  for (const char* word : {hawser.c_str(), "ping", server.where.c_str(), "--count", "1", "--engine", "epoll"}) command.emplace_back(word);
  const outcome result = run(command);
  EXPECT_EQ(result.code, 0) << result.errors;
  EXPECT_NE(result.output.find("1 sent, 1 answered"), std::string::npos) << result.output;
  return result.errors;
}

TEST(log_by_environment, is_silent_unless_asked_and_says_only_what_was_asked_for) {
  echo_server server;
  const auto says = [](const std::string& log, const char* line) { return log.find(line) != std::string::npos; };
  EXPECT_EQ(log_of_ping(server, nullptr), "");
  EXPECT_EQ(log_of_ping(server, ""), "");
  EXPECT_EQ(log_of_ping(server, "io=error,peer=error"), "");

  const std::string io = log_of_ping(server, "io=info"), peer = log_of_ping(server, "peer=info"), all = log_of_ping(server, "debug");
  EXPECT_TRUE(says(io, "hawser info io : engine: epoll\n")) << io;
  EXPECT_FALSE(says(io, " peer ")) << io;
  EXPECT_TRUE(says(peer, "hawser info peer  #1: connected to 127.0.0.1:")) << peer;
  EXPECT_FALSE(says(peer, " io ")) << peer;
  EXPECT_TRUE(says(all, "hawser info io : engine: epoll\n") && says(all, "hawser info peer  #1: connected to 127.0.0.1:")) << all;
}

TEST(log_by_environment, names_each_bad_term_and_obeys_the_others) {
  echo_server server;
  const std::string log = log_of_ping(server, "nonsense,io=loud,peer=info,sea=debug");
  for (const char* bad : {"nonsense", "io=loud", "sea=debug"}) {
    EXPECT_NE(log.find("hawser: HAWSER_LOG: '" + std::string(bad) + "' is not [base|io|link|peer|relay|user=](error|warning|info|debug)\n"), std::string::npos) << log;
  }
  EXPECT_NE(log.find("hawser info peer  #1: connected to 127.0.0.1:"), std::string::npos) << log;
  EXPECT_EQ(log.find("engine:"), std::string::npos) << log;
}

TEST(demo, verifies_every_job_in_miniature) {
  const outcome result = run({HAWSER_DEMO, "--messages", "20000", "--requests", "500", "--sink-bytes", "8388608", "--file-bytes", "8388608", "--wait", "spin"});
  EXPECT_EQ(result.code, 0) << result.output << result.errors;
  EXPECT_NE(result.output.find("all verified"), std::string::npos);
  EXPECT_NE(result.output.find("engine epoll"), std::string::npos);
  EXPECT_NE(result.output.find("engine uring"), result.output.find("io_uring refused: ")) << "neither verified nor refused";
  for (const char* row : {"messages", "requests", "sink", "file", "cancelled", "deadline", "unknown operation", "killed in mid-request"})
    EXPECT_NE(result.output.find(row), std::string::npos) << row;
}

}  // namespace
}  // namespace hawser::test
