// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/core.hpp"

#include "peer/connection_state.hpp"
#include "peer/doorway.hpp"
#include "peer/self_pair.hpp"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <utility>

namespace hawser::inline v0::detail {

peer_core::peer_core(loop& on, peer& owner, peer_options options)
    : loop_(&on), owner_(&owner), options_(std::move(options)), ending_(on) {
  draw_entropy(identity_.peer_id);
  by_id_.set_secret(draw_seed());
  // A name that is none is presented to nobody; connect() and listen() say so.
  if (valid_name(options_.name)) identity_.name = options_.name;
  identity_.metadata = options_.metadata;
  identity_.token = options_.token;
  identity_.application = options_.application;
}

peer_core::~peer_core() = default;

void peer_core::log(log_level level, std::uint64_t connection, const char* format, ...) const {
  if (!logs(level)) [[likely]] return;
  char text[400];
  std::va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  log_line(level, log_part::peer, options_.name, connection, "%s", text);
}

std::uint64_t peer_core::draw_seed() noexcept {
  if (seeds_left_ == 0) {
    draw_entropy(std::as_writable_bytes(std::span(seeds_)));
    seeds_left_ = seeds_.size();
  }
  return std::exchange(seeds_[--seeds_left_], 0);
}

// ---- listening ----

result<endpoint> peer_core::listen(const endpoint& where) {
  if (stopping_) return failure(errc::closed);
  if (!options_.name.empty() && identity_.name.empty()) return failure(errc::name_invalid);
  auto door = std::make_unique<doorway>(*this, where);
  if (const std::error_code error = door->error()) {
    log(log_level::warning, 0, "cannot listen on %s: %s", where.text().c_str(), error.message().c_str());
    return failure(error);
  }
  const endpoint local = door->local();
  log(log_level::info, 0, "listening on %s", local.text().c_str());
  doorways_.push_back(std::move(door));
  return local;
}

void peer_core::stop_listening(const endpoint& where) {
  const auto it = std::find_if(doorways_.begin(), doorways_.end(), [&](const auto& door) {
    const std::vector<endpoint> locals = door->locals();
    return door->local() == where || std::find(locals.begin(), locals.end(), where) != locals.end();
  });
  if (it == doorways_.end()) return;
  const std::unique_ptr<doorway> closing = std::move(*it);
  doorways_.erase(it);
}

void peer_core::stop_listening() { const auto closing = std::exchange(doorways_, {}); }

std::vector<endpoint> peer_core::local_endpoints() const {
  std::vector<endpoint> all;
  for (const auto& door : doorways_)
    for (endpoint& one : door->locals())
      if (one.valid()) all.push_back(std::move(one));
  return all;
}

// Too many half-open ones are reset before anything is allocated for them; who comes when the peer is merely full learns so in the
// handshake.
void peer_core::incoming(io::socket_id id, const endpoint& remote) {
  const ref<peer_core> self(this);
  if (half_open_ >= options_.handshakes_max) {
    log(log_level::warning, 0, "too many handshakes: reset %s", remote.text().c_str());
    return loop_->engine().abort(id);
  }
  if (peer_hooks* told = hooks(); told && !told->accept_socket(remote)) return loop_->engine().abort(id);
  if (!owner_ || stopping_) return loop_->engine().abort(id);
  const ref<peer_connection> one(new peer_connection(*this, proto::role::server));
  one->accept(id);
}

// ---- connections ----

void peer_core::enter(peer_connection& one) {
  one.retain();
  connections_.push_back(one);
  ++alive_count_;
  if (!one.is_self()) ++socket_count_;
}

void peer_core::leave(peer_connection& one) {
  const ref<peer_core> self(this);
  one.connection_node::unlink();
  --alive_count_;
  if (!one.is_self()) --socket_count_;
  perhaps_idle();
  one.release();
}

std::vector<ref<peer_connection>> peer_core::alive() {
  std::vector<ref<peer_connection>> all;
  all.reserve(alive_count_);
  for (std::size_t i = 0; i < alive_count_; ++i) {
    connection_node* one = connections_.pop_front();
    connections_.push_back(*one);
    all.emplace_back(static_cast<peer_connection*>(one));
  }
  return all;
}

void peer_core::register_open(peer_connection& one) {
  ++open_count_;
  if (!one.name().empty()) by_name_.emplace(std::pair(one.name(), one.number()), &one);
  by_id_.insert(one);
}

void peer_core::unregister(peer_connection& one) {
  --open_count_;
  if (!one.name().empty()) by_name_.erase({one.name(), one.number()});
  by_id_.erase(one);
}

// Of several the oldest that is open; one that is closing only when no other is left.
peer_connection* peer_core::find(std::string_view name) const noexcept {
  const auto first = by_name_.lower_bound({name, 0});
  for (auto it = first; it != by_name_.end() && it->first.first == name; ++it)
    if (it->second->is_open()) return it->second;
  return first != by_name_.end() && first->first.first == name ? first->second : nullptr;
}
peer_connection* peer_core::find(const peer_id& id) const noexcept {
  peer_connection* const first = by_id_.find(id, 0);
  for (peer_connection* one = first; one; one = by_id_.find(id, one->number() + 1))
    if (one->is_open()) return one;
  return first;
}

std::vector<connection> peer_core::connections() const {
  std::vector<connection> all;
  all.reserve(open_count_);
  for (peer_connection* one = by_id_.next(nullptr); one; one = by_id_.next(one))
    if (one->is_open()) all.push_back(peer_connection::handle(one));
  std::sort(all.begin(), all.end(), [](const connection& a, const connection& b) { return a.number() < b.number(); });
  return all;
}

peer_connection* peer_core::self() {
  if (self_ && self_->near().is_open()) return &self_->near();
  if (stopping_ || !owner_) return self_ ? &self_->near() : nullptr;
  self_ = ref<self_pair>(new self_pair(*this));
  return &self_->near();
}

result<connection> peer_core::survivor(const peer_id& id) const {
  peer_connection* one = find(id);
  if (!one || !one->is_open()) return failure(errc::duplicate);
  return peer_connection::handle(one);
}

void peer_core::resolve_undecided(const peer_id& id) {
  if (options_.parallel == peer_options::parallel_connections::many) return;
  if (const peer_connection* one = find(id); one && one->is_open()) return;
  for (const ref<peer_connection>& one : alive()) {
    if (one->now_in() == peer_connection::phase::undecided && one->id() == id) return one->promote();
  }
}

std::error_code peer_core::judge(const introduction& who) {
  if (stopping_) return make_error_code(errc::shutdown);
  // One that has ended holds its place until its socket is gone: else who breaks the rules over and over would have any number.
  if (socket_count_ - half_open_ >= options_.connections_max) return make_error_code(errc::refused);
  if (who.name.empty()) {
    if (options_.listener_names == peer_options::names::required) return make_error_code(errc::name_absent);
  } else {
    if (!valid_name(who.name)) return make_error_code(errc::name_invalid);
    // Our own name means ourselves to whoever uses it here: nobody could be reached by it.
    if (who.name == identity_.name) return make_error_code(errc::id_taken);
    // A name belongs to the peer that has it. More connections of that same peer may share it, and replace nothing.
    if (const peer_connection* holder = find(who.name); holder && holder->id() != who.id) return make_error_code(errc::id_taken);
  }
  if (peer_hooks* told = hooks()) {
    if (const result<> verdict = told->admit(who); !verdict) return verdict.error();
  }
  return {};
}

void peer_core::call_ended(outcome how) noexcept {
  --calls_.running;
  switch (how) {
    case outcome::none:
    case outcome::answered: ++calls_.answered; break;
    case outcome::failed: ++calls_.failed; break;
    case outcome::refused: ++calls_.refused; break;
    case outcome::cancelled: ++calls_.cancelled; break;
    case outcome::expired: ++calls_.expired; break;
    case outcome::lost: ++calls_.lost; break;
  }
  perhaps_idle();
}

void peer_core::run_ended() noexcept {
  --run_count_;
  perhaps_idle();
}

}  // namespace hawser::inline v0::detail
