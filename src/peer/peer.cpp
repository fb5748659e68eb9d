// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/peer.hpp>

#include "peer/channel_state.hpp"
#include "peer/connection_state.hpp"
#include "peer/core.hpp"
#include "peer/lane.hpp"

#include <algorithm>
#include <utility>

namespace hawser::inline v0 {

using detail::peer_connection;

peer::peer(loop& on, peer_options options) : core_(new detail::peer_core(on, *this, std::move(options))) {
  core_->retain();
  for (const endpoint& where : core_->options().listen) {
    if (const result<endpoint> heard = core_->listen(where); !heard) core_->note_listen_error(heard.error());
  }
}

peer::~peer() {
  core_->tear_down();
  core_->release();
}

loop& peer::home() noexcept { return core_->home(); }
const peer_id& peer::id() const noexcept { return core_->id(); }
const std::string& peer::name() const noexcept { return core_->options().name; }

result<endpoint> peer::listen(const endpoint& where) { return core_->listen(where); }
void peer::stop_listening(const endpoint& where) { core_->stop_listening(where); }
void peer::stop_listening() { core_->stop_listening(); }
std::error_code peer::listen_error() const noexcept { return core_->listen_error(); }
endpoint peer::local_endpoint() const {
  const std::vector<endpoint> all = core_->local_endpoints();
  return all.empty() ? endpoint() : all.front();
}
std::vector<endpoint> peer::local_endpoints() const { return core_->local_endpoints(); }

task<result<connection>> peer::connect(endpoint where) {
  return detail::peer_core::connect(detail::ref<detail::peer_core>(core_), std::move(where), std::nullopt);
}
task<result<connection>> peer::connect(endpoint where, byte_view first) {
  return detail::peer_core::connect(detail::ref<detail::peer_core>(core_), std::move(where), first);
}

std::vector<connection> peer::connections() const { return core_->connections(); }

namespace {

// The open connection that a target means; nullptr: none.
peer_connection* named(detail::peer_core& core, std::string_view name) {
  if (!name.empty() && name == core.options().name) return core.self();
  return core.find(name);
}

std::optional<connection> found(peer_connection* one) {
  if (!one || !one->is_open()) return std::nullopt;
  return peer_connection::handle(one);
}

}  // namespace

std::optional<connection> peer::find(std::string_view name) const { return found(named(*core_, name)); }
std::optional<connection> peer::find(const peer_id& id) const { return found(id == core_->id() ? core_->self() : core_->find(id)); }

std::optional<unsigned> peer::has_route(std::string_view name) const {
  if (!name.empty() && name == core_->options().name) return 0;
  const peer_connection* one = core_->find(name);
  if (!one || !one->is_open()) return std::nullopt;
  return 1;
}

connection peer::self() { return peer_connection::handle(core_->self()); }

// ---- plain messages ----

void peer::on_message(message_handler handler) {
  detail::ref<detail::message_record> record;
  if (handler) {
    record = detail::ref<detail::message_record>(new detail::message_record);
    record->call = std::move(handler);
  }
  core_->message_handler() = std::move(record);
}

result<> peer::send(const target& to, byte_view message) {
  peer_connection* with = resolve(to);
  return with ? with->send(message) : failure(errc::not_connected);
}

task<result<>> peer::writable(connection with) {
  const connection to = std::move(with);
  peer_connection* state = peer_connection::state(to);
  if (!state) co_return failure(errc::not_connected);
  while (state->is_open() && state->blocked()) {
    wait_list::suspension room = state->writable_waiters().wait();
    co_await room;
  }
  if (state->is_open()) co_return result<>();
  co_return failure(state->reason() ? state->reason() : make_error_code(errc::not_connected));
}

result<remote_sender> peer::sender(const target& to, std::size_t bytes_max) {
  peer_connection* with = resolve(to);
  if (!with || !with->is_open()) return failure(errc::not_connected);
  remote_sender out;
  out.lane_ = std::make_shared<detail::lane>(core_->home().remote(), bytes_max, with->message_bytes_max(), *with);
  with->add_lane(out.lane_);
  return out;
}

// ---- operations ----

void peer::on(std::string operation, request_handler handler, operation_options options) {
  core_->operations().set(std::move(operation), std::move(handler), options);
}
void peer::remove(std::string_view operation) { core_->operations().remove(operation); }

namespace {

detail::ref<detail::handler_record> record_of(peer::channel_handler handler) {
  if (!handler) return {};
  detail::ref<detail::handler_record> record(new detail::handler_record);
  record->call = [call = std::move(handler)](request& opened) mutable { return call(opened); };
  return record;
}

}  // namespace

void peer::on_stream(channel_handler handler) { core_->stream_handler() = record_of(std::move(handler)); }
void peer::on_messages(channel_handler handler) { core_->messages_handler() = record_of(std::move(handler)); }

// ---- requests ----

detail::channel_state* peer::make(const target& to, proto::channel_kind kind, std::string_view label, const call_options& options) {
  auto* state = new detail::channel_state(core_->home(), resolve(to), kind);
  state->retain();      // the handle's
  state->prepare(label, options, detail::channel_state::name_is::ours);
  return state;
}

call_operation peer::call(const target& to, std::string_view operation, byte_view body, const call_options& options) {
  auto* state = new detail::channel_state(core_->home(), resolve(to), proto::channel_kind::request);
  state->retain();      // the handle's
  if (options.headers.empty() && !options.deadline) state->prepare_plain(operation, options.urgency);
  else state->prepare(operation, options, detail::channel_state::name_is::callers);
  return {outgoing_request(state), body, options.answer_bytes_max};
}

outgoing_request peer::prepare(const target& to, std::string_view operation, const call_options& options) {
  return outgoing_request(make(to, proto::channel_kind::request, operation, options));
}

result<outgoing_request> peer::start(const target& to, std::string_view operation, const call_options& options) {
  outgoing_request made = prepare(to, operation, options);
  if (const result<> begun = made.start(); !begun) return failure(begun.error());
  return made;
}

result<channel> peer::open_stream(const target& to, std::string_view label, const call_options& options) {
  channel made(make(to, proto::channel_kind::stream, label, options));
  if (const result<> begun = made.state_->start(); !begun) return failure(begun.error());
  return made;
}

result<channel> peer::open_messages(const target& to, std::string_view label, const call_options& options) {
  channel made(make(to, proto::channel_kind::message, label, options));
  if (const result<> begun = made.state_->start(); !begun) return failure(begun.error());
  return made;
}

peer_connection* peer::resolve(const target& to) const {
  if (to.connection_) {
    peer_connection* with = peer_connection::state(to.connection_);
    return with->core() == core_ ? with : nullptr;
  }
  return named(*core_, to.name_);
}

// ---- the end, the books ----

task<> peer::stop(duration drain) { return detail::peer_core::stop(detail::ref<detail::peer_core>(core_), drain); }
task<> peer::stop() { return stop(core_->options().stop_timeout); }
bool peer::stopping() const noexcept { return core_->stopping(); }

std::vector<operation_statistics> peer::operations() const {
  return static_cast<const detail::peer_core*>(core_)->operations().statistics();
}
call_statistics peer::calls() const noexcept { return core_->calls(); }

// ---- call_operation ----

call_operation::call_operation(outgoing_request request, byte_view body, std::size_t answer_bytes_max)
    : request_(std::move(request)), body_(body), answer_bytes_max_(answer_bytes_max) {}

call_operation::~call_operation() {
  if (request_.state_) request_.state_->take_back(*this);
}

bool call_operation::await_ready() {
  if (const result<> begun = request_.state_->begin_call(*this, body_); !begun) {
    outcome_ = failure(begun.error());
    return true;
  }
  return false;
}

void call_operation::await_suspend(std::coroutine_handle<> waiter) { waiter_.suspend(waiter); }
result<chunk> call_operation::await_resume() { return std::move(outcome_); }

}  // namespace hawser::inline v0
