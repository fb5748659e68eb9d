// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/channel_state.hpp"
#include "peer/connection_state.hpp"

#include <memory>
#include <new>
#include <utility>

namespace hawser::inline v0 {

bool channel::read_operation::await_ready() { return state_->completes(*this); }
void channel::read_operation::await_suspend(std::coroutine_handle<> waiter) { detail::channel_state::suspend(*this, waiter); }

namespace detail {
namespace {

// Makes the chunk where it is wanted: an outcome that nothing was put into yet.
void keep_in(result<chunk>& empty, buffer_pool& pool, byte_view bytes) { ::new (static_cast<void*>(std::addressof(*empty))) chunk(pool.keep(bytes)); }

}  // namespace

void channel_state::give_back(std::size_t cost) {
  if (cost == 0 || !with_) return;
  proto::connection* wire = with_->wire();
  if (!wire) return;
  // Where nothing more comes only the connection's account counts.
  wire->consume(attached_ && !receive_done_ ? id_ : 0, static_cast<std::uint32_t>(cost));
  with_->touch();
}

void channel_state::discard_received() {
  fresh_ = {};
  give_back(received_.clear() + std::exchange(fresh_cost_, 0));
}

// What came in one piece with the request.
void channel_state::take_first(byte_view bytes, std::uint32_t cost, bool last) {
  head_here_ = true;
  fresh_ = bytes;
  fresh_cost_ = cost;
  if (last) end_of_receiving();
  if (fresh_.empty()) put_away_fresh();      // an empty message
}

// Kept like all that nobody reads yet.
void channel_state::put_away_fresh() {
  if (fresh_cost_ == 0) return;
  const byte_view bytes = std::exchange(fresh_, {});
  const std::uint32_t cost = std::exchange(fresh_cost_, 0);
  if (is_message_kind()) received_.append_message(loop_->buffers(), bytes, cost);
  else received_.append_bytes(loop_->buffers(), bytes, cost);
}

// ---- what arrives ----

// All of the answer that a call waits for, in one piece; false: it is not, and nothing was done. Afterwards nothing of this may be there any
// more.
inline bool channel_state::complete_call_at_once(byte_view bytes, std::uint32_t cost) {
  if (!call_ || discarding_ || error_ || has_gathered() || bytes.size() > call_->answer_bytes_max_) return false;
  give_back(cost);
  end_of_receiving();
  keep_in(call_->outcome_, loop_->buffers(), bytes);
  resume_caller();
  return true;
}

void channel_state::on_bytes(byte_view bytes, std::uint32_t cost, bool whole_message, bool last) {
  if (discarding_ || error_) {
    give_back(cost);
    return last ? on_finished() : void();
  }
  if (last && complete_call_at_once(bytes, cost)) return;
  const ref<channel_state> self(this);
  head_here_ = true;      // or it never comes: headers stand before the first byte
  if (call_) {
    give_back(cost);
    chunk& gathered = need_extras().gathered;
    append_growing(gathered, loop_->buffers(), bytes);
    if (gathered.size() <= call_->answer_bytes_max_) return last ? on_finished() : void();
    with_->wire()->reset(id_, static_cast<std::uint32_t>(errc::cancelled));
    settle(outcome::failed);
    begin_ending(make_error_code(errc::message_too_big));
    gathered = {};
    return complete_call(failure(errc::message_too_big));
  }
  using mode = channel::read_operation::mode;
  if (reader_ && received_.empty() && reader_->how_ != mode::at_least) {
    channel::read_operation& op = *reader_;
    give_back(cost);
    if (op.how_ == mode::some) keep_in(op.outcome_, loop_->buffers(), bytes);
    else fill(op, bytes);
    if (last) end_of_receiving();
    if (op.how_ == mode::some || !op.outcome_) {
      reader_ = nullptr;
      op.state_ = nullptr;
      op.waiter_.resume_now();
    }
    if (last || header_reader_) wake_now();
    return;
  }
  if (whole_message) received_.append_message(loop_->buffers(), bytes, cost);
  else received_.append_bytes(loop_->buffers(), bytes, cost);
  if (last) end_of_receiving();
  if (header_reader_) return wake_now();
  complete_reader_if_ready();
}

void channel_state::on_answer(byte_view bytes, std::uint32_t cost) {
  detach();
  if (!complete_call_at_once(bytes, cost)) [[unlikely]] on_bytes(bytes, cost, false, true);
}

// Straight to who waits for it; everything else is on_bytes()'s. What the credit leads to goes out when the connection has drained.
void channel_state::on_message(byte_view message, std::uint32_t cost) {
  channel::read_operation* op = reader_;
  if (!op || op->how_ != channel::read_operation::mode::some || discarding_ || error_ || !received_.empty() || call_ || header_reader_)
    return on_bytes(message, cost, true, false);
  head_here_ = true;
  with_->wire()->consume(id_, cost);
  keep_in(op->outcome_, loop_->buffers(), message);
  reader_ = nullptr;
  op->state_ = nullptr;
  op->waiter_.resume_now();      // nothing of this may be there any more
}

void channel_state::end_of_receiving() {
  receive_done_ = true;
  head_here_ = true;
  if (!incoming_) settle(outcome::answered);
}

void channel_state::on_head(byte_view tlvs) {
  // Only what stands before the first byte are headers. A later one holds trailers, which peers neither send nor tell of, and the
  // status of either says nothing that the way in which the answer ends does not.
  if (head_here_ || incoming_) return;
  head_here_ = true;
  need_extras().head = loop_->buffers().copy(tlvs);
  if (header_reader_) wake_now();
}

void channel_state::on_finished() {
  const ref<channel_state> self(this);
  end_of_receiving();
  if (call_) return complete_call(extras_ ? std::move(extras_->gathered) : chunk());
  if (header_reader_ || reader_) wake_now();
}

// ---- who reads ----

// read_all(): collects in the operation, so that the credit goes back while the rest is still on its way.
void channel_state::fill(channel::read_operation& op, byte_view bytes) {
  if (op.outcome_->size() + bytes.size() > op.count_) {
    op.outcome_ = failure(errc::message_too_big);
    stop_reading(make_error_code(errc::cancelled));
    return;
  }
  append_growing(*op.outcome_, loop_->buffers(), bytes);
}

// Mostly all that came with a request, then its end; or a message, then nothing yet.
bool channel_state::attempt(channel::read_operation& op) {
  if (op.how_ == channel::read_operation::mode::some && !reader_) [[likely]] {
    if (!fresh_.empty()) {
      keep_in(op.outcome_, loop_->buffers(), fresh_);
      fresh_ = {};
      give_back(std::exchange(fresh_cost_, 0));
      return true;
    }
    if (received_.empty() && fresh_cost_ == 0 && !error_) return receive_done_;
  }
  return attempt_further(op);
}

bool channel_state::attempt_further(channel::read_operation& op) {
  using mode = channel::read_operation::mode;
  HAWSER_EXPECTS(!reader_ || reader_ == &op, "a channel has one reader at a time");
  put_away_fresh();
  switch (op.how_) {
    case mode::some:
      if (received_.empty()) break;
      {
        chunk_queue::taken next = received_.take_front();
        op.outcome_ = std::move(next.piece);
        give_back(next.cost);
      }
      return true;
    case mode::at_least:
      if (received_.bytes() < op.count_) break;
      if (received_.empty()) return true;
      {
        chunk_queue::taken next = received_.take_merged(loop_->buffers(), op.count_);
        op.outcome_ = std::move(next.piece);
        give_back(next.cost);
      }
      return true;
    case mode::all:
      while (op.outcome_ && !received_.empty()) {
        const chunk_queue::taken next = received_.take_front();
        give_back(next.cost);
        fill(op, next.piece);
      }
      if (!op.outcome_) return true;
      break;
  }
  if (error_) {
    op.outcome_ = failure(error_);
    return true;
  }
  if (!receive_done_) return false;
  if (op.how_ == mode::at_least) op.outcome_ = failure(errc::end_of_stream);
  return true;
}

void channel_state::wait(channel::read_operation& op, std::coroutine_handle<> coroutine) {
  op.waiter_.suspend(coroutine);
  reader_ = &op;
  if (op.how_ == channel::read_operation::mode::at_least && attached_) {
    with_->wire()->want(id_, op.count_);
    with_->touch();
  }
}

bool channel_state::complete_reader_if_ready() {
  if (!reader_ || !attempt(*reader_)) return false;
  channel::read_operation* op = std::exchange(reader_, nullptr);
  op->state_ = nullptr;
  op->waiter_.resume_now();
  return true;
}

void channel_state::take_back(channel::read_operation& op) noexcept {
  if (reader_ != &op) return;
  reader_ = nullptr;
  if (op.how_ == channel::read_operation::mode::at_least && attached_) with_->wire()->want(id_, 0);
  // What read_all() had collected stays readable.
  if (op.how_ == channel::read_operation::mode::all && op.outcome_ && !op.outcome_->empty()) received_.append(std::move(*op.outcome_));
}

bool channel_state::attempt(channel::headers_operation& op) {
  HAWSER_EXPECTS(!header_reader_, "one headers() of a request at a time");
  if (head_here_ || !received_.empty()) return true;
  if (error_) {
    op.outcome_ = failure(error_);
    return true;
  }
  return receive_done_;
}

void channel_state::wait(channel::headers_operation& op, std::coroutine_handle<> coroutine) {
  op.waiter_.suspend(coroutine);
  header_reader_ = &op;
}

void channel_state::take_back(channel::headers_operation& op) noexcept {
  if (header_reader_ == &op) header_reader_ = nullptr;
}

void channel_state::consume(std::size_t count) {
  HAWSER_EXPECTS(count <= peek().size(), "consume() of more than peek() shows");
  put_away_fresh();
  if (count > 0) give_back(received_.drop_front(count));
}

void channel_state::stop_reading(std::error_code reason) {
  if (discarding_ || error_) return;
  discarding_ = true;
  discard_received();
  if (receive_done_) return;
  if (attached_) {
    with_->wire()->stop(id_, error_to_wire(reason));
    with_->changed();
  }
}

}  // namespace detail
}  // namespace hawser::inline v0
