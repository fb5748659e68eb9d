// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/inspection.hpp"
#include "support/sanitizers.hpp"
#include "unit/proto/connection_pair.hpp"
#include "unit/proto/guarded_new.hpp"

#include <gtest/gtest.h>

#include <cstdint>

// Thousands of channels beside the one that is used.

namespace hawser::proto::testing {
namespace {

// What a run of messages cost, in everything that can be counted.
struct cost {
  std::uint64_t allocations = 0, frames = 0, events = 0;
  std::size_t bytes_in_use = 0;
  instant next_timeout{};
};

// Messages and pieces of a stream there, and the credit for them back, while `idle` other channels are open. The memory of these cannot
// be read meanwhile: whoever walks over the channels, or looks at one that nothing is sent on, ends the program.
cost of_messages(std::size_t idle) {
  settings many;
  many.announced.channels_max = 5'000;
  pair p(many, many);
  p.settle();
  p.client.keeps = p.server.keeps = false;
  // Channels lie in pages of 16 and a word, which is filled up to the next multiple of 128. (An index of 256 pages is nearly as large, and may be read.)
  hawser::test::guard_blocks(16 * sizeof(channel) + 128, 16 * sizeof(channel) + 128);
  const std::size_t blocks_before = hawser::test::guarded_blocks();
  const auto open_some = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) EXPECT_TRUE(p.client.c.open(p.client.now, {}, {}, end_mark::open));
  };
  open_some(idle / 2);
  const channel_id used = p.client.c.open(p.client.now, {}, {}, end_mark::open).value();
  open_some(idle - idle / 2);
  p.settle();
  hawser::test::guard_blocks(0, 0);
  EXPECT_EQ(p.server.c.open_channels(), idle + 1);
  EXPECT_GE(hawser::test::guarded_blocks() - blocks_before, 2 * (idle / 16)) << "the channels lie elsewhere: nothing is proved";

  const std::string body = pattern(1'000);
  const auto exchange = [&](int count) {
    for (int i = 0; i < count; ++i) {
      EXPECT_TRUE(p.client.c.send(message_channel, as_bytes(body)));
      EXPECT_TRUE(p.client.c.write(used, as_bytes(body)));
      EXPECT_TRUE(p.server.c.write(used, as_bytes(body)));
      p.settle();
    }
  };
  exchange(500);          // buffers that are kept, windows that widen
  const channel* const at_both[] = {inspection::find(p.client.c, used), inspection::find(p.server.c, used)};
  hawser::test::shut_blocks();
  for (const channel* each : at_both) hawser::test::open_block(each);
  const auto counted = [&] {
    const connection::statistics at_client = p.client.c.stats(), at_server = p.server.c.stats();
    std::uint64_t events = 0;
    for (const side* each : {&p.client, &p.server})
      for (const std::size_t kind : each->counts) events += kind;
    return cost{hawser::test::heap_allocations(), at_client.frames_received + at_server.frames_received, events,
        p.client.pool.bytes_in_use() + p.server.pool.bytes_in_use(), std::min(p.client.c.poll_timeout(), p.server.c.poll_timeout())};
  };
  const cost before = counted();
  exchange(5'000);
  const cost after = counted();
  hawser::test::open_blocks();
  return {after.allocations - before.allocations, after.frames - before.frames, after.events - before.events, after.bytes_in_use, after.next_timeout};
}

TEST(connection_many, open_channels_cost_a_message_beside_them_nothing_at_all) {
  if (HAWSER_UNDER_THREAD_SANITIZER) GTEST_SKIP() << "ThreadSanitizer has operators of its own: nothing is guarded";
  const cost alone = of_messages(0), beside_thousands = of_messages(4'000);
  EXPECT_EQ(alone.frames, beside_thousands.frames);
  EXPECT_EQ(alone.events, beside_thousands.events);
  EXPECT_EQ(alone.bytes_in_use, beside_thousands.bytes_in_use);
  EXPECT_EQ(alone.allocations, beside_thousands.allocations);
  EXPECT_EQ(alone.next_timeout, beside_thousands.next_timeout);
  EXPECT_GE(alone.frames, 15'000u);
}

}  // namespace
}  // namespace hawser::proto::testing
