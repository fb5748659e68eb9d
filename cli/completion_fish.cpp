// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "definition.hpp"

#include <ostream>

namespace cli {
namespace {

std::string quoted(const std::string& text) {
  std::string safe = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') safe += '\\';
    safe += c == '\n' ? ' ' : c;
  }
  return safe + "'";
}

// `when`: the condition under which the option is offered.
void write_option(std::ostream& out, const std::string& program, const std::string& when, const option_definition& option) {
  if (option.positional() && option.choices.empty() && !option.takes_file()) return;
  out << "complete -c " << program << " -n " << quoted(when);
  for (const std::string& name : option.names) out << (name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1));
  if (option.takes_file()) out << (option.positional() ? " -F" : " -r -F");
  else if (!option.positional() && option.takes_value()) out << " -x";
  if (!option.choices.empty()) {
    std::string words;
    for (const std::string& choice : option.choices) words += (words.empty() ? "" : " ") + choice;
    out << " -a " << quoted(words);
  }
  out << " -d " << quoted(option.description) << '\n';
}

}  // namespace

void write_fish_completion(std::ostream& out, const command_definition& program) {
  const std::string in = "__" + program.name + "_in";
  out << "# fish completion for " << program.name << ", written by `" << program.name << " completion fish`\n"
      << "function " << in << " --description 'whether this is the command on the line; none: whether there is none yet'\n"
      << "  set -l words (commandline -opc)\n"
      << "  for word in $words[2..-1]\n"
      << "    switch $word\n"
      << "      case";
  for (const command_definition& command : program.commands) out << ' ' << command.name;
  out << "\n        test \"$word\" = \"$argv[1]\"\n"
      << "        return\n"
      << "    end\n"
      << "  end\n"
      << "  test -z \"$argv[1]\"\n"
      << "end\n"
      << "complete -c " << program.name << " -f\n";
  for (const option_definition& option : program.options) write_option(out, program.name, in, option);
  for (const command_definition& command : program.commands) {
    out << "complete -c " << program.name << " -n " << in << " -a " << command.name << " -d " << quoted(command.description) << '\n';
    for (const option_definition& option : command.options) write_option(out, program.name, in + ' ' + command.name, option);
  }
}

}  // namespace cli
