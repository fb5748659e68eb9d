// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <CLI/CLI.hpp>

#include <iosfwd>
#include <string>
#include <vector>

// What the command understands, read back out of the application that parses its arguments. The completion scripts and the manual page
// are written from this, so they cannot say anything else than --help and the parser do.

namespace cli {

struct option_definition {
  std::vector<std::string> names;       // as they are typed: "--listen", "-l"; a positional has none
  std::string label;                    // of its value: "where", "FILE", "TEXT"; a flag has none
  std::string description;
  std::string default_value;            // empty: none
  std::vector<std::string> choices;     // empty: any value
  bool required = false;
  bool repeatable = false;

  bool positional() const noexcept { return names.empty(); }
  bool takes_value() const noexcept { return !label.empty(); }
  bool takes_file() const noexcept { return label == "FILE"; }
};

struct command_definition {
  std::string name;
  std::string description;
  std::string footer;                          // remarks, then "Examples:" and lines that are indented
  std::vector<option_definition> options;      // --help included
  std::vector<command_definition> commands;    // hidden ones left out
};

command_definition definition_of(const CLI::App& application);

// completion_bash.cpp, completion_zsh.cpp, completion_fish.cpp: a script for the shell, on `out`.
void write_bash_completion(std::ostream& out, const command_definition& program);
void write_zsh_completion(std::ostream& out, const command_definition& program);
void write_fish_completion(std::ostream& out, const command_definition& program);
// manual.cpp: a page for man(1), section 1.
void write_manual(std::ostream& out, const command_definition& program);

}  // namespace cli
