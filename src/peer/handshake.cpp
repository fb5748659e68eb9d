// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/connection_extras.hpp"

#include "proto/hello.hpp"

#include <utility>

// From a socket to an open connection: who is let in, and which of two connections to the same peer stays: both ends
// keep the same one, because the peer with the smaller id decides and the other waits for what it does.

namespace hawser::inline v0::detail {
namespace {

// How long the peer with the larger id waits for the other one to decide; it does not when parallel connections are fine with it.
constexpr duration decision_timeout = std::chrono::seconds(2);

}  // namespace

handshake_wait::handshake_wait(peer_connection& on) noexcept : on_(&on) {}

handshake_wait::~handshake_wait() {
  if (on_) on_->abandon_dial();
}

void peer_connection::accept(io::socket_id id) {
  core_->enter(*this);
  half_open_ = true;
  core_->half_open_began();
  link_.accept(id);
}

void peer_connection::adopt(connected_socket socket, handshake_wait& waiting) {
  core_->enter(*this);
  dialling_ = &waiting;
  link_.adopt(std::move(socket));
}

// Where the verdict may be another connection, a message that was sent here already would choose this one. Before HELLO the other side's
// limits are the floors.
bool peer_connection::send_ahead(byte_view message) {
  if (core_->options().parallel == peer_options::parallel_connections::one || message.size() > proto::floor_limits().message_bytes_max) return false;
  if (!dialling_ || !wire_->send(proto::message_channel, message)) return false;
  dialling_->ahead_bytes_ = message.size();
  return true;
}

void peer_connection::abandon_dial() noexcept {
  dialling_ = nullptr;
  if (phase_ == phase::handshake || phase_ == phase::undecided) abort();
}

void peer_connection::leave_handshake() noexcept {
  if (!half_open_) return;
  half_open_ = false;
  core_->half_open_ended();
}

void peer_connection::leave_register() {
  if (!registered_) return;
  registered_ = false;
  core_->unregister(*this);
}

void peer_connection::answer_dial(result<connection> with) {
  if (!dialling_) return;
  handshake_wait& waiting = *std::exchange(dialling_, nullptr);
  waiting.on_ = nullptr;
  waiting.outcome_ = std::move(with);
  waiting.done_ = true;
  if (!waiting.waiting()) return;
  if (draining_ && !torn_) waiting.resume_now();
  else waiting.resume_later(core_->home());
}

void peer_connection::remember(const proto::remote_hello& hello) {
  id_ = hello.peer_id;
  const std::size_t name_bytes = hello.name.size(), metadata_bytes = hello.metadata.size();
  if (name_bytes + metadata_bytes == 0) return;
  words_ = std::make_unique_for_overwrite<char[]>(name_bytes + metadata_bytes);
  hello.name.copy(words_.get(), name_bytes);
  hello.metadata.copy(words_.get() + name_bytes, metadata_bytes);
  name_bytes_ = static_cast<std::uint8_t>(name_bytes);
  metadata_bytes_ = static_cast<std::uint16_t>(metadata_bytes);
}

void peer_connection::on_hello() {
  const proto::remote_hello& hello = *wire_->hello();
  remember(hello);
  if (self_) {
    if (side_ == proto::role::server) wire_->accept(core_->home().now());
    phase_ = phase::open;
    announced_ = true;
    return;
  }
  if (side_ == proto::role::client) on_dialled_hello();
  else on_accepted_hello();
  if (!torn_) wire_->forget_hello();
}

void peer_connection::on_dialled_hello() {
  if (id_ == core_->id()) {
    answer_dial(failure(errc::self_connect));
    if (!torn_) abort();
    return;
  }
  // Others that were dialled at the same time may have been faster.
  if (core_->open_count() >= core_->options().connections_max) {
    answer_dial(failure(errc::too_many_connections));
    if (!torn_) close(static_cast<std::uint32_t>(errc::refused), duration::zero(), "too many connections");
    return;
  }
  establish();
}

void peer_connection::on_accepted_hello() {
  const proto::remote_hello& hello = *wire_->hello();
  const instant now = core_->home().now();
  if (id_ == core_->id()) {
    // The dialling end is this very peer: it must see our id to know it, and will hang up.
    silent_ = true;
    return wire_->accept(now);
  }
  const endpoint from = core_->hooks() ? link_.remote() : endpoint();      // nobody else asks who it is
  const introduction who{hello.name, hello.peer_id, as_bytes(hello.metadata), as_bytes(hello.token), hello.software, from};
  const std::error_code verdict = core_->judge(who);
  if (torn_) return;
  if (verdict) {
    core_->log(log_level::info, number_, "refused %s: %s", link_.remote().text().c_str(), verdict.message().c_str());
    return wire_->refuse(static_cast<errc>(error_to_wire(verdict)), verdict.message());
  }
  wire_->accept(now);
  establish();
}

void peer_connection::establish() {
  established_ = core_->home().now();
  if (core_->options().parallel == peer_options::parallel_connections::many) return announce();
  peer_connection* const first = core_->find(id_);
  if (!first || !first->is_open()) return announce();
  if (core_->id() > id_) {
    phase_ = phase::undecided;
    need_extras().decide_at = after(established_, decision_timeout);
    return;
  }
  // Ours to decide. They crossed when ours was under way before theirs was open: then ours stays. Otherwise the older one does.
  const bool crossed = dialled_here() && !first->dialled_here() && began_ <= first->established();
  if (!crossed) return close_as_duplicate();
  const ref<peer_connection> loser(first);
  announce();
  if (!loser->torn_) loser->close(static_cast<std::uint32_t>(errc::duplicate), duration::zero(), "another connection stays");
}

void peer_connection::announce() {
  phase_ = phase::open;
  announced_ = true;
  leave_handshake();
  registered_ = true;
  core_->register_open(*this);
  if (core_->logs(log_level::info)) {
    const std::string name_text(name());
    core_->log(log_level::info, number_, "%s %s as '%s'", dialled_here() ? "connected to" : "accepted", remote().text().c_str(), name_text.c_str());
  }
  if (peer_hooks* hooks = core_->hooks()) {
    connection with(this);
    hooks->connected(with);
    if (torn_) return;
    if (dialling_ && dialling_->ahead_bytes_) hooks->sending(with, peer_hooks::traffic::message, {}, *dialling_->ahead_bytes_);
    if (torn_) return;
  }
  answer_dial(connection(this));
}

// The other side has decided for this one, by closing its rival or by using it.
void peer_connection::promote() {
  if (phase_ != phase::undecided) return;
  announce();
}

// The other side has not decided in time. Its rival may be on its way out.
void peer_connection::decide() {
  const peer_connection* rival = core_->find(id_);
  if (rival && rival->is_open()) close_as_duplicate();
  else promote();
}

// This one goes; whoever dialled it gets the one that stays.
void peer_connection::close_as_duplicate() {
  if (extras_) extras_->decide_at = never;
  answer_dial(core_->survivor(id_));
  if (torn_) return;
  close(static_cast<std::uint32_t>(errc::duplicate), duration::zero(), "another connection stays");
}

}  // namespace hawser::inline v0::detail
