// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peer/chunk_queue.hpp"
#include "peer/counted.hpp"
#include "peer/operations.hpp"

#include <hawser/async/frame_pool.hpp>
#include <hawser/async/scope.hpp>
#include <hawser/io/timer.hpp>
#include <hawser/peer.hpp>
#include <hawser/proto/connection.hpp>

#include <memory>
#include <string_view>

namespace hawser::inline v0::detail {

class peer_connection;
class peer_core;

struct channel_link : list_hook {};    // among all channels of a connection
struct waiting_link : list_hook {};    // among the calls that wait for a slot, or the writers that wait for the connection

// What a plain request has nothing of, at either end. Made when it is needed.
struct channel_extras final : pooled_frame, io::timer {
  explicit channel_extras(channel_state& whole) noexcept : of(whole) {}
  void on_timer() override;          // the deadline of a call that still waits for a slot
  channel_state& of;
  chunk text;                        // the operation's name and, behind it, the TLVs of the open block
  chunk head;                        // TLVs that the other side sent: with its request, or before its answer
  chunk unsent;                      // written before the channel was open
  chunk gathered;                    // of a call: the answer so far
  std::shared_ptr<void> user_state;
  duration deadline_after = duration::max();
  std::size_t charged = 0;           // by the queue of calls
};

// What stands behind a channel, a request or an outgoing request: both directions of one strand, its waiting operations, and its
// place in the protocol core. The public handle owns it; the core knows it by the `user` pointer of the channel until it is
// detached. Each operation completes once: with what arrived, or with the reason of the end.
//
// Coroutines are resumed inside `on_*` (called between two events of the core), where anything may be gone afterwards, and through
// a job everywhere else.
class channel_state : public counted<channel_state>, public channel_link, public waiting_link, public pooled_frame {
 public:
  using pooled_frame::operator new;
  using pooled_frame::operator delete;

  // with: nullptr, nobody to talk to; start() says so.
  channel_state(loop& on, peer_connection* with, proto::channel_kind kind) noexcept;
  // The credit of what was never read belongs to the connection's account by now.
  virtual ~channel_state() {
    if (!received_.empty() || fresh_cost_ != 0) discard_received();
    if (extras_) [[unlikely]] delete extras_;
  }

  // -- made here
  // The operation's name is copied, or stays the caller's, who keeps it while this lives.
  enum class name_is : std::uint8_t { ours, callers };
  void prepare(std::string_view operation, const call_options& options, name_is whose);
  void prepare_plain(std::string_view operation, std::uint8_t urgency) {
    HAWSER_EXPECTS(operation.size() <= 255, "an operation's name has at most 255 bytes");
    operation_ = operation;
    urgency_ = urgency;
  }
  result<> start();
  bool started() const noexcept { return started_; }
  // Opens the channel with what is there. false: the other side has no slot free (or the connection no room).
  result<bool> try_open();
  std::size_t held_bytes() const noexcept { return body_.size() + (extras_ ? extras_->unsent.size() + extras_->text.size() : 0); }
  void charge(std::size_t bytes) { need_extras().charged = bytes; }      // by the queue of calls
  std::size_t charged() const noexcept { return extras_->charged; }
  void fail_unopened(std::error_code reason);

  // -- what the protocol core says
  void on_bytes(byte_view bytes, std::uint32_t cost, bool whole_message, bool last);
  void on_message(byte_view message, std::uint32_t cost);      // a whole one, not the last
  void on_answer(byte_view bytes, std::uint32_t cost);         // the rest of what was opened here, which is released with it
  void on_head(byte_view tlvs);
  void on_finished();
  void on_reset(std::error_code reason);
  void on_stopped(std::error_code reason);
  void on_writable();
  void detach() noexcept {                             // the core has forgotten the channel
    attached_ = false;
    id_ = 0;
    channel_link::unlink();
    waiting_link::unlink();
  }
  void lose(std::error_code reason);                   // the peer is being destroyed: no user code runs in here

  // -- what the user does
  void drop_handle();
  bool attempt(channel::read_operation& op);
  bool attempt(channel::write_operation& op);
  bool attempt(channel::headers_operation& op);
  // await_ready() and await_suspend() of a read or a write: one that is done, and had to wait for the next turn, stays done.
  template <class Operation>
  bool completes(Operation& op) {
    if (!attempt(op)) return false;
    op.done_ = true;
    if (!may_go_on()) return false;
    op.state_ = nullptr;
    return true;
  }
  template <class Operation>
  static void suspend(Operation& op, std::coroutine_handle<> coroutine) {
    if (!op.done_) return op.state_->wait(op, coroutine);
    op.waiter_.suspend(coroutine);
    op.waiter_.resume_next_turn(std::exchange(op.state_, nullptr)->on());
  }
  void wait(channel::read_operation& op, std::coroutine_handle<> coroutine);
  void wait(channel::write_operation& op, std::coroutine_handle<> coroutine);
  void wait(channel::headers_operation& op, std::coroutine_handle<> coroutine);
  void take_back(channel::read_operation& op) noexcept;
  void take_back(channel::write_operation& op) noexcept;
  void take_back(channel::headers_operation& op) noexcept;
  // body: the operation's. Here and in take_first() it comes in registers: its two words were stored one by one a moment ago, and reading them
  // at once would wait until the stores have left the processor.
  result<> begin_call(call_operation& op, byte_view body);
  void take_back(call_operation& op) noexcept;
  result<std::size_t> write_some(byte_view bytes);
  void finish();
  void reset(std::error_code reason, std::string_view text);
  void stop_reading(std::error_code reason);
  result<> respond_headers(std::span<const struct header> headers);
  byte_view peek() const noexcept { return !fresh_.empty() ? fresh_ : received_.empty() ? byte_view() : received_.front().view(); }
  void consume(std::size_t count);
  std::size_t available() const noexcept { return received_.bytes() + fresh_.size(); }
  bool ended() const noexcept { return receive_done_ && received_.empty() && fresh_.empty(); }
  bool cancelled() const noexcept { return given_up_; }
  std::error_code error() const noexcept { return error_; }

  loop& on() const noexcept { return *loop_; }
  // may_complete_at_once() for an operation of this channel.
  bool may_go_on() noexcept { return own_share_ != 0 ? own_share_-- != 0 : may_complete_at_once(*loop_); }
  peer_connection* with() const noexcept { return with_.get(); }
  std::string_view operation() const noexcept { return operation_; }
  std::optional<duration> time_left() const noexcept;
  byte_view head() const noexcept { return extras_ ? extras_->head.view() : byte_view(); }
  void* user_state() const noexcept { return extras_ ? extras_->user_state.get() : nullptr; }
  void set_user_state(std::shared_ptr<void> state) { need_extras().user_state = std::move(state); }
  // What the operation ended with, for the books of the side that serves it.
  outcome how() const noexcept { return outcome_; }
  instant began() const noexcept { return began_; }

 protected:
  // Opened by the other side. The operation's name stays where it is.
  channel_state(peer_connection& with, proto::channel_id id, proto::channel_kind kind, std::uint8_t urgency, std::string_view operation) noexcept;
  void take_options(const proto::remote_open& what);      // what few bring: a deadline, headers, a name that nobody keeps
  virtual void abandon_work() noexcept {}              // nobody wants what is being done for it any more
  // finish(), and the work has ended too. True: so has the channel, and the handle need not be dropped.
  bool conclude();
  void take_first(byte_view bytes, std::uint32_t cost, bool last);
  void put_away_fresh();
  void settle(outcome how);
  bool answering() const noexcept { return !send_done_ && !error_; }

 private:
  friend struct channel_extras;
  channel_extras& need_extras() { return extras_ ? *extras_ : make_extras(); }
  channel_extras& make_extras();
  bool has_unsent() const noexcept { return extras_ && !extras_->unsent.empty(); }
  bool has_gathered() const noexcept { return extras_ && !extras_->gathered.empty(); }
  void drop_unsent() noexcept {
    if (extras_) extras_->unsent = {};
    body_ = {};
  }
  void disarm_deadline() noexcept {
    if (extras_) loop_->disarm(*extras_);
  }
  bool is_message_kind() const noexcept { return kind_ == proto::channel_kind::message; }
  std::size_t watermark() const noexcept;
  void give_back(std::size_t cost);
  void fill(channel::read_operation& op, byte_view bytes);
  bool advance(channel::write_operation& op);
  std::error_code write_or_keep(byte_view bytes, const chunk* whole, std::size_t& taken);
  bool flush_unsent();
  void enter_books() noexcept;
  void strike_from_books() noexcept;
  void discard_received();
  void end_of_receiving();
  void begin_ending(std::error_code reason);
  bool has_waiting() const noexcept { return call_ || header_reader_ || writer_ || reader_; }
  void wake_later() {
    if (has_waiting()) wake_all_later();
  }
  void wake_all_later();
  void wake_now();
  bool call_at_once(byte_view body);
  void complete_call(result<chunk> with);
  bool complete_call_at_once(byte_view bytes, std::uint32_t cost);
  void resume_caller();
  bool complete_reader_if_ready();
  bool attempt_further(channel::read_operation& op);

  loop* loop_;
  ref<peer_connection> with_;
  std::string_view operation_;
  chunk_queue received_;
  byte_view fresh_;                  // what came with a request, until its handler first waits: still in the receive buffer
  std::uint32_t fresh_cost_ = 0;
  byte_view body_;                   // of a call: what is still to be sent; the caller's memory
  channel::read_operation* reader_ = nullptr;
  channel::write_operation* writer_ = nullptr;
  channel::headers_operation* header_reader_ = nullptr;
  call_operation* call_ = nullptr;
  channel_extras* extras_ = nullptr;
  std::error_code error_;            // why it ended early
  std::error_code stop_error_;       // why the other side wants no more
  instant deadline_ = never;
  instant began_{};
  proto::channel_id id_ = 0;
  std::uint16_t name_bytes_ = 0;
  proto::channel_kind kind_;
  std::uint8_t urgency_ = 3;
  outcome outcome_ = outcome::none;
  // Bytes and not bits: neighbours are written one at a time, and reading two of them at once would wait for both stores.
  bool incoming_ = false;
  bool started_ = false;
  bool attached_ = false;
  bool send_done_ = false;       // finished here; the FIN may still wait for what is unsent
  bool fin_owed_ = false;
  bool receive_done_ = false;
  bool discarding_ = false;
  bool given_up_ = false;        // by the other side
  bool wrote_ = false;
  bool head_here_ = false;
  bool counted_call_ = false;    // among the calls of the peer
  // Completions that a channel of the other side has beyond what all share in a turn: its OPEN was an event of the turn, and those are
  // bounded already. So of a thousand that came together none is left half done to be taken up again when it has gone cold.
  std::uint8_t own_share_ = 0;
  bool dropped_ = false;         // no handle any more
};

// Runs the handler for a channel that the other side has opened.
void serve(peer_connection& on, const proto::event& opened, operation_entry* entry, const ref<handler_record>& handler);
void serve(peer_connection& on, const proto::plain_request& asked, operation_entry& entry);

// Ends a handler's task: at once, or at its next suspension when it is what runs now.
void drop_execution(execution& one) noexcept;

}  // namespace hawser::inline v0::detail
