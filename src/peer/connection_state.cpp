// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/connection_state.hpp"

#include "peer/connection_extras.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

// Between link and protocol core: input, output, the end. handshake.cpp has the beginning, connection_events.cpp what the core says,
// connection_commands.cpp what users do.

namespace hawser::inline v0::detail {
namespace {

constexpr std::size_t corked_bytes_max = 64 * 1024;
constexpr std::size_t early_events_min = 32;         // so much work is worth a send of its own
constexpr std::size_t messages_per_event = 8;        // a plain message is that much cheaper than an event

std::uint64_t next_number() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

std::error_code error_of_code(std::uint32_t code) noexcept {
  if (code == 0) return {};
  if (code >= 0x10000) return make_application_error(code);
  return make_error_code(static_cast<errc>(code));
}

peer_connection::peer_connection(peer_core& core, proto::role side)
    : core_(&core), side_(side), link_(core.home(), *this), number_(next_number()), began_(core.home().now()) {
  wire_.emplace(side, core.wire_settings(), core.identity(), core.home().buffers(), core.home().now(), core.draw_seed());
}

void peer_connection::join(self_pair& pair) {
  self_ = true;
  need_extras().pair = ref<self_pair>(&pair);
  core_->enter(*this);
}

// The other half has seen the end too.
void peer_connection::leave_pair() noexcept {
  extras_->pair = nullptr;
  link_over_ = true;
  forget_wire();
}

peer_connection::~peer_connection() {
  if (dialling_) dialling_->on_ = nullptr;
}

peer_connection::extras& peer_connection::need_extras() {
  if (!extras_) extras_ = std::make_unique<extras>();
  return *extras_;
}

// ---- the link's protocol ----

void peer_connection::handle_bytes(instant now, byte_view bytes) {
  if (!wire_ || phase_ == phase::over) return;
  wire_->handle_bytes(now, bytes);
  drain();
}

std::span<std::byte> peer_connection::poll_room() {
  if (!wire_ || phase_ == phase::over) return {};
  return wire_->poll_room();
}

bool peer_connection::expects_room() const { return wire_ && wire_->expects_room(); }

void peer_connection::handle_filled(instant now, std::size_t count, byte_view rest) {
  wire_->handle_filled(now, count, rest);
  drain();
}

void peer_connection::handle_end(instant now, std::error_code reason) {
  if (!wire_) return;
  if (reason) need_extras().link_reason = reason;
  wire_->handle_end(now);
  drain();
}

std::size_t peer_connection::poll_transmit(instant now, chain& out, std::size_t max_bytes) {
  if (!wire_) return 0;
  if (corked_ && phase_ == phase::open) {
    // Once it is enough, all of it goes: a rest that waited for credit must not be corked again.
    const std::size_t waiting = wire_->queued_bytes();
    overflowing_ = waiting >= corked_bytes_max || (overflowing_ && waiting > 0);
    if (!overflowing_) return 0;
  }
  return wire_->poll_transmit(now, out, max_bytes);
}

bool peer_connection::poll_end() { return !wire_ || (wire_->over() && !wire_->wants_transmit()); }

void peer_connection::handle_sent(instant now, std::size_t bytes) {
  if (!wire_) return;
  wire_->handle_sent(now, bytes);
  // Mostly there is nothing more to say or to hear.
  if (phase_ != phase::open || wire_->event_due() || wire_->wants_transmit()) drain();
}

void peer_connection::handle_timeout(instant now) {
  if (!wire_) return;
  if (phase_ == phase::undecided && extras_->decide_at <= now) {
    const ref<peer_connection> self(this);
    decide();
    return drain();
  }
  wire_->handle_timeout(now);
  drain();
}

instant peer_connection::poll_timeout() {
  if (!wire_) return never;
  const instant due = phase_ == phase::over ? never : wire_->poll_timeout();
  if (phase_ == phase::undecided) return std::min(due, extras_->decide_at);
  return reading_paused_ ? std::min(due, extras_->resume_at) : due;
}

void peer_connection::on_link_closed(std::error_code reason) {
  const ref<peer_connection> self(this);
  link_over_ = true;
  if (phase_ != phase::over && wire_) {
    if (reason && !(extras_ && extras_->link_reason)) need_extras().link_reason = reason;
    wire_->handle_end(core_->home().now());
    drain();
  }
  if (phase_ != phase::over) on_closed(make_error_code(errc::connection_lost));
  forget_wire();
}

// Commands were given outside of drain().
void peer_connection::run() {
  if (!wire_) return;
  if (aborted_ && phase_ != phase::over) wire_->handle_end(core_->home().now());
  drain();
}

// ---- the core's events ----

// Users' code runs in here. It may end anything, this connection and its peer included, but what drain() stands on stays until it
// has returned.
void peer_connection::drain() {
  if (draining_ || !wire_) return;
  const ref<peer_connection> self(this);
  const ref<peer_core> core(core_);
  do work_off();
  while (settle());
}

void peer_connection::work_off() {
  draining_ = true;
  proto::event next;
  proto::plain_request asked;
  proto::plain_answer answer;
  // The other side need not be idle until the last of a long input is answered: what half of it led to goes ahead.
  std::size_t half = wire_->unparsed_bytes() / 2;
  bool messages = true, requests = true, answers = true;      // what may come next without an event: they come in runs
  for (std::size_t done = 0; !torn_;) {
    if (messages && phase_ != phase::undecided) {
      if (const std::size_t taken = take_messages(); taken != 0) {
        done += taken / messages_per_event;
        requests = answers = false;
      }
    }
    if (torn_) break;
    if (requests && phase_ != phase::undecided && wire_->poll_request(asked)) {
      messages = answers = false;
      on_request(asked);
    } else if (answers && wire_->poll_answer(answer)) {
      messages = requests = false;
      on_answer(answer);
    } else {
      if (!wire_->poll_event(next)) break;
      messages = next.kind == proto::event_kind::message || next.channel <= proto::message_channel;
      requests = next.kind == proto::event_kind::opened;
      answers = next.released;
      dispatch(next);
    }
    if (++done < early_events_min || self_ || torn_ || wire_->unparsed_bytes() > half) continue;
    link_.transmit_now();
    half = wire_->unparsed_bytes() / 2;
    done = 0;
  }
  draining_ = false;
}

// True: there is more to be worked off.
bool peer_connection::settle() {
  if (torn_) {
    drop_wire();
    return false;
  }
  if (phase_ == phase::over) {
    if (link_over_) forget_wire();
    touch();
    return false;
  }
  touch();
  const instant now = core_->home().now();
  if (flushing_ && wire_->end_now(now)) {
    // close(): all that was queued is out, the farewell too, or leaves with the FIN. Nobody waits for the requests that run.
    flushing_ = false;
    return true;
  }
  if (self_) return false;
  const instant until = wire_->receive_after();
  if (until > now) {
    reading_paused_ = true;
    need_extras().resume_at = until;
    link_.pause_reading();
  } else if (reading_paused_) {
    reading_paused_ = false;
    link_.resume_reading();
  }
  return false;
}

// What can still be asked when the socket and the core are gone, if anybody is left who could: its peer and drain() are not.
void peer_connection::keep_remains() {
  constexpr std::uint32_t our_own = 2;
  if ((references() <= our_own && !self_) || (extras_ && extras_->left)) return;
  auto left = std::make_unique<connection_remains>();
  left->local = local();
  left->remote = remote();
  need_extras().left = std::move(left);
}

void peer_connection::drop_wire() {
  if (wire_ && extras_ && extras_->left) extras_->left->statistics = statistics();
  wire_.reset();
}

// Nothing can happen any more: only the shell stays, for those who hold a handle.
void peer_connection::forget_wire() {
  if (draining_ || torn_) return;
  drop_wire();
  leave_handshake();
  if (connection_node::linked()) core_->leave(*this);
}

bool peer_connection::take_announced() noexcept {
  const bool was = announced_;
  announced_ = false;
  return was;
}

// The peer is being destroyed. No user code runs in here but the hook.
void peer_connection::tear_down() {
  if (torn_) return;
  const ref<peer_connection> self(this);
  torn_ = true;
  const bool was_over = phase_ == phase::over;
  phase_ = phase::over;
  extras& e = need_extras();
  if (!was_over) e.reason = make_error_code(errc::closed);
  leave_handshake();
  if (e.pair) e.pair->dissolve();
  e.pair = nullptr;
  link_.abort();
  while (channel_link* one = channels_.pop_front()) static_cast<channel_state*>(one)->lose(make_error_code(errc::closed));
  while (waiting_link* one = e.queued.front()) {
    channel_state& call = static_cast<channel_state&>(*one);
    forget_queued(call);
    call.lose(make_error_code(errc::closed));
  }
  retire_lanes();
  e.writable_waiters.resume_all_later(core_->home());
  answer_dial(failure(errc::closed));
  leave_register();
  if (take_announced() && !self_) {
    if (peer_hooks* hooks = core_->hooks()) {
      connection with(this);
      hooks->disconnected(with, reason());
    }
  }
  if (!draining_) drop_wire();
  if (connection_node::linked()) core_->leave(*this);
}

// ---- what is known ----

bool peer_connection::has_queued() const noexcept { return extras_ && !extras_->queued.empty(); }
intrusive_list<waiting_link>& peer_connection::blocked_writers() { return need_extras().blocked; }
wait_list& peer_connection::writable_waiters() { return need_extras().writable_waiters; }
std::error_code peer_connection::reason() const noexcept { return extras_ ? extras_->reason : std::error_code(); }
void peer_connection::set_user_state(std::shared_ptr<void> state) {
  if (state || extras_) need_extras().user_state = std::move(state);
}
void* peer_connection::user_pointer() const noexcept { return extras_ ? extras_->user_state.get() : nullptr; }

endpoint peer_connection::local() const {
  if (extras_ && extras_->left) return extras_->left->local;
  return self_ ? endpoint() : link_.local();
}
// A socket that was reset does not know any more who was there: what was asked once is kept.
endpoint peer_connection::remote() {
  if (extras_ && extras_->left) return extras_->left->remote;
  if (extras_ && extras_->remote) return *extras_->remote;
  const endpoint there = self_ ? endpoint() : link_.remote();
  if (there.valid()) need_extras().remote = std::make_unique<endpoint>(there);
  return there;
}

std::size_t peer_connection::message_bytes_max() const noexcept {
  return wire_ ? wire_->message_bytes_max() : 0;
}

connection_statistics peer_connection::statistics() const {
  if (!wire_) return extras_ && extras_->left ? extras_->left->statistics : connection_statistics();
  const proto::connection::statistics raw = wire_->stats();
  connection_statistics out;
  out.messages_sent = raw.messages_sent;
  out.messages_received = raw.messages_received;
  out.bytes_sent = raw.bytes_sent;
  out.bytes_received = raw.bytes_received;
  out.requests_sent = requests_sent_;
  out.requests_received = requests_received_;
  out.round_trip = raw.round_trip;
  out.bytes_queued = wire_->queued_bytes();
  out.bytes_buffered = raw.bytes_buffered;
  return out;
}

// Exactly once per connection, as the last event of the core.
void peer_connection::on_closed(std::error_code reason) {
  if (phase_ == phase::over) return;
  const bool was_handshake = phase_ == phase::handshake || phase_ == phase::undecided;
  if (reason == errc::connection_lost && extras_ && extras_->link_reason) reason = extras_->link_reason;
  if (aborted_) reason = make_error_code(errc::closed);
  phase_ = phase::over;
  if (reason || extras_) need_extras().reason = reason;
  core_->log(reason ? log_level::info : log_level::debug, number_, "ended%s: %s", was_handshake ? " before it was open" : "",
             reason ? reason.message().c_str() : "orderly");
  leave_register();
  fail_queued(make_error_code(reason && reason != errc::closed ? errc::connection_lost : errc::refused));
  if (torn_) return;
  keep_remains();
  retire_lanes();
  if (extras_) extras_->writable_waiters.resume_all_later(core_->home());
  if (take_announced() && !self_) {
    if (peer_hooks* hooks = core_->hooks()) {
      connection with(this);
      hooks->disconnected(with, reason);
      if (torn_) return;
    }
  }
  keep_remains();
  answer_dial(reason == errc::duplicate ? core_->survivor(id_) : failure(reason ? reason : make_error_code(errc::connection_lost)));
  if (torn_) return;
  if (!was_handshake || established_ != never) core_->resolve_undecided(id_);
  if (torn_) return;
  if (!self_ && link_.alive()) link_.close();
}

}  // namespace hawser::inline v0::detail
