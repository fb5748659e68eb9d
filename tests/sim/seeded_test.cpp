// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "support/seeded.hpp"

#include <gtest/gtest-spi.h>

#include <cstdlib>
#include <stdexcept>

namespace hawser::seeded {
namespace {

class seeded_tests : public ::testing::Test {
 protected:
  seeded_tests() {
    ::unsetenv("HAWSER_SEEDS_LOG");      // what fails here on purpose is no seed of a run
    ::unsetenv("HAWSER_SEEDS_IN_ALL");
  }
  const std::string again = "again: " + replay(testing::seeds(1).front());
};

TEST_F(seeded_tests, print_the_command_that_replays_a_failure_an_exception_and_an_abort) {
  EXPECT_NE(again.find("./dev sim seeded_tests.print_the_command_that_replays_a_failure_an_exception_and_an_abort --seed "), std::string::npos);
  EXPECT_NONFATAL_FAILURE(for_each_seed(1, [](std::uint64_t) { EXPECT_TRUE(false); }), again);
  EXPECT_NONFATAL_FAILURE(for_each_seed(1, [](std::uint64_t) { throw std::runtime_error("of a task"); }), again);
  EXPECT_DEATH(for_each_seed(1, [](std::uint64_t) { std::abort(); }), again);
}

TEST_F(seeded_tests, draw_their_share_of_as_many_seeds_as_were_asked_for) {
  ::unsetenv("HAWSER_SEED");
  ::unsetenv("HAWSER_SEEDS");
  const auto drawn = [](std::size_t part) {
    std::size_t count = 0;
    for_each_seed(part, [&](std::uint64_t seed) { EXPECT_EQ(seed, ++count); });
    return count;
  };
  ::setenv("HAWSER_SEEDS_IN_ALL", "10000", 1);
  EXPECT_EQ(drawn(12), 600u);
  ::setenv("HAWSER_SEEDS_IN_ALL", "1", 1);
  EXPECT_EQ(drawn(12), 1u) << "none is left out";
  ::unsetenv("HAWSER_SEEDS_IN_ALL");
  EXPECT_EQ(drawn(40), std::size_t{40 / HAWSER_COUNT_SCALE});
}

}  // namespace
}  // namespace hawser::seeded
