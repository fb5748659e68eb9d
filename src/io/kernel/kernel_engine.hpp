// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "io/kernel/slots.hpp"
#include "io/sockets.hpp"

#include <hawser/io/engine.hpp>

#include <sys/epoll.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace hawser::inline v0::io {

// The epoll set of an engine, and the two descriptors of its own that stand in it.
struct readiness {
  sockets::descriptor poller;
  sockets::descriptor waker;           // an eventfd
  sockets::descriptor clock;           // a timerfd for the earliest alarm: descriptor() must become readable for it as well
};
// Errors: too_many_descriptors, or the system's.
result<readiness> make_readiness();

// What the engines on the kernel's sockets share: slots, listening and connecting, alarms, what is to be told without an event.
// Bytes move in the engines themselves, and only sockets whose bytes move differ: whatever is rare waits for readiness in an epoll set,
// in each of them.
//   kernel_engine.cpp  the set, alarms, the clock       listeners.cpp  listening, accepting       connecting.cpp  connect
class kernel_engine : public engine {
 public:
  void use_buffers(buffer_pool& buffers) override { pool_ = &buffers; }
  instant now() noexcept override;
  void wake() noexcept override;
  bool pending() const noexcept override { return !ready_.empty(); }

  result<listener_id> listen(const endpoint& where, const listen_options& options, const socket_options& accepted,
                             listener_events& events) override;
  endpoint local_endpoint(listener_id id) const override;
  void close(listener_id id) override;
  void start(socket_id id, socket_events& events) override;

  result<socket_id> connect(const endpoint& where, const socket_options& options, socket_events& events) override;
  bool take_sent(socket_id id) override;
  std::size_t try_send(socket_id id, std::span<const byte_view> pieces) override;
  void shutdown_sending(socket_id id) override;
  void hand_over(socket_id id, socket_events& events) override;

  endpoint local_endpoint(socket_id id) const override;
  endpoint remote_endpoint(socket_id id) const override;
  std::uint64_t system_calls() const noexcept override { return system_calls_; }

 protected:
  // How long the engine keeps a closed socket so that what was sent reaches the other side.
  static constexpr duration drain_limit = std::chrono::seconds(1);
  static constexpr std::uint32_t listener_bit = std::uint32_t{1} << 31;
  enum class alarm_kind : std::uint8_t { drain_over, accept_again, connect_again };

  explicit kernel_engine(readiness set);
  ~kernel_engine() override;

  // What the engines do differently.
  virtual void begin_receiving(std::uint32_t index, socket_slot& s) = 0;       // the socket has become open
  virtual void settle(std::uint32_t index, socket_slot& s) = 0;                // of settle_later()
  virtual std::size_t begin_sending(socket_id id) = 0;                         // of what was sent while it connected
  virtual std::size_t transfer(socket_id id, std::uint32_t events) = 0;        // an open socket in the set is ready
  virtual void drain(std::uint32_t index, std::uint32_t events) = 0;           // a draining one is
  virtual std::size_t go_on(socket_id id) = 0;                                 // an open socket is in the list of the ready
  virtual void release(std::uint32_t index) noexcept = 0;                      // nothing more is to go out: close it

  // Live for commands: not closed.
  socket_slot* live(socket_id id) noexcept;
  // The slot if it is still the same socket and may be told something.
  socket_slot* told(socket_id id) noexcept;
  static socket_id id_of(std::uint32_t index, const socket_slot& s) noexcept { return {index, s.generation}; }
  // Puts the socket into the list of what the next turn hands out.
  void enqueue(std::uint32_t index, socket_slot& s);
  // Takes it out again, if it is the newest there.
  bool dequeue_newest(socket_id id, socket_slot& s) noexcept;
  // Hands out the first `count` of that list.
  std::size_t hand_out(std::size_t count);
  std::size_t ready_count() const noexcept { return ready_.size(); }
  // True: a connect() has succeeded at once and is told in this turn, which need not look at the network; the next one does.
  bool has_news() noexcept {
    const bool passes = news_ && !passed_;
    news_ = false;
    return passed_ = passes;
  }
  // What a connection takes that has just been made and does not have to be done before its first bytes leave: with the next turn, or
  // when nobody turns.
  void settle_later(std::uint32_t index, const socket_slot& s) { unsettled_.push_back(id_of(index, s)); }
  void settle_all() {
    if (!unsettled_.empty()) [[unlikely]] settle_some();
  }

  // Of one socket in a turn, and below it there is no sense in receiving more.
  static constexpr std::size_t receive_share_bytes = receives_per_turn * receive_buffer_bytes;
  static constexpr std::size_t receive_bytes_min = 4 * 1024;
  struct receipt {
    ssize_t bytes;                     // 0: the end; less: errno says why
    bool full;                         // there may be more
    bool in_room;                      // that the owner gave, or is about to
  };
  // One receive of at most `share` bytes, which become less: where the owner wants them, else into the one buffer of the turn. Told, if there
  // are any: the slot may be another's afterwards.
  receipt receive_once(socket_slot& s, std::size_t& share);
  // At the end of a turn.
  void drop_receive_buffer() noexcept { receive_ = chunk(); }

  void arm(std::uint32_t index, socket_slot& s, std::uint8_t interests);
  void disarm(socket_slot& s) noexcept;
  // Up to room.size() events of the set; `until` as in turn().
  std::size_t wait(std::span<epoll_event> room, instant until, bool look_only) noexcept;
  std::size_t dispatch(const epoll_event& event);
  int poller() const noexcept { return readiness_.poller.get(); }

  void set_alarm(instant when, alarm_kind kind, std::uint32_t index, std::uint32_t generation);
  // The slot whose send in flight this is to be; nullptr: the bytes go nowhere and are gone.
  socket_slot* begin_send(socket_id id, chain& bytes);
  std::size_t tell_sent(socket_id id);
  std::size_t tell_failure(socket_id id, int error);
  void end_sending(socket_slot& s) noexcept;
  // Closes the descriptor and frees the slot: the kernel has nothing of it any more.
  void give_back(std::uint32_t index) noexcept;
  void forget_listeners() noexcept { listeners_.clear(); }

  std::uint64_t system_calls_ = 0;     // one more wherever one is made that counts, by the engines as well
  send_store sends_;
  mutable slot_table slots_;
  buffer_pool* pool_ = nullptr;        // the loop's

 private:
  struct listener {
    sockets::listening socket;
    listener_events* events = nullptr;
    std::uint32_t generation = 0;
    std::uint8_t expected = 1;         // connections that wait when one does
    std::uint8_t events_met = 0;       // in a row with that many
    bool loopback_congestion = false;  // to be seen to for each that it accepts
    bool stumbling = false;            // told; until the next accept succeeds
  };
  struct alarm {
    instant when;
    alarm_kind kind;
    std::uint32_t index;
    std::uint32_t generation;
  };

  std::size_t hand_out(socket_id id);
  void settle_some();
  void reset_clock() noexcept;
  std::size_t sound_alarms(instant now);

  listener* find(listener_id id) noexcept;
  std::size_t accept_some(std::uint32_t index);
  bool accept_stumbled(std::uint32_t index, int error);
  void accept_again(std::uint32_t index, std::uint32_t generation);

  int begin_connect(std::uint32_t index, socket_slot& s, const sockets::address& to);
  void connect_again(socket_id id);
  std::size_t finish_connect(socket_id id);

  chunk receive_;                      // where bytes are received in this turn; who keeps some of them leaves us without
  readiness readiness_;
  std::vector<std::unique_ptr<listener>> listeners_;
  std::uint32_t listener_generation_ = 0;
  std::vector<socket_id> ready_;       // has something to tell without a new event
  std::vector<socket_id> telling_;     // ready_ of the turn before, while it is told
  std::vector<socket_id> unsettled_;
  std::vector<alarm> alarms_;          // a heap, earliest first
  instant clock_set_ = never;
  std::vector<std::pair<socket_id, sockets::address>> connecting_again_;   // unix sockets whose listener's backlog was full
  bool bbr_ = false;
  bool news_ = false;
  bool passed_ = false;                // the turn before did not look
};

}  // namespace hawser::inline v0::io
