// SPDX-License-Identifier: Apache-2.0 OR MIT
// What is sent, how it is summed and numbered.
#include "common/payload.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace hawser::bench {
namespace {

using bytes = std::span<const std::byte>;

TEST(payload_sum, is_that_of_its_words_however_it_is_cut) {
  std::vector<std::byte> all(100);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::byte>(i * 37 + 11);
  for (std::size_t size = 0; size <= all.size(); ++size) {
    std::uint64_t expected = 0;
    for (std::size_t at = 0; at < size; at += 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, all.data() + at, std::min<std::size_t>(8, size - at));
      expected += word;
    }
    ASSERT_EQ(sum_of(bytes(all).first(size)), expected) << size;
    for (std::size_t first = 0; first <= size; first += 3) {
      for (std::size_t second = first; second <= size; second += 5) {
        running_sum sum;
        sum.add(bytes(all).first(first));
        sum.add(bytes(all).subspan(first, second - first));
        sum.add(bytes(all).subspan(second, size - second));
        ASSERT_EQ(sum.take(), expected) << size << " cut at " << first << " and " << second;
      }
    }
  }
  EXPECT_EQ(sum_of(bytes(all).first(64)), sum_of(static_cast<const void*>(all.data())));
}

TEST(message_source, knows_its_sums) {
  for (const std::size_t size : {16, 64, 100, 1024}) {
    message_source source(size, 3);
    for (std::uint64_t i = 0; i < 3; ++i) {
      const bytes message = source.next(static_cast<std::int64_t>(i * 1000));
      EXPECT_EQ(message.size(), size);
      EXPECT_EQ(sum_of(message), source.sum());
      payload_head head;
      std::memcpy(&head, message.data(), sizeof head);
      EXPECT_EQ(head.sequence, sequence_in(3, i));
      EXPECT_EQ(head.stamp_ns, static_cast<std::int64_t>(i * 1000));
    }
    EXPECT_EQ(source.count(), 3u);
  }
}

TEST(arrival_order, is_of_each_line_by_itself) {
  arrival_order order(2);
  EXPECT_TRUE(order.follows(sequence_in(0, 0)));
  EXPECT_TRUE(order.follows(sequence_in(1, 0)));
  EXPECT_TRUE(order.follows(sequence_in(0, 1)));
  EXPECT_FALSE(order.follows(sequence_in(0, 3)));
  EXPECT_FALSE(order.follows(sequence_in(2, 0)));
}

}
}  // namespace hawser::bench
