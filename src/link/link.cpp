// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/link.hpp>

#include <hawser/base/log.hpp>

#include "link/parts.hpp"

namespace hawser::inline v0 {
namespace {

// An error_code in 34 bits: which category, and its value.
enum : std::uint8_t { of_hawser = 0, of_system = 1, of_generic = 2 };

std::uint8_t pack_category(std::error_code code) noexcept {
  if (code.category() == std::system_category()) return of_system;
  if (code.category() == std::generic_category()) return of_generic;
  return of_hawser;
}
std::error_code unpack(std::uint8_t category, int value) noexcept {
  if (category == of_system) return {value, std::system_category()};
  if (category == of_generic) return {value, std::generic_category()};
  return {value, hawser_category()};
}

}  // namespace

// Destruction: every path that calls a handle_* or on_link_closed() touches nothing after the call. What the end of the turn has to do
// is marked *before* it; where flush() and transmit_now() call handle_sent(), nothing is left to do. Only stages need more, see deliver().

link::link(loop& on, protocol& upper) noexcept : loop_(&on), protocol_(&upper) {}

link::~link() {
  if (parts_ && parts_->gone) *parts_->gone = true;
  if (state_ == state::open || state_ == state::draining || state_ == state::lingering) loop_->engine().close(socket_);
}

void link::push_stage(std::unique_ptr<stage> next) {
  HAWSER_EXPECTS(state_ == state::idle && next, "stages are pushed before the link starts");
  if (!parts_) parts_ = std::make_unique<parts>();
  parts_->stages.push_back(std::move(next));
}

// ---- start ----

void link::begin(io::socket_id id) {
  socket_ = id;
  state_ = state::open;
  loop_->flush_later(*this);
}

void link::accept(io::socket_id id) {
  HAWSER_EXPECTS(state_ == state::idle, "a link starts once");
  begin(id);
  loop_->engine().start(id, *this);
}

void link::adopt(connected_socket socket) {
  HAWSER_EXPECTS(state_ == state::idle, "a link starts once");
  const result<io::socket_id> id = socket.release(*this);
  if (id) return begin(*id);
  state_ = state::lost;
  remember(id.error());
  loop_->flush_later(*this);
}

// ---- input ----

void link::on_connected() {}   // links get sockets that are connected

void link::on_bytes(byte_view bytes) {
  bytes_received_ += bytes.size();
  ++receives_;
  if (state_ != state::open) return;
  loop_->flush_later(*this);
  if (parts_) {
    if (parts_->bucket.limited()) read_debit(bytes.size());
    if (!parts_->stages.empty()) {
      deliver(0, loop_->now(), bytes);
      return;
    }
  }
  protocol_->handle_bytes(loop_->now(), bytes);
}

// Stages see all bytes first.
std::span<std::byte> link::poll_room() {
  if (state_ != state::open || (parts_ && !parts_->stages.empty())) return {};
  return protocol_->poll_room();
}

bool link::expects_room() const { return state_ == state::open && (!parts_ || parts_->stages.empty()) && protocol_->expects_room(); }

void link::on_filled(std::size_t count, byte_view rest) {
  bytes_received_ += count + rest.size();
  ++receives_;
  if (state_ != state::open) return;
  loop_->flush_later(*this);
  if (parts_ && parts_->bucket.limited()) read_debit(count + rest.size());
  protocol_->handle_filled(loop_->now(), count, rest);
}

void link::on_end() {
  const bool first = !ended_;
  ended_ = true;
  if (state_ == state::lingering) {
    loop_->engine().close(socket_);
    return finish_with({});
  }
  if (state_ != state::open || !first) return;
  loop_->flush_later(*this);
  if (parts_ && !parts_->stages.empty()) return end_of_stages(loop_->now());
  protocol_->handle_end(loop_->now(), {});
}

void link::on_sent(std::size_t bytes) {
  bytes_sent_ += bytes;
  in_flight_bytes_ = 0;
  if (state_ != state::open && state_ != state::draining) return;
  loop_->flush_later(*this);
  if (parts_ && !parts_->stages.empty()) bytes = std::exchange(parts_->inner_bytes, 0);
  if (bytes > 0) protocol_->handle_sent(loop_->now(), bytes);
}

void link::on_failed(std::error_code reason) {
  if (state_ == state::open) return lose(reason);
  loop_->engine().close(socket_);
  // A reset that answers our FIN is how many a program closes: everything of ours was taken.
  finish_with(state_ == state::lingering ? std::error_code() : reason);
}

void link::on_timer() {
  const instant now = loop_->now();
  switch (state_) {
    case state::open: break;
    case state::draining:
      loop_->engine().abort(socket_);
      return finish_with(make_error_code(errc::write_timeout));
    case state::lingering:
      loop_->engine().close(socket_);
      return finish_with({});
    default: return;
  }
  loop_->flush_later(*this);
  if (parts_) {
    if (parts_->in_debt) read_debit(0);
    for (const auto& one : parts_->stages)
      if (one->poll_timeout() <= now) one->handle_timeout(now);
  }
  if (protocol_->poll_timeout() <= now) protocol_->handle_timeout(now);
}

// ---- output ----

void link::transmit_later() noexcept {
  if (state_ == state::open) loop_->flush_later(*this);
}

void link::transmit_now() {
  // A stage may be in the middle of the input that this comes from.
  if (state_ != state::open || in_flight_bytes_ != 0 || (parts_ && !parts_->stages.empty())) return;
  const instant now = loop_->now();
  send_more(now);
  if (in_flight_bytes_ == 0) return;
  if (const std::size_t taken = take_sent()) protocol_->handle_sent(now, taken);
  else loop_->engine().submit();
}

std::size_t link::try_send(std::span<const byte_view> pieces) {
  if (state_ != state::open || in_flight_bytes_ != 0 || (parts_ && !parts_->stages.empty())) return 0;
  const std::size_t taken = loop_->engine().try_send(socket_, pieces);
  if (taken == 0) return 0;
  bytes_sent_ += taken;
  ++sends_;
  return taken;
}

// What an engine that sends at once has taken of what was just sent.
std::size_t link::take_sent() {
  if (in_flight_bytes_ == 0 || (parts_ && !parts_->stages.empty()) || !loop_->engine().take_sent(socket_)) return 0;
  const std::size_t bytes = in_flight_bytes_;
  in_flight_bytes_ = 0;
  bytes_sent_ += bytes;
  return bytes;
}

void link::flush() {
  if (state_ == state::lost) return report();
  if (state_ != state::open && state_ != state::draining) return;
  const instant now = loop_->now();
  if (in_flight_bytes_ == 0) send_more(now);
  if (state_ != state::open) {
    if (state_ != state::draining) return;
    if (const std::size_t taken = take_sent()) {
      loop_->flush_later(*this);
      protocol_->handle_sent(now, taken);
    }
    return;
  }
  arm_earliest();
  if (const std::size_t taken = take_sent()) protocol_->handle_sent(now, taken);
}

void link::send_more(instant now) {
  chain out(loop_->buffers());
  bool last = false;
  if (parts_ && !parts_->stages.empty()) {
    fill(now, out);
  } else {
    protocol_->poll_transmit(now, out, send_bytes_max);
    last = state_ == state::draining && protocol_->poll_end();
  }
  if (out.empty()) {
    if (state_ == state::draining) finish_draining();
    return;
  }
  in_flight_bytes_ = static_cast<std::uint32_t>(out.bytes());
  ++sends_;
  if (last) loop_->engine().send_last(socket_, out);
  else loop_->engine().send(socket_, out);
  if (state_ == state::draining) loop_->arm(*this, after(loop_->engine().now(), drain_max));
}

// Lazily: a timer that fires early asks again, which is cheaper than moving it with every message.
void link::arm_earliest() {
  instant earliest = protocol_->poll_timeout();
  if (parts_) {
    if (parts_->in_debt) earliest = std::min(earliest, parts_->bucket.ready_at());
    for (const auto& one : parts_->stages) earliest = std::min(earliest, one->poll_timeout());
  }
  if (earliest < when()) loop_->arm(*this, earliest);
}

// ---- the end ----

void link::close() {
  if (state_ != state::open) return;
  state_ = state::draining;
  if (paused_ || (parts_ && parts_->in_debt)) loop_->engine().resume_receiving(socket_);
  paused_ = false;
  loop_->arm(*this, after(loop_->engine().now(), drain_max));
  loop_->flush_later(*this);
}

void link::finish_draining() {
  io::engine& engine = loop_->engine();
  if (ended_) {
    engine.close(socket_);
    return finish_with({});
  }
  engine.shutdown_sending(socket_);
  state_ = state::lingering;
  loop_->arm(*this, after(engine.now(), linger_max));
}

void link::abort(std::error_code reason) {
  if (state_ != state::open && state_ != state::draining && state_ != state::lingering) return;
  loop_->engine().abort(socket_);
  finish_with(reason);
}

void link::lose(std::error_code reason) {
  loop_->engine().close(socket_);
  const bool tell = !ended_;
  finish_with(reason);
  if (tell) protocol_->handle_end(loop_->now(), reason);
}

void link::remember(std::error_code reason) noexcept {
  reason_category_ = pack_category(reason);
  reason_value_ = reason.value();
}

// The socket is closed; the protocol hears of it at the end of the turn.
void link::finish_with(std::error_code reason) {
  state_ = state::lost;
  ended_ = true;
  in_flight_bytes_ = 0;
  if (reason) remember(reason);
  loop_->disarm(*this);
  loop_->flush_later(*this);
}

void link::report() {
  const std::error_code reason = unpack(reason_category_, reason_value_);
  if (!ended_) {   // lost before it was adopted
    ended_ = true;
    loop_->flush_later(*this);
    return protocol_->handle_end(loop_->now(), reason);
  }
  state_ = state::closed;
  HAWSER_LOG(log_level::debug, log_part::link, {}, 0, "closed: %s; %llu bytes in, %llu out", reason ? reason.message().c_str() : "orderly",
             static_cast<unsigned long long>(bytes_received_), static_cast<unsigned long long>(bytes_sent_));
  protocol_->on_link_closed(reason);
}

// ---- reading and what is known ----

void link::pause_reading() {
  if (paused_ || state_ != state::open) return;
  paused_ = true;
  if (!parts_ || !parts_->in_debt) loop_->engine().pause_receiving(socket_);
}

void link::resume_reading() {
  if (!paused_ || state_ != state::open) return;
  paused_ = false;
  if (!parts_ || !parts_->in_debt) loop_->engine().resume_receiving(socket_);
}

void link::limit_reading(std::uint64_t bytes_per_second) {
  if (!parts_) parts_ = std::make_unique<parts>();
  parts_->bucket.set(bytes_per_second, loop_->engine().now());
  if (parts_->in_debt) read_debit(0);
}

void link::read_debit(std::size_t bytes) {
  parts_->bucket.debit(bytes, loop_->now());
  const bool in_debt = parts_->bucket.limited() && parts_->bucket.in_debt();
  if (in_debt == parts_->in_debt) return;
  parts_->in_debt = in_debt;
  if (paused_) return;
  if (in_debt) loop_->engine().pause_receiving(socket_);
  else loop_->engine().resume_receiving(socket_);
}

endpoint link::local() const { return socket_ ? loop_->engine().local_endpoint(socket_) : endpoint(); }
endpoint link::remote() const { return socket_ ? loop_->engine().remote_endpoint(socket_) : endpoint(); }

link_statistics link::stats() const noexcept { return {bytes_received_, bytes_sent_, receives_, sends_, in_flight_bytes_}; }

}  // namespace hawser::inline v0
