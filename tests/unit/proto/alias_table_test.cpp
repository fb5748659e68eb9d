// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <proto/alias_table.hpp>

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace hawser::proto {
namespace {

TEST(alias_sender, a_name_is_spelt_once_and_then_goes_by_its_number) {
  alias_sender names;
  EXPECT_EQ(names.choose("test", 256, 1).assign, 1);
  const auto again = names.choose("test", 256, 1);
  EXPECT_EQ(again.alias, 1);
  EXPECT_EQ(again.assign, 0);
  EXPECT_EQ(names.choose("tes", 256, 1).assign, 2);
}

TEST(alias_sender, without_slots_it_assigns_nothing_and_owns_nothing) {
  alias_sender names;
  const auto choice = names.choose("test", 0, 1);
  EXPECT_EQ(choice.alias, 0);
  EXPECT_EQ(choice.assign, 0);
  EXPECT_EQ(names.memory_bytes(), 0u);
}

TEST(alias_sender, when_the_slots_are_used_up_the_known_names_stay_known) {
  alias_sender names;
  for (const char* name : {"a", "b", "c"}) names.choose(name, 3, 7);
  for (int turn = 0; turn < 100; ++turn) {
    const auto late = names.choose("late" + std::to_string(turn), 3, 7);
    EXPECT_EQ(late.alias, 0);
    EXPECT_EQ(late.assign, 0);
  }
  EXPECT_EQ(names.choose("a", 3, 7).alias, 1);
  EXPECT_EQ(names.choose("c", 3, 7).alias, 3);
  EXPECT_EQ(names.count(), 3u);
}

TEST(alias_sender, sender_and_receiver_agree_over_thousands_of_names) {
  constexpr std::uint16_t slots = 5'000;
  alias_sender out;
  alias_receiver in;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 6'000; ++i) {
      const std::string name = "service/operation/" + std::to_string(i);
      const auto choice = out.choose(name, slots, 0x1234);
      if (choice.assign != 0) in.assign(choice.assign, name, slots);
      if (choice.alias != 0) {
        ASSERT_EQ(in.find(choice.alias), name);
      }
      EXPECT_EQ(choice.alias != 0, round > 0 && i < slots);
    }
  }
}

TEST(alias_receiver, unassigned_aliases_are_empty_and_cost_nothing) {
  alias_receiver in;
  EXPECT_TRUE(in.find(1).empty());
  EXPECT_TRUE(in.find(0).empty());
  EXPECT_TRUE(in.find(std::uint64_t{1} << 40).empty());
  EXPECT_EQ(in.memory_bytes(), 0u);
  in.assign(3, "x", 256);
  EXPECT_TRUE(in.find(2).empty());
  EXPECT_EQ(in.find(3), "x");
}

TEST(alias_receiver, an_assignment_replaces_the_earlier_one) {
  alias_receiver in;
  in.assign(2, "old", 2);
  in.assign(2, "new", 2);
  EXPECT_EQ(in.find(2), "new");
}

TEST(alias_receiver, memory_stays_below_the_stated_bound) {
  alias_receiver in;
  const std::string longest(255, 'x');
  for (std::uint16_t alias = 1; alias <= 256; ++alias) in.assign(alias, longest, 256);
  EXPECT_LE(in.memory_bytes(), 256u * (255 + 2 * 32) + 64);
}

TEST(keyed_hash, seeds_and_every_byte_of_the_name_change_it) {
  std::set<std::uint64_t> seen;
  std::string name(40, 'a');
  for (std::uint64_t seed = 0; seed < 100; ++seed) seen.insert(keyed_hash(name, seed));
  for (std::size_t i = 0; i < name.size(); ++i) {
    name[i] = 'b';
    seen.insert(keyed_hash(name, 0));
    name[i] = 'a';
  }
  seen.insert(keyed_hash(std::string(41, '\0'), 0));
  seen.insert(keyed_hash(std::string(40, '\0'), 0));
  EXPECT_EQ(seen.size(), 142u);
}

}  // namespace
}  // namespace hawser::proto
