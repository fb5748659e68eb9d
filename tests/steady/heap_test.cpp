// SPDX-License-Identifier: Apache-2.0 OR MIT
// The counts that the other tests rely on see what they are to see.
#include "support/heap.hpp"
#include "support/sanitizers.hpp"

#include <hawser/base/buffer.hpp>

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

namespace hawser::test {
namespace {

TEST(counted_heap, sees_operator_new_and_the_segments_of_a_pool) {
  if (HAWSER_UNDER_THREAD_SANITIZER) GTEST_SKIP() << "ThreadSanitizer has operators of its own: nothing is counted";
  buffer_pool pool;
  const std::uint64_t before = heap_allocations, bytes_before = heap_bytes;
  const heap_listing listing;
  const auto one = std::make_unique<std::array<char, 1000>>();
  const chunk segment = pool.allocate(4096);
  struct alignas(128) wide {
    char bytes[256];
  };
  const auto aligned = std::make_unique<wide>();
  EXPECT_EQ(heap_allocations - before, 3u);
  EXPECT_GE(heap_bytes - bytes_before, 1000u + 4096u + 256u);
  const std::vector<std::size_t> sizes(listing.sizes().begin(), listing.sizes().begin() + 3);
  EXPECT_EQ(sizes.front(), 1000u);
  EXPECT_GT(sizes[1], 4096u);
  EXPECT_EQ(sizes.back(), 256u);
}

}  // namespace
}  // namespace hawser::test
