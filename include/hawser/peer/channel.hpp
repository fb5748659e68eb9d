// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/async/wait.hpp>
#include <hawser/base/buffer.hpp>
#include <hawser/base/contract.hpp>
#include <hawser/base/error.hpp>
#include <hawser/base/export.hpp>
#include <hawser/base/time.hpp>
#include <hawser/peer/connection.hpp>

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

namespace hawser::inline v0 {

class call_operation;
namespace detail {
class channel_state;
class served_channel;
struct suspended final : waiter {};   // the coroutine that awaits one of the operations below
}  // namespace detail

// A key and its value, sent with a request or an answer. Views: copied by whoever takes them.
struct header {
  std::string_view key;        // 1-255 bytes
  std::string_view value;
};

// Both ends of a strand: what the other side writes is read here, and the reverse; each direction ends by itself. Reading and
// writing may go on at the same time (one reader and one writer). Move-only; dropping it gives the channel up (errc::cancelled at
// the other side) unless both directions have ended. Loop thread only.
//
// Each operation is awaited at once, at most one read and one write of a channel at a time; dropping the awaiting task takes it
// back. Errors of all of them: the reason with which the other side or this side ended the channel (cancelled, deadline,
// connection_lost, the handler's code ...).
class HAWSER_API channel {
 public:
  class read_operation;
  class write_operation;
  class headers_operation;

  channel() noexcept = default;
  channel(channel&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  channel& operator=(channel&& other) noexcept;
  ~channel() {
    if (state_) give_up();
  }

  explicit operator bool() const noexcept { return state_ != nullptr; }
  connection with() const noexcept;                    // the peer at the other end
  std::string_view operation() const noexcept;         // what it was opened for; empty: nothing

  // The next bytes (on a message channel: the next message), as an owning chunk; an empty chunk is the end of the stream.
  // Bytes that nobody reads stay charged to this channel's credit: the other side stops when the window is full.
  [[nodiscard]] read_operation read();
  // At least `count` bytes in one chunk, more if they are there. errc::end_of_stream: the stream ended before (peek() shows the rest).
  [[nodiscard]] read_operation read_at_least(std::size_t count);
  // Everything up to the end, in one chunk; errc::message_too_big beyond `bytes_max` (the rest is discarded).
  [[nodiscard]] read_operation read_all(std::size_t bytes_max);
  // What has arrived and was not consumed: the first contiguous piece of it. Valid until the next read, consume or suspension.
  byte_view peek() const noexcept;
  void consume(std::size_t count);                     // forgets that many of the bytes that peek() shows; their credit returns
  std::size_t available() const noexcept;              // arrived and unread, in bytes
  bool ended() const noexcept;                         // the other side finished and everything was read

  // Completes when all bytes are queued (copied, or shared when a chunk is given); waits while the channel is over its watermark.
  [[nodiscard]] write_operation write(byte_view bytes);
  [[nodiscard]] write_operation write(chunk bytes);
  [[nodiscard]] write_operation write(std::string_view text);
  // Takes what fits now and says how much; would_block: nothing.
  result<std::size_t> try_write(byte_view bytes);
  void finish();                                       // nothing more will be written (half-close)

  void stop_reading(errc reason = errc::cancelled);    // asks the other side to send no more; what still comes is discarded
  void reset(errc reason = errc::cancelled);           // gives up both directions at once
  void reset(std::uint32_t application_code, std::string_view text = {});   // >= 0x10000
  std::error_code error() const noexcept;              // why it ended early; no error: it did not

  void set_user_state(std::shared_ptr<void> state);
  template <class T>
  T* user_state() const noexcept { return static_cast<T*>(user_pointer()); }

 protected:
  friend class peer;
  friend class call_operation;
  friend class detail::channel_state;
  explicit channel(detail::channel_state* state) noexcept : state_(state) {}
  void* user_pointer() const noexcept;
  detail::channel_state* present() const {
    HAWSER_EXPECTS(state_ != nullptr, "an empty channel");
    return state_;
  }
  void give_up() noexcept;
  detail::channel_state* state_ = nullptr;
};

// A request that a handler answers. Lives as long as the handler's task; the handler gets a reference. When the task ends, the
// answer ends too (as by finish()). When the caller cancels, its deadline passes or the connection is lost, the operation that the
// task waits for answers the reason; a task that waits for something else asks cancelled(), or is dropped with
// request_options::drop_on_cancel.
class HAWSER_API request : public channel {
 public:
  connection caller() const noexcept { return with(); }
  std::optional<duration> deadline() const noexcept;        // time left; nothing: none was given
  bool cancelled() const noexcept;                          // nobody waits for the answer any more
  std::string_view header(std::string_view key) const noexcept;    // of the request; empty: absent. Valid while the request lives
  std::size_t header_count() const noexcept;
  struct header header_at(std::size_t index) const noexcept;
  // Sent before the first byte of the answer. Errors: protocol (bytes have been written already), message_too_big.
  result<> respond_headers(std::span<const struct header> headers);
  // Ends the answer with a failure: the caller gets make_application_error(code); code >= 0x10000.
  void fail(std::uint32_t code, std::string_view text = {}) { reset(code, text); }
  void fail(errc code) { reset(code); }

 private:
  friend class detail::served_channel;
  using channel::channel;
};

// A request that this side makes. Between peer::prepare() and start(), writes are kept here (up to the watermark); start() sends
// them with the request, in one frame when the body is complete and fits.
class HAWSER_API outgoing_request : public channel {
 public:
  outgoing_request() noexcept = default;
  // Errors: not_connected, too_many_calls (the local queue is full). Beyond the peer's channel limit the request waits in order.
  result<> start();
  bool started() const noexcept;
  // The answer's headers, readable before its body; completes with the first bytes when there are none.
  // Headers stand before the first byte. A HEAD behind it (trailers) and the status of either are passed over: how an answer ends says
  // how it went, and a peer's failures are resets.
  [[nodiscard]] headers_operation headers();
  std::string_view answer_header(std::string_view key) const noexcept;
  void cancel() { reset(errc::cancelled); }

 private:
  friend class peer;
  explicit outgoing_request(detail::channel_state* state) noexcept : channel(state) {}
};

// Awaited at once: result<chunk>.
class [[nodiscard]] HAWSER_API channel::read_operation {
 public:
  enum class mode : std::uint8_t { some, at_least, all };
  read_operation(detail::channel_state* state, mode how, std::size_t count) noexcept : state_(state), count_(count), how_(how) {}
  read_operation(const read_operation&) = delete;
  ~read_operation() {
    if (state_) take_back();
  }
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  result<chunk> await_resume() { return std::move(outcome_); }

 private:
  friend class detail::channel_state;
  void take_back() noexcept;
  detail::channel_state* state_;      // nullptr once completed
  detail::suspended waiter_;
  std::size_t count_;
  mode how_;
  bool done_ = false;
  result<chunk> outcome_;
};

// Awaited at once: result<>.
class [[nodiscard]] HAWSER_API channel::write_operation {
 public:
  write_operation(detail::channel_state* state, byte_view bytes) noexcept : state_(state), bytes_(bytes) {}
  write_operation(detail::channel_state* state, chunk bytes) noexcept : state_(state), owned_(std::move(bytes)) {}
  write_operation(const write_operation&) = delete;
  ~write_operation() {
    if (state_) take_back();
  }
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  result<> await_resume() { return outcome_; }

 private:
  friend class detail::channel_state;
  void take_back() noexcept;
  detail::channel_state* state_;      // nullptr once completed
  detail::suspended waiter_;
  byte_view bytes_;
  chunk owned_;
  bool done_ = false;
  result<> outcome_;
};

inline channel::read_operation channel::read() { return {present(), read_operation::mode::some, 0}; }
inline channel::read_operation channel::read_at_least(std::size_t count) { return {present(), read_operation::mode::at_least, count}; }
inline channel::read_operation channel::read_all(std::size_t bytes_max) { return {present(), read_operation::mode::all, bytes_max}; }
inline channel::write_operation channel::write(byte_view bytes) { return {present(), bytes}; }
inline channel::write_operation channel::write(chunk bytes) { return {present(), std::move(bytes)}; }
inline channel::write_operation channel::write(std::string_view text) { return write(as_bytes(text)); }

// Awaited at once: result<>; then answer_header() has them.
class [[nodiscard]] HAWSER_API channel::headers_operation {
 public:
  explicit headers_operation(detail::channel_state* state) noexcept : state_(state) {}
  headers_operation(const headers_operation&) = delete;
  ~headers_operation();
  bool await_ready();
  void await_suspend(std::coroutine_handle<> waiter);
  result<> await_resume();

 private:
  friend class detail::channel_state;
  detail::channel_state* state_;
  detail::suspended waiter_;
  result<> outcome_;
};

}  // namespace hawser::inline v0
