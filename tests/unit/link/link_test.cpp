// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder.hpp"
#include "script_engine.hpp"

#include <memory>

namespace hawser::test {
namespace {

using namespace std::chrono_literals;

// A link on a scripted socket: what it does with time, failures and destruction.
class link_test : public ::testing::Test {
 protected:
  link_test() {
    auto owned = std::make_unique<script_engine>();
    engine_ = owned.get();
    loop_.emplace(std::move(owned));
    user_ = std::make_unique<recorder>(*loop_);
    id_ = engine_->accepted();
    user_->wire->accept(id_);
  }
  void run_for(duration span) {
    const instant end = engine_->now() + span;
    while (engine_->now() < end) loop_->run_once(end - engine_->now());
    turns(3);
  }
  void turns(int count) {
    while (count-- > 0) loop_->poll();
  }
  script_engine::socket& socket() { return engine_->sockets[id_.index]; }

  script_engine* engine_;
  std::optional<loop> loop_;
  std::unique_ptr<recorder> user_;
  io::socket_id id_;
};

TEST_F(link_test, is_at_most_128_bytes) { EXPECT_LE(sizeof(hawser::link), 128u); }

TEST_F(link_test, carries_bytes_both_ways_and_counts_them) {
  user_->send("hello");
  engine_->give(id_, "there");
  turns(3);
  EXPECT_EQ(socket().sent, "hello");
  EXPECT_EQ(user_->received, "there");
  EXPECT_EQ(user_->sent, 5u);
  const link_statistics stats = user_->wire->stats();
  EXPECT_EQ(stats.bytes_sent, 5u);
  EXPECT_EQ(stats.bytes_received, 5u);
  EXPECT_EQ(stats.sends, 1u);
  EXPECT_EQ(stats.receives, 1u);
}

TEST_F(link_test, one_turn_is_one_send) {
  for (int i = 0; i < 100; ++i) user_->send("x");
  turns(2);
  EXPECT_EQ(socket().sends, std::vector<std::size_t>{100});
}

TEST_F(link_test, sends_at_most_256_KiB_at_once_and_the_next_when_it_was_taken) {
  const std::string big = pattern(1'000'000);
  engine_->take_sends = false;
  user_->send(big);
  turns(5);
  EXPECT_EQ(socket().sends, std::vector<std::size_t>{link::send_bytes_max});
  EXPECT_EQ(user_->wire->stats().bytes_in_flight, link::send_bytes_max);
  engine_->take_now(id_);
  turns(2);
  EXPECT_EQ(socket().sends.size(), 2u);
  engine_->take_sends = true;
  engine_->take_now(id_);
  turns(10);
  EXPECT_EQ(socket().sent, big);
  EXPECT_EQ(user_->sent, big.size());
  EXPECT_EQ(user_->wire->stats().bytes_in_flight, 0u);
}

TEST_F(link_test, answers_leave_in_the_turn_that_asked) {
  user_->on_call = [&](std::string_view what) {
    if (what == "bytes") user_->outgoing += "pong";   // no transmit_later(): input marks the link
  };
  engine_->give(id_, "ping");
  turns(1);
  EXPECT_EQ(socket().sent, "pong");
}

TEST_F(link_test, timeouts_come_when_due_also_when_they_move) {
  const instant begin = engine_->now();
  user_->timeout = begin + 100ms;
  user_->wire->transmit_later();
  run_for(10ms);
  user_->timeout = begin + 50ms;    // earlier
  user_->wire->transmit_later();
  run_for(200ms);
  ASSERT_EQ(user_->timeouts.size(), 1u);
  EXPECT_EQ(user_->timeouts[0], begin + 50ms);
  user_->timeout = begin + 300ms;
  user_->wire->transmit_later();
  run_for(10ms);
  user_->timeout = begin + 400ms;   // later: the timer asks again instead of being moved
  run_for(300ms);
  ASSERT_EQ(user_->timeouts.size(), 2u);
  EXPECT_EQ(user_->timeouts[1], begin + 400ms);
}

TEST_F(link_test, the_other_sides_end_leaves_sending_open) {
  engine_->give(id_, "last");
  engine_->give_end(id_);
  turns(2);
  ASSERT_EQ(user_->ends.size(), 1u);
  EXPECT_FALSE(user_->ends[0]);
  user_->send("still here");
  turns(2);
  EXPECT_EQ(socket().sent, "still here");
  user_->wire->close();
  turns(3);
  EXPECT_TRUE(socket().closed);
  EXPECT_FALSE(socket().aborted);
  ASSERT_EQ(user_->closed.size(), 1u);
  EXPECT_FALSE(user_->closed[0]);
}

TEST_F(link_test, close_sends_what_is_left_then_waits_for_the_other_sides_end) {
  const std::string rest = pattern(600'000);
  user_->outgoing = rest;
  user_->wire->close();
  EXPECT_FALSE(user_->wire->open());
  EXPECT_TRUE(user_->wire->alive());
  run_for(100ms);
  EXPECT_EQ(socket().sent, rest);
  EXPECT_TRUE(socket().finished);
  EXPECT_FALSE(socket().closed);
  engine_->give(id_, "dropped");
  run_for(100ms);
  EXPECT_EQ(user_->received, "");
  EXPECT_TRUE(user_->closed.empty());
  engine_->give_end(id_);
  turns(2);
  EXPECT_TRUE(socket().closed);
  ASSERT_EQ(user_->closed.size(), 1u);
  EXPECT_FALSE(user_->closed[0]);
  EXPECT_TRUE(user_->ends.empty());
  EXPECT_FALSE(user_->wire->alive());
}

TEST_F(link_test, close_waits_for_the_other_sides_end_for_a_second) {
  user_->wire->close();
  run_for(link::linger_max - 10ms);
  EXPECT_TRUE(socket().finished);
  EXPECT_TRUE(user_->closed.empty());
  run_for(20ms);
  EXPECT_TRUE(socket().closed);
  ASSERT_EQ(user_->closed.size(), 1u);
  EXPECT_FALSE(user_->closed[0]);
}

TEST_F(link_test, close_gives_a_reader_that_takes_nothing_five_seconds_for_each_send) {
  engine_->take_sends = false;
  user_->outgoing = pattern(400'000);
  user_->wire->close();
  run_for(link::drain_max - 10ms);
  EXPECT_FALSE(socket().closed);
  engine_->take_now(id_);          // progress: the clock starts again
  run_for(link::drain_max - 10ms);
  EXPECT_FALSE(socket().closed);
  run_for(20ms);
  EXPECT_TRUE(socket().aborted);
  ASSERT_EQ(user_->closed.size(), 1u);
  EXPECT_EQ(user_->closed[0], errc::write_timeout);
}

TEST_F(link_test, close_while_reading_is_paused_reads_again_to_see_the_end) {
  user_->wire->pause_reading();
  EXPECT_TRUE(socket().paused);
  user_->wire->close();
  EXPECT_FALSE(socket().paused);
  engine_->give_end(id_);
  turns(3);
  EXPECT_EQ(user_->closed.size(), 1u);
}

TEST_F(link_test, a_reset_that_answers_our_FIN_is_orderly_one_before_it_is_not) {
  user_->wire->close();
  turns(2);
  ASSERT_TRUE(socket().finished);
  engine_->fail(id_, errc::connection_reset);
  turns(2);
  ASSERT_EQ(user_->closed.size(), 1u);
  EXPECT_FALSE(user_->closed[0]);

  recorder other(*loop_);
  const io::socket_id id = engine_->accepted();
  other.wire->accept(id);
  engine_->take_sends = false;
  other.outgoing = "unsent";
  other.wire->close();
  turns(2);
  engine_->fail(id, errc::connection_reset);
  turns(2);
  ASSERT_EQ(other.closed.size(), 1u);
  EXPECT_EQ(other.closed[0], errc::connection_reset);
}

TEST_F(link_test, abort_is_told_once_and_never_inside_the_call) {
  user_->send("never leaves");
  user_->wire->abort(make_error_code(errc::calm));
  EXPECT_TRUE(user_->closed.empty());
  EXPECT_TRUE(socket().aborted);
  user_->wire->abort();
  user_->wire->close();
  turns(3);
  EXPECT_EQ(socket().sent, "");
  EXPECT_TRUE(user_->ends.empty());
  ASSERT_EQ(user_->closed.size(), 1u);
  EXPECT_EQ(user_->closed[0], errc::calm);
}

TEST_F(link_test, a_failure_is_told_as_end_and_then_as_closed_with_its_reason) {
  engine_->give(id_, "before");
  engine_->fail(id_, errc::connection_reset);
  turns(2);
  EXPECT_EQ(user_->received, "before");
  ASSERT_EQ(user_->ends.size(), 1u);
  EXPECT_EQ(user_->ends[0], errc::connection_reset);
  ASSERT_EQ(user_->closed.size(), 1u);
  EXPECT_EQ(user_->closed[0], errc::connection_reset);
  EXPECT_TRUE(socket().closed);
}

TEST_F(link_test, reasons_of_other_categories_arrive_whole) {
  engine_->at({}, [&] { socket().events->on_failed(std::error_code(EPROTO, std::system_category())); });
  turns(2);
  ASSERT_EQ(user_->closed.size(), 1u);
  EXPECT_EQ(user_->closed[0], std::error_code(EPROTO, std::system_category()));
}

TEST_F(link_test, a_failure_after_the_end_is_only_told_as_closed) {
  engine_->give_end(id_);
  engine_->fail(id_, errc::connection_reset, 10ms);
  run_for(20ms);
  EXPECT_EQ(user_->ends.size(), 1u);
  ASSERT_EQ(user_->closed.size(), 1u);
  EXPECT_EQ(user_->closed[0], errc::connection_reset);
}

TEST_F(link_test, destroying_it_closes_the_socket_and_tells_nobody) {
  engine_->take_sends = false;
  user_->send("on its way");
  turns(2);
  user_->wire.reset();
  EXPECT_TRUE(socket().closed);
  EXPECT_FALSE(socket().aborted);
  turns(2);
  EXPECT_TRUE(user_->closed.empty());
}

TEST_F(link_test, may_be_destroyed_with_its_protocol_in_every_callback) {
  for (const std::string_view victim : {"bytes", "end", "sent", "timeout", "closed"}) {
    for (const bool orderly : {true, false}) {
      auto one = std::make_unique<recorder>(*loop_);
      const io::socket_id id = engine_->accepted();
      one->wire->accept(id);
      bool reached = false;
      one->on_call = [&](std::string_view what) {
        if (what != victim) return;
        reached = true;
        one.reset();
      };
      one->timeout = engine_->now() + 1ms;
      one->send("something");
      engine_->give(id, "bytes");
      run_for(5ms);
      if (orderly) engine_->give_end(id);
      else engine_->fail(id, errc::connection_reset);
      turns(2);
      if (orderly && one) one->wire->close();
      run_for(3s);
      EXPECT_TRUE(reached) << victim;
      EXPECT_FALSE(one);
      EXPECT_TRUE(engine_->sockets[id.index].closed);
    }
  }
}

TEST_F(link_test, callbacks_may_abort_and_close_and_nothing_more_is_delivered) {
  for (const std::string_view victim : {"bytes", "end", "sent", "timeout"}) {
    for (const bool orderly : {true, false}) {
      recorder one(*loop_);
      const io::socket_id id = engine_->accepted();
      one.wire->accept(id);
      one.on_call = [&](std::string_view what) {
        if (what != victim) return;
        if (orderly) one.wire->close();
        else one.wire->abort();
      };
      one.timeout = engine_->now() + 1ms;
      one.send("something");
      engine_->give(id, "bytes");
      engine_->give(id, "more", 2ms);
      engine_->give_end(id, 5ms);
      run_for(3s);
      EXPECT_EQ(one.closed.size(), 1u) << victim;
      if (victim != "end") {
        EXPECT_TRUE(one.ends.empty()) << victim;
      }
    }
  }
}

TEST_F(link_test, paused_reading_delivers_nothing_until_resumed) {
  user_->wire->pause_reading();
  user_->wire->pause_reading();
  EXPECT_TRUE(user_->wire->reading_paused());
  engine_->give(id_, "later");
  turns(3);
  EXPECT_EQ(user_->received, "");
  user_->wire->resume_reading();
  turns(3);
  EXPECT_EQ(user_->received, "later");
  user_->wire->resume_reading();
  EXPECT_EQ(engine_->resumes, 1u) << "only what was paused is resumed";
}

TEST_F(link_test, a_read_limit_holds_over_time_and_none_sets_it_free) {
  user_->wire->limit_reading(100'000);
  for (int i = 0; i < 100; ++i) engine_->give(id_, pattern(10'000), i * 1ms);   // 1 MB within 0.1 s
  const instant begin = engine_->now();
  while (user_->received.size() < 1'000'000 && engine_->now() < begin + 60s) {
    run_for(100ms);
    const double seconds = std::chrono::duration<double>(engine_->now() - begin).count();
    const double got = static_cast<double>(user_->received.size());
    EXPECT_LE(got, 100'000 * (seconds + 0.25) + 10'000) << "a quarter of a second may come at once, and the last buffer may overdraw";
    if (got < 1'000'000) {
      EXPECT_GE(got, 100'000 * (seconds - 0.25));
    }
  }
  EXPECT_EQ(user_->received.size(), 1'000'000u);
  EXPECT_GE(engine_->now() - begin, 9s);
  engine_->give(id_, pattern(100'000));
  turns(2);
  EXPECT_TRUE(socket().paused);
  user_->wire->limit_reading(0);
  EXPECT_FALSE(socket().paused);
}

TEST_F(link_test, a_read_limit_in_debt_and_a_pause_are_independent) {
  user_->wire->limit_reading(1'000);
  engine_->give(id_, pattern(2'000));
  turns(1);
  EXPECT_TRUE(socket().paused);
  user_->wire->pause_reading();
  run_for(10s);
  EXPECT_TRUE(socket().paused) << "still paused by its owner";
  user_->wire->resume_reading();
  EXPECT_FALSE(socket().paused);
}

TEST_F(link_test, adopting_a_socket_that_was_lost_meanwhile_tells_its_end) {
  engine_->addresses["10.0.0.2:80"] = {};
  connected_socket connected;
  dialer dial(*loop_, "10.0.0.2:80", {}, [&](result<connected_socket> got) { connected = std::move(*got); });
  turns(2);
  ASSERT_TRUE(connected);
  const io::socket_id id = connected.id();
  engine_->fail(id, errc::connection_reset);
  turns(1);
  EXPECT_EQ(connected.failure(), errc::connection_reset);
  recorder late(*loop_);
  late.wire->adopt(std::move(connected));
  EXPECT_TRUE(late.ends.empty()) << "never inside the call";
  turns(3);
  ASSERT_EQ(late.ends.size(), 1u);
  EXPECT_EQ(late.ends[0], errc::connection_reset);
  ASSERT_EQ(late.closed.size(), 1u);
  EXPECT_TRUE(engine_->sockets[id.index].closed);
}

}  // namespace
}  // namespace hawser::test
