// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// The life of a channel as one enum and one transition function: rules R1-R5 of spec/wire.md, section 3. Pure, no tables of
// channels in sight; tests/unit/proto/channel_model_test.cpp drives two of these against each other.

namespace hawser::inline v0::proto {

// own_*: this side opened it. peer_*: the other side did, and this side owes a release. *_idle: the handler's work has ended.
enum class channel_state : std::uint8_t {
  free_own,             // an id of this side's range, not in use
  free_peer,            // an id of the peer's range, not in use

  own_open,             // both directions open
  own_sent,             // our FIN or RESET is out, the peer's is not here
  own_received,         // the peer's FIN is here, ours is not out
  own_reset_owed,       // the peer's RESET is here; our RESET answers it at once (R3)
  own_ended,            // both are through; the slot is busy until the release arrives (R1)

  peer_open,
  peer_open_idle,
  peer_sent,
  peer_sent_idle,
  peer_received,
  peer_received_idle,
  peer_aborting,        // the peer's RESET is here, the work still runs; our RESET follows its end (R3)
  peer_reset_owed,      // ... and the work has ended: RESET|REL is to be framed
  peer_ended,           // both are through, the work still runs
  peer_release_owed,    // ... and the work has ended: RELEASE is to be framed (R2)

  plain_open,           // channel 1: never opened, never released, no RESET, no STOP
  plain_sent,
  plain_received,
  plain_ended,
};
inline constexpr std::size_t channel_state_count = 21;

// send_*: this side frames it now. receive_*: a sound frame of the peer. DATA and HEAD without FIN are *_data.
enum class channel_input : std::uint8_t {
  send_open, send_data, send_fin, send_reset, send_stop, send_credit, send_release,
  work_ended,           // acceptor only: the handler and everything it started for this channel is over
  receive_open, receive_data, receive_fin, receive_fin_rel, receive_reset, receive_reset_rel, receive_stop, receive_credit,
  receive_release,
};
inline constexpr std::size_t channel_input_count = 17;

// Bits of channel_step::effects.
namespace channel_effect {
inline constexpr std::uint8_t none = 0;
inline constexpr std::uint8_t violation = 1;        // receive_*: the connection ends with errc::protocol. Others: a mistake of ours
inline constexpr std::uint8_t ignored = 2;          // the frame crossed ours; nothing changes
inline constexpr std::uint8_t carry_release = 4;    // send_fin, send_reset: the frame must carry REL
inline constexpr std::uint8_t owe_reset = 8;        // a RESET is to be framed now
inline constexpr std::uint8_t owe_release = 16;     // a RELEASE is to be framed
inline constexpr std::uint8_t freed = 32;           // the slot is free with this step
inline constexpr std::uint8_t aborted = 64;         // the peer's RESET ends what the application still did here
}  // namespace channel_effect

struct channel_step {
  channel_state next;
  std::uint8_t effects;
};

// Faults that the model test switches on, to prove that it would see them. Never anything but `none` in a connection.
enum class mutation : std::uint8_t {
  none,
  opener_frees_on_both_terminals,      // against R1
  release_without_peer_terminal,       // against R2
};
inline constexpr std::size_t mutation_count = 3;

namespace detail {
using channel_transitions = std::array<std::array<channel_step, channel_input_count>, channel_state_count>;
extern const std::array<channel_transitions, mutation_count> channel_rules;
}  // namespace detail

// What this build runs with. tests/model builds the floor once for each fault.
#ifndef HAWSER_CHANNEL_MUTATION
#define HAWSER_CHANNEL_MUTATION none
#endif
inline constexpr mutation built_in_fault = mutation::HAWSER_CHANNEL_MUTATION;

// The transition function. With `violation` the state stays as it is.
inline channel_step transition(channel_state state, channel_input input, mutation fault = built_in_fault) noexcept {
  return detail::channel_rules[static_cast<std::size_t>(fault)][static_cast<std::size_t>(state)][static_cast<std::size_t>(input)];
}

constexpr bool is_free(channel_state state) noexcept { return state <= channel_state::free_peer; }
constexpr bool is_own(channel_state state) noexcept {
  return state == channel_state::free_own || (state >= channel_state::own_open && state <= channel_state::own_ended);
}
constexpr bool is_peers(channel_state state) noexcept {
  return state == channel_state::free_peer || (state >= channel_state::peer_open && state <= channel_state::peer_release_owed);
}
namespace detail {
constexpr std::uint32_t state_bit(channel_state state) noexcept { return 1u << static_cast<unsigned>(state); }
inline constexpr std::uint32_t sending_states =
    state_bit(channel_state::own_open) | state_bit(channel_state::own_received) | state_bit(channel_state::peer_open) |
    state_bit(channel_state::peer_open_idle) | state_bit(channel_state::peer_received) | state_bit(channel_state::peer_received_idle) |
    state_bit(channel_state::plain_open) | state_bit(channel_state::plain_received);
inline constexpr std::uint32_t receiving_states =
    state_bit(channel_state::own_open) | state_bit(channel_state::own_sent) | state_bit(channel_state::peer_open) |
    state_bit(channel_state::peer_open_idle) | state_bit(channel_state::peer_sent) | state_bit(channel_state::peer_sent_idle) |
    state_bit(channel_state::plain_open) | state_bit(channel_state::plain_sent);
}  // namespace detail
// DATA, HEAD and FIN may be framed. (A RESET that is owed is not such a state: data are over.)
constexpr bool can_send(channel_state state) noexcept { return (detail::sending_states & detail::state_bit(state)) != 0; }
// The peer may still send DATA: CREDIT and STOP may be framed.
constexpr bool can_receive(channel_state state) noexcept { return (detail::receiving_states & detail::state_bit(state)) != 0; }

}  // namespace hawser::inline v0::proto
