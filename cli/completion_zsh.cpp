// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "definition.hpp"

#include <ostream>

namespace cli {
namespace {

// For use inside single quotes, in a specification of _arguments, where brackets and colons mean something.
std::string quoted(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if (c == '\'') safe += "'\\''";
    else if (c == '[' || c == ']' || c == ':' || c == '\\') safe += std::string("\\") + c;
    else safe += c == '\n' ? ' ' : c;
  }
  return safe;
}

std::string action_of(const option_definition& option) {
  if (option.takes_file()) return "_files";
  std::string action;
  for (const std::string& choice : option.choices) action += (action.empty() ? "(" : " ") + quoted(choice);
  return action.empty() ? " " : action + ")";
}

void write_option(std::ostream& out, const option_definition& option) {
  if (option.positional()) {
    out << " \\\n        '" << (option.repeatable ? "*" : "") << ':' << quoted(option.label) << ':' << action_of(option) << "'";
    return;
  }
  for (const std::string& name : option.names) {
    out << " \\\n        '" << (option.repeatable ? "*" : "") << name << '[' << quoted(option.description) << ']';
    if (option.takes_value()) out << ':' << quoted(option.label) << ':' << action_of(option);
    out << "'";
  }
}

}  // namespace

void write_zsh_completion(std::ostream& out, const command_definition& program) {
  out << "#compdef " << program.name << "\n"
      << "# zsh completion for " << program.name << ", written by `" << program.name << " completion zsh`\n"
      << "_" << program.name << "() {\n"
      << "  local context state line\n"
      << "  typeset -A opt_args\n"
      << "  _arguments -C";
  for (const option_definition& option : program.options) write_option(out, option);
  out << " \\\n        '1:command:->command' '*::argument:->argument'\n"
      << "  case $state in\n"
      << "    command)\n"
      << "      local -a commands=(\n";
  for (const command_definition& command : program.commands) out << "        '" << command.name << ':' << quoted(command.description) << "'\n";
  out << "      )\n"
      << "      _describe command commands\n"
      << "      ;;\n"
      << "    argument)\n"
      << "      case $words[1] in\n";
  for (const command_definition& command : program.commands) {
    out << "      " << command.name << ") _arguments";
    for (const option_definition& option : command.options) write_option(out, option);
    out << " ;;\n";
  }
  out << "      esac\n"
      << "      ;;\n"
      << "  esac\n"
      << "}\n"
      << "if [[ $funcstack[1] == _" << program.name << " ]]; then _" << program.name << " \"$@\"; else compdef _" << program.name << ' '
      << program.name << "; fi\n";
}

}  // namespace cli
