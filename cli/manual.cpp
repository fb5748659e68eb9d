// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "definition.hpp"

#include <ostream>
#include <sstream>

namespace cli {
namespace {

// roff takes a backslash for an escape, a hyphen for a place to break, and a dot or an apostrophe at the margin for a request.
std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    if ((safe.empty() || safe.back() == '\n') && (c == '.' || c == '\'')) safe += "\\&";
    if (c == '\\') safe += "\\e";
    else if (c == '-') safe += "\\-";
    else safe += c;
  }
  return safe;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

void write_option(std::ostream& out, const option_definition& option) {
  out << ".TP\n";
  std::string between;
  for (const std::string& name : option.names) {
    out << between << "\\fB" << escaped(name) << "\\fR";
    between = ", ";
  }
  if (option.takes_value()) out << (option.positional() ? "" : " ") << "\\fI" << escaped(option.label) << "\\fR";
  out << '\n'
      << escaped(option.description);
  std::string remarks;
  const auto add = [&remarks](const std::string& text) { remarks += (remarks.empty() ? "" : "; ") + text; };
  if (option.required && !option.positional()) add("required");
  if (!option.choices.empty()) {
    std::string words;
    for (const std::string& choice : option.choices) words += (words.empty() ? "" : ", ") + choice;
    add("one of " + words);
  }
  if (!option.default_value.empty()) add("default " + option.default_value);
  if (!remarks.empty()) out << " (" << escaped(remarks) << ')';
  out << '\n';
}

// Remarks as paragraphs; the lines after "Examples:" as they are.
void write_footer(std::ostream& out, const std::string& footer, const char* examples_heading) {
  std::istringstream lines(footer);
  bool examples = false;
  for (std::string line; std::getline(lines, line);) {
    if (line == "Examples:") {
      out << examples_heading << "\n.EX\n";
      examples = true;
    } else if (!examples) {
      if (!line.empty()) out << ".PP\n"
                             << escaped(line) << '\n';
    } else {
      const std::size_t text = line.find_first_not_of(' ');
      out << escaped(text == line.npos ? "" : line.substr(text)) << '\n';
    }
  }
  if (examples) out << ".EE\n";
}

void write_synopsis(std::ostream& out, const command_definition& command, const std::string& program) {
  out << ".B " << escaped(program) << ' ' << escaped(command.name) << '\n';
  for (const option_definition& option : command.options) {
    if (!option.positional() && !option.required) continue;
    out << (option.required ? "" : "[");
    if (!option.positional()) out << "\\fB" << escaped(option.names.front()) << "\\fR ";
    out << "\\fI" << escaped(option.label) << "\\fR" << (option.repeatable ? "\\&..." : "") << (option.required ? "" : "]") << '\n';
  }
  out << "[\\fIoptions\\fR]\n";
}

void write_command(std::ostream& out, const command_definition& command, const std::string& program) {
  out << ".SS " << escaped(program) << ' ' << escaped(command.name) << '\n'
      << escaped(command.description) << ".\n.PP\n";
  write_synopsis(out, command, program);
  for (const option_definition& option : command.options) write_option(out, option);
  write_footer(out, command.footer, ".PP\nExamples:\n.PP");
}

}  // namespace

void write_manual(std::ostream& out, const command_definition& program) {
  const std::string summary = program.description.substr(0, program.description.find('.'));
  const std::string prefix = program.name + ' ';
  out << ".\\\" Written by `" << program.name << " man`.\n"
      << ".TH " << upper(program.name) << " 1 \"\" \"" << program.name << ' ' << HAWSER_VERSION << "\" \"User Commands\"\n"
      << ".ad l\n.nh\n"            // what is searched for is neither stretched nor cut in two
      << ".SH NAME\n"
      << program.name << " \\- " << escaped(summary.starts_with(prefix) ? summary.substr(prefix.size()) : summary) << '\n'
      << ".SH SYNOPSIS\n";
  for (const command_definition& command : program.commands) {
    write_synopsis(out, command, program.name);
    out << ".br\n";
  }
  out << ".B " << program.name << "\n[\\fB\\-\\-help\\fR] [\\fB\\-\\-version\\fR]\n"
      << ".SH DESCRIPTION\n"
      << escaped(program.description) << "\n.SH OPTIONS\n";
  for (const option_definition& option : program.options) write_option(out, option);
  out << ".SH COMMANDS\n";
  for (const command_definition& command : program.commands) write_command(out, command, program.name);
  out << ".SH NOTES\n";
  write_footer(out, program.footer, ".SH EXAMPLES");
}

}  // namespace cli
