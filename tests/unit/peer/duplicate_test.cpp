// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <memory>

// Several connections between the same two peers: who decides which one stays, and what becomes of it when the other dies meanwhile.

namespace hawser::peer_test {
namespace {

using parallel = peer_options::parallel_connections;

class peer_duplicates : public ::testing::Test {
 protected:
  // Two listening peers; the one with the smaller id decides.
  void build(parallel of_decider, parallel of_waiting, std::size_t handshakes_max = 100) {
    do {
      decider = std::make_unique<peer>(loop_, peer_options{.name = "decider", .listen = "127.0.0.1:0", .hooks = &at_decider, .parallel = of_decider});
      waiting = std::make_unique<peer>(loop_, peer_options{.name = "waiting", .listen = "127.0.0.1:0", .hooks = &at_waiting, .handshakes_max = handshakes_max, .parallel = of_waiting});
    } while (decider->id() > waiting->id());
  }
  result<connection> dial(peer& from, peer& to) { return finish(loop_, from.connect(to.local_endpoint())); }
  bool soon(std::move_only_function<bool()> done) { return drive(loop_, std::move(done)); }

  loop loop_;
  diary at_decider, at_waiting;
  std::unique_ptr<peer> decider, waiting;
};

TEST_F(peer_duplicates, give_whoever_dials_again_the_connection_that_stands) {
  build(parallel::one, parallel::one);
  for (peer* from : {decider.get(), waiting.get()}) {
    peer& to = from == decider.get() ? *waiting : *decider;
    const result<connection> first = dial(*from, to);
    const result<connection> again = dial(*from, to);
    ASSERT_TRUE(succeeded(first));
    ASSERT_TRUE(succeeded(again));
    EXPECT_TRUE(*first == *again);
    EXPECT_TRUE(soon([&] { return decider->connections().size() == 1 && waiting->connections().size() == 1; }));
    EXPECT_TRUE(succeeded(again->send("x")));
  }
  EXPECT_EQ(at_decider.count("connected"), 1u);
  EXPECT_EQ(at_waiting.count("connected"), 1u);
}

TEST_F(peer_duplicates, of_which_the_other_side_uses_the_second_keep_both) {
  build(parallel::many, parallel::one);
  ASSERT_TRUE(succeeded(dial(*decider, *waiting)));
  const result<connection> second = dial(*decider, *waiting);
  ASSERT_TRUE(succeeded(second));
  settle(loop_);
  EXPECT_EQ(at_waiting.count("connected"), 1u) << "nobody has decided yet";
  std::string got;
  waiting->on_message([&](connection&, byte_view message) { got = as_text(message); });
  ASSERT_TRUE(succeeded(second->send("this one")));
  ASSERT_TRUE(soon([&] { return !got.empty(); }));
  EXPECT_EQ(at_waiting.count("connected"), 2u);
}

TEST_F(peer_duplicates, of_which_the_first_dies_undecided_answer_the_dial_with_the_second) {
  build(parallel::many, parallel::one);
  const result<connection> first = dial(*waiting, *decider);
  ASSERT_TRUE(succeeded(first));
  task<result<connection>> second = waiting->connect(decider->local_endpoint());
  second.start();
  ASSERT_TRUE(soon([&] { return decider->connections().size() == 2; }));
  settle(loop_);
  EXPECT_FALSE(second.done());
  first->abort();
  ASSERT_TRUE(soon([&] { return second.done(); }));
  const result<connection> stays = second.take();
  ASSERT_TRUE(succeeded(stays));
  EXPECT_TRUE(stays->is_open());
  EXPECT_TRUE(soon([&] { return decider->connections().size() == 1; }));
  EXPECT_EQ(at_waiting.count("connected"), 2u);
  EXPECT_EQ(at_waiting.count("disconnected"), 1u);
}

TEST_F(peer_duplicates, whose_dial_is_dropped_undecided_go_and_leave_the_first) {
  build(parallel::many, parallel::one);
  const result<connection> first = dial(*waiting, *decider);
  ASSERT_TRUE(succeeded(first));
  {
    task<result<connection>> second = waiting->connect(decider->local_endpoint());
    second.start();
    ASSERT_TRUE(soon([&] { return decider->connections().size() == 2; }));
    settle(loop_);
    EXPECT_FALSE(second.done());
  }
  EXPECT_TRUE(soon([&] { return decider->connections().size() == 1; }));
  EXPECT_TRUE(first->is_open());
  EXPECT_EQ(at_waiting.count("connected"), 1u);
  EXPECT_EQ(at_waiting.count("disconnected"), 0u);
}

TEST_F(peer_duplicates, undecided_when_their_peer_is_destroyed_complete_the_dial_and_tell_one_end) {
  build(parallel::many, parallel::one);
  ASSERT_TRUE(succeeded(dial(*waiting, *decider)));
  task<result<connection>> second = waiting->connect(decider->local_endpoint());
  second.start();
  ASSERT_TRUE(soon([&] { return decider->connections().size() == 2; }));
  settle(loop_);
  waiting.reset();
  ASSERT_TRUE(soon([&] { return second.done(); }));
  EXPECT_TRUE(failed_with(second.take(), errc::closed));
  EXPECT_EQ(at_waiting.count("connected"), 1u);
  EXPECT_EQ(at_waiting.count("disconnected"), 1u);
  EXPECT_TRUE(soon([&] { return decider->connections().empty(); }));
}

// The decision takes 2 s: both of its outcomes in one test.
TEST_F(peer_duplicates, that_nobody_decides_go_unless_the_first_is_on_its_way_out) {
  build(parallel::many, parallel::one);
  const auto other_decider = std::move(decider);
  const auto other_waiting = std::move(waiting);
  build(parallel::many, parallel::one);
  const result<connection> kept = dial(*waiting, *decider);
  ASSERT_TRUE(succeeded(kept));
  const result<connection> leaving = dial(*other_waiting, *other_decider);
  ASSERT_TRUE(succeeded(leaving));
  event never_set(loop_);
  other_decider->on("wait", [&](request&) -> task<> { co_await never_set.wait(); });
  auto running = other_waiting->start(*leaving, "wait");
  ASSERT_TRUE(succeeded(running));
  task<result<connection>> first = waiting->connect(decider->local_endpoint());
  task<result<connection>> second = other_waiting->connect(other_decider->local_endpoint());
  first.start();
  second.start();
  ASSERT_TRUE(soon([&] { return decider->connections().size() == 2 && other_decider->connections().size() == 2; }));
  leaving->close();
  ASSERT_TRUE(soon([&] { return first.done() && second.done(); }));
  const result<connection> same = first.take();
  ASSERT_TRUE(succeeded(same));
  EXPECT_TRUE(*same == *kept);
  const result<connection> other = second.take();
  ASSERT_TRUE(succeeded(other));
  EXPECT_FALSE(*other == *leaving);
  EXPECT_TRUE(other->is_open());
}

TEST_F(peer_duplicates, of_a_connection_that_drains_are_none) {
  for (const bool decider_dials : {true, false}) {
    build(parallel::one, parallel::one);
    peer& from = decider_dials ? *decider : *waiting;
    peer& to = decider_dials ? *waiting : *decider;
    event never_set(loop_);
    to.on("wait", [&](request&) -> task<> { co_await never_set.wait(); });
    const result<connection> old = dial(from, to);
    ASSERT_TRUE(succeeded(old));
    auto running = from.start(*old, "wait");
    ASSERT_TRUE(succeeded(running));
    ASSERT_TRUE(soon([&] { return !to.operations().empty() && to.operations()[0].running == 1; }));
    old->close();
    settle(loop_);
    const result<connection> fresh = dial(from, to);
    ASSERT_TRUE(succeeded(fresh));
    EXPECT_FALSE(*fresh == *old);
    EXPECT_TRUE(fresh->is_open());
    settle(loop_);
    EXPECT_TRUE(fresh->is_open()) << "the other side took it for a duplicate";
    EXPECT_TRUE(succeeded(to.send(from.name(), "by name"))) << "the name means the connection that is open";
    EXPECT_EQ(to.has_route(from.name()), 1u);
    running->cancel();
    from.stop_listening();
  }
}

// A stranger that presents the id of a connected peer must not hold sockets that nothing counts.
TEST_F(peer_duplicates, count_among_the_handshakes_until_they_are_decided) {
  build(parallel::many, parallel::one, 1);
  ASSERT_TRUE(succeeded(dial(*decider, *waiting)));
  const result<connection> second = dial(*decider, *waiting);
  ASSERT_TRUE(succeeded(second));
  settle(loop_, 5ms);
  EXPECT_FALSE(dial(*decider, *waiting).has_value());
  ASSERT_TRUE(succeeded(second->send("decided")));
  ASSERT_TRUE(soon([&] { return at_waiting.count("connected") == 2; }));
  EXPECT_TRUE(succeeded(dial(*decider, *waiting)));
}

}  // namespace
}  // namespace hawser::peer_test
