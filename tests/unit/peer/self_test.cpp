// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <memory>
#include <optional>

// The connection of a peer with itself, when it ends and another takes its place.

namespace hawser::peer_test {
namespace {

class peer_with_itself : public ::testing::Test {
 protected:
  peer_with_itself() : lonely(std::make_unique<peer>(loop_, named("lonely"))) {
    lonely->on("hold", [this](request& rq) -> task<> {
      ++held;
      co_await released.wait();
      static_cast<void>(co_await rq.write("done"));
    });
  }
  task<std::error_code> ask(connection with) {
    const result<chunk> answer = co_await lonely->call(with, "hold");
    co_return answer ? std::error_code() : answer.error();
  }

  loop loop_;
  event released{loop_};
  int held = 0;
  std::unique_ptr<peer> lonely;
};

TEST_F(peer_with_itself, is_replaced_while_the_old_one_still_drains) {
  connection old = lonely->self();
  task<std::error_code> first = ask(old);
  first.start();
  ASSERT_TRUE(drive(loop_, [&] { return held == 1; }));
  old.close();
  settle(loop_, 5ms);
  connection fresh = lonely->self();
  EXPECT_FALSE(fresh == old);
  EXPECT_TRUE(fresh.is_open());
  released.set();
  EXPECT_TRUE(is(finish(loop_, ask(fresh), 5s), {}));
  ASSERT_TRUE(drive(loop_, [&] { return first.done(); }));
  old.abort();
  settle(loop_);
  EXPECT_EQ(lonely->calls().running, 0u);
  finish(loop_, lonely->stop(1s), 5s);
}

TEST_F(peer_with_itself, is_aborted_and_replaced_in_the_same_turn) {
  for (int i = 0; i < 20; ++i) {
    connection one = lonely->self();
    ASSERT_TRUE(one.is_open());
    one.abort();
    EXPECT_FALSE(one.is_open());
  }
  released.set();
  EXPECT_TRUE(is(finish(loop_, ask(lonely->self()), 5s), {}));
  finish(loop_, lonely->stop(1s), 5s);
}

TEST_F(peer_with_itself, is_destroyed_with_two_generations_open) {
  connection old = lonely->self();
  task<std::error_code> first = ask(old);
  first.start();
  ASSERT_TRUE(drive(loop_, [&] { return held == 1; }));
  old.close();
  task<std::error_code> second = ask(lonely->self());
  second.start();
  ASSERT_TRUE(drive(loop_, [&] { return held == 2; }));
  lonely.reset();
  ASSERT_TRUE(drive(loop_, [&] { return first.done() && second.done(); }));
  EXPECT_TRUE(first.take());
  EXPECT_TRUE(second.take());
  settle(loop_, 5ms);
}

TEST_F(peer_with_itself, is_found_by_its_own_name_and_id_at_no_hop) {
  const auto found = lonely->find("lonely");
  ASSERT_TRUE(found.has_value());
  EXPECT_TRUE(*found == lonely->self());
  EXPECT_TRUE(lonely->find(lonely->id()) == found);
  EXPECT_EQ(lonely->has_route("lonely"), 0u);
  EXPECT_FALSE(lonely->has_route("nobody").has_value());
  EXPECT_FALSE(lonely->find("").has_value());
  EXPECT_TRUE(lonely->connections().empty()) << "it is no connection with another peer";
}

TEST_F(peer_with_itself, lets_nobody_else_in_under_its_own_name) {
  ASSERT_TRUE(succeeded(lonely->listen("127.0.0.1:0")));
  peer other(loop_, named("lonely"));
  EXPECT_TRUE(failed_with(finish(loop_, other.connect(lonely->local_endpoint())), errc::id_taken));
}

}  // namespace
}  // namespace hawser::peer_test
