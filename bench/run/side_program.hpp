// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "run/contest.hpp"

#include <expected>
#include <string>
#include <vector>

namespace hawser::bench {

// A contestant that is a program of its own (bench/peers/side.hpp says how it is called and what it prints). It is asked what it can do;
// its name is the file's. The error: why it is none.
std::expected<contestant, std::string> contestant_in(const std::string& program);

// Every program of the directory, by name; what is wrong with one goes into `complaints`.
std::vector<contestant> contestants_in_directory(const std::string& directory, std::vector<std::string>& complaints);

}  // namespace hawser::bench
