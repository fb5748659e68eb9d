// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "tidy/source_tree.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace hawser::tidy {

// Why a sans-I/O archive must not refer to the symbol; empty when it may.
std::string_view forbidden_in_core(std::string_view symbol);

// The undefined symbols of the archive that a sans-I/O core has no business with, and its writable globals.
std::vector<finding> impurities(const std::filesystem::path& archive);

// How many symbols the archive defines: none means that the wrong file was looked at.
std::size_t defined_symbols(const std::filesystem::path& archive);

}  // namespace hawser::tidy
