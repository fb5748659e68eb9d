// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "tidy/source_tree.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace hawser::tidy {

// The floor that a file belongs to by its path: "base", "proto" ... ; "umbrella" for hawser.hpp; empty outside of the floors, and
// "?" in a directory of the floors that the table does not know.
std::string floor_of(const std::string& file);

// Reads each #include of the tree's sources against the table of floors: what a floor may see, what a public header may name,
// what programs on top (cli, demo, examples, relay) may use.
std::vector<finding> wrong_includes(const std::filesystem::path& root, const std::vector<std::string>& files);

}  // namespace hawser::tidy
