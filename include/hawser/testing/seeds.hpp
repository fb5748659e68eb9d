// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/export.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hawser::inline v0::testing {

// The seeds that a randomised test is to run with: 1, 2, ... count. HAWSER_SEED=n in the environment leaves the one seed n (to
// replay a failure); HAWSER_SEEDS=n changes the count (a longer search).
HAWSER_API std::vector<std::uint64_t> seeds(std::size_t count);

// The command line that runs the tests of hawser whose names contain `program` once more with this seed: "./dev sim program --seed 7". It
// sets HAWSER_SEED, which does the same for other programs.
HAWSER_API std::string replay_command(std::uint64_t seed, std::string_view program);

}  // namespace hawser::inline v0::testing
