// SPDX-License-Identifier: Apache-2.0 OR MIT
// Rules on the text of files: licence lines, and nothing in it that only makes sense on one machine.
#include "tidy/source_tree.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace hawser::tidy {

namespace fs = std::filesystem;

namespace {

bool wants_licence(std::string_view file) {
  for (std::string_view end : {".cpp", ".hpp", ".cmake", "CMakeLists.txt", ".sh", ".ts", ".js"}) {
    if (file.ends_with(end)) return true;
  }
  return file == "dev" || file == ".ci/run";
}

bool has_licence(std::string_view text) {
  const auto lines = lines_of(text);
  const std::size_t at = !lines.empty() && lines[0].starts_with("#!") ? 1 : 0;
  return lines.size() > at && lines[at].find("SPDX-License-Identifier: Apache-2.0 OR MIT") != std::string_view::npos;
}

// Directories that belong to a machine or a person and mean nothing to others. Written in two halves: this file is checked too.
std::vector<std::string> machine_paths() {
  std::vector<std::string> paths = {
      "/ho"
      "me/",
      "/ro"
      "ot/",
      "/wo"
      "rk/",
      "/Us"
      "ers/",
      "C:\\"
      "Users"};
  const std::string here = HAWSER_SOURCE_DIR;
  if (std::count(here.begin(), here.end(), '/') > 1) paths.push_back(here + '/');
  return paths;
}

std::vector<finding> machine_paths_in(const std::string& file, std::string_view text) {
  std::vector<finding> findings;
  std::size_t number = 0;
  for (std::string_view line : lines_of(text)) {
    ++number;
    for (const std::string& path : machine_paths()) {
      const std::size_t at = line.find(path);
      if (at == line.npos) continue;
      // "docs/root/x" and "https://host/home/" are other people's paths below something, not a machine's.
      if (at > 0 && (std::isalnum(static_cast<unsigned char>(line[at - 1])) != 0 || line[at - 1] == '.' || line[at - 1] == '}')) continue;
      findings.push_back({file, number, "names a path of one machine: " + path});
    }
  }
  return findings;
}

}  // namespace

TEST(licence_lines, every_source_begins_with_its_spdx_line) {
  const fs::path root = HAWSER_SOURCE_DIR;
  std::vector<finding> findings;
  std::size_t read = 0;
  for (const std::string& file : files_of(root)) {
    if (!wants_licence(file)) continue;
    ++read;
    if (!has_licence(text_of(root / file))) findings.push_back({file, 1, "SPDX-License-Identifier is missing"});
  }
  EXPECT_GT(read, 20u);
  EXPECT_TRUE(findings.empty()) << to_text(findings);
}

TEST(licence_lines, a_missing_or_late_line_is_noticed) {
  EXPECT_TRUE(has_licence("// SPDX-License-Identifier: Apache-2.0 OR MIT\nint a;\n"));
  EXPECT_TRUE(has_licence("#!/bin/sh\n# SPDX-License-Identifier: Apache-2.0 OR MIT\n"));
  EXPECT_FALSE(has_licence("int a;\n// SPDX-License-Identifier: Apache-2.0 OR MIT\n"));
  EXPECT_FALSE(has_licence("// SPDX-License-Identifier: Apache-2.0\n"));
  EXPECT_FALSE(has_licence(""));
}

TEST(machine_paths, no_file_names_one) {
  const fs::path root = HAWSER_SOURCE_DIR;
  std::vector<finding> findings;
  for (const std::string& file : files_of(root)) {
    if (fs::path(file).extension() == ".bin" || file.starts_with("fuzz/corpus/")) continue;
    const auto found = machine_paths_in(file, text_of(root / file));
    findings.insert(findings.end(), found.begin(), found.end());
  }
  EXPECT_TRUE(findings.empty()) << to_text(findings);
}

TEST(machine_paths, one_is_noticed_with_its_line) {
  const auto found = machine_paths_in("a.md", "fine\nsee " + machine_paths()[0] + "someone/notes\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_EQ(found[0].line, 2u);
  EXPECT_TRUE(machine_paths_in("a.md", "https://example.org" + machine_paths()[0] + "page").empty());
}

}  // namespace hawser::tidy
