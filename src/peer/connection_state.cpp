// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/connection_state.hpp"

#include "peer/lane.hpp"
#include "peer/self_pair.hpp"

#include <algorithm>
#include <atomic>
#include <utility>

// Between link and protocol core: input, output, the end. handshake.cpp has the beginning, connection_events.cpp what the core says.

namespace hawser::inline v0::detail {
namespace {

constexpr std::size_t corked_bytes_max = 64 * 1024;
constexpr std::size_t early_events_min = 64;         // so much work is worth a send of its own
constexpr std::size_t messages_per_event = 8;        // a plain message is that much cheaper than an event

std::uint64_t next_number() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

struct peer_connection::remains {
  endpoint local, remote;
  connection_statistics statistics;
};

std::error_code error_of_code(std::uint32_t code) noexcept {
  if (code == 0) return {};
  if (code >= 0x10000) return make_application_error(code);
  return make_error_code(static_cast<errc>(code));
}

peer_connection::peer_connection(peer_core& core, proto::role side)
    : core_(&core), link_(core.home(), *this), began_(core.home().now()), number_(next_number()), side_(side) {
  wire_.emplace(side, core.wire_settings(), core.identity(), core.home().buffers(), core.home().now(), draw_seed());
}

void peer_connection::join(self_pair& pair) {
  self_ = true;
  pair_ = ref<self_pair>(&pair);
  core_->enter(*this);
}

// The other half has seen the end too.
void peer_connection::leave_pair() noexcept {
  pair_ = nullptr;
  link_over_ = true;
  forget_wire();
}

peer_connection::~peer_connection() {
  if (dialling_) dialling_->on_ = nullptr;
}

// ---- commands of users ----

void peer_connection::touch() noexcept {
  if (!self_) return link_.transmit_later();
  if (pair_) pair_->pump_later();
}

void peer_connection::wrote() {
  touch();
  if (wire_->ripe()) transmit_early();
}

// No event is told in here: whoever writes is not called back from within.
void peer_connection::transmit_early() {
  if (self_) return;
  const bool inside = draining_;
  draining_ = true;
  link_.transmit_early();
  draining_ = inside;
  if (wire_->event_due()) changed();
}

void peer_connection::changed() noexcept {
  touch();
  if (!draining_ && !torn_) core_->home().post(*this);
}

// What users are told of a message that was not taken.
result<> peer_connection::refused(std::error_code why) noexcept {
  if (why == errc::would_block) send_blocked_ = true;
  else if (why != errc::message_too_big) return failure(errc::not_connected);
  return failure(why);
}

result<> peer_connection::send(byte_view message) {
  if (phase_ != phase::open) return failure(errc::not_connected);
  const result<> sent = wire_->send(proto::message_channel, message);
  if (!sent) return refused(sent.error());
  wrote();
  if (peer_hooks* hooks = core_->hooks()) {
    connection to(this);
    hooks->sending(to, peer_hooks::traffic::message, {}, message.size());
  }
  return {};
}

result<> peer_connection::send(const framed_messages& messages) {
  if (phase_ != phase::open) return failure(errc::not_connected);
  const result<> sent = wire_->send(messages);
  if (!sent) return refused(sent.error());
  wrote();
  if (peer_hooks* hooks = core_->hooks()) {
    connection to(this);
    // The hook may end everything, these messages included.
    for (std::size_t i = 0; i < messages.count() && !torn_; ++i) hooks->sending(to, peer_hooks::traffic::message, {}, messages.messages()[i].size());
  }
  return {};
}

void peer_connection::uncork() noexcept {
  corked_ = false;
  touch();
}

void peer_connection::close(std::uint32_t code, duration drain, std::string_view text) {
  if (torn_ || phase_ == phase::over || closed_here_) return;
  const ref<peer_connection> self(this);
  closed_here_ = true;
  // Its last messages are told to a hook, which may end everything.
  retire_lanes();
  if (torn_) return;
  if (phase_ == phase::open) phase_ = phase::closing;
  flushing_ = code == 0;
  wire_->go_away(core_->home().now(), code, drain, text);
  changed();
}

void peer_connection::begin_drain(duration drain) {
  if (torn_ || phase_ == phase::over) return;
  if (phase_ == phase::handshake || phase_ == phase::undecided) return abort();
  const ref<peer_connection> self(this);
  retire_lanes();
  if (torn_) return;
  phase_ = phase::closing;
  wire_->go_away(core_->home().now(), 0, drain);
  changed();
}

void peer_connection::abort() {
  if (torn_ || phase_ == phase::over || aborted_) {
    if (phase_ == phase::over && !torn_ && link_.alive()) link_.abort();
    return;
  }
  aborted_ = closed_here_ = true;
  phase_ = phase::closing;
  retire_lanes();
  if (pair_) pair_->cut();
  else link_.abort(make_error_code(errc::closed));
  changed();
}

result<> peer_connection::start(channel_state& call) {
  if (phase_ != phase::open || core_->stopping()) return failure(errc::not_connected);
  if (queued_.empty()) {
    const result<bool> opened = call.try_open();
    if (!opened) return failure(opened.error());
    if (*opened) return {};
  }
  const peer_options& options = core_->options();
  const std::size_t bytes = call.held_bytes();
  if (queued_count_ >= options.calls_queued_max || (queued_count_ > 0 && queued_bytes_ + bytes > options.calls_queued_bytes_max))
    return failure(errc::too_many_calls);
  queued_.push_back(call);
  call.charge(bytes);
  queued_bytes_ += bytes;
  ++queued_count_;
  ++core_->calls().queued;
  return {};
}

void peer_connection::forget_queued(channel_state& call) noexcept {
  if (!call.waiting_link::linked()) return;
  call.waiting_link::unlink();
  queued_bytes_ -= call.charged();
  --queued_count_;
  --core_->calls().queued;
}

void peer_connection::open_queued() {
  while (phase_ == phase::open && !queued_.empty()) {
    const ref<channel_state> next(static_cast<channel_state*>(queued_.front()));
    forget_queued(*next);
    const result<bool> opened = next->try_open();
    if (!opened) {
      next->fail_unopened(opened.error());
    } else if (*opened) {
      next->on_writable();
    } else {
      queued_.push_front(*next);
      queued_bytes_ += next->charged();
      ++queued_count_;
      ++core_->calls().queued;
      return;
    }
  }
}

void peer_connection::fail_queued(std::error_code reason) {
  while (!queued_.empty()) {
    const ref<channel_state> next(static_cast<channel_state*>(queued_.front()));
    forget_queued(*next);
    next->fail_unopened(reason);
  }
}

// Plain messages end here. What other threads have handed over goes out as far as there is room.
void peer_connection::retire_lanes() {
  for (const auto& one : std::exchange(lanes_, {})) {
    if (phase_ == phase::open) one->push();
    one->depart();
  }
}

void peer_connection::add_lane(std::shared_ptr<lane> one) {
  // Those whose senders are all gone and who have nothing left leave when the next one comes.
  std::erase_if(lanes_, [](const std::shared_ptr<lane>& old) { return old.use_count() == 1 && old->empty(); });
  lanes_.push_back(std::move(one));
}

// ---- the link's protocol ----

void peer_connection::handle_bytes(instant now, byte_view bytes) {
  if (!wire_ || phase_ == phase::over) return;
  wire_->handle_bytes(now, bytes);
  drain();
}

void peer_connection::handle_end(instant now, std::error_code reason) {
  if (!wire_) return;
  link_reason_ = reason;
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

void peer_connection::handle_sent(instant now, std::size_t bytes) {
  if (!wire_) return;
  wire_->handle_sent(now, bytes);
  // Mostly there is nothing more to say or to hear.
  if (phase_ != phase::open || wire_->event_due() || wire_->wants_transmit()) drain();
}

void peer_connection::handle_timeout(instant now) {
  if (!wire_) return;
  if (phase_ == phase::undecided && decide_at_ <= now) {
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
  return std::min({due, resume_at_, phase_ == phase::undecided ? decide_at_ : never});
}

void peer_connection::on_link_closed(std::error_code reason) {
  const ref<peer_connection> self(this);
  link_over_ = true;
  if (phase_ != phase::over && wire_) {
    if (!link_reason_) link_reason_ = reason;
    wire_->handle_end(core_->home().now());
    drain();
  }
  if (phase_ != phase::over) on_closed(make_error_code(errc::connection_lost));
  forget_wire();
}

// Commands were given outside of drain().
void peer_connection::run() {
  if (!wire_) return;
  const ref<peer_connection> self(this);
  if (aborted_ && phase_ != phase::over) wire_->handle_end(core_->home().now());
  drain();
}

// ---- the core's events ----

// Users' code runs in here. It may end anything, this connection and its peer included, but what drain() stands on stays until it
// has returned.
void peer_connection::drain() {
  if (draining_ || !wire_) return;
  draining_ = true;
  const ref<peer_connection> self(this);
  const ref<peer_core> core(core_);
  proto::event next;
  // The other side need not be idle until the last of a long input is answered: what half of it led to goes ahead.
  std::size_t half = wire_->unparsed_bytes() / 2;
  for (std::size_t done = 0; !torn_;) {
    if (phase_ != phase::undecided) done += take_messages() / messages_per_event;
    if (torn_ || !wire_->poll_event(next)) break;
    dispatch(next);
    if (++done < early_events_min || self_ || torn_ || wire_->unparsed_bytes() > half) continue;
    link_.transmit_now();
    half = wire_->unparsed_bytes() / 2;
    done = 0;
  }
  draining_ = false;
  settle();
}

void peer_connection::settle() {
  if (torn_) return wire_.reset();
  if (phase_ == phase::over) {
    if (link_over_) forget_wire();
    return touch();
  }
  touch();
  const instant now = core_->home().now();
  if (flushing_ && wire_->queued_bytes() == 0 && !wire_->wants_transmit()) {
    // close(): all that was queued is out, the farewell too. Nobody waits for the requests that run.
    flushing_ = false;
    wire_->go_away(now, 0, duration::zero());
    wire_->handle_timeout(now);
    return drain();
  }
  if (self_) return;
  const instant until = wire_->receive_after();
  if (until > now) {
    reading_paused_ = true;
    resume_at_ = until;
    link_.pause_reading();
  } else if (reading_paused_) {
    reading_paused_ = false;
    resume_at_ = never;
    link_.resume_reading();
  }
}

// Nothing can happen any more: only the shell stays, for those who hold a handle.
void peer_connection::forget_wire() {
  if (draining_ || torn_) return;
  wire_.reset();
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
  if (!was_over) reason_ = make_error_code(errc::closed);
  leave_handshake();
  if (pair_) pair_->dissolve();
  pair_ = nullptr;
  link_.abort();
  while (channel_link* one = channels_.pop_front()) static_cast<channel_state*>(one)->lose(make_error_code(errc::closed));
  while (waiting_link* one = queued_.front()) {
    channel_state& call = static_cast<channel_state&>(*one);
    forget_queued(call);
    call.lose(make_error_code(errc::closed));
  }
  retire_lanes();
  writable_waiters_.resume_all_later(core_->home());
  answer_dial(failure(errc::closed));
  leave_register();
  if (take_announced() && !self_) {
    if (peer_hooks* hooks = core_->hooks()) {
      connection with(this);
      hooks->disconnected(with, reason_);
    }
  }
  if (!draining_) wire_.reset();
  if (connection_node::linked()) core_->leave(*this);
}

// ---- what is known ----

endpoint peer_connection::local() const { return remains_ ? remains_->local : self_ ? endpoint() : link_.local(); }
endpoint peer_connection::remote() const { return remains_ ? remains_->remote : self_ ? endpoint() : link_.remote(); }

std::size_t peer_connection::message_bytes_max() const noexcept {
  const proto::remote_hello* hello = wire_ ? wire_->hello() : nullptr;
  return hello ? hello->announced.message_bytes_max : 0;
}

connection_statistics peer_connection::statistics() const {
  if (remains_ || !wire_) return remains_ ? remains_->statistics : connection_statistics();
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
  if (reason == errc::connection_lost && link_reason_) reason = link_reason_;
  if (aborted_) reason = make_error_code(errc::closed);
  auto kept = std::make_unique<remains>();
  kept->local = local();
  kept->remote = remote();
  kept->statistics = statistics();
  remains_ = std::move(kept);
  phase_ = phase::over;
  reason_ = reason;
  core_->log(reason ? log_level::info : log_level::debug, number_, "ended%s: %s", was_handshake ? " before it was open" : "",
             reason ? reason.message().c_str() : "orderly");
  leave_register();
  fail_queued(make_error_code(reason && reason != errc::closed ? errc::connection_lost : errc::refused));
  if (torn_) return;
  retire_lanes();
  writable_waiters_.resume_all_later(core_->home());
  if (take_announced() && !self_) {
    if (peer_hooks* hooks = core_->hooks()) {
      connection with(this);
      hooks->disconnected(with, reason);
      if (torn_) return;
    }
  }
  answer_dial(reason == errc::duplicate ? core_->survivor(id_) : failure(reason ? reason : make_error_code(errc::connection_lost)));
  if (torn_) return;
  if (!was_handshake || established_ != never) core_->resolve_undecided(id_);
  if (torn_) return;
  if (!self_ && link_.alive()) link_.close();
}

}  // namespace hawser::inline v0::detail
