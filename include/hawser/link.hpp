// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/error.hpp>
#include <hawser/base/export.hpp>
#include <hawser/io/engine.hpp>
#include <hawser/io/loop.hpp>
#include <hawser/io/timer.hpp>
#include <hawser/link/dial.hpp>
#include <hawser/link/entropy.hpp>
#include <hawser/link/listener.hpp>
#include <hawser/link/protocol.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace hawser::inline v0 {

struct link_statistics {
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;        // taken by the transport
  std::uint32_t receives = 0;          // buffers; these two wrap
  std::uint32_t sends = 0;
  std::size_t bytes_in_flight = 0;     // given to the transport, not yet taken
};

// One connection: drives a protocol over a socket, through as many stages as were pushed. Sends what the protocol gives at the end of
// each turn, one send in flight; keeps one timer, armed no more often than needed. A plain struct of 128 bytes (without
// stages and read limit), which allocates nothing itself. Loop thread only.
class HAWSER_API link final : private io::socket_events, private io::flushable, private io::timer {
 public:
  static constexpr std::size_t send_bytes_max = 256 * 1024;                          // of one send
  static constexpr duration linger_max = std::chrono::seconds(1);                    // close(): for the other side's FIN
  static constexpr duration drain_max = std::chrono::seconds(5);                     // close(): for each send that is not taken

  // The protocol must outlive the link, or be destroyed with it.
  link(loop& on, protocol& upper) noexcept;
  // Closes the socket if it is open (a send in flight still goes out, for at most 1 s); the protocol is not told.
  ~link();
  link(const link&) = delete;
  link& operator=(const link&) = delete;

  // Before the start: adds a stage between the protocol and those pushed earlier (the first pushed is next to the socket).
  void push_stage(std::unique_ptr<stage> next);

  // Starts on a socket that was just accepted, within listener_events::on_connection() or io's on_accept().
  void accept(io::socket_id id);
  // Starts on a socket that was dialled. If it was lost on the way, handle_end() and on_link_closed() say so in the next flush.
  void adopt(connected_socket socket);

  // The protocol may have something to send, or an earlier timeout: it is asked at the end of this turn. Cheap, any number of times.
  void transmit_later() noexcept;
  // The protocol is asked now, and what it gives is handed to the system, if nothing is on its way and there are no stages: for between
  // two events of a long input, so that the other side can begin with the first answers while the rest is still being worked on.
  void transmit_now();
  // Hands bytes to the system from where they lie, ahead of all that the protocol gives from here on; returns how many it took. Nothing while
  // something is on its way, through stages, or if the system takes none now. Calls nobody.
  std::size_t try_send(std::span<const byte_view> pieces);
  // Orderly: sends what the protocol still gives (each send taken within drain_max), sends FIN, waits for the other side's for
  // linger_max, dropping what arrives; then on_link_closed({}), or errc::closed when a stage let nothing in (its handshake was not
  // over): what the protocol still had is lost. handle_bytes() and handle_end() are not called any more.
  void close();
  // At once, nothing more is sent; on_link_closed(reason) comes at the end of this turn.
  void abort(std::error_code reason = make_error_code(errc::closed));

  bool open() const noexcept { return state_ == state::open; }
  // True until on_link_closed().
  bool alive() const noexcept { return state_ != state::idle && state_ != state::closed; }

  // Backpressure towards the other side: its bytes wait in the kernel. No effect once closing. A buffer on its way is still delivered.
  void pause_reading();
  void resume_reading();
  bool reading_paused() const noexcept { return paused_; }
  // Reads at most that many bytes a second, averaged over about a quarter of one; 0: no limit. Allocates 1 block.
  void limit_reading(std::uint64_t bytes_per_second);

  endpoint local() const;
  endpoint remote() const;
  io::socket_id socket() const noexcept { return socket_; }
  loop& on() const noexcept { return *loop_; }
  link_statistics stats() const noexcept;

 private:
  enum class state : std::uint8_t { idle, open, draining, lingering, lost, closed };
  struct HAWSER_LOCAL parts;      // stages and read limit

  void on_connected() override;
  void on_bytes(byte_view bytes) override;
  std::span<std::byte> poll_room() override;
  bool expects_room() const override;
  void on_filled(std::size_t count, byte_view rest) override;
  void on_end() override;
  void on_sent(std::size_t bytes) override;
  void on_failed(std::error_code reason) override;
  void flush() override;
  void on_timer() override;

  void begin(io::socket_id id);
  void lose(std::error_code reason);
  void send_more(instant now);
  std::size_t take_sent();
  void finish_draining();
  void arm_earliest();
  void finish_with(std::error_code reason);
  void remember(std::error_code reason) noexcept;
  // stages.cpp
  std::size_t fill(instant now, chain& out);
  std::size_t fill_from_stages(instant now, chain& out);
  bool deliver(std::size_t at, instant now, byte_view bytes);
  bool deliver_polled(std::size_t at, instant now);
  void end_of_stages(instant now);
  void lose_at_stage(instant now, std::error_code reason);
  void read_debit(std::size_t bytes);
  void report();

  loop* loop_;
  protocol* protocol_;
  io::socket_id socket_;
  std::unique_ptr<parts> parts_;
  std::uint64_t bytes_received_ = 0;
  std::uint64_t bytes_sent_ = 0;
  std::uint32_t receives_ = 0;
  std::uint32_t sends_ = 0;
  std::int32_t reason_value_ = 0;           // of the error_code for on_link_closed()
  std::uint32_t in_flight_bytes_ : 24 = 0;
  state state_ : 3 = state::idle;
  std::uint8_t reason_category_ : 2 = 0;
  bool paused_ : 1 = false;
  bool ended_ : 1 = false;                  // the other side's FIN has come
  bool finished_ : 1 = false;               // stages were told that nothing follows
};

static_assert(sizeof(void*) != 8 || sizeof(link) <= 128, "a link without stages is at most 128 bytes");

}  // namespace hawser::inline v0
