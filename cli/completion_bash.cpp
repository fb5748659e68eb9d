// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "definition.hpp"

#include <ostream>

namespace cli {
namespace {

// Everything that may stand where a new word begins.
std::string words_of(const command_definition& command) {
  std::string words;
  const auto add = [&words](const std::string& word) { words += (words.empty() ? "" : " ") + word; };
  for (const command_definition& sub : command.commands) add(sub.name);
  for (const option_definition& option : command.options) {
    for (const std::string& name : option.names) add(name);
    if (!option.positional()) continue;
    for (const std::string& choice : option.choices) add(choice);
  }
  return words;
}

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string all;
  for (const std::string& word : words) all += (all.empty() ? "" : between) + word;
  return all;
}

// One arm of the case over "command/word before": what completes the value of an option.
void write_value(std::ostream& out, const std::string& command, const option_definition& option) {
  std::string pattern;
  for (const std::string& name : option.names) pattern += (pattern.empty() ? "" : "|") + command + '/' + name;
  out << "    " << pattern << ") ";
  if (!option.choices.empty()) out << "words='" << joined(option.choices, " ") << "'";
  else if (option.takes_file()) out << "compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return";
  else out << "return";
  out << " ;;\n";
}

}  // namespace

void write_bash_completion(std::ostream& out, const command_definition& program) {
  std::vector<std::string> commands;
  for (const command_definition& command : program.commands) commands.push_back(command.name);
  out << "# bash completion for " << program.name << ", written by `" << program.name << " completion bash`\n"
      << "_" << program.name << "() {\n"
      << "  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command='' words='' i\n"
      << "  # bash splits --option=value at the sign\n"
      << "  if [[ $word == = ]]; then word=''; elif [[ $before == = ]]; then before=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
      << "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      << "    case ${COMP_WORDS[i]} in " << joined(commands, "|") << ") command=${COMP_WORDS[i]}; break ;; esac\n"
      << "  done\n"
      << "  COMPREPLY=()\n"
      << "  case $command/$before in\n";
  for (const command_definition& command : program.commands) {
    for (const option_definition& option : command.options) {
      if (!option.positional() && option.takes_value()) write_value(out, command.name, option);
    }
  }
  out << "  esac\n"
      << "  [[ $words ]] || case $command in\n"
      << "    '') words='" << words_of(program) << "' ;;\n";
  for (const command_definition& command : program.commands) out << "    " << command.name << ") words='" << words_of(command) << "' ;;\n";
  out << "  esac\n"
      << "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
      << "}\n"
      << "complete -F _" << program.name << ' ' << program.name << '\n';
}

}  // namespace cli
