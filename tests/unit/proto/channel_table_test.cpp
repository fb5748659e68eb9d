// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <proto/channel_table.hpp>

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace hawser::proto {
namespace {

using state = channel_state;
using input = channel_input;
namespace effect = channel_effect;

channel* open_one(channel_table& table) {
  channel* const fresh = table.open_own();
  if (fresh) advance(*fresh, input::send_open);
  return fresh;
}
void close_one(channel_table& table, channel& gone) {
  gone.state = table.free_state(gone.id);
  table.close(gone);
}
channel_step run(state from, std::initializer_list<input> inputs) {
  channel_step step{from, effect::none};
  for (const input what : inputs) {
    step = transition(step.next, what);
    if (step.effects & effect::violation) break;
  }
  return step;
}

// -- the rules, told as stories

TEST(channel_rules, R1_an_opener_is_busy_until_the_release) {
  EXPECT_EQ(run(state::free_own, {input::send_open, input::send_fin, input::receive_fin}).next, state::own_ended);
  const auto step = run(state::free_own, {input::send_open, input::send_fin, input::receive_fin, input::receive_release});
  EXPECT_EQ(step.next, state::free_own);
  EXPECT_EQ(step.effects, effect::freed);
}

TEST(channel_rules, R1_a_release_before_both_ends_is_a_violation) {
  EXPECT_TRUE(run(state::free_own, {input::send_open, input::receive_release}).effects & effect::violation);
  EXPECT_TRUE(run(state::free_own, {input::send_open, input::send_fin, input::receive_release}).effects & effect::violation);
  EXPECT_TRUE(run(state::free_own, {input::send_open, input::receive_fin_rel}).effects & effect::violation);
  EXPECT_TRUE(run(state::free_own, {input::send_open, input::receive_reset_rel}).effects & effect::violation);
}

TEST(channel_rules, R2_a_unary_call_releases_with_the_answer) {
  const auto acceptor = run(state::free_peer, {input::receive_open, input::receive_fin, input::work_ended, input::send_fin});
  EXPECT_EQ(acceptor.next, state::free_peer);
  EXPECT_EQ(acceptor.effects, effect::carry_release | effect::freed);
  const auto opener = run(state::free_own, {input::send_open, input::send_fin, input::receive_fin_rel});
  EXPECT_EQ(opener.next, state::free_own);
}

TEST(channel_rules, R2_the_release_waits_for_the_work) {
  const auto ended = run(state::free_peer, {input::receive_open, input::receive_fin, input::send_fin});
  EXPECT_EQ(ended.next, state::peer_ended);
  EXPECT_EQ(ended.effects, effect::none);
  const auto owed = run(ended.next, {input::work_ended});
  EXPECT_EQ(owed.next, state::peer_release_owed);
  EXPECT_EQ(owed.effects, effect::owe_release);
  EXPECT_EQ(run(owed.next, {input::send_release}).effects, effect::freed);
}

TEST(channel_rules, R2_the_release_waits_for_the_openers_end) {
  const auto sent = run(state::free_peer, {input::receive_open, input::work_ended, input::send_reset});
  EXPECT_EQ(sent.next, state::peer_sent_idle);
  EXPECT_EQ(sent.effects, effect::none);
  EXPECT_EQ(run(sent.next, {input::receive_fin}).effects, effect::owe_release);
  EXPECT_EQ(run(sent.next, {input::receive_reset}).effects, effect::owe_release | effect::aborted);
}

TEST(channel_rules, R3_an_opener_answers_a_reset_at_once) {
  const auto step = run(state::own_open, {input::receive_reset});
  EXPECT_EQ(step.next, state::own_reset_owed);
  EXPECT_EQ(step.effects, effect::aborted | effect::owe_reset);
  EXPECT_EQ(run(step.next, {input::send_reset}).next, state::own_ended);
  EXPECT_TRUE(run(step.next, {input::send_data}).effects & effect::violation);
}

TEST(channel_rules, R3_an_acceptor_answers_a_reset_when_its_work_has_ended) {
  const auto step = run(state::peer_open, {input::receive_reset});
  EXPECT_EQ(step.next, state::peer_aborting);
  EXPECT_EQ(step.effects, effect::aborted);
  const auto ended = run(step.next, {input::work_ended});
  EXPECT_EQ(ended.effects, effect::owe_reset);
  EXPECT_EQ(run(ended.next, {input::send_reset}).effects, effect::carry_release | effect::freed);
}

TEST(channel_rules, R3_an_early_answer_to_a_reset_leaves_the_release_for_later) {
  const auto step = run(state::peer_open, {input::receive_reset, input::send_reset});
  EXPECT_EQ(step.next, state::peer_ended);
  EXPECT_EQ(run(step.next, {input::work_ended}).effects, effect::owe_release);
}

TEST(channel_rules, R4_a_stop_is_heard_while_sending_and_ignored_after) {
  EXPECT_EQ(run(state::peer_open, {input::receive_stop}).effects, effect::none);
  EXPECT_EQ(run(state::peer_sent, {input::receive_stop}).effects, effect::ignored);
  EXPECT_EQ(run(state::own_ended, {input::receive_stop}).effects, effect::ignored);
}

TEST(channel_rules, R5_late_control_frames_on_a_free_id_of_the_peer_are_ignored_and_nothing_else) {
  for (std::size_t i = 0; i < channel_input_count; ++i) {
    const auto what = static_cast<input>(i);
    const auto at_peers = transition(state::free_peer, what);
    if (what == input::receive_open) {
      EXPECT_EQ(at_peers.next, state::peer_open);
      continue;
    }
    const bool late = what == input::receive_credit || what == input::receive_stop || what == input::receive_reset;
    EXPECT_EQ(at_peers.effects, late ? effect::ignored : effect::violation) << i;
    EXPECT_EQ(transition(state::free_own, what).effects, what == input::send_open ? effect::none : effect::violation) << i;
  }
}

TEST(channel_rules, a_reset_may_follow_an_own_fin_while_the_peer_is_sending) {
  EXPECT_EQ(run(state::own_open, {input::send_fin, input::send_reset}).next, state::own_sent);
  EXPECT_TRUE(run(state::own_open, {input::send_fin, input::receive_fin, input::send_reset}).effects & effect::violation);
  EXPECT_EQ(run(state::peer_open, {input::receive_fin, input::receive_reset}).next, state::peer_aborting);
  EXPECT_EQ(run(state::peer_open, {input::receive_fin, input::send_fin, input::receive_reset}).effects, effect::ignored);
}

TEST(channel_rules, nothing_follows_a_terminal_frame) {
  for (const state after : {state::own_received, state::own_ended, state::peer_received, state::peer_aborting, state::plain_received}) {
    EXPECT_TRUE(transition(after, input::receive_data).effects & effect::violation);
    EXPECT_TRUE(transition(after, input::receive_fin).effects & effect::violation);
  }
}

TEST(channel_rules, the_plain_channel_knows_data_fin_and_credit_only) {
  for (const state at : {state::plain_open, state::plain_sent, state::plain_received, state::plain_ended}) {
    for (const input what : {input::receive_reset, input::receive_reset_rel, input::receive_stop, input::receive_release, input::receive_fin_rel,
                             input::receive_open, input::send_reset, input::send_stop, input::work_ended}) {
      EXPECT_TRUE(transition(at, what).effects & effect::violation) << static_cast<int>(at) << ' ' << static_cast<int>(what);
    }
  }
  EXPECT_EQ(run(state::plain_open, {input::send_data, input::receive_credit, input::send_fin, input::receive_fin}).next, state::plain_ended);
}

TEST(channel_rules, no_step_leaves_its_side_and_violations_change_nothing) {
  for (std::size_t at = 0; at < channel_state_count; ++at) {
    for (std::size_t what = 0; what < channel_input_count; ++what) {
      const auto from = static_cast<state>(at);
      const auto step = transition(from, static_cast<input>(what));
      EXPECT_EQ(is_own(from), is_own(step.next));
      EXPECT_EQ(is_peers(from), is_peers(step.next));
      if (step.effects & (effect::violation | effect::ignored)) {
        EXPECT_EQ(step.next, from);
      }
      EXPECT_EQ((step.effects & effect::freed) != 0, is_free(step.next) && !is_free(from));
      EXPECT_EQ(can_send(from), !(transition(from, input::send_data).effects & effect::violation));
      EXPECT_EQ(can_receive(from), !(transition(from, input::receive_data).effects & effect::violation));
    }
  }
}

// -- ids and pages

TEST(channel_table, clients_open_odd_and_servers_even_ids_lowest_first) {
  channel_table client(role::client, 16, 16);
  channel_table server(role::server, 16, 16);
  EXPECT_EQ(open_one(client)->id, 3u);
  EXPECT_EQ(open_one(client)->id, 5u);
  EXPECT_EQ(open_one(server)->id, 2u);
  EXPECT_EQ(open_one(server)->id, 4u);
  close_one(client, *client.find(3));
  EXPECT_EQ(client.find(3), nullptr);
  EXPECT_EQ(open_one(client)->id, 3u);
  EXPECT_EQ(open_one(client)->id, 7u);
}

TEST(channel_table, the_peers_limit_is_the_number_of_slots) {
  channel_table table(role::client, 16, 16);
  for (int i = 0; i < 16; ++i) ASSERT_NE(open_one(table), nullptr);
  EXPECT_TRUE(table.own_full());
  EXPECT_EQ(open_one(table), nullptr);
  table.set_own_limit(17);
  EXPECT_EQ(open_one(table)->id, 35u);
  EXPECT_EQ(open_one(table), nullptr);
}

TEST(channel_table, the_peer_opens_only_free_ids_of_its_range_within_the_limit) {
  channel_table table(role::server, 16, 16);
  EXPECT_EQ(table.open_peers(0), nullptr);
  EXPECT_EQ(table.open_peers(1), nullptr);
  EXPECT_EQ(table.open_peers(2), nullptr);
  EXPECT_EQ(table.open_peers(35), nullptr);
  channel* const fresh = table.open_peers(33);
  ASSERT_NE(fresh, nullptr);
  EXPECT_EQ(fresh->id, 33u);
  advance(*fresh, input::receive_open);
  EXPECT_EQ(table.open_peers(33), nullptr);
  EXPECT_EQ(table.state_of(33), state::peer_open);
  EXPECT_EQ(table.state_of(31), state::free_peer);
  EXPECT_EQ(table.state_of(2), state::free_own);
  EXPECT_EQ(table.state_of((1u << 28) - 1), state::free_peer);
}

TEST(channel_table, the_plain_channel_is_there_from_the_start) {
  channel_table table(role::client, 16, 16);
  ASSERT_NE(table.find(1), nullptr);
  EXPECT_EQ(table.find(1)->state, state::plain_open);
  EXPECT_EQ(table.find(1)->kind, channel_kind::message);
  EXPECT_EQ(table.find(0), nullptr);
}

TEST(channel_table, without_channels_it_owns_no_memory) {
  channel_table table(role::client, 256, 256);
  EXPECT_EQ(table.memory_bytes(), 0u);
  channel* const one = open_one(table);
  EXPECT_GT(table.memory_bytes(), 0u);
  table.trim();
  EXPECT_EQ(table.find(3), one);
  close_one(table, *one);
  table.trim();
  EXPECT_EQ(table.memory_bytes(), 0u);
  EXPECT_EQ(open_one(table)->id, 3u);
}

TEST(channel_table, a_channel_stays_where_it_is_while_others_come_and_go) {
  channel_table table(role::client, 256, 1 << 20);
  channel* const first = open_one(table);
  for (int i = 0; i < 5'000; ++i) open_one(table);
  EXPECT_EQ(table.find(3), first);
  EXPECT_EQ(first->id, 3u);
}

TEST(channel_table, a_reopened_slot_remembers_nothing) {
  channel_table table(role::client, 16, 16);
  channel* one = open_one(table);
  one->user = one;
  one->set(channel_flag::discard);
  one->heads = 0x22;
  close_one(table, *one);
  one = open_one(table);
  EXPECT_EQ(one->user, nullptr);
  EXPECT_EQ(one->flags, 0u);
  EXPECT_EQ(one->heads, 0);
}

TEST(channel_table, the_lowest_free_id_is_right_among_a_million_slots) {
  constexpr std::uint32_t most = (1u << 20) / HAWSER_COUNT_SCALE;
  channel_range range;
  for (std::uint32_t slot = 0; slot < most; ++slot) {
    ASSERT_EQ(range.lowest_free(most), slot);
    range.occupy(slot);
  }
  EXPECT_EQ(range.lowest_free(most), channel_range::none);
  for (const std::uint32_t slot : {most - 1, most / 2, 70'000u % most, 5u}) {
    range.vacate(slot);
    EXPECT_EQ(range.lowest_free(most), slot);
  }
  EXPECT_EQ(range.busy_count(), most - 4);
}

TEST(channel_table, random_opens_and_closes_agree_with_a_set) {
  channel_table table(role::server, 16, 3'000);
  std::set<channel_id> open;
  std::uint64_t random = 0x2545f4914f6cdd1d;
  for (int step = 0; step < 400'000 / HAWSER_COUNT_SCALE; ++step) {
    random ^= random << 13, random ^= random >> 7, random ^= random << 17;
    const bool grow = (step / 5'000) % 2 == 0;
    if (random % 4 < (grow ? 3u : 1u)) {
      if (channel* const fresh = open_one(table)) {
        ASSERT_TRUE(open.insert(fresh->id).second);
        ASSERT_EQ(fresh->id, [&] {
          channel_id lowest = 2;
          for (const channel_id id : open) {
            if (id == fresh->id || id != lowest) break;
            lowest += 2;
          }
          return lowest;
        }());
      } else {
        ASSERT_EQ(open.size(), 3'000u);
      }
    } else if (!open.empty()) {
      auto at = open.lower_bound(static_cast<channel_id>(random >> 32) % 6'000);
      if (at == open.end()) at = open.begin();
      close_one(table, *table.find(*at));
      open.erase(at);
    }
    if (step % 1'000 == 0) {
      table.trim();
      std::vector<channel_id> seen;
      table.for_each([&](channel& each) { seen.push_back(each.id); });
      ASSERT_EQ(seen, std::vector<channel_id>(open.begin(), open.end()));
    }
  }
}

TEST(channel_table, for_each_allows_closing_what_it_shows) {
  channel_table table(role::client, 64, 64);
  for (int i = 0; i < 40; ++i) open_one(table);
  for (channel_id id = 2; id < 40; id += 2) advance(*table.open_peers(id), input::receive_open);
  table.for_each([&](channel& each) { close_one(table, each); });
  EXPECT_EQ(table.open_count(), 0u);
}

TEST(channel_table, fixed_state_is_small) {
  EXPECT_LE(sizeof(channel), 128u);
  EXPECT_LE(sizeof(channel_table), 256u);
}

}  // namespace
}  // namespace hawser::proto
