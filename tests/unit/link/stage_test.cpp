// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "recorder.hpp"
#include "script_engine.hpp"

#include <deque>
#include <memory>

namespace hawser::test {
namespace {

using namespace std::chrono_literals;

// Records of up to 1,000 bytes behind a length of two, each byte XORed with a key; a greeting must come before anything flows, and
// a record of length 0 ends it. So it holds back, splits, joins, speaks on its own and can be cut short, as TLS does.
class xor_stage final : public stage {
 public:
  xor_stage(loop& on, std::uint8_t key) : loop_(&on), key_(static_cast<char>(key)), outgoing_("hi") {}

  result<> handle_bytes(instant, byte_view outer) override {
    incoming_ += as_text(outer);
    if (!greeted_ && incoming_.size() >= 2) {
      if (incoming_.substr(0, 2) != "hi") {
        outgoing_ += "no";
        return failure(errc::protocol);
      }
      greeted_ = true;
      incoming_.erase(0, 2);
    }
    return {};
  }
  bool poll_bytes(byte_view& inner) override {
    if (!greeted_ || incoming_.size() < 2) return false;
    const std::size_t size = load_le<std::uint16_t>(as_bytes(incoming_).data());
    if (incoming_.size() < 2 + size) return false;
    if (size == 0) {
      sound_end_ = true;
      incoming_.erase(0, 2);
      return false;
    }
    record_ = incoming_.substr(2, size);
    incoming_.erase(0, 2 + size);
    for (char& c : record_) c ^= key_;
    inner = as_bytes(record_);
    return true;
  }
  result<> handle_end(instant) override {
    if (!sound_end_) return failure(errc::end_of_stream);
    return {};
  }

  std::size_t room() const override { return greeted_ && outgoing_.size() < 20'000 ? 20'000 - outgoing_.size() : 0; }
  void write(instant, chain& inner) override {
    std::string plain;
    for (std::size_t i = 0; i < inner.count(); ++i) plain += as_text(inner[i]);
    inner.clear();
    EXPECT_LE(plain.size(), room());
    for (std::size_t at = 0; at < plain.size(); at += 1'000) record(plain.substr(at, 1'000));
  }
  void finish(instant) override { record({}); }
  std::size_t poll_transmit(instant, chain& outer, std::size_t max_bytes) override {
    const std::size_t count = std::min(max_bytes, outgoing_.size());
    if (count == 0 || outer.full()) return 0;
    outer.append(loop_->buffers().copy(as_bytes(std::string_view(outgoing_).substr(0, count))));
    outgoing_.erase(0, count);
    return count;
  }
  void handle_timeout(instant) override {
    timeout_ = never;
    outgoing_ += "";
    ++timeouts;
  }
  instant poll_timeout() override { return timeout_; }

  void wake_at(instant when) { timeout_ = when; }
  int timeouts = 0;

 private:
  void record(std::string plain) {
    std::byte size[2];
    store_le(size, static_cast<std::uint16_t>(plain.size()));
    outgoing_ += as_text(size);
    for (const char c : plain) outgoing_ += static_cast<char>(c ^ key_);
  }
  loop* loop_;
  char key_;
  std::string incoming_, outgoing_, record_;
  bool greeted_ = false, sound_end_ = false;
  instant timeout_ = never;
};

// Two links whose sockets are joined by hand, piece by piece.
class stage_test : public ::testing::TestWithParam<int> {
 protected:
  struct side {
    side(loop& on, script_engine& engine, int stages) : user(on), id(engine.accepted()) {
      for (int i = 0; i < stages; ++i) user.wire->push_stage(std::make_unique<xor_stage>(on, static_cast<std::uint8_t>(17 * (i + 1))));
      user.wire->accept(id);
    }
    recorder user;
    io::socket_id id;
    std::size_t carried = 0;
    bool end_carried = false;
  };

  stage_test() {
    auto owned = std::make_unique<script_engine>();
    engine_ = owned.get();
    loop_.emplace(std::move(owned));
    a_ = std::make_unique<side>(*loop_, *engine_, GetParam());
    b_ = std::make_unique<side>(*loop_, *engine_, GetParam());
  }
  void carry(side& from, side& to, std::size_t piece) {
    script_engine::socket& source = engine_->sockets[from.id.index];
    while (from.carried < source.sent.size()) {
      engine_->give(to.id, source.sent.substr(from.carried, piece));
      from.carried += std::min(piece, source.sent.size() - from.carried);
    }
    if ((source.finished || source.closed) && !from.end_carried) {
      from.end_carried = true;
      engine_->give_end(to.id);
    }
  }
  void run(std::size_t piece, int rounds = 200) {
    for (int i = 0; i < rounds; ++i) {
      loop_->poll();
      carry(*a_, *b_, piece);
      carry(*b_, *a_, piece);
    }
  }

  script_engine* engine_;
  std::optional<loop> loop_;
  std::unique_ptr<side> a_, b_;
};

TEST_P(stage_test, bytes_pass_whole_in_both_directions_however_they_are_cut) {
  for (const std::size_t piece : {1, 3, 1'000, 50'000}) {
    a_ = std::make_unique<side>(*loop_, *engine_, GetParam());
    b_ = std::make_unique<side>(*loop_, *engine_, GetParam());
    const std::string there = pattern(70'000, 1), back = pattern(30'000, 2);
    a_->user.send(there);
    b_->user.send(back);
    run(piece);
    EXPECT_EQ(b_->user.received, there) << "in pieces of " << piece;
    EXPECT_EQ(a_->user.received, back);
    EXPECT_EQ(a_->user.sent, there.size()) << "the protocol hears of its own bytes, not of the stages'";
    EXPECT_EQ(b_->user.sent, back.size());
    EXPECT_GT(a_->user.wire->stats().bytes_sent, there.size());
  }
}

TEST_P(stage_test, nothing_of_the_protocol_leaves_before_the_stage_has_room) {
  a_->user.send("secret");
  for (int i = 0; i < 5; ++i) loop_->poll();
  EXPECT_EQ(engine_->sockets[a_->id.index].sent, "hi");
  EXPECT_EQ(a_->user.given, 0u);
  run(100);
  EXPECT_EQ(b_->user.received, "secret");
}

TEST_P(stage_test, an_orderly_close_ends_every_stage_and_loses_nothing) {
  run(100, 10);
  const std::string last = pattern(50'000);
  a_->user.send(last);
  a_->user.wire->close();
  run(5'000);
  EXPECT_EQ(b_->user.received, last);
  ASSERT_EQ(b_->user.ends.size(), 1u);
  EXPECT_FALSE(b_->user.ends[0]) << b_->user.ends[0].message();
  b_->user.wire->close();
  run(5'000);
  ASSERT_EQ(a_->user.closed.size(), 1u);
  EXPECT_FALSE(a_->user.closed[0]);
  ASSERT_EQ(b_->user.closed.size(), 1u);
  EXPECT_FALSE(b_->user.closed[0]);
}

TEST_P(stage_test, a_close_before_the_handshake_is_over_says_that_something_was_lost) {
  a_->user.send("never sent");
  a_->user.wire->close();
  const instant end = engine_->now() + 2s;
  while (engine_->now() < end) loop_->run_once(end - engine_->now());
  EXPECT_EQ(a_->user.given, 0u);
  ASSERT_EQ(a_->user.closed.size(), 1u);
  EXPECT_EQ(a_->user.closed[0], errc::closed);
}

TEST_P(stage_test, an_end_without_the_stages_own_is_an_error) {
  run(100, 10);
  engine_->give_end(b_->id);
  loop_->poll();
  loop_->poll();
  ASSERT_EQ(b_->user.ends.size(), 1u);
  EXPECT_EQ(b_->user.ends[0], errc::end_of_stream);
  ASSERT_EQ(b_->user.closed.size(), 1u);
  EXPECT_EQ(b_->user.closed[0], errc::end_of_stream);
}

TEST_P(stage_test, a_stages_refusal_loses_the_link_after_its_last_words) {
  loop_->poll();
  loop_->poll();
  engine_->give(a_->id, "rubbish");
  loop_->poll();
  loop_->poll();
  EXPECT_EQ(engine_->sockets[a_->id.index].sent, "hino");
  EXPECT_TRUE(engine_->sockets[a_->id.index].closed);
  ASSERT_EQ(a_->user.closed.size(), 1u);
  EXPECT_EQ(a_->user.closed[0], errc::protocol);
  EXPECT_EQ(a_->user.received, "");
}

TEST_P(stage_test, the_link_may_be_destroyed_or_closed_between_two_records_of_one_buffer) {
  for (const bool destroy : {true, false}) {
    a_ = std::make_unique<side>(*loop_, *engine_, GetParam());
    b_ = std::make_unique<side>(*loop_, *engine_, GetParam());
    run(100, 10);
    a_->user.send(pattern(5'000));   // five records
    std::size_t calls = 0;
    b_->user.on_call = [&](std::string_view what) {
      if (what != "bytes") return;
      ++calls;
      if (destroy) b_->user.wire.reset();
      else b_->user.wire->close();
    };
    for (int i = 0; i < 3; ++i) loop_->poll();
    carry(*a_, *b_, 100'000);
    loop_->poll();
    loop_->poll();
    EXPECT_EQ(calls, 1u);
    EXPECT_EQ(b_->user.received_bytes, 1'000u);
  }
}

TEST_P(stage_test, a_stages_timer_is_kept) {
  auto timed = std::make_unique<xor_stage>(*loop_, std::uint8_t{1});
  xor_stage& watched = *timed;
  recorder user(*loop_);
  user.wire->push_stage(std::move(timed));
  watched.wake_at(engine_->now() + 20ms);
  user.wire->accept(engine_->accepted());
  const instant end = engine_->now() + 100ms;
  while (engine_->now() < end) loop_->run_once(end - engine_->now());
  EXPECT_EQ(watched.timeouts, 1);
}

INSTANTIATE_TEST_SUITE_P(depth, stage_test, ::testing::Values(1, 2, 3));

}  // namespace
}  // namespace hawser::test
