// SPDX-License-Identifier: Apache-2.0 OR MIT
// What a connection takes from the heap until it is open at both ends, listed. docs/performance.md says what each of them is.
#include "support/heap.hpp"
#include "support/sanitizers.hpp"
#include "unit/peer/fixture.hpp"

#include <malloc.h>

#include <cstdio>
#include <optional>
#include <memory>
#include <numeric>

namespace hawser::peer_test {
namespace {

struct side {
  std::unique_ptr<loop> on;
  std::unique_ptr<peer> of;
  std::vector<std::size_t> sizes;          // of what it allocated since it was cleared

  template <class Work>
  void account(Work work) {
    std::vector<std::size_t> seen;
    {
      const test::heap_listing listing;
      work();
      seen.assign(listing.sizes().begin(), listing.sizes().end());
    }
    sizes.insert(sizes.end(), seen.begin(), seen.end());
  }
  std::size_t bytes() const { return std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}); }
  void print(const char* engine, const char* which, const char* who) const {
    std::printf("%s, %s connection, %s: %zu allocations, %zu bytes:", engine, which, who, sizes.size(), bytes());
    for (const std::size_t one : sizes) std::printf(" %zu", one);
    std::printf("\n");
  }
};

class connect_path : public ::testing::TestWithParam<engine_choice> {
 protected:
  void SetUp() override {
    if (HAWSER_UNDER_THREAD_SANITIZER) GTEST_SKIP() << "ThreadSanitizer has operators and pages of its own: nothing is counted";
    if (GetParam() == engine_choice::uring && !uring_refusal().empty()) GTEST_SKIP() << "io_uring refused: " << uring_refusal();
    const loop_options options{.engine = GetParam(), .wait = wait_policy::block};
    acceptor.on = std::make_unique<loop>(options);
    dialer.on = std::make_unique<loop>(options);
    acceptor.of = std::make_unique<peer>(*acceptor.on, listening("acceptor"));
    dialer.of = std::make_unique<peer>(*dialer.on, named(""));
    where = acceptor.of->local_endpoint();
  }

  // One more connection; afterwards each side's sizes are its allocations.
  void open_one() {
    acceptor.sizes.clear();
    dialer.sizes.clear();
    const std::size_t open_before = acceptor.of->connections().size();
    std::optional<task<result<connection>>> connecting;
    dialer.account([&] {
      connecting.emplace(dialer.of->connect(where));
      connecting->start();
    });
    const auto give_up = std::chrono::steady_clock::now() + patience;
    while (!connecting->done() || acceptor.of->connections().size() == open_before) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up);
      acceptor.account([&] { acceptor.on->poll(); });
      dialer.account([&] { dialer.on->poll(); });
    }
    ASSERT_TRUE(succeeded(connecting->take()));
  }
  static void expect_within(const side& one, std::size_t count, std::size_t bytes) {
    EXPECT_GT(one.sizes.size(), 0u);
    EXPECT_LE(one.sizes.size(), count);
    EXPECT_LE(one.bytes(), bytes);
  }

  side acceptor, dialer;
  endpoint where;
};

TEST_P(connect_path, takes_a_bounded_number_of_allocations_at_each_end) {
  const bool is_uring = GetParam() == engine_choice::uring;
  const char* const engine = is_uring ? "uring" : "epoll";
  constexpr std::size_t pools_count = 24, pools_bytes = 160 * 1024;           // the first one's share of them
  const std::size_t receive_count = is_uring ? 64 : 0;                        // a ring's receive buffers, at its first turn
  const std::size_t receive_bytes = receive_count * (io::receive_buffer_bytes + 64);
  ASSERT_NO_FATAL_FAILURE(open_one());
  acceptor.print(engine, "first", "acceptor");
  dialer.print(engine, "first", "dialer");
  expect_within(acceptor, 10 + pools_count + receive_count, 4096 + pools_bytes + receive_bytes);
  expect_within(dialer, 16 + pools_count + receive_count, 4096 + pools_bytes + receive_bytes);
  for (int i = 2; i < 100; ++i) ASSERT_NO_FATAL_FAILURE(open_one());
  ASSERT_NO_FATAL_FAILURE(open_one());
  acceptor.print(engine, "hundredth", "acceptor");
  dialer.print(engine, "hundredth", "dialer");
  expect_within(acceptor, 10, 4096);
  expect_within(dialer, 16, 4096);
}

// What both ends of a connection own while it says nothing, the allocator's share included, and without the slots of the engines, which
// come by the page.
TEST_P(connect_path, leaves_no_more_at_both_ends_than_what_an_idle_connection_may_own) {
  if (HAWSER_UNDER_ADDRESS_SANITIZER) GTEST_SKIP() << "AddressSanitizer has an allocator of its own";
  constexpr std::size_t at_both_ends_max = 2 * 1'408;
  constexpr std::size_t count = 200;
  std::size_t answered = 0;
  acceptor.of->on_message([](connection& from, byte_view message) { EXPECT_TRUE(succeeded(from.send(message))); });
  dialer.of->on_message([&](connection&, byte_view) { ++answered; });
  const auto ask_all = [&] {
    answered = 0;
    const std::vector<connection> open = dialer.of->connections();
    for (const connection& one : open) ASSERT_TRUE(succeeded(one.send(as_bytes("are you there?"))));
    ASSERT_TRUE(drive_both(*acceptor.on, *dialer.on, [&] { return answered == open.size(); }));
    for (int i = 0; i < 5; ++i) acceptor.on->poll(), dialer.on->poll();
  };
  for (int i = 0; i < 20; ++i) ASSERT_NO_FATAL_FAILURE(open_one());
  ASSERT_NO_FATAL_FAILURE(ask_all());
  const std::size_t pooled = acceptor.on->buffers().bytes_cached() + dialer.on->buffers().bytes_cached();
  const std::size_t before = ::mallinfo2().uordblks;
  for (std::size_t i = 0; i < count; ++i) ASSERT_NO_FATAL_FAILURE(open_one());
  ASSERT_NO_FATAL_FAILURE(ask_all());
  EXPECT_EQ(acceptor.on->buffers().bytes_in_use() + dialer.on->buffers().bytes_in_use(), 0u);
  const std::size_t free_buffers = acceptor.on->buffers().bytes_cached() + dialer.on->buffers().bytes_cached() - pooled;
  const std::size_t owned = (::mallinfo2().uordblks - before - free_buffers) / count;
  std::printf("%s: %zu bytes at both ends of an idle connection\n", GetParam() == engine_choice::uring ? "uring" : "epoll", owned);
  EXPECT_LE(owned, at_both_ends_max);
}

INSTANTIATE_TEST_SUITE_P(engine, connect_path, ::testing::Values(engine_choice::epoll, engine_choice::uring),
    [](const auto& instance) { return instance.param == engine_choice::epoll ? "epoll" : "uring"; });

}  // namespace
}  // namespace hawser::peer_test
