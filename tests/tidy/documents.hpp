// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "tidy/source_tree.hpp"

#include <cstddef>
#include <filesystem>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace hawser::tidy {

// The names of tests in a source: TEST(suite, name) and its kin, as "suite.name".
std::set<std::string> tests_in(std::string_view source);

// "each/suite.name/0" is the parameterised test "suite.name".
std::string without_parameters(std::string_view test);

// Rows of Markdown tables with the names in backticks in their last column. Heading rows and rulers are left out.
struct table_row {
  std::size_t line;
  std::string first;                       // the first column
  std::vector<std::string> links;          // of the whole row
  std::vector<std::string> tests;
};
std::vector<table_row> rows_naming_tests(std::string_view markdown);

// Relative links of a Markdown text that lead nowhere: to no file below `root`, or to a heading that the target lacks.
std::vector<finding> broken_links(const std::filesystem::path& root, const std::string& file, std::string_view markdown);

// The anchor that a heading gets where Markdown is shown.
std::string anchor_of(std::string_view heading);

}  // namespace hawser::tidy
