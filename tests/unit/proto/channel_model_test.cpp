// SPDX-License-Identifier: Apache-2.0 OR MIT
// Two endpoints that take random steps of the real transition function, joined by two FIFO wires. Each life of a channel has a
// tag that only the model sees; a frame that meets another life than its own is what the rules R1-R5 must make impossible.
#include <proto/channel_state.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

namespace hawser::proto {
namespace {

using state = channel_state;
using input = channel_input;
namespace effect = channel_effect;

struct frame {
  input meaning;               // as the receiver will see it
  std::uint32_t opener;        // endpoint whose range the id is in
  std::uint32_t slot;
  std::uint64_t tag;
};

struct slot_state {
  state now;
  std::uint64_t tag = 0;
  bool reset_sent = false;
};

struct totals {
  std::uint64_t lives = 0, delivered = 0, ignored = 0, stale = 0, released_by_frame = 0, released_by_flag = 0;
  std::string violation;       // the first one; empty: none
};

class model {
 public:
  model(std::uint64_t seed, std::uint32_t slots, mutation fault) : random_(seed * 0x9e37'79b9'7f4a'7c15 + 1), slots_(slots), fault_(fault) {
    for (std::uint32_t end = 0; end < 2; ++end) {
      for (std::uint32_t opener = 0; opener < 2; ++opener) table_[end][opener].assign(slots, {free_state(end, opener)});
    }
  }

  totals run(int steps) {
    for (int i = 0; i < steps && seen_.violation.empty(); ++i) {
      const std::uint32_t end = next(2);
      if (next(2) == 0) deliver(end);
      else act(end, everything);
    }
    drain();
    return seen_;
  }

 private:
  static state free_state(std::uint32_t end, std::uint32_t opener) { return end == opener ? state::free_own : state::free_peer; }

  std::uint32_t next(std::uint32_t below) {
    random_ ^= random_ << 13, random_ ^= random_ >> 7, random_ ^= random_ << 17;
    return static_cast<std::uint32_t>((random_ >> 11) % below);
  }

  void fail(const std::string& what) {
    if (seen_.violation.empty()) seen_.violation = what;
  }

  // What an endpoint may do when it is asked to end everything.
  static constexpr std::array<input, 4> endings = {input::work_ended, input::send_fin, input::send_reset, input::send_release};
  static constexpr std::array<input, 8> everything = {input::send_open, input::send_data, input::send_fin, input::send_reset,
                                                      input::send_stop, input::send_credit, input::work_ended, input::send_release};

  static input as_received(input sent, bool with_release) {
    switch (sent) {
      case input::send_open: return input::receive_open;
      case input::send_data: return input::receive_data;
      case input::send_fin: return with_release ? input::receive_fin_rel : input::receive_fin;
      case input::send_reset: return with_release ? input::receive_reset_rel : input::receive_reset;
      case input::send_stop: return input::receive_stop;
      case input::send_credit: return input::receive_credit;
      default: return input::receive_release;
    }
  }

  // Most random choices are not allowed at the moment; a few are tried, so that the wires do not run empty.
  template <std::size_t Count>
  void act(std::uint32_t end, const std::array<input, Count>& choices) {
    for (int tries = 0; tries < 16; ++tries) {
      const input what = choices[next(Count)];
      if (what == input::send_open ? open(end) : step(end, next(2), next(slots_), what)) return;
    }
  }

  bool open(std::uint32_t end) {
    for (std::uint32_t slot = 0; slot < slots_; ++slot) {
      slot_state& at = table_[end][end][slot];
      if (at.now != state::free_own) continue;
      at = {transition(at.now, input::send_open, fault_).next, ++last_tag_, false};
      ++seen_.lives;
      wire_[end].push_back({input::receive_open, end, slot, at.tag});
      return true;
    }
    return false;
  }

  // A local step, if the rules allow it now. A RESET goes out once; a correct endpoint has no reason for a second.
  bool step(std::uint32_t end, std::uint32_t opener, std::uint32_t slot, input what) {
    slot_state& at = table_[end][opener][slot];
    if (is_free(at.now) || (what == input::send_reset && at.reset_sent)) return false;
    const channel_step result = transition(at.now, what, fault_);
    if (result.effects & effect::violation) return false;
    const bool with_release = (result.effects & effect::carry_release) != 0;
    if (what != input::work_ended) wire_[end].push_back({as_received(what, with_release), opener, slot, at.tag});
    at.reset_sent |= what == input::send_reset;
    at.now = result.next;
    return true;
  }

  void deliver(std::uint32_t end) {
    std::deque<frame>& from = wire_[1 - end];
    if (from.empty()) return;
    const frame got = from.front();
    from.pop_front();
    ++seen_.delivered;
    slot_state& at = table_[end][got.opener][got.slot];
    const channel_step result = transition(at.now, got.meaning, fault_);
    const std::string where = "input " + std::to_string(static_cast<int>(got.meaning)) + " in state " + std::to_string(static_cast<int>(at.now));
    if (result.effects & effect::violation) return fail("violation: " + where);
    if (got.meaning == input::receive_open) {
      at.tag = got.tag;
      at.reset_sent = false;
    } else if (is_free(at.now)) {
      ++seen_.stale;
    } else if (at.tag != got.tag) {
      return fail("wrong life: " + where);
    }
    if (result.effects & effect::ignored) ++seen_.ignored;
    if (result.effects & effect::freed) ++(got.meaning == input::receive_release ? seen_.released_by_frame : seen_.released_by_flag);
    at.now = result.next;
  }

  bool all_free() const {
    for (std::uint32_t end = 0; end < 2; ++end) {
      for (std::uint32_t opener = 0; opener < 2; ++opener) {
        for (const slot_state& at : table_[end][opener]) {
          if (at.now != free_state(end, opener)) return false;
        }
      }
    }
    return wire_[0].empty() && wire_[1].empty();
  }

  // Both sides end what is open: every slot must come back.
  void drain() {
    for (int turn = 0; turn < 20'000 && seen_.violation.empty(); ++turn) {
      if (all_free()) return;
      const std::uint32_t end = next(2);
      deliver(end);
      act(end, endings);
    }
    fail("a slot leaked");
  }

  std::uint64_t random_;
  std::uint32_t slots_;
  mutation fault_;
  std::uint64_t last_tag_ = 0;
  std::array<std::array<std::vector<slot_state>, 2>, 2> table_;      // [endpoint][opener]
  std::array<std::deque<frame>, 2> wire_;                            // [sender]
  totals seen_;
};

constexpr int runs = 320 / HAWSER_COUNT_SCALE;
constexpr int steps_per_run = 6'000;

TEST(channel_model, INV_CHANNEL_1_no_frame_ever_meets_another_life_and_no_slot_leaks) {
  totals sum;
  for (int i = 0; i < runs; ++i) {
    const auto slots = static_cast<std::uint32_t>(1 + i % 8);
    const totals one = model(static_cast<std::uint64_t>(i), slots, mutation::none).run(steps_per_run);
    ASSERT_EQ(one.violation, "") << "seed " << i << ", " << slots << " slots";
    sum.lives += one.lives;
    sum.delivered += one.delivered;
    sum.ignored += one.ignored;
    sum.stale += one.stale;
    sum.released_by_frame += one.released_by_frame;
    sum.released_by_flag += one.released_by_flag;
  }
  // The model is worth nothing if it never reaches the cases that the rules are about.
  EXPECT_GT(sum.lives, 100u * runs);
  EXPECT_GT(sum.stale, 10u * runs);
  EXPECT_GT(sum.ignored, sum.stale);
  EXPECT_GT(sum.released_by_frame, 10u * runs);
  EXPECT_GT(sum.released_by_flag, 10u * runs);
  RecordProperty("lives", static_cast<int>(sum.lives));
  RecordProperty("stale_frames", static_cast<int>(sum.stale));
}

class broken_rules : public testing::TestWithParam<mutation> {};

TEST_P(broken_rules, the_model_sees_the_fault_with_every_number_of_slots) {
  for (std::uint32_t slots = 1; slots <= 8; ++slots) {
    EXPECT_NE(model(slots, slots, GetParam()).run(steps_per_run).violation, "") << slots << " slots";
  }
}

INSTANTIATE_TEST_SUITE_P(channel_model, broken_rules,
                         testing::Values(mutation::opener_frees_on_both_terminals, mutation::release_without_peer_terminal),
                         [](const auto& of) {
                           return std::string(of.param == mutation::opener_frees_on_both_terminals ? "opener_frees_on_both_terminals"
                                                                                                     : "release_without_peer_terminal");
                         });

}  // namespace
}  // namespace hawser::proto
