// SPDX-License-Identifier: Apache-2.0 OR MIT
// What a connection takes from the heap until it is open at both ends, listed. docs/performance.md says what each of them is.
#include "support/heap.hpp"
#include "support/sanitizers.hpp"
#include "unit/peer/fixture.hpp"

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

INSTANTIATE_TEST_SUITE_P(engine, connect_path, ::testing::Values(engine_choice::epoll, engine_choice::uring),
    [](const auto& instance) { return instance.param == engine_choice::epoll ? "epoll" : "uring"; });

}  // namespace
}  // namespace hawser::peer_test
