// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace hawser::tidy {

// Something in the tree that breaks a rule of the house.
struct finding {
  std::string file;                        // relative to the root of the tree
  std::size_t line = 0;                    // from 1; 0: the file as a whole
  std::string what;
};

// All findings, one a line, for a test's message.
std::string to_text(const std::vector<finding>& findings);

// The files of the tree at `root`, relative to it and sorted: those that git tracks or would track; without git (an unpacked
// archive) all but build trees and hidden directories.
std::vector<std::string> files_of(const std::filesystem::path& root);

// The whole file; empty when it cannot be read.
std::string text_of(const std::filesystem::path& file);
std::vector<std::string_view> lines_of(std::string_view text);

// What the command prints, standard error left alone. `status` gets its exit code, or -1.
std::string output_of(const std::string& command, int& status);

}  // namespace hawser::tidy
