// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "tidy/documents.hpp"

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace hawser::tidy {

namespace fs = std::filesystem;

namespace {

// Every test there is: those in the sources, and those that only the build files register (examples, programs).
std::set<std::string> all_tests() {
  const fs::path root = HAWSER_SOURCE_DIR;
  std::set<std::string> tests;
  for (const std::string& file : files_of(root)) {
    if (file.ends_with(".cpp")) tests.merge(tests_in(text_of(root / file)));
  }
  int status = -1;
  const std::string listed = output_of(std::string("'") + HAWSER_CTEST + "' -N --test-dir '" + HAWSER_BINARY_DIR + "' 2>/dev/null", status);
  for (std::string_view line : lines_of(listed)) {
    const std::size_t colon = line.find(": ");
    if (line.find("Test ") == line.npos || line.find('#') == line.npos || colon == line.npos) continue;
    tests.insert(std::string(line.substr(colon + 2)));
    tests.insert(without_parameters(line.substr(colon + 2)));
  }
  return tests;
}

// What is wrong with a page whose tables name tests in their last column.
std::vector<finding> untested_rows(const std::string& file, std::size_t rows_min) {
  const fs::path page = fs::path(HAWSER_SOURCE_DIR) / file;
  if (!fs::exists(page)) return {{file, 0, "is missing"}};
  const auto rows = rows_naming_tests(text_of(page));
  std::vector<finding> findings;
  if (rows.size() < rows_min) findings.push_back({file, 0, "holds no table of that kind"});
  const auto tests = all_tests();
  for (const table_row& row : rows) {
    if (row.tests.empty()) findings.push_back({file, row.line, row.first + " names no test in its last column"});
    for (const std::string& test : row.tests) {
      if (!tests.contains(test)) findings.push_back({file, row.line, row.first + " names " + test + ", and there is no such test"});
    }
  }
  return findings;
}

}  // namespace

TEST(docs, features_name_existing_tests) {
  const auto findings = untested_rows("docs/features.md", 6);
  EXPECT_TRUE(findings.empty()) << to_text(findings);
}

TEST(docs, invariants_name_existing_tests) {
  const auto findings = untested_rows("INVARIANTS.md", 20);
  EXPECT_TRUE(findings.empty()) << to_text(findings);
}

// That the heading exists is checked with all other links.
TEST(docs, features_are_shown_under_a_heading_of_the_guide) {
  std::vector<finding> findings;
  for (const table_row& row : rows_naming_tests(text_of(fs::path(HAWSER_SOURCE_DIR) / "docs/features.md"))) {
    if (row.links.empty()) findings.push_back({"docs/features.md", row.line, row.first + " links no section of the guide"});
    for (const std::string& link : row.links) {
      if (link.find('#') == link.npos) findings.push_back({"docs/features.md", row.line, row.first + " links " + link + " as a whole: name the heading under which it is shown"});
    }
  }
  EXPECT_TRUE(findings.empty()) << to_text(findings);
}

// "./dev test -R 'x'" and "./dev sim x --seed 7" as what ctest is to choose; empty for other lines.
std::string choice_of(std::string_view line) {
  const std::size_t at = line.find("./dev ");
  if (at == line.npos) return {};
  const std::string_view command = line.substr(at, line.find("  ", at) - at);
  std::istringstream words{std::string(command)};
  std::string word, verb, choice;
  words >> word >> verb;
  if (verb != "test" && verb != "sim") return {};
  if (verb == "sim") choice = " -L '^sim$'";
  while (words >> word) {
    if (word == "--seeds" || word == "--seed") words >> word;
    else if (word.starts_with("--")) continue;
    else choice += (verb == "sim" ? " -R " : " ") + word;
  }
  return choice;
}

TEST(docs, examples_in_the_help_of_dev_choose_tests_that_exist) {
  EXPECT_EQ(choice_of("  ./dev sim cuts --seeds 5      those"), " -L '^sim$' -R cuts");
  EXPECT_EQ(choice_of("  ./dev test --asan -L sim"), " -L sim");
  EXPECT_EQ(choice_of("  ./dev bench bulk"), "");
  const std::string ctest = std::string("'") + HAWSER_CTEST + "' -N --test-dir '" + HAWSER_BINARY_DIR + "'";
  int status = -1, examples = 0;
  const auto chosen = [&](const std::string& choice) { return output_of(ctest + choice + " 2>/dev/null", status).find("Total Tests: 0") == std::string::npos; };
  EXPECT_FALSE(chosen(" -R no_such_test_anywhere"));
  for (const char* verb : {"", "test ", "sim "}) {
    const std::string help = output_of(std::string("'") + HAWSER_SOURCE_DIR + "/dev' " + verb + "--help", status);
    ASSERT_EQ(status, 0);
    for (const std::string_view line : lines_of(help)) {
      // The line of usage is no example.
      if (line.find('[') != line.npos || choice_of(line).empty()) continue;
      ++examples;
      EXPECT_TRUE(chosen(choice_of(line))) << line;
    }
  }
  EXPECT_GE(examples, 6);
}

TEST(docs, links_point_to_files_and_headings) {
  const fs::path root = HAWSER_SOURCE_DIR;
  std::vector<finding> findings;
  std::size_t read = 0;
  for (const std::string& file : files_of(root)) {
    if (!file.ends_with(".md")) continue;
    ++read;
    const auto broken = broken_links(root, file, text_of(root / file));
    findings.insert(findings.end(), broken.begin(), broken.end());
  }
  EXPECT_GT(read, 3u);
  EXPECT_TRUE(findings.empty()) << to_text(findings);
}

TEST(docs, a_row_gives_its_links_and_its_tests) {
  const auto rows = rows_naming_tests(
      "text | no row\n| feature | guide | test |\n|---|:--|---|\n| echo | [start](start.md#run) | `a.b`, `c.d` |\n| none | x | later |\n"
      "```\n| in code | x | `e.f` |\n```\n");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].first, "echo");
  EXPECT_EQ(rows[0].line, 4u);
  EXPECT_EQ(rows[0].links, std::vector<std::string>{"start.md#run"});
  EXPECT_EQ(rows[0].tests, (std::vector<std::string>{"a.b", "c.d"}));
  EXPECT_TRUE(rows[1].links.empty());
  EXPECT_TRUE(rows[1].tests.empty());
}

TEST(docs, tests_are_found_in_sources) {
  const auto tests = tests_in("TEST(one, works) {}\nTEST_F(two,\n  works_too) {}\nTEST_P(three, x) {}\nNOT_A_TEST(four, x)\nTEST(five)\n");
  EXPECT_EQ(tests, (std::set<std::string>{"one.works", "two.works_too", "three.x"}));
  EXPECT_EQ(without_parameters("each/suite.name/0"), "suite.name");
  EXPECT_EQ(without_parameters("suite/0.name"), "suite.name");
  EXPECT_EQ(without_parameters("suite.name"), "suite.name");
  EXPECT_EQ(without_parameters("example_hello"), "example_hello");
}

TEST(docs, broken_links_are_noticed) {
  const fs::path root = fs::path(HAWSER_SOURCE_DIR);
  const auto broken = [&](std::string_view text) { return broken_links(root, "tests/page.md", text).size(); };
  EXPECT_EQ(broken("see [the build](../CMakeLists.txt) and [home](https://example.org/x)"), 0u);
  EXPECT_EQ(broken("see [nothing](nothing.md)"), 1u);
  EXPECT_EQ(broken("`[in code](nothing.md)`\n```\n[in a block](nothing.md)\n```\n"), 0u);
  EXPECT_EQ(broken("# A heading, here\n[up](#a-heading-here)"), 0u);
  EXPECT_EQ(broken("# A heading\n[up](#another)"), 1u);
  EXPECT_EQ(broken("[later]: gone.md"), 1u);
  EXPECT_EQ(anchor_of("What `send()` does: 1-64 bytes"), "what-send-does-1-64-bytes");
}

}  // namespace hawser::tidy
