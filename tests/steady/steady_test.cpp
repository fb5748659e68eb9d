// SPDX-License-Identifier: Apache-2.0 OR MIT
// What goes on for long costs no memory: once pools, windows and tables have their size, both ends of a connection take nothing from
// the heap and touch no page for the first time, on each engine. Both loops turn on the test's thread, so that its counts are theirs.
#include "support/heap.hpp"
#include "support/sanitizers.hpp"
#include "unit/peer/fixture.hpp"

#include <sys/resource.h>

#include <memory>
#include <ostream>

namespace hawser::peer_test {
namespace {

struct costs {
  std::uint64_t allocations = 0;
  long page_faults = 0;                     // minor ones of this thread
  friend bool operator==(const costs&, const costs&) = default;
};
std::ostream& operator<<(std::ostream& out, const costs& of) {
  return out << of.allocations << " allocations, " << of.page_faults << " page faults";
}

costs so_far() {
  rusage used{};
  ::getrusage(RUSAGE_THREAD, &used);
  return {test::heap_allocations.load(), HAWSER_UNDER_ADDRESS_SANITIZER ? 0 : used.ru_minflt};
}

class steady : public ::testing::TestWithParam<engine_choice> {
 protected:
  void SetUp() override {
    if (HAWSER_UNDER_THREAD_SANITIZER) GTEST_SKIP() << "ThreadSanitizer has operators and pages of its own: nothing is counted";
    if (GetParam() == engine_choice::uring && !uring_refusal().empty()) GTEST_SKIP() << "io_uring refused: " << uring_refusal();
    const loop_options options{.engine = GetParam(), .wait = wait_policy::block};
    server_loop = std::make_unique<loop>(options);
    client_loop = std::make_unique<loop>(options);
    server = std::make_unique<peer>(*server_loop, listening("server"));
    client = std::make_unique<peer>(*client_loop, named("client"));
    auto connecting = client->connect(server->local_endpoint());
    connecting.start();
    ASSERT_TRUE(until([&] { return connecting.done(); }));
    const result<connection> connected = connecting.take();
    ASSERT_TRUE(succeeded(connected));
    there = *connected;
  }

  template <class Done>
  bool until(Done done) { return drive_both(*server_loop, *client_loop, std::move(done), 120s); }

  // Each receive buffer of a loop is used in turn, and to its end only by much at once: so that all of them have their pages.
  void warm_up() {
    constexpr std::size_t bytes = std::size_t{64} << 20;
    std::size_t received = 0;
    const auto swallow = [&](channel& from) -> task<> {
      for (;;) {
        auto piece = co_await from.read();
        if (!piece || piece->empty()) co_return;
        received += piece->size();
      }
    };
    server->on_stream(swallow);
    client->on_stream(swallow);
    const auto pour = [&](peer& from, connection to) -> task<> {
      auto out = from.open_stream(to);
      HAWSER_CO_ASSERT(out.has_value());
      chunk block = from.home().buffers().allocate(65'536);
      block.grow(65'536);
      std::memset(block.mutable_data(), 1, block.size());
      for (std::size_t sent = 0; sent < bytes; sent += block.size()) {
        chunk shared = block;
        const result<> written = co_await out->write(std::move(shared));
        HAWSER_CO_ASSERT(succeeded(written));
      }
      out->finish();
      const auto end = co_await out->read();
      HAWSER_CO_ASSERT(succeeded(end));
    };
    auto there_and = pour(*client, there);
    auto back = pour(*server, server->connections().front());
    there_and.start();
    back.start();
    ASSERT_TRUE(until([&] { return there_and.done() && back.done(); }));
    ASSERT_EQ(received, 2 * bytes);
  }

  // The most that is ever under way at once is a matter of chance and may come late; then a pool takes one segment more. So one round of
  // four has to take nothing at all; what a message took, all of them would show.
  template <class Round>
  void expect_a_free_round(Round round) {
    costs before, after;
    for (int rounds = 0; rounds == 0 || (rounds < 4 && after != before); ++rounds) {
      before = so_far();
      round();
      after = so_far();
    }
    EXPECT_EQ(after, before);
  }

  std::unique_ptr<loop> server_loop, client_loop;
  std::unique_ptr<peer> server, client;
  connection there;                         // as the client sees it
};

TEST_P(steady, messages_there_and_back_allocate_nothing) {
  const std::size_t count = scaled(1'000'000);
  std::size_t answered = 0;
  bool is_wrong = false;
  server->on_message([&](connection& from, byte_view message) { is_wrong |= !from.send(message); });
  client->on_message([&](connection& from, byte_view message) {
    ++answered;
    is_wrong |= message.size() != 64 || !from.send(message);
  });
  warm_up();
  const std::string message(64, 'm');
  for (int i = 0; i < 500; ++i) ASSERT_TRUE(there.send(message));
  ASSERT_TRUE(until([&] { return answered >= count / 10; }));
  expect_a_free_round([&] {
    const std::size_t from = answered;
    EXPECT_TRUE(until([&] { return answered >= from + count; }));
  });
  EXPECT_FALSE(is_wrong);
}

TEST_P(steady, messages_against_back_pressure_allocate_nothing) {
  const std::size_t count = scaled(1'000'000);
  std::size_t received = 0, waits = 0;
  server->on_message([&](connection&, byte_view message) { received += message.size() == 64; });
  bool is_over = false;
  const auto pour = [&]() -> task<> {
    const std::string message(64, 'm');
    while (!is_over) {
      const result<> taken = there.send(message);
      if (taken) continue;
      HAWSER_CO_ASSERT(taken.error() == errc::would_block);
      ++waits;
      const result<> writable = co_await client->writable(there);
      HAWSER_CO_ASSERT(succeeded(writable));
    }
  };
  warm_up();
  auto pouring = pour();
  pouring.start();
  // The most that can be under way is, now and then, while nobody reads; and then the sender may receive something as well.
  for (std::size_t round = 1; round <= 20; ++round) {
    while (client_loop->poll()) {}
    chunk received_then = client_loop->buffers().allocate(io::receive_buffer_bytes);
    std::memset(received_then.mutable_data(), 0, io::receive_buffer_bytes);
    received_then = chunk();
    ASSERT_TRUE(until([&] { return received >= round * count / 100; }));
  }
  expect_a_free_round([&] {
    const std::size_t from = received, waited = waits;
    EXPECT_TRUE(until([&] { return received >= from + count; }));
    EXPECT_GT(waits, waited);
  });
  is_over = true;
  EXPECT_TRUE(until([&] { return pouring.done(); }));
}

TEST_P(steady, requests_allocate_nothing) {
  const std::size_t count = scaled(1'000'000);
  constexpr int callers = 64;
  std::size_t answered = 0;
  bool is_over = false;
  server->on("echo", echo);
  const auto ask = [&]() -> task<> {
    const std::string body(64, 'r');
    while (!is_over) {
      const result<chunk> answer = co_await client->call(there, "echo", as_bytes(body));
      HAWSER_CO_ASSERT(answer.has_value() && as_text(*answer) == body);
      ++answered;
    }
  };
  warm_up();
  {
    scope asking(*client_loop);
    for (int i = 0; i < callers; ++i) asking.spawn(ask());
    ASSERT_TRUE(until([&] { return answered >= count / 10; }));
    expect_a_free_round([&] {
      const std::size_t from = answered;
      EXPECT_TRUE(until([&] { return answered >= from + count; }));
    });
    is_over = true;
    EXPECT_TRUE(until([&] { return asking.count() == 0; }));
  }
}

INSTANTIATE_TEST_SUITE_P(engine, steady, ::testing::Values(engine_choice::epoll, engine_choice::uring),
    [](const auto& instance) { return instance.param == engine_choice::epoll ? "epoll" : "uring"; });

}  // namespace
}  // namespace hawser::peer_test
