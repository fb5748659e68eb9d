// SPDX-License-Identifier: Apache-2.0 OR MIT
// The completion scripts and the manual page, tried in the programs that they are for, against what --help says.
#include "process.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <unistd.h>

namespace hawser::test {
namespace {

const std::string hawser = HAWSER_COMMAND;
using words = std::vector<std::string>;

std::set<std::string> lines_of(const std::string& text) {
  std::set<std::string> found;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) found.insert(line);
  }
  return found;
}

// The options of a subcommand as its --help lists them, each with the values that it can take: "  -l,--wait TEXT:{block,spin} ...".
std::map<std::string, std::set<std::string>> options_in_help(const std::string& subcommand) {
  std::map<std::string, std::set<std::string>> found;
  std::istringstream lines(run({hawser, subcommand, "--help"}).output);
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  -")) continue;
    const std::size_t end = line.find(' ', 2);
    std::istringstream names(line.substr(2, end == line.npos ? line.npos : end - 2));
    std::set<std::string> choices;
    const std::size_t open = line.find(":{"), close = line.find('}');
    if (open != line.npos && close != line.npos) {
      std::istringstream values(line.substr(open + 2, close - open - 2));
      for (std::string value; std::getline(values, value, ',');) choices.insert(value);
    }
    for (std::string name; std::getline(names, name, ',');) found[name] = choices;
  }
  return found;
}

words subcommands() {
  words all = {"echo", "ping", "call"};
  if (run({hawser, "bench", "--help"}).code == 0) all.push_back("bench");
  return all;
}

// What bash offers when the last of the words is being typed.
std::set<std::string> bash_offers(words line) {
  words command = {"/bin/bash", "-c", "source <(\"$0\" completion bash) && COMP_WORDS=(\"$@\") && COMP_CWORD=$(($# - 1)) && _hawser && printf '%s\\n' \"${COMPREPLY[@]}\"", hawser};
  command.insert(command.end(), line.begin(), line.end());
  const outcome result = run(command);
  EXPECT_EQ(result.errors, "");
  return lines_of(result.output);
}

struct scratch_directory {
  std::string path = std::string(::testing::TempDir()) + "hawser-description-XXXXXX";
  scratch_directory() { EXPECT_NE(::mkdtemp(path.data()), nullptr); }
  ~scratch_directory() { run({"/bin/rm", "-rf", path}); }
  std::string keep(const std::string& name, const std::string& text) const {
    std::ofstream(path + '/' + name) << text;
    return path + '/' + name;
  }
};

bool installed(const char* program) { return run({"/bin/sh", "-c", "command -v \"$0\" >/dev/null", program}).code == 0; }

TEST(completion, bash_offers_the_subcommands_and_not_the_hidden_ones) {
  std::set<std::string> expected = {"--help", "-h", "--version"};
  for (const std::string& subcommand : subcommands()) expected.insert(subcommand);
  EXPECT_EQ(bash_offers({"hawser", ""}), expected);
  EXPECT_EQ(bash_offers({"hawser", "pi"}), std::set<std::string>{"ping"});
}

TEST(completion, bash_offers_each_option_that_help_lists_and_the_values_it_can_take) {
  std::size_t with_values = 0;
  for (const std::string& subcommand : subcommands()) {
    const auto options = options_in_help(subcommand);
    EXPECT_GT(options.size(), 3u) << subcommand;
    const auto offered = bash_offers({"hawser", subcommand, "-"});
    for (const auto& [name, values] : options) {
      EXPECT_TRUE(offered.contains(name)) << subcommand << ' ' << name;
      if (values.empty()) continue;
      ++with_values;
      EXPECT_EQ(bash_offers({"hawser", subcommand, name, ""}), values) << subcommand << ' ' << name;
      EXPECT_EQ(bash_offers({"hawser", subcommand, name, "="}), values) << subcommand << ' ' << name << '=';
      const std::string first = *values.begin();
      EXPECT_TRUE(bash_offers({"hawser", subcommand, name, "=", first.substr(0, 2)}).contains(first)) << subcommand << ' ' << name << '=';
    }
    for (const std::string& name : offered) EXPECT_TRUE(options.contains(name)) << subcommand << " offers " << name << ", and help knows none";
  }
  EXPECT_GE(with_values, 4u);
}

TEST(completion, bash_tells_an_operation_named_like_a_subcommand_from_that) {
  EXPECT_TRUE(bash_offers({"hawser", "call", "127.0.0.1:7000", "echo", "--"}).contains("--deadline"));
  EXPECT_FALSE(bash_offers({"hawser", "call", "127.0.0.1:7000", "echo", "--"}).contains("--listen"));
}

TEST(completion, bash_offers_files_with_spaces_where_a_file_is_wanted_and_nothing_where_a_number_is) {
  const scratch_directory directory;
  const std::string file = directory.keep("a file", "");
  EXPECT_EQ(bash_offers({"hawser", "call", "x:1", "echo", "--in", directory.path + "/a"}), std::set<std::string>{file});
  EXPECT_TRUE(bash_offers({"hawser", "ping", "--count", ""}).empty());
}

TEST(completion, fish_offers_the_same) {
  if (!installed("fish")) GTEST_SKIP() << "fish IS MISSING (package fish): its completion was not tried";
  const scratch_directory home;
  const std::string script = home.keep("hawser.fish", run({hawser, "completion", "fish"}).output);
  const auto offers = [&](const std::string& line) {
    const outcome result = run({"/usr/bin/env", "HOME=" + home.path, "fish", "--no-config", "-c", "source '" + script + "'; complete -C '" + line + "' | string replace -r '\\t.*' ''"});
    EXPECT_EQ(result.errors, "");
    return lines_of(result.output);
  };
  const auto commands = offers("hawser ");
  for (const std::string& subcommand : subcommands()) {
    EXPECT_TRUE(commands.contains(subcommand)) << subcommand;
    const auto offered = offers("hawser " + subcommand + " --");
    for (const auto& [name, values] : options_in_help(subcommand)) {
      if (!name.starts_with("--")) continue;
      EXPECT_TRUE(offered.contains(name)) << subcommand << ' ' << name;
      if (!values.empty()) EXPECT_EQ(offers("hawser " + subcommand + ' ' + name + ' '), values) << subcommand << ' ' << name;
    }
  }
  EXPECT_FALSE(offers("hawser call x:1 echo --").contains("--listen"));
}

TEST(completion, zsh_accepts_its_script_and_registers_it) {
  if (!installed("zsh")) GTEST_SKIP() << "zsh IS MISSING (package zsh): its completion was not tried";
  const scratch_directory home;
  const std::string script = home.keep("_hawser", run({hawser, "completion", "zsh"}).output);
  const outcome parsed = run({"/usr/bin/env", "zsh", "-n", script});
  EXPECT_EQ(parsed.code, 0) << parsed.errors;
  const outcome registered = run({"/usr/bin/env", "HOME=" + home.path, "zsh", "-f", "-c",
      "fpath=(" + home.path + " $fpath); autoload -Uz compinit; compinit -u -D; print $_comps[hawser]; autoload +X _hawser && source " + script + " && print $+functions[_hawser]"});
  EXPECT_EQ(registered.output, "_hawser\n1\n") << registered.errors;
  EXPECT_EQ(registered.errors, "");
}

TEST(manual, renders_without_a_warning_and_names_every_subcommand_and_option) {
  if (!installed("groff")) GTEST_SKIP() << "groff IS MISSING (package groff-base): the manual page was not rendered";
  const scratch_directory directory;
  const std::string page = directory.keep("hawser.1", run({hawser, "man"}).output);
  const outcome rendered = run({"/usr/bin/env", "groff", "-ww", "-man", "-Tascii", "-P-c", "-P-b", "-P-u", "-P-o", page});
  EXPECT_EQ(rendered.code, 0);
  EXPECT_EQ(rendered.errors, "");
  const std::string& text = rendered.output;
  for (const std::string& subcommand : subcommands()) {
    const std::size_t begin = text.find("   hawser " + subcommand + "\n");
    ASSERT_NE(begin, std::string::npos) << subcommand << " has no section in\n"
                                        << text;
    const std::string section = text.substr(begin, text.find("\n   hawser ", begin + 1) - begin);
    for (const auto& [name, values] : options_in_help(subcommand)) {
      EXPECT_NE(section.find(name), std::string::npos) << subcommand << ' ' << name;
      for (const std::string& value : values) EXPECT_NE(section.find(value), std::string::npos) << subcommand << ' ' << name << ' ' << value;
    }
    EXPECT_NE(section.find("Examples:"), std::string::npos) << subcommand;
  }
  for (const char* heading : {"NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "COMMANDS", "EXAMPLES"}) {
    EXPECT_NE(('\n' + text).find('\n' + std::string(heading) + '\n'), std::string::npos) << heading;
  }
  EXPECT_NE(text.find("Exit codes: 0 success"), std::string::npos);
}

TEST(manual, and_completions_are_where_the_build_installs_them_from) {
  const std::string share = hawser.substr(0, hawser.rfind('/')) + "/share/hawser.";
  for (const auto& [file, command] : std::map<std::string, words>{{"bash", {"completion", "bash"}}, {"zsh", {"completion", "zsh"}}, {"fish", {"completion", "fish"}}, {"1", {"man"}}}) {
    words line = {hawser};
    line.insert(line.end(), command.begin(), command.end());
    std::ifstream in(share + file);
    const std::string written((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    EXPECT_FALSE(written.empty()) << file;
    EXPECT_EQ(written, run(line).output) << file;
  }
}

}
}  // namespace hawser::test
