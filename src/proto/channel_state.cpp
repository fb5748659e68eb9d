// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <proto/channel_state.hpp>

namespace hawser::inline v0::proto {
namespace {

using state = channel_state;
using input = channel_input;
namespace effect = channel_effect;

// What a busy state says, taken apart: the rules are about these, the enum only names the combinations that occur.
enum class side : std::uint8_t { own, peer, plain };
struct facts {
  side opener;
  bool send_open;       // our FIN or RESET is not out
  bool receive_open;    // the peer's is not here
  bool working;         // peer's channels: the handler is not through
  bool must_reset;      // the peer's RESET is here and ours is not out (R3)
};

constexpr facts take_apart(state of) {
  switch (of) {
    case state::own_open: return {side::own, true, true, false, false};
    case state::own_sent: return {side::own, false, true, false, false};
    case state::own_received: return {side::own, true, false, false, false};
    case state::own_reset_owed: return {side::own, true, false, false, true};
    case state::own_ended: return {side::own, false, false, false, false};
    case state::peer_open: return {side::peer, true, true, true, false};
    case state::peer_open_idle: return {side::peer, true, true, false, false};
    case state::peer_sent: return {side::peer, false, true, true, false};
    case state::peer_sent_idle: return {side::peer, false, true, false, false};
    case state::peer_received: return {side::peer, true, false, true, false};
    case state::peer_received_idle: return {side::peer, true, false, false, false};
    case state::peer_aborting: return {side::peer, true, false, true, true};
    case state::peer_reset_owed: return {side::peer, true, false, false, true};
    case state::peer_ended: return {side::peer, false, false, true, false};
    case state::peer_release_owed: return {side::peer, false, false, false, false};
    case state::plain_open: return {side::plain, true, true, false, false};
    case state::plain_sent: return {side::plain, false, true, false, false};
    case state::plain_received: return {side::plain, true, false, false, false};
    case state::plain_ended: return {side::plain, false, false, false, false};
    case state::free_own: return {side::own, false, false, false, false};
    case state::free_peer: return {side::peer, false, false, false, false};
  }
  return {};
}

constexpr state put_together(const facts& of) {
  switch (of.opener) {
    case side::own:
      if (of.send_open) return of.must_reset ? state::own_reset_owed : of.receive_open ? state::own_open : state::own_received;
      return of.receive_open ? state::own_sent : state::own_ended;
    case side::peer:
      if (of.must_reset) return of.working ? state::peer_aborting : state::peer_reset_owed;
      if (of.send_open && of.receive_open) return of.working ? state::peer_open : state::peer_open_idle;
      if (of.send_open) return of.working ? state::peer_received : state::peer_received_idle;
      if (of.receive_open) return of.working ? state::peer_sent : state::peer_sent_idle;
      return of.working ? state::peer_ended : state::peer_release_owed;
    case side::plain:
      if (of.send_open) return of.receive_open ? state::plain_open : state::plain_received;
      return of.receive_open ? state::plain_sent : state::plain_ended;
  }
  return state::free_own;
}

constexpr channel_step stay(state at, std::uint8_t effects) { return {at, effects}; }
constexpr channel_step breach(state at) { return stay(at, effect::violation); }

// R5. Only OPEN creates state; what may have crossed a release is passed over.
constexpr channel_step from_free(state at, input what) {
  if (at == state::free_own) return what == input::send_open ? channel_step{state::own_open, effect::none} : breach(at);
  switch (what) {
    case input::receive_open: return {state::peer_open, effect::none};
    case input::receive_credit:
    case input::receive_stop:
    case input::receive_reset: return stay(at, effect::ignored);
    default: return breach(at);
  }
}

// Our FIN or RESET is framed now.
constexpr channel_step send_terminal(facts now, mutation fault) {
  now.send_open = false;
  now.must_reset = false;
  // R2: the release rides on the terminal frame when the two other conditions hold already.
  const bool peer_through = !now.receive_open || fault == mutation::release_without_peer_terminal;
  if (now.opener == side::peer && peer_through && !now.working) return {state::free_peer, effect::carry_release | effect::freed};
  // R1, broken on purpose.
  if (now.opener == side::own && !now.receive_open && fault == mutation::opener_frees_on_both_terminals) return {state::free_own, effect::freed};
  return {put_together(now), effect::none};
}

// The peer's FIN or RESET arrived without REL.
constexpr channel_step receive_terminal(facts now, mutation fault) {
  now.receive_open = false;
  if (now.opener == side::own && !now.send_open && fault == mutation::opener_frees_on_both_terminals) return {state::free_own, effect::freed};
  const state next = put_together(now);
  return {next, next == state::peer_release_owed ? effect::owe_release : effect::none};
}

constexpr channel_step receive_reset(state at, facts now, mutation fault) {
  if (now.opener == side::plain) return breach(at);
  if (!now.send_open) {
    // After our own terminal a RESET is just the peer's; once both are through it is a late one.
    if (!now.receive_open) return stay(at, effect::ignored);
    channel_step step = receive_terminal(now, fault);
    step.effects |= effect::aborted;
    return step;
  }
  if (now.must_reset) return stay(at, effect::ignored);
  now.receive_open = false;
  now.must_reset = true;
  // R3: an opener answers at once, an acceptor when its work is through.
  const std::uint8_t answer = now.working ? effect::none : effect::owe_reset;
  return {put_together(now), static_cast<std::uint8_t>(effect::aborted | answer)};
}

// REL on the peer's terminal frame, which must be the last thing that was missing.
constexpr channel_step receive_terminal_with_release(state at, const facts& now) {
  if (now.opener != side::own || now.send_open || !now.receive_open) return breach(at);
  return {state::free_own, effect::freed};
}

constexpr channel_step work_ended(state at, facts now) {
  if (now.opener != side::peer || !now.working) return breach(at);
  now.working = false;
  const state next = put_together(now);
  if (next == state::peer_release_owed) return {next, effect::owe_release};
  if (next == state::peer_reset_owed) return {next, effect::owe_reset};
  return {next, effect::none};
}

constexpr channel_step step_of(state at, input what, mutation fault) {
  if (is_free(at)) return from_free(at, what);
  const facts now = take_apart(at);
  const bool plain = now.opener == side::plain;
  const channel_step fine = stay(at, effect::none);
  switch (what) {
    case input::send_open:
    case input::receive_open: return breach(at);

    case input::send_data: return now.send_open && !now.must_reset ? fine : breach(at);
    case input::send_fin: return now.send_open && !now.must_reset ? send_terminal(now, fault) : breach(at);
    case input::send_reset:
      if (plain) return breach(at);
      if (now.send_open) return send_terminal(now, fault);
      return now.receive_open ? fine : breach(at);      // after our FIN: we give up reading too
    case input::send_credit: return now.receive_open ? fine : breach(at);
    case input::send_stop: return now.receive_open && !plain ? fine : breach(at);
    case input::send_release: return at == state::peer_release_owed ? channel_step{state::free_peer, effect::freed} : breach(at);
    case input::work_ended: return work_ended(at, now);

    case input::receive_data: return now.receive_open ? fine : breach(at);
    case input::receive_fin: return now.receive_open ? receive_terminal(now, fault) : breach(at);
    case input::receive_fin_rel: return receive_terminal_with_release(at, now);
    case input::receive_reset: return receive_reset(at, now, fault);
    case input::receive_reset_rel: return receive_terminal_with_release(at, now);
    // Sent while the peer did not know that we are through: nothing is left for it to act on.
    case input::receive_credit: return now.send_open && !now.must_reset ? fine : stay(at, effect::ignored);
    case input::receive_stop:
      if (plain) return breach(at);
      return now.send_open && !now.must_reset ? fine : stay(at, effect::ignored);
    case input::receive_release: return at == state::own_ended ? channel_step{state::free_own, effect::freed} : breach(at);
  }
  return breach(at);
}

constexpr detail::channel_transitions table_of(mutation fault) {
  detail::channel_transitions table{};
  for (std::size_t at = 0; at < channel_state_count; ++at) {
    for (std::size_t what = 0; what < channel_input_count; ++what) {
      table[at][what] = step_of(static_cast<state>(at), static_cast<input>(what), fault);
    }
  }
  return table;
}

}  // namespace

constinit const std::array<detail::channel_transitions, mutation_count> detail::channel_rules = {
    table_of(mutation::none),
    table_of(mutation::opener_frees_on_both_terminals),
    table_of(mutation::release_without_peer_terminal),
};

}  // namespace hawser::inline v0::proto
