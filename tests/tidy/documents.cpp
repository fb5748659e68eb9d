// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "tidy/documents.hpp"

#include <algorithm>
#include <cctype>

namespace hawser::tidy {

namespace fs = std::filesystem;

namespace {

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; }

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = text.find_first_not_of(" \t\r\n");
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

// The lines with code blocks emptied, so that numbers stay right.
std::vector<std::string_view> prose_of(std::string_view markdown) {
  auto lines = lines_of(markdown);
  bool code = false;
  for (std::string_view& line : lines) {
    const std::string_view start = trimmed(line);
    const bool fence = start.starts_with("```") || start.starts_with("~~~");
    if (fence) code = !code;
    if (code || fence) line = {};
  }
  return lines;
}

std::string without_code(std::string_view line) {
  std::string text;
  bool code = false;
  for (char c : line) {
    if (c == '`') code = !code;
    else if (!code) text += c;
  }
  return text;
}

std::set<std::string> anchors_of(std::string_view markdown) {
  std::set<std::string> anchors;
  for (std::string_view line : prose_of(markdown)) {
    const std::size_t level = line.find_first_not_of('#');
    if (level == 0 || level == line.npos || level > 6 || line[level] != ' ') continue;
    const std::string anchor = anchor_of(trimmed(line.substr(level)));
    std::string unique = anchor;
    for (int again = 1; !anchors.insert(unique).second; ++again) unique = anchor + '-' + std::to_string(again);
  }
  return anchors;
}

std::vector<std::string> link_targets(const std::string& line) {
  std::vector<std::string> targets;
  for (std::size_t at = line.find("]("); at != line.npos; at = line.find("](", at + 2)) {
    const std::size_t end = line.find_first_of(") ", at + 2);
    if (end != line.npos) targets.push_back(line.substr(at + 2, end - at - 2));
  }
  const std::size_t reference = line.starts_with('[') ? line.find("]: ") : line.npos;
  if (reference != line.npos) targets.emplace_back(trimmed(line.substr(reference + 3)));
  return targets;
}

}  // namespace

std::string anchor_of(std::string_view heading) {
  std::string anchor;
  for (char c : heading) {
    if (is_name(c) || c == '-') anchor += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    else if (c == ' ') anchor += '-';
    else if (static_cast<unsigned char>(c) >= 0x80) anchor += c;
  }
  return anchor;
}

std::set<std::string> tests_in(std::string_view source) {
  std::set<std::string> tests;
  for (std::string_view macro : {"TEST", "TEST_F", "TEST_P", "TYPED_TEST", "TYPED_TEST_P"}) {
    for (std::size_t at = source.find(macro); at != source.npos; at = source.find(macro, at + 1)) {
      if (at > 0 && is_name(source[at - 1])) continue;
      std::string_view rest = source.substr(at + macro.size());
      if (!rest.starts_with('(')) continue;
      rest = rest.substr(1, std::min(rest.find(')'), rest.size()) - 1);
      const std::size_t comma = rest.find(',');
      if (comma == rest.npos) continue;
      const std::string_view suite = trimmed(rest.substr(0, comma)), name = trimmed(rest.substr(comma + 1));
      if (std::all_of(suite.begin(), suite.end(), is_name) && std::all_of(name.begin(), name.end(), is_name)) {
        tests.insert(std::string(suite) + '.' + std::string(name));
      }
    }
  }
  return tests;
}

std::string without_parameters(std::string_view test) {
  const std::size_t dot = test.find('.');
  if (dot == test.npos) return std::string(test);
  const std::size_t prefix = test.substr(0, dot).rfind('/');
  // A typed suite carries its parameter in front of the dot ("suite/0.name"), an instantiated one its prefix ("each/suite.name/0").
  std::string_view suite = test.substr(0, dot), name = test.substr(dot + 1);
  if (prefix != test.npos) {
    const std::string_view behind = suite.substr(prefix + 1);
    const bool is_index = !behind.empty() && std::all_of(behind.begin(), behind.end(), [](char c) { return c >= '0' && c <= '9'; });
    suite = is_index ? suite.substr(0, prefix) : behind;
  }
  return std::string(suite) + '.' + std::string(name.substr(0, name.find('/')));
}

std::vector<table_row> rows_naming_tests(std::string_view markdown) {
  std::vector<table_row> rows;
  const auto lines = prose_of(markdown);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::string_view line = trimmed(lines[i]);
    if (!line.starts_with('|') || line.size() < 3) continue;
    if (line.find_first_not_of("|-: ") == line.npos) continue;                                                       // the ruler
    if (i + 1 < lines.size() && lines[i + 1].starts_with('|') && lines[i + 1].find_first_not_of("|-: \r") == line.npos) continue;  // the heading
    line.remove_prefix(1);
    if (line.ends_with('|')) line.remove_suffix(1);
    table_row row{i + 1, std::string(trimmed(line.substr(0, line.find('|')))), link_targets(without_code(line)), {}};
    const std::size_t last_bar = line.rfind('|');
    std::string_view last = last_bar == line.npos ? std::string_view() : line.substr(last_bar + 1);
    for (std::size_t open = last.find('`'); open != last.npos; open = last.find('`')) {
      const std::size_t close = last.find('`', open + 1);
      if (close == last.npos) break;
      row.tests.emplace_back(last.substr(open + 1, close - open - 1));
      last.remove_prefix(close + 1);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<finding> broken_links(const fs::path& root, const std::string& file, std::string_view markdown) {
  std::vector<finding> findings;
  const auto lines = prose_of(markdown);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    for (const std::string& target : link_targets(without_code(lines[i]))) {
      if (target.empty() || target.find("://") != target.npos || target.starts_with("mailto:")) continue;
      const std::size_t hash = std::min(target.find('#'), target.size());
      const fs::path path = hash == 0 ? root / file : root / fs::path(file).parent_path() / target.substr(0, hash);
      if (hash > 0 && !fs::exists(path)) {
        findings.push_back({file, i + 1, "links to " + target + ", which does not exist"});
      } else if (hash + 1 < target.size() && path.extension() == ".md") {
        const std::string there = hash == 0 ? std::string(markdown) : text_of(path);
        if (!anchors_of(there).contains(target.substr(hash + 1))) {
          findings.push_back({file, i + 1, "links to " + target + ", and there is no such heading"});
        }
      }
    }
  }
  return findings;
}

}  // namespace hawser::tidy
