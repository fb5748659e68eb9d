// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "counting_engine.hpp"
#include "fixture.hpp"

#include <memory>

// Which messages leave in which send. The client's loop is its own, so that every send on it is the client's.

namespace hawser::peer_test {
namespace {

class peer_cork : public ::testing::Test {
 protected:
  peer_cork() {
    server_.on_message([this](connection&, byte_view message) { received_.emplace_back(as_text(message)); });
    task<result<connection>> dial = client_.connect(server_.local_endpoint());
    dial.start();
    drive_both(here_, there_, [&] { return dial.done(); });
    to_ = dial.take().value();
    turn(10);      // what the handshake still has to say
    sends_before_ = engine_->sends();
  }
  // Whole turns of both: whatever is due has left after each.
  void turn(int times = 1) {
    for (int i = 0; i < times; ++i) here_.poll(), there_.poll();
  }
  bool until_received(std::size_t count) {
    return drive_both(here_, there_, [&] { return received_.size() >= count; });
  }
  std::uint64_t sends() const { return engine_->sends() - sends_before_; }

  counting_engine* engine_ = new counting_engine;
  loop here_{std::unique_ptr<io::engine>(engine_)};
  loop there_;
  peer server_{there_, listening("server")};
  peer client_{here_, named("client")};
  connection to_;
  std::vector<std::string> received_;

 private:
  std::uint64_t sends_before_ = 0;
};

TEST_F(peer_cork, what_is_sent_in_one_turn_leaves_in_one_send_and_what_is_sent_by_turns_in_as_many) {
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(succeeded(to_.send("one turn")));
  ASSERT_TRUE(until_received(50));
  EXPECT_EQ(sends(), 1u);
  for (std::size_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(succeeded(to_.send("a turn of its own")));
    ASSERT_TRUE(until_received(50 + i));
    EXPECT_EQ(sends(), 1 + i);
  }
}

TEST_F(peer_cork, what_is_corked_stays_through_any_turns_and_leaves_in_one_send_when_uncorked) {
  to_.cork();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(succeeded(to_.send("corked " + std::to_string(i))));
    turn(3);
  }
  EXPECT_EQ(sends(), 0u);
  EXPECT_TRUE(received_.empty());
  to_.uncork();
  ASSERT_TRUE(until_received(50));
  EXPECT_EQ(sends(), 1u);
  for (std::size_t i = 0; i < 50; ++i) EXPECT_EQ(received_[i], "corked " + std::to_string(i));
}

TEST_F(peer_cork, more_than_64_kib_leaves_though_it_is_corked) {
  to_.cork();
  const std::string half(40'000, 'x');
  ASSERT_TRUE(succeeded(to_.send(half)));
  turn(10);
  EXPECT_EQ(sends(), 0u);
  ASSERT_TRUE(succeeded(to_.send(half)));
  ASSERT_TRUE(until_received(2)) << "nobody uncorked it";
  EXPECT_GE(sends(), 1u);
  // And once the sender, too, knows that it is gone, what comes waits again.
  turn(10);
  const std::uint64_t so_far = sends();
  ASSERT_TRUE(succeeded(to_.send("corked again")));
  turn(10);
  EXPECT_EQ(sends(), so_far);
  EXPECT_EQ(received_.size(), 2u);
}

}  // namespace
}  // namespace hawser::peer_test
