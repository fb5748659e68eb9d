// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/channel_state.hpp"
#include "peer/connection_state.hpp"
#include "peer/core.hpp"

#include <algorithm>
#include <utility>

namespace hawser::inline v0 {

bool channel::write_operation::await_ready() { return state_->completes(*this); }
void channel::write_operation::await_suspend(std::coroutine_handle<> waiter) { detail::channel_state::suspend(*this, waiter); }

namespace detail {
namespace {

constexpr std::size_t copied_bytes_max = 4096;      // of an owned chunk: a larger one may rather be shared

}  // namespace

std::size_t channel_state::watermark() const noexcept {
  const peer_core* core = with_ ? with_->core() : nullptr;
  return core ? core->wire_settings().channel_send_bytes_max : std::size_t{64} * 1024;
}

// Hands over what was written before the channel was open, or the rest of a call's body, and then the end that is owed. False: some
// of it must wait.
bool channel_state::flush_unsent() {
  if (!attached_) return false;
  proto::connection* wire = with_->wire();
  while (has_unsent() || !body_.empty()) {
    const bool from_body = !body_.empty();
    const byte_view rest = from_body ? body_ : extras_->unsent.view();
    const auto mark = fin_owed_ && !writer_ ? proto::end_mark::end : proto::end_mark::open;
    const result<std::size_t> taken = wire->write(id_, rest, mark);
    if (!taken) {
      if (taken.error() == errc::would_block) with_->blocked_writers().push_back(*this);
      return false;
    }
    wrote_ = true;
    if (*taken == rest.size() && mark == proto::end_mark::end) fin_owed_ = false;
    if (from_body) body_ = body_.subspan(*taken);
    else extras_->unsent.drop_front(*taken);
  }
  if (extras_) extras_->unsent = {};
  if (fin_owed_ && !writer_) {
    fin_owed_ = false;
    static_cast<void>(wire->finish(id_));
  }
  return true;
}

// As much as there is room for now; `taken` is written only without an error.
std::error_code channel_state::write_or_keep(byte_view bytes, const chunk* whole, std::size_t& taken) {
  if (error_) return error_;
  if (stop_error_) return stop_error_;
  if (!attached_) {
    // Only a request that is being prepared keeps bytes. One that waits for a slot is bounded by what it brought along.
    if (started_ || is_message_kind()) return make_error_code(errc::would_block);
    chunk& unsent = need_extras().unsent;
    const std::size_t room = watermark() - std::min(watermark(), unsent.size());
    const std::size_t count = std::min(room, bytes.size());
    if (count == 0 && !bytes.empty()) return make_error_code(errc::would_block);
    append_growing(unsent, loop_->buffers(), bytes.first(count));
    taken = count;
    return {};
  }
  if ((has_unsent() || !body_.empty()) && !flush_unsent()) return make_error_code(errc::would_block);
  proto::connection* wire = with_->wire();
  if (is_message_kind()) {
    const result<> sent = whole ? wire->send(id_, *whole) : wire->send(id_, bytes);
    with_->touch();
    if (!sent) return sent.error();
    wrote_ = true;
    taken = bytes.size();
    return {};
  }
  taken = 0;
  if (bytes.empty()) return {};
  const result<std::size_t> written = whole ? wire->write(id_, *whole) : wire->write(id_, bytes);
  with_->touch();
  if (!written) return written.error();
  taken = *written;
  if (taken == 0) return make_error_code(errc::would_block);
  wrote_ = true;
  return {};
}

// Writes on until everything is taken (true, with the outcome set) or the channel is over its watermark.
bool channel_state::advance(channel::write_operation& op) {
  for (;;) {
    const bool owned = !op.owned_.empty();
    const byte_view bytes = owned ? op.owned_.view() : op.bytes_;
    std::size_t taken = 0;
    if (const std::error_code why = write_or_keep(bytes, owned ? &op.owned_ : nullptr, taken)) {
      if (why == errc::would_block) return false;
      op.outcome_ = failure(why);
      return true;
    }
    if (taken == bytes.size()) return true;
    if (owned) op.owned_.drop_front(taken);
    else op.bytes_ = bytes.subspan(taken);
  }
}

bool channel_state::attempt(channel::write_operation& op) {
  HAWSER_EXPECTS(!writer_, "a channel has one writer at a time");
  // Mostly a message, or a few bytes of a stream, on a channel that is open, with nothing before them.
  if (attached_ && op.owned_.size() <= copied_bytes_max && !send_done_ && !error_ && !stop_error_ && !has_unsent() && body_.empty()) [[likely]] {
    const byte_view bytes = op.owned_.empty() ? op.bytes_ : op.owned_.view();
    proto::connection* const wire = with_->wire();
    if (is_message_kind()) {
      const result<> sent = wire->send(id_, bytes);
      with_->touch();
      if (sent) [[likely]] {
        wrote_ = true;
        return true;
      }
      if (sent.error() == errc::would_block) return false;
      op.outcome_ = sent;
      return true;
    }
    const std::size_t taken = wire->write_at_once(id_, bytes);
    if (taken != 0) {
      wrote_ = true;
      with_->touch();
      if (taken == bytes.size()) return true;
      if (op.owned_.empty()) op.bytes_ = bytes.subspan(taken);
      else op.owned_.drop_front(taken);
    }
  }
  if (send_done_ && !error_ && !stop_error_) {
    op.outcome_ = failure(errc::end_of_stream);
    return true;
  }
  return advance(op);
}

void channel_state::wait(channel::write_operation& op, std::coroutine_handle<> coroutine) {
  op.waiter_.suspend(coroutine);
  writer_ = &op;
  if (attached_) with_->blocked_writers().push_back(*this);
}

void channel_state::take_back(channel::write_operation& op) noexcept {
  if (writer_ != &op) return;
  writer_ = nullptr;
  if (fin_owed_ && attached_ && flush_unsent()) with_->changed();
}

result<std::size_t> channel_state::write_some(byte_view bytes) {
  HAWSER_EXPECTS(!writer_, "a channel has one writer at a time");
  if (send_done_ && !error_ && !stop_error_) return failure(errc::end_of_stream);
  std::size_t taken = 0;
  if (const std::error_code why = write_or_keep(bytes, nullptr, taken)) return failure(why);
  return taken;
}

void channel_state::on_writable() {
  const ref<channel_state> self(this);
  waiting_link::unlink();
  if (!flush_unsent()) return;
  with_->touch();
  if (!writer_) return;
  if (!advance(*writer_)) {
    with_->blocked_writers().push_back(*this);
    return;
  }
  channel::write_operation* op = std::exchange(writer_, nullptr);
  if (fin_owed_) flush_unsent();
  op->state_ = nullptr;
  op->waiter_.resume_now();
}

// The other side reads no more. FIN answers its STOP: what it says to us may go on.
void channel_state::on_stopped(std::error_code reason) {
  if (stop_error_ || error_) return;
  const ref<channel_state> self(this);
  const bool finished = send_done_ && !fin_owed_;
  if (incoming_) {
    given_up_ = true;
    if (!finished) settle(outcome::cancelled);
  }
  stop_error_ = reason;
  send_done_ = true;
  fin_owed_ = false;
  drop_unsent();
  if (attached_ && !finished) static_cast<void>(with_->wire()->finish(id_));
  wake_now();
  abandon_work();
}

void channel_state::finish() {
  if (send_done_ || error_) return;
  send_done_ = true;
  fin_owed_ = true;
  if (incoming_) settle(outcome::answered);
  if (!attached_ || writer_) return;
  flush_unsent();
  with_->changed();
}

bool channel_state::conclude() {
  if (send_done_ || error_) return false;
  if (!attached_ || writer_ || has_unsent()) {
    finish();
    return false;
  }
  const proto::channel_id id = id_;
  if (!received_.empty() || fresh_cost_ != 0) discard_received();
  send_done_ = dropped_ = true;
  settle(outcome::answered);
  detach();
  with_->wire()->conclude(id);
  with_->changed();
  wake_later();
  return true;
}

result<> channel_state::respond_headers(std::span<const struct header> headers) {
  if (error_) return failure(error_);
  if (stop_error_) return failure(stop_error_);
  if (wrote_ || send_done_ || !attached_) return failure(errc::protocol);
  proto::tlv_writer& list = with_->core()->scratch();
  for (const struct header& one : headers) {
    HAWSER_EXPECTS(!one.key.empty() && one.key.size() <= 255, "a header's key has 1-255 bytes");
    list.add_header(one.key, one.value);
  }
  const result<> sent = with_->wire()->write_head(id_, list.bytes());
  if (sent) {
    wrote_ = true;
    with_->touch();
  }
  return sent;
}

}  // namespace detail
}  // namespace hawser::inline v0
