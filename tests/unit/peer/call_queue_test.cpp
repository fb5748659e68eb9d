// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

// Calls beyond the number of channels that the other side allows.

namespace hawser::peer_test {
namespace {

peer_options narrow_server() {
  peer_options options;
  options.wire.announced.channels_max = 16;
  return options;
}
peer_options short_queue() {
  peer_options options;
  options.calls_queued_max = 50;
  return options;
}

class peer_call_queue : public pair_of_peers {
 protected:
  explicit peer_call_queue(peer_options of_client = {}) : pair_of_peers(narrow_server(), std::move(of_client)) {
    server.on("ordered", [this](request& rq) -> task<> {
      const auto body = co_await rq.read_all(100);
      HAWSER_CO_ASSERT(succeeded(body));
      order_.push_back(std::stoul(std::string(as_text(*body))));
      most_ = std::max(most_, ++running_);
      co_await gate_.wait();
      --running_;
      static_cast<void>(co_await rq.write(*body));
    });
  }
  task<> call(std::size_t number) {
    const std::string body = std::to_string(number);
    const result<chunk> answer = co_await client.call(there(), "ordered", as_bytes(body));
    if (answer && as_text(*answer) == body) ++answered_;
    else if (!answer) errors_.push_back(answer.error());
  }

  hawser::event gate_{loop_};
  std::vector<std::size_t> order_;
  std::size_t running_ = 0, most_ = 0, answered_ = 0;
  std::vector<std::error_code> errors_;
};

TEST_F(peer_call_queue, beyond_the_channel_limit_keeps_calls_in_order_and_answers_all) {
  scope calls(loop_);
  there();
  for (std::size_t i = 0; i < 300; ++i) calls.spawn(call(i));
  ASSERT_TRUE(until([&] { return running_ == 16; }));
  settle(loop_);
  EXPECT_EQ(running_, 16u) << "never more than the other side allows";
  EXPECT_EQ(client.calls().queued, 300u - 16);
  gate_.set();
  ASSERT_TRUE(until([&] { return calls.count() == 0; }));
  EXPECT_EQ(answered_, 300u);
  EXPECT_EQ(most_, 16u);
  ASSERT_EQ(order_.size(), 300u);
  EXPECT_TRUE(std::is_sorted(order_.begin(), order_.end()));
  EXPECT_EQ(client.calls().queued, 0u);
}

TEST_F(peer_call_queue, lets_a_queued_call_be_cancelled_without_ever_reaching_the_handler) {
  scope holding(loop_), leaving(loop_);
  there();
  for (std::size_t i = 0; i < 16; ++i) holding.spawn(call(i));
  for (std::size_t i = 100; i < 110; ++i) leaving.spawn(call(i));
  holding.spawn(call(16));
  ASSERT_TRUE(until([&] { return running_ == 16; }));
  EXPECT_EQ(client.calls().queued, 11u);
  leaving.cancel();
  EXPECT_EQ(client.calls().queued, 1u);
  gate_.set();
  ASSERT_TRUE(until([&] { return holding.count() == 0; }));
  EXPECT_EQ(answered_, 17u);
  EXPECT_EQ(order_.size(), 17u);
  EXPECT_EQ(client.calls().cancelled, 10u);
}

TEST_F(peer_call_queue, counts_a_deadline_from_the_call_not_from_the_free_channel) {
  scope holding(loop_);
  there();
  for (std::size_t i = 0; i < 16; ++i) holding.spawn(call(i));
  ASSERT_TRUE(until([&] { return running_ == 16; }));
  EXPECT_TRUE(failed_with(ask("ordered", "99", {.deadline = 20ms}), errc::deadline));
  gate_.set();
  ASSERT_TRUE(until([&] { return holding.count() == 0; }));
  EXPECT_EQ(order_.size(), 16u);
}

TEST_F(peer_call_queue, of_a_connection_that_is_lost_ends_every_call_once) {
  scope calls(loop_);
  there();
  for (std::size_t i = 0; i < 100; ++i) calls.spawn(call(i));
  ASSERT_TRUE(until([&] { return running_ == 16; }));
  server.connections().at(0).abort();
  ASSERT_TRUE(until([&] { return calls.count() == 0; }));
  EXPECT_EQ(errors_.size(), 100u);
  const std::size_t unsent = static_cast<std::size_t>(std::count_if(errors_.begin(), errors_.end(), [](auto e) { return e != errc::connection_lost; }));
  EXPECT_LE(unsent, 84u) << "the sixteen that were running are lost";
  for (const auto& one : errors_) EXPECT_TRUE(one == errc::connection_lost || one == errc::refused || one == errc::not_connected) << one.message();
}

class peer_call_queue_bounded : public peer_call_queue {
 protected:
  peer_call_queue_bounded() : peer_call_queue(short_queue()) {}
};

TEST_F(peer_call_queue_bounded, answers_too_many_calls_beyond_its_bound_and_keeps_the_others) {
  scope calls(loop_);
  there();
  for (std::size_t i = 0; i < 100; ++i) calls.spawn(call(i));
  ASSERT_TRUE(until([&] { return errors_.size() == 34; }));
  for (const auto& one : errors_) EXPECT_TRUE(is(one, errc::too_many_calls));
  gate_.set();
  ASSERT_TRUE(until([&] { return calls.count() == 0; }));
  EXPECT_EQ(answered_, 66u);
}

peer_options small_queue_of_bytes() {
  peer_options options;
  options.calls_queued_bytes_max = 100'000;
  return options;
}
class peer_call_queue_bounded_in_bytes : public peer_call_queue {
 protected:
  peer_call_queue_bounded_in_bytes() : peer_call_queue(small_queue_of_bytes()) {}
};

TEST_F(peer_call_queue_bounded_in_bytes, answers_too_many_calls_when_their_bodies_are_too_large_together) {
  scope calls(loop_);
  there();
  for (std::size_t i = 0; i < 16; ++i) calls.spawn(call(i));
  ASSERT_TRUE(until([&] { return running_ == 16; }));
  std::size_t refused = 0;
  const std::string body(10'000, 'x');
  const auto large = [&]() -> task<> {
    const result<chunk> answer = co_await client.call(there(), "ordered", as_bytes(body), {.deadline = 5s});
    if (!answer && answer.error() == errc::too_many_calls) ++refused;
  };
  scope larges(loop_);
  for (int i = 0; i < 30; ++i) larges.spawn(large());
  ASSERT_TRUE(until([&] { return refused >= 20; }));
  EXPECT_LE(refused, 25u);
  EXPECT_LT(loop_.buffers().bytes_in_use(), 2u << 20);
  larges.cancel();
  gate_.set();
  ASSERT_TRUE(until([&] { return calls.count() == 0; }));
  EXPECT_EQ(answered_, 16u);
}

}  // namespace
}  // namespace hawser::peer_test
