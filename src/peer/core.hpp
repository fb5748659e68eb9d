// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peer/counted.hpp"
#include "peer/id_tree.hpp"
#include "peer/operations.hpp"

#include <hawser/async/cancel.hpp>
#include <hawser/base/log.hpp>
#include <hawser/async/scope.hpp>
#include <hawser/link.hpp>
#include <hawser/peer.hpp>
#include <hawser/proto/connection.hpp>
#include <hawser/proto/tlv.hpp>

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace hawser::inline v0::detail {

class peer_connection;
class self_pair;
class doorway;
struct connection_node;

struct message_record final : counted<message_record> {
  peer::message_handler call;
};

// What a peer is behind its public face. Destroying the peer ends everything in here at once; the object itself stays until the last
// function and the last handler's task that stand on it have returned.
class peer_core final : public counted<peer_core> {
 public:
  peer_core(loop& on, peer& owner, peer_options options);
  ~peer_core();

  loop& home() const noexcept { return *loop_; }
  peer* owner() const noexcept { return owner_; }
  const peer_options& options() const noexcept { return options_; }
  const proto::settings& wire_settings() const noexcept { return options_.wire; }
  const proto::identity& identity() const noexcept { return identity_; }
  const peer_id& id() const noexcept { return identity_.peer_id; }
  peer_hooks* hooks() const noexcept { return owner_ ? options_.hooks : nullptr; }
  bool stopping() const noexcept { return stopping_; }

  // -- listening
  result<endpoint> listen(const endpoint& where);
  void stop_listening(const endpoint& where);
  void stop_listening();
  std::vector<endpoint> local_endpoints() const;
  void note_listen_error(std::error_code error) noexcept {
    if (!listen_error_) listen_error_ = error;
  }
  std::error_code listen_error() const noexcept { return listen_error_; }
  void incoming(io::socket_id id, const endpoint& remote);

  // -- dialling
  static task<result<connection>> connect(ref<peer_core> core, endpoint where, std::optional<byte_view> first);

  // -- connections: all that are alive, and those that were announced, by name and id
  void enter(peer_connection& one);
  void leave(peer_connection& one);              // nothing can happen to it any more
  std::vector<ref<peer_connection>> alive();     // for loops in which anything may end
  void register_open(peer_connection& one);
  void unregister(peer_connection& one);
  peer_connection* find(std::string_view name) const noexcept;
  peer_connection* find(const peer_id& id) const noexcept;
  std::vector<connection> connections() const;
  std::size_t open_count() const noexcept { return open_count_; }
  peer_connection* self();
  result<connection> survivor(const peer_id& id) const;
  void resolve_undecided(const peer_id& id);
  // What is to be answered to somebody who dialled; no error: welcome.
  std::error_code judge(const introduction& who);
  void half_open_began() noexcept { ++half_open_; }
  void half_open_ended() noexcept { --half_open_; }

  // -- requests
  operation_registry& operations() noexcept { return operations_; }
  const operation_registry& operations() const noexcept { return operations_; }
  ref<handler_record>& stream_handler() noexcept { return on_stream_; }
  ref<handler_record>& messages_handler() noexcept { return on_messages_; }
  ref<message_record>& message_handler() noexcept { return on_message_; }
  call_statistics& calls() noexcept { return calls_; }
  void call_ended(outcome how) noexcept;
  intrusive_list<execution>& runs() noexcept { return runs_; }
  void run_began() noexcept { ++run_count_; }
  void run_ended() noexcept;
  // For one connection; drawn some at a time.
  std::uint64_t draw_seed() noexcept;
  proto::tlv_writer& scratch() noexcept {
    scratch_.clear();
    return scratch_;
  }

  // -- the end
  static task<> stop(ref<peer_core> core, duration drain);
  void tear_down();
  void perhaps_idle() noexcept;

  bool logs(log_level level) const noexcept {
    return static_cast<unsigned>(level) < log_threshold[static_cast<unsigned>(log_part::peer)].load(std::memory_order_relaxed);
  }
  void log(log_level level, std::uint64_t connection, const char* format, ...) const __attribute__((format(printf, 4, 5)));

 private:
  class idle_wait;
  bool idle() const noexcept;
  void begin_stop(duration drain);
  void abort_connections();
  void drop_runs() noexcept;

  loop* loop_;
  peer* owner_;                       // null once the peer is gone
  peer_options options_;
  proto::identity identity_;
  std::error_code listen_error_;
  std::vector<std::unique_ptr<doorway>> doorways_;
  intrusive_list<connection_node> connections_;
  // By name and, among several, by age: those of one peer may be thousands, and what strangers choose makes no chain of a hash.
  std::map<std::pair<std::string_view, std::uint64_t>, peer_connection*> by_name_;
  id_tree by_id_;
  ref<self_pair> self_;
  operation_registry operations_;
  ref<handler_record> on_stream_;
  ref<handler_record> on_messages_;
  ref<message_record> on_message_;
  call_statistics calls_;
  proto::tlv_writer scratch_;
  std::array<std::uint64_t, 16> seeds_{};
  std::size_t seeds_left_ = 0;
  intrusive_list<execution> runs_;
  cancel_source ending_;
  wait_list idle_waiters_;
  std::size_t open_count_ = 0;
  std::size_t alive_count_ = 0;
  std::size_t socket_count_ = 0;      // of these, all but the halves of self_
  std::size_t half_open_ = 0;
  std::size_t run_count_ = 0;
  bool stopping_ = false;
};

// 1-64 bytes of UTF-8.
bool valid_name(std::string_view name) noexcept;

}  // namespace hawser::inline v0::detail
