// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "run/contest.hpp"

#include <iosfwd>

namespace hawser::bench {

// Machine, kernel, compiler and how it is measured: a paragraph for people, above the table.
void print_conditions(std::ostream& out, const job& of, int rounds);
void print_table(std::ostream& out, const result_of_contest& results);
// One object a line for each contestant.
void print_json(std::ostream& out, const result_of_contest& results);

}  // namespace hawser::bench
