// SPDX-License-Identifier: Apache-2.0 OR MIT
// The build compiles each public header in a translation unit of its own, twice over (target headers_alone, of which this
// program depends); these tests prove that none was left out.
#include "tidy/source_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace hawser::tidy {

namespace fs = std::filesystem;

TEST(public_headers, each_compiles_alone) {
  const std::string text = text_of(HAWSER_HEADER_LIST);
  std::vector<std::string> compiled;
  for (std::string_view line : lines_of(text)) compiled.emplace_back(line);
  std::sort(compiled.begin(), compiled.end());
  ASSERT_GT(compiled.size(), 10u);

  std::vector<std::string> present;
  for (const std::string& file : files_of(HAWSER_SOURCE_DIR)) {
    if (file.starts_with("include/") && file.ends_with(".hpp")) present.push_back(file.substr(sizeof "include/" - 1));
  }
  for (const std::string& header : present) {
    EXPECT_TRUE(std::binary_search(compiled.begin(), compiled.end(), header)) << header << " was not compiled alone: build again";
  }
}

TEST(public_headers, each_has_an_include_guard) {
  const fs::path root = HAWSER_SOURCE_DIR;
  for (const std::string& file : files_of(root)) {
    if (!file.starts_with("include/") || !file.ends_with(".hpp")) continue;
    EXPECT_NE(text_of(root / file).find("\n#pragma once\n"), std::string::npos) << file;
  }
}

}  // namespace hawser::tidy
