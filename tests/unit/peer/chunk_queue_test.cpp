// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/chunk_queue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace hawser::detail {
namespace {

constexpr std::size_t received_bytes = 64 * 1024;
constexpr std::size_t pieces = 96;

// What an engine does with a receive buffer that begins with these bytes.
template <class Take>
void receive(buffer_pool& pool, std::string_view bytes, Take&& take) {
  chunk segment = pool.allocate(received_bytes);
  std::ranges::copy(as_bytes(bytes), segment.mutable_data());
  const lending lent(pool, segment);
  take(byte_view{segment.data(), bytes.size()});
}

std::string piece(std::size_t size, std::size_t number) {
  std::string text(size, 'a');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i + number) % 26);
  return text;
}

TEST(chunk_queue, holds_at_most_four_times_what_waits_in_it_whatever_the_sizes) {
  for (const bool messages : {true, false}) {
    for (const std::vector<std::size_t>& sizes : std::vector<std::vector<std::size_t>>{
             {1}, {4095}, {4097}, {8193}, {16'383}, {16'384}, {16'384, 1}, {16'384, 1, 1, 1}, {16'384, 4095}, {16'384, 8193}, {16'384, 1, 8193}}) {
      buffer_pool pool;
      chunk_queue queue;
      std::string expected, got;
      for (std::size_t i = 0; i < pieces; ++i) {
        const std::string text = piece(sizes[i % sizes.size()], i);
        expected += text;
        receive(pool, text, [&](byte_view bytes) {
          if (messages) queue.append_message(pool, bytes, bytes.size());
          else queue.append_bytes(pool, bytes, bytes.size());
        });
        ASSERT_LE(pool.bytes_in_use(), 4 * queue.bytes() + 16 * 1024) << "piece " << i << ", the first is of " << sizes[0];
      }
      EXPECT_EQ(queue.cost(), expected.size());
      for (std::size_t i = 0; messages && i < pieces; ++i) {
        const chunk_queue::taken next = queue.take_front();
        EXPECT_EQ(next.piece.size(), sizes[i % sizes.size()]);
        EXPECT_EQ(next.cost, next.piece.size());
        got += as_text(next.piece);
      }
      while (!queue.empty()) got += as_text(queue.take_front().piece);
      EXPECT_TRUE(got == expected);
      EXPECT_EQ(pool.bytes_in_use(), 0u);
    }
  }
}

TEST(chunk_queue, small_bytes_behind_a_shared_receive_buffer_are_not_written_into_it) {
  buffer_pool pool;
  chunk_queue queue;
  receive(pool, "small", [&](byte_view bytes) { queue.append_bytes(pool, bytes, 5); });
  receive(pool, piece(20'000, 0) + "not ours", [&](byte_view bytes) {
    queue.append_bytes(pool, bytes.first(20'000), 20'000);
    queue.append_bytes(pool, as_bytes("more"), 4);
    EXPECT_EQ(as_text(bytes.subspan(20'000)), "not ours");
  });
  queue.append_bytes(pool, as_bytes(" and more"), 9);
  EXPECT_EQ(as_text(queue.take_front().piece), "small");
  EXPECT_EQ(as_text(queue.take_front().piece), piece(20'000, 0));
  const chunk_queue::taken last = queue.take_front();
  EXPECT_EQ(as_text(last.piece), "more and more");
  EXPECT_EQ(last.cost, 13u);
  EXPECT_TRUE(queue.empty());
}

}
}  // namespace hawser::detail
