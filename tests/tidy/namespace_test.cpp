// SPDX-License-Identifier: Apache-2.0 OR MIT
// All of the library lives in the inline namespace hawser::v0: programs write hawser::peer, and two versions in one process do not
// take each other's functions.
#include "tidy/source_tree.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

namespace hawser::tidy {
namespace {

std::vector<finding> unversioned_in(const std::string& file, std::string_view text) {
  std::vector<finding> findings;
  std::size_t number = 0;
  for (const std::string_view line : lines_of(text)) {
    ++number;
    const std::size_t at = line.find_first_not_of(' ');
    if (at == line.npos || !line.substr(at).starts_with("namespace hawser") || line.find('=') != line.npos) continue;
    if (!line.substr(at).starts_with("namespace hawser::inline v0")) findings.push_back({file, number, "is outside of hawser::inline v0"});
  }
  return findings;
}

TEST(versioned_namespace, holds_everything_in_the_library) {
  const std::filesystem::path root = HAWSER_SOURCE_DIR;
  std::vector<finding> findings;
  std::size_t versioned = 0;
  for (const std::string& file : files_of(root)) {
    if (!file.starts_with("include/") && !file.starts_with("src/")) continue;
    const std::string text = text_of(root / file);
    versioned += text.find("namespace hawser::inline v0") != text.npos;
    const auto found = unversioned_in(file, text);
    findings.insert(findings.end(), found.begin(), found.end());
  }
  EXPECT_GT(versioned, 100u);
  EXPECT_TRUE(findings.empty()) << to_text(findings);
}

TEST(versioned_namespace, a_line_without_it_is_noticed) {
  EXPECT_EQ(unversioned_in("a.hpp", "namespace hawser::proto {\n").size(), 1u);
  EXPECT_EQ(unversioned_in("a.hpp", "\nnamespace hawser { class peer; }\n").front().line, 2u);
  EXPECT_TRUE(unversioned_in("a.hpp", "namespace hawser::inline v0::proto {\nnamespace raw = hawser::bench::raw;\n").empty());
}

}  // namespace
}  // namespace hawser::tidy
