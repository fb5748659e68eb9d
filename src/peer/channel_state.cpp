// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/channel_state.hpp"

#include "peer/connection_state.hpp"
#include "peer/core.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

// How a channel begins and how it ends; channel_receive.cpp and channel_send.cpp have what lies between.

namespace hawser::inline v0::detail {
channel_state::channel_state(loop& on, peer_connection* with, proto::channel_kind kind) noexcept : loop_(&on), with_(with), kind_(kind) {}

channel_extras& channel_state::make_extras() { return *(extras_ = new channel_extras(*this)); }

void channel_state::prepare(std::string_view operation, const call_options& options, name_is whose) {
  HAWSER_EXPECTS(operation.size() <= 255, "an operation's name has at most 255 bytes");
  byte_view meta;
  peer_core* core = with_ ? with_->core() : nullptr;
  if (core && !options.headers.empty()) {
    proto::tlv_writer& list = core->scratch();
    for (const header& one : options.headers) {
      HAWSER_EXPECTS(!one.key.empty() && one.key.size() <= 255, "a header's key has 1-255 bytes");
      list.add_header(one.key, one.value);
    }
    meta = list.bytes();
  }
  const bool kept = whose == name_is::ours || !meta.empty();
  name_bytes_ = static_cast<std::uint16_t>(kept ? operation.size() : 0);
  if (!kept) {
    operation_ = operation;
  } else if (const std::size_t size = operation.size() + meta.size(); size > 0) {
    chunk& text = need_extras().text;
    text = loop_->buffers().allocate(size);
    append_growing(text, loop_->buffers(), as_bytes(operation));
    append_growing(text, loop_->buffers(), meta);
    operation_ = as_text(text.view().first(name_bytes_));
  }
  urgency_ = options.urgency;
  if (options.deadline) need_extras().deadline_after = std::max(*options.deadline, duration::zero());
}

result<> channel_state::start() {
  if (started_) return {};
  if (error_) return failure(error_);
  if (!with_) return failure(errc::not_connected);
  const ref<channel_state> self(this);
  if (extras_ && extras_->deadline_after != duration::max()) deadline_ = after(loop_->now(), extras_->deadline_after);
  began_ = loop_->now();
  // Into the books first: the hook that is told of the request may end it, its connection and its peer.
  enter_books();
  if (const result<> begun = with_->start(*this); !begun) {
    strike_from_books();
    return begun;
  }
  if (error_) return failure(error_);
  // A deadline that passes while the call still waits for a slot is nobody else's business yet.
  if (!attached_ && deadline_ != never) loop_->arm(need_extras(), deadline_);
  if (!writer_ || !attached_) return {};
  if (!advance(*writer_)) {
    with_->blocked_writers().push_back(*this);
    return {};
  }
  channel::write_operation* op = std::exchange(writer_, nullptr);
  if (fin_owed_) flush_unsent();
  op->state_ = nullptr;
  op->waiter_.resume_later(*loop_);
  return {};
}

void channel_state::enter_books() noexcept {
  started_ = true;
  if (kind_ != proto::channel_kind::request) return;
  counted_call_ = true;
  call_statistics& books = with_->core()->calls();
  ++books.started;
  ++books.running;
}

void channel_state::strike_from_books() noexcept {
  started_ = false;
  if (!counted_call_) return;
  counted_call_ = false;
  call_statistics& books = with_->core()->calls();
  --books.started;
  --books.running;
}

result<bool> channel_state::try_open() {
  proto::connection* wire = with_->wire();
  proto::open_options options;
  options.kind = kind_;
  options.operation = operation_;
  options.urgency = urgency_;
  if (extras_) options.meta = extras_->text.view().subspan(name_bytes_);
  options.user = this;
  if (deadline_ != never) options.deadline = std::max(deadline_ - loop_->now(), duration::zero());
  const bool from_body = !body_.empty();
  byte_view first = from_body || !extras_ ? body_ : extras_->unsent.view();
  const bool whole = first.size() <= watermark();
  if (!whole) first = first.first(watermark());
  const auto mark = fin_owed_ && whole && !writer_ ? proto::end_mark::end : proto::end_mark::open;
  const result<proto::channel_id> id = wire->open(loop_->now(), options, first, mark);
  if (!id) {
    if (id.error() == errc::would_block) return false;
    return failure(id.error() == errc::closed ? make_error_code(errc::not_connected) : id.error());
  }
  id_ = *id;
  attached_ = true;
  with_->channels().push_back(*this);
  disarm_deadline();
  if (!first.empty()) wrote_ = true;
  if (from_body) body_ = body_.subspan(first.size());
  else if (has_unsent()) extras_->unsent.drop_front(first.size());
  if (extras_ && extras_->unsent.empty()) extras_->unsent = {};
  if (mark == proto::end_mark::end) fin_owed_ = false;
  else flush_unsent();
  with_->touch();
  if (kind_ == proto::channel_kind::request) {
    with_->count_request_sent();
    if (peer_hooks* hooks = with_->core()->hooks()) {
      connection to = peer_connection::handle(with_.get());
      hooks->sending(to, peer_hooks::traffic::request, operation_, first.size());
    }
  }
  return true;
}

// The deadline of a call that still waits for a slot.
void channel_extras::on_timer() {
  if (of.attached_) return;
  const ref<channel_state> self(&of);
  if (of.with_) of.with_->forget_queued(of);
  of.fail_unopened(make_error_code(errc::deadline));
}

void channel_state::fail_unopened(std::error_code reason) {
  const ref<channel_state> self(this);
  disarm_deadline();
  settle(outcome_of(reason));
  begin_ending(reason);
  wake_now();
}

void channel_state::settle(outcome how) {
  if (outcome_ == outcome::none) outcome_ = how;
  if (!counted_call_) return;
  counted_call_ = false;
  if (peer_core* core = with_->core()) core->call_ended(outcome_);
}

void channel_state::begin_ending(std::error_code reason) {
  error_ = reason;
  send_done_ = receive_done_ = true;
  fin_owed_ = false;
  drop_unsent();
  // What arrived before a connection was lost can still be read; who gives a channel up wants none of it read.
  if (reason != errc::connection_lost) discard_received();
}

void channel_state::on_reset(std::error_code reason) {
  if (send_done_ && receive_done_ && !fin_owed_) return;
  const ref<channel_state> self(this);
  if (reason == errc::connection_lost && with_->is_closing_here()) reason = make_error_code(errc::closed);
  if (incoming_) {
    given_up_ = true;
    const outcome how = outcome_of(reason);
    settle(how == outcome::expired || how == outcome::lost ? how : outcome::cancelled);
  } else {
    settle(outcome_of(reason));
  }
  if (receive_done_ && !incoming_) {
    // All of the answer is here: only our own writing was cut short.
    stop_error_ = reason;
    send_done_ = true;
    fin_owed_ = false;
    drop_unsent();
  } else {
    begin_ending(reason);
  }
  wake_now();
  abandon_work();
}

void channel_state::lose(std::error_code reason) {
  const ref<channel_state> self(this);
  const bool over = send_done_ && receive_done_ && !fin_owed_;
  disarm_deadline();
  detach();
  if (over) return;
  if (incoming_) given_up_ = true;
  settle(outcome::lost);
  begin_ending(reason);
  wake_later();
}

void channel_state::reset(std::error_code reason, std::string_view text) {
  if (error_ || (send_done_ && receive_done_ && !fin_owed_)) return;
  const ref<channel_state> self(this);
  if (attached_) {
    with_->wire()->reset(id_, error_to_wire(reason), text);
    with_->changed();
  } else if (started_ && with_) {
    with_->forget_queued(*this);
    disarm_deadline();
  }
  settle(incoming_ ? outcome::failed : outcome::cancelled);
  begin_ending(reason);
  discard_received();
  wake_later();
}

// The handle is gone: nobody reads or writes any more, and for what the other side opened the work has ended.
void channel_state::drop_handle() {
  if (send_done_ && receive_done_ && !attached_ && references() == 1 && !has_waiting()) return release();      // all is over
  const ref<channel_state> self(this);
  release();      // the handle's
  if (dropped_) return;
  dropped_ = true;
  if (writer_ && fin_owed_) send_done_ = false;      // finish() came while a write was under way, which is now lost
  if (!(send_done_ && receive_done_)) {
    const bool answer_given = incoming_ && send_done_ && !error_;
    if (!answer_given) {
      reset(make_error_code(errc::cancelled), {});
    } else if (attached_) {
      with_->wire()->stop(id_, static_cast<std::uint32_t>(errc::cancelled));
      discarding_ = true;
    }
  }
  discard_received();
  if (attached_) {
    proto::connection* wire = with_->wire();
    const proto::channel_id id = id_;
    detach();
    wire->work_done(id);
    with_->changed();
  }
  wake_later();
}

// ---- waking ----

// Completes the waiting operations one by one. Between two of them anything may happen to the others.
void channel_state::wake_now() {
  const ref<channel_state> self(this);
  if (call_ && error_) complete_call(failure(error_));
  if (header_reader_) {
    channel::headers_operation* op = std::exchange(header_reader_, nullptr);
    op->state_ = nullptr;
    if (error_) op->outcome_ = failure(error_);
    op->waiter_.resume_now();
  }
  if (writer_ && advance(*writer_)) {
    channel::write_operation* op = std::exchange(writer_, nullptr);
    op->state_ = nullptr;
    op->waiter_.resume_now();
  }
  complete_reader_if_ready();
}

void channel_state::wake_all_later() {
  const std::error_code reason = error_ ? error_ : make_error_code(errc::cancelled);
  if (call_) {
    call_operation* op = std::exchange(call_, nullptr);
    op->outcome_ = failure(reason);
    op->waiter_.resume_later(*loop_);
  }
  if (header_reader_) {
    channel::headers_operation* op = std::exchange(header_reader_, nullptr);
    op->state_ = nullptr;
    op->outcome_ = failure(reason);
    op->waiter_.resume_later(*loop_);
  }
  if (writer_) {
    channel::write_operation* op = std::exchange(writer_, nullptr);
    op->state_ = nullptr;
    op->outcome_ = failure(reason);
    op->waiter_.resume_later(*loop_);
  }
  if (reader_) {
    channel::read_operation* op = std::exchange(reader_, nullptr);
    op->state_ = nullptr;
    op->outcome_ = failure(reason);
    op->waiter_.resume_later(*loop_);
  }
}

// ---- calls ----

// What start() and try_open() do, where nothing is in the way. False: nothing was done.
bool channel_state::call_at_once(byte_view body) {
  peer_connection* const with = with_.get();
  if (!with || started_ || extras_ || error_ || !with->opens_at_once() || body.size() > watermark()) return false;
  if (kind_ != proto::channel_kind::request || urgency_ != proto::open_options().urgency) return false;
  // Two words that were stored one by one a moment ago. The compiler would read them as one of sixteen bytes, and wait until both stores
  // have left the processor.
  std::size_t name_bytes = operation_.size();
  asm("" : "+r"(name_bytes));
  const proto::channel_id id = with->wire()->open_at_once(loop_->now(), {operation_.data(), name_bytes}, body, this);
  if (id == 0) return false;
  id_ = id;
  began_ = loop_->now();
  started_ = attached_ = send_done_ = counted_call_ = true;
  wrote_ = true;
  call_statistics& books = with->core()->calls();
  ++books.started;
  ++books.running;
  with->channels().push_back(*this);
  with->count_request_sent();
  with->touch();
  return true;
}

result<> channel_state::begin_call(call_operation& op, byte_view body) {
  if (call_at_once(body)) {
    call_ = &op;
    return {};
  }
  body_ = body;
  send_done_ = fin_owed_ = true;
  if (const result<> begun = start(); !begun) {
    body_ = {};
    return begun;
  }
  call_ = &op;
  return {};
}

void channel_state::take_back(call_operation& op) noexcept {
  if (call_ == &op) call_ = nullptr;
  body_ = {};
}

void channel_state::complete_call(result<chunk> with) {
  call_->outcome_ = std::move(with);
  resume_caller();
}

void channel_state::resume_caller() {
  body_ = {};
  std::exchange(call_, nullptr)->waiter_.resume_now();
}

std::optional<duration> channel_state::time_left() const noexcept {
  if (deadline_ == never) return std::nullopt;
  return std::max(deadline_ - loop_->now(), duration::zero());
}

}  // namespace hawser::inline v0::detail
