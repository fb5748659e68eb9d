// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/hawser.hpp>

#include <CLI/CLI.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <vector>

namespace cli {

// Exit codes of every subcommand.
enum exit_code : int {
  succeeded = 0,
  answered_with_error = 1,     // the other side was reached and refused or failed, or a result was wrong
  wrong_usage = 2,
  unreachable = 3,             // could not listen, connect, or stay connected
};

// How long a program that is done waits for its goodbye to be taken.
inline constexpr hawser::duration goodbye_max = std::chrono::milliseconds(500);

// What most subcommands understand.
struct common_options {
  bool json = false;
  std::string wait = "spin";
  std::string engine = "auto";
  std::string name;
  std::string application;

  void add_to(CLI::App& command);
  hawser::loop_options loop() const;
  hawser::peer_options peer() const;
};

// An option --engine; an explicit uring that the machine refuses is an error that says why. more: what it understands besides auto, uring
// and epoll.
CLI::Option* add_engine_option(CLI::App& command, std::string& engine, const std::vector<std::string>& more = {});
hawser::engine_choice engine_named(const std::string& name);

// A check for options that take endpoints: text that is none is wrong usage.
CLI::Validator is_endpoint();

// Says on standard error what failed and what can be done; with --json also one object on standard output.
void tell_failure(const common_options& options, const std::string& what, std::error_code error);

// Runs `work` on the loop's thread at the first SIGINT or SIGTERM; a second one ends the program at once. Call it before any thread is
// started.
void on_interrupt(hawser::loop& loop, std::function<void()> work);

// Each adds its subcommand to the application and stores the exit code of what it ran.
void add_echo(CLI::App& application, int& outcome);
void add_ping(CLI::App& application, int& outcome);
void add_call(CLI::App& application, int& outcome);
void add_bench(CLI::App& application, int& outcome);
void add_completion(CLI::App& application);
void add_man(CLI::App& application);

}  // namespace cli
