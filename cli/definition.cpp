// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "definition.hpp"

#include <sstream>

namespace cli {
namespace {

// CLI11 describes a choice in the name of the option's type: "TEXT:{block,spin,busy}".
std::vector<std::string> choices_in(const std::string& type) {
  std::vector<std::string> choices;
  const std::size_t open = type.find('{'), close = type.rfind('}');
  if (open == type.npos || close == type.npos) return choices;
  std::istringstream words(type.substr(open + 1, close - open - 1));
  for (std::string word; std::getline(words, word, ',');) choices.push_back(word);
  return choices;
}

option_definition definition_of(const CLI::Option& from) {
  option_definition to;
  for (const std::string& name : from.get_lnames()) to.names.push_back("--" + name);
  for (const std::string& name : from.get_snames()) to.names.push_back("-" + name);
  const std::string type = from.get_type_name();
  if (from.get_positional()) to.label = from.get_name(true);
  else if (from.get_items_expected_max() > 0) to.label = type.substr(0, type.find_first_of(": "));
  to.description = from.get_description();
  to.default_value = from.get_default_str();
  to.choices = choices_in(type);
  to.required = from.get_required();
  to.repeatable = from.get_items_expected_max() > 1;
  return to;
}

}  // namespace

command_definition definition_of(const CLI::App& from) {
  command_definition to{from.get_name(), from.get_description(), from.get_footer(), {}, {}};
  for (const CLI::Option* option : from.get_options({})) to.options.push_back(definition_of(*option));
  for (const CLI::App* command : from.get_subcommands({})) {
    if (!command->get_group().empty()) to.commands.push_back(definition_of(*command));
  }
  return to;
}

}  // namespace cli
