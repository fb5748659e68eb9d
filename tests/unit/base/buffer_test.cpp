// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/buffer.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <string>

namespace hawser {
namespace {

chunk of(buffer_pool& pool, std::string_view text) { return pool.copy(as_bytes(text)); }

std::string text_of(const chain& c) {
  std::string all;
  for (std::size_t i = 0; i < c.count(); ++i) all += as_text(c[i]);
  return all;
}

TEST(chunk, shares_its_segment_when_copied_and_returns_it_with_the_last) {
  buffer_pool pool;
  chunk a = of(pool, "hawser");
  const chunk b = a;
  EXPECT_FALSE(a.unique());
  EXPECT_EQ(pool.bytes_in_use(), 256u);
  a = {};
  EXPECT_EQ(as_text(b), "hawser");
  EXPECT_TRUE(b.unique());
}

TEST(buffer_pool, keep_shares_a_large_part_of_what_is_lent_and_copies_the_rest) {
  buffer_pool pool;
  chunk received = pool.allocate(64 * 1024);
  received.grow(40 * 1024);
  const byte_view all{received.data(), 40 * 1024};
  const chunk before = pool.keep(all);                  // nothing is lent
  EXPECT_TRUE(received.unique());
  {
    const lending lent(pool, received);
    const chunk large = pool.keep(all.subspan(100, 16 * 1024));
    EXPECT_EQ(large.data(), received.data() + 100);
    EXPECT_EQ(large.size(), 16u * 1024);
    EXPECT_FALSE(received.unique());
    const chunk small = pool.keep(all.first(16 * 1024 - 1));
    EXPECT_FALSE(small.shares_segment(received));
    const chunk elsewhere = pool.keep(before.view());
    EXPECT_FALSE(elsewhere.shares_segment(before));
  }
  EXPECT_TRUE(received.unique());
  EXPECT_FALSE(pool.keep(all).shares_segment(received)) << "lent no longer";
}

TEST(chunk, take_front_splits_without_copying) {
  buffer_pool pool;
  chunk rest = of(pool, "bow and stern");
  const std::byte* start = rest.data();
  const chunk head = rest.take_front(3);
  EXPECT_EQ(as_text(head), "bow");
  EXPECT_EQ(as_text(rest), " and stern");
  EXPECT_EQ(head.data(), start);
  EXPECT_EQ(rest.data(), start + 3);
}

TEST(chunk, outlives_its_pool) {
  chunk survivor;
  {
    buffer_pool pool;
    survivor = of(pool, "adrift");
  }
  EXPECT_EQ(as_text(survivor), "adrift");
}

TEST(chunk, growing_beyond_its_segment_aborts) {
  buffer_pool pool;
  chunk c = pool.allocate(256);
  EXPECT_DEATH(c.grow(257), "contract broken");
}

TEST(buffer_pool, reuses_segments_instead_of_allocating) {
  buffer_pool pool;
  for (const std::size_t size : {1u, 256u, 257u, 5000u, 65536u, 262144u}) (void)pool.allocate(size);
  const auto before = pool.heap_allocations();
  for (int round = 0; round < 1000; ++round)
    for (const std::size_t size : {1u, 257u, 5000u, 65536u, 262144u}) EXPECT_GE(pool.allocate(size).room(), size);
  EXPECT_EQ(pool.heap_allocations(), before);
  EXPECT_EQ(pool.bytes_in_use(), 0u);
}

TEST(buffer_pool, keeps_no_more_free_memory_than_it_may) {
  buffer_pool pool(64 * 1024);
  {
    chunk a = pool.allocate(65536), b = pool.allocate(65536), huge = pool.allocate(1 << 20);
    EXPECT_EQ(pool.bytes_in_use(), 2 * 65536u + (1u << 20));
  }
  EXPECT_EQ(pool.bytes_cached(), 65536u);
}

TEST(chain, holds_nothing_while_empty) {
  buffer_pool pool;
  chain c(pool);
  EXPECT_EQ(pool.bytes_in_use(), 0u);
  c.append(of(pool, "x"));
  c.drop_front(1);
  EXPECT_TRUE(c.empty());
  EXPECT_EQ(pool.bytes_in_use(), 0u);
}

TEST(chain, drops_bytes_across_chunks_and_keeps_their_order) {
  buffer_pool pool;
  chain c(pool);
  for (const char* part : {"one ", "two ", "three"}) c.append(of(pool, part));
  EXPECT_EQ(c.count(), 3u);
  c.drop_front(6);
  EXPECT_EQ(text_of(c), "o three");
  EXPECT_EQ(c.bytes(), 7u);
}

TEST(chain, merges_neighbours_of_one_segment) {
  buffer_pool pool;
  chain c(pool);
  chunk whole = of(pool, "headtail");
  chunk head = whole.take_front(4);
  c.append(std::move(head));
  c.append(std::move(whole));
  EXPECT_EQ(c.count(), 1u);
  EXPECT_EQ(text_of(c), "headtail");
}

TEST(chain, is_full_at_its_slots_and_moving_leaves_the_source_empty) {
  buffer_pool pool;
  chain c(pool);
  while (!c.full()) c.append(of(pool, "."));
  EXPECT_EQ(c.count(), chain::slots);
  chain d(std::move(c));
  EXPECT_TRUE(c.empty());
  EXPECT_EQ(d.bytes(), chain::slots);
  c.append(of(pool, "again"));
  d = std::move(c);
  EXPECT_EQ(text_of(d), "again");
}

TEST(chain, needs_no_segment_of_its_own_for_one_chunk) {
  buffer_pool pool;
  chain c(pool);
  c.append(of(pool, "one"));
  const std::size_t one = pool.bytes_in_use();
  EXPECT_EQ(one, of(pool, "x").capacity());
  c.append(of(pool, "two"));
  EXPECT_GT(pool.bytes_in_use(), 2 * one);
  c.clear();
  EXPECT_EQ(pool.bytes_in_use(), 0u);
}

// Against a string, and moved about.
TEST(chain, holds_what_was_appended_and_not_dropped) {
  buffer_pool pool;
  std::mt19937 generator(7);
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(generator() % bound); };
  chain c(pool), other(pool);
  std::string expected;
  for (int i = 0; i < 20'000; ++i) {
    switch (below(5)) {
      case 0:
      case 1:
        if (c.full()) break;
        expected += std::string(1 + below(5), static_cast<char>('a' + i % 26));
        c.append(of(pool, expected.substr(c.bytes())));
        break;
      case 2:
        if (const auto gone = below(c.bytes() + 1); true) {
          c.drop_front(gone);
          expected.erase(0, gone);
        }
        break;
      case 3: {
        chain through(std::move(c));
        c = std::move(through);
        break;
      }
      default:
        if (below(20) == 0) c.clear(), expected.clear();
    }
    ASSERT_EQ(text_of(c), expected);
    ASSERT_EQ(c.bytes(), expected.size());
    ASSERT_EQ(c.empty(), expected.empty());
  }
}

}  // namespace
}  // namespace hawser
