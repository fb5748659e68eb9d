// SPDX-License-Identifier: Apache-2.0 OR MIT
// The programs that the README and the guide show are parts of examples, which are built and run.
#include "tidy/source_tree.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hawser::tidy {
namespace {

namespace fs = std::filesystem;

struct snippet {
  std::size_t line;
  std::string source;        // the file named in the comment above it; empty: none
  std::string code;
};

// Blocks of C++ of a Markdown text, each with the comment that names its source: <!-- examples/hello.cpp -->
std::vector<snippet> snippets_in(std::string_view markdown) {
  std::vector<snippet> found;
  std::string source;
  bool inside = false;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(markdown)) {
    ++number;
    if (inside) {
      inside = !line.starts_with("```");
      if (inside) found.back().code += std::string(line) + "\n";
    } else if (line == "```cpp") {
      inside = true;
      found.push_back({number, std::exchange(source, {}), {}});
    } else if (line.starts_with("<!-- ") && line.ends_with(" -->")) {
      source = line.substr(5, line.size() - 9);
    } else if (!line.empty()) {
      source.clear();
    }
  }
  return found;
}

TEST(docs, every_program_shown_is_part_of_an_example_that_runs) {
  const fs::path root = HAWSER_SOURCE_DIR;
  std::vector<finding> findings;
  std::size_t checked = 0;
  for (const std::string& file : files_of(root)) {
    if (file != "README.md" && !(file.starts_with("docs/guide/") && file.ends_with(".md"))) continue;
    for (const snippet& shown : snippets_in(text_of(root / file))) {
      ++checked;
      if (shown.source.empty()) findings.push_back({file, shown.line, "names no source: put <!-- examples/NAME.cpp --> above it"});
      else if (!fs::exists(root / shown.source)) findings.push_back({file, shown.line, shown.source + " does not exist"});
      else if (text_of(root / shown.source).find(shown.code) == std::string::npos) findings.push_back({file, shown.line, "is not, letter by letter, in " + shown.source});
    }
  }
  EXPECT_GT(checked, 4u);
  EXPECT_TRUE(findings.empty()) << to_text(findings);
}

TEST(docs, a_snippet_is_found_with_its_source) {
  const auto found = snippets_in("<!-- a.cpp -->\n```cpp\nint x;\n```\ntext\n```cpp\ny();\n```\n```\nno code\n```\n");
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].source, "a.cpp");
  EXPECT_EQ(found[0].code, "int x;\n");
  EXPECT_TRUE(found[1].source.empty());
}

}  // namespace
}  // namespace hawser::tidy
