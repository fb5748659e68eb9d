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

// What stands behind a channel, a request or an outgoing request: both directions of one strand, its waiting operations, and its
// place in the protocol core. The public handle owns it; the core knows it by the `user` pointer of the channel until it is
// detached. Each operation completes once: with what arrived, or with the reason of the end.
//
// Coroutines are resumed inside `on_*` (called between two events of the core), where anything may be gone afterwards, and through
// a job everywhere else.
class channel_state : public counted<channel_state>, public channel_link, public waiting_link, public pooled_frame, private io::timer {
 public:
  using pooled_frame::operator new;
  using pooled_frame::operator delete;

  // with: nullptr, nobody to talk to; start() says so.
  channel_state(loop& on, peer_connection* with, proto::channel_kind kind) noexcept;
  virtual ~channel_state();

  // -- made here
  // The operation's name is copied, or stays the caller's, who keeps it while this lives.
  enum class name_is : std::uint8_t { ours, callers };
  void prepare(std::string_view operation, const call_options& options, name_is whose);
  result<> start();
  bool started() const noexcept { return started_; }
  // Opens the channel with what is there. false: the other side has no slot free (or the connection no room).
  result<bool> try_open();
  std::size_t held_bytes() const noexcept { return unsent_.size() + body_.size() + text_.size(); }
  void charge(std::size_t bytes) noexcept { charged_ = bytes; }      // by the queue of calls
  std::size_t charged() const noexcept { return charged_; }
  void fail_unopened(std::error_code reason);

  // -- what the protocol core says
  void on_bytes(byte_view bytes, std::uint32_t cost, bool whole_message, bool last);
  void on_message(byte_view message, std::uint32_t cost);      // a whole one, not the last
  void on_head(byte_view tlvs);
  void on_finished();
  void on_reset(std::error_code reason);
  void on_stopped(std::error_code reason);
  void on_writable();
  void detach() noexcept;                              // the core has forgotten the channel
  void lose(std::error_code reason);                   // the peer is being destroyed: no user code runs in here

  // -- what the user does
  void drop_handle();
  bool attempt(channel::read_operation& op);
  bool attempt(channel::write_operation& op);
  bool attempt(channel::headers_operation& op);
  void wait(channel::read_operation& op, std::coroutine_handle<> coroutine);
  void wait(channel::write_operation& op, std::coroutine_handle<> coroutine);
  void wait(channel::headers_operation& op, std::coroutine_handle<> coroutine);
  void take_back(channel::read_operation& op) noexcept;
  void take_back(channel::write_operation& op) noexcept;
  void take_back(channel::headers_operation& op) noexcept;
  result<> begin_call(call_operation& op);
  void take_back(call_operation& op) noexcept;
  result<std::size_t> write_some(byte_view bytes);
  void finish();
  void conclude();
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
  peer_connection* with() const noexcept { return with_.get(); }
  std::string_view operation() const noexcept { return operation_; }
  std::optional<duration> time_left() const noexcept;
  byte_view head() const noexcept { return head_.view(); }
  std::shared_ptr<void>& user_state() noexcept { return user_state_; }
  // What the operation ended with, for the books of the side that serves it.
  outcome how() const noexcept { return outcome_; }
  instant began() const noexcept { return began_; }

 protected:
  // Opened by the other side. The operation's name stays where it is; without one it is copied from the event.
  channel_state(peer_connection& with, const proto::event& opened, std::string_view operation);
  virtual void abandon_work() noexcept {}              // nobody wants what is being done for it any more
  void take_first(const proto::event& first);
  void put_away_fresh();
  void settle(outcome how);
  bool answering() const noexcept { return !send_done_ && !error_; }

 private:
  void on_timer() override;
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
  void wake_later();
  void wake_now();
  void complete_call(result<chunk> with);
  void resume_caller();
  bool complete_reader_if_ready();

  loop* loop_;
  ref<peer_connection> with_;
  std::string_view operation_;
  chunk text_;                       // the operation's name and, behind it, the TLVs of the open block
  chunk head_;                       // TLVs that the other side sent: with its request, or before its answer
  chunk_queue received_;
  byte_view fresh_;                  // what came with a request, until its handler first waits: still in the receive buffer
  std::uint32_t fresh_cost_ = 0;
  chunk unsent_;                     // written before the channel was open
  byte_view body_;                   // of a call: what is still to be sent; the caller's memory
  chunk gathered_;                   // of a call: the answer so far
  channel::read_operation* reader_ = nullptr;
  channel::write_operation* writer_ = nullptr;
  channel::headers_operation* header_reader_ = nullptr;
  call_operation* call_ = nullptr;
  std::shared_ptr<void> user_state_;
  std::error_code error_;            // why it ended early
  std::error_code stop_error_;       // why the other side wants no more
  duration deadline_after_ = duration::max();
  instant deadline_ = never;
  instant began_{};
  std::size_t charged_ = 0;
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
  bool dropped_ = false;         // no handle any more
};

// Runs the handler for a channel that the other side has opened.
void serve(peer_connection& on, const proto::event& opened, operation_entry* entry, ref<handler_record> handler);

// Ends a handler's task: at once, or at its next suspension when it is what runs now.
void drop_execution(execution& one) noexcept;

}  // namespace hawser::inline v0::detail
