// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>
#include <hawser/base/error.hpp>
#include <hawser/base/export.hpp>
#include <hawser/base/time.hpp>
#include <hawser/proto/framed_messages.hpp>
#include <hawser/proto/limits.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

namespace hawser::inline v0::proto {

// What the other side said of itself. Views are valid until the next call on the connection.
struct remote_hello {
  limits announced;
  std::uint64_t features = 0;              // usable: both sides have sent it
  std::array<std::byte, 16> peer_id{};
  std::string_view name, metadata, token, software, application;
  std::uint8_t version = 1;
};

// What the peer opened. Views are valid until the next poll_event().
struct remote_open {
  channel_kind kind;
  std::string_view operation;              // empty: none
  std::optional<duration> deadline;        // from receipt
  std::uint8_t urgency = 3;
  byte_view meta;                          // TLVs; read with tlv_reader (proto/tlv.hpp)
};

enum class event_kind : std::uint8_t {
  hello,        // the peer's HELLO is here and sound: hello(). The acceptor now answers accept() or refuse(); the client is ready
  opened,       // the peer opened `channel`: open. Data, message and finished events follow
  head,         // bytes: TLVs of a HEAD (status and headers before data, or trailers)
  data,         // bytes of a channel whose bytes have no boundary (stream, request ...)
  message,      // one whole message (message, rpc, channel 1 ...)
  finished,     // the peer will send nothing more on `channel` (its FIN, when no `last` event has said so)
  reset,        // the peer gave the channel up: code, text. Nothing more arrives; sending is over too
  stopped,      // the peer asks to send no more: code. Answer with finish() or reset()
  writable,     // a write on `channel` that answered would_block may be tried again (channel 0: the connection's own limit)
  released,     // `channel` is gone, its id may be reused: the last event of a channel, when nothing else has said so
  pong,         // an answer to ping(): elapsed
  go_away,      // the peer ends the connection: code, text, opens_accepted; nothing can be opened any more
  closed,       // the connection is over: code. The last event of all; what poll_transmit() still gives should be sent before the FIN
};

struct event {
  event_kind kind;
  channel_id channel = 0;
  void* user = nullptr;                    // what set_user() gave the channel
  byte_view bytes = {};                    // valid until the next poll_event() or handle_*
  std::uint32_t cost = 0;                  // data, message: to be given back by consume(channel, cost)
  bool last = false;                       // data, message: the peer will send nothing more on the channel
  bool released = false;                   // ... and the channel is gone with this event: consume(0, cost)
  // reset, stopped, go_away, closed: a number of errc (local ones too: handshake_timeout ...), an application code, or 0 = orderly.
  // A code from the wire that names a local error, or none, arrives here as errc::internal.
  std::uint32_t code = 0;
  bool by_deadline = false;                // reset: our own deadline timer ended it
  std::string_view text = {};
  const remote_open* open = nullptr;       // opened
  std::uint64_t opens_accepted = 0;        // go_away
  duration elapsed{};                      // pong
};

// A message as poll_message() gives it: in one frame, and not the last of its channel.
struct plain_message {
  channel_id channel = 0;
  std::uint32_t cost = 0;
  void* user = nullptr;                    // what set_user() gave the channel
  byte_view bytes = {};                    // valid as those of an event
};

// A request as poll_request() gives it: opened by the alias of its operation, and with nothing else but the first bytes of its body.
struct plain_request {
  channel_id channel = 0;
  std::uint32_t cost = 0;                  // to be given back by consume(channel, cost)
  bool last = false;                       // it is all of the body
  std::string_view operation = {};         // valid as those of an event
  byte_view bytes = {};
};

// The rest of an own channel as poll_answer() gives it: its last bytes, with which it is gone.
struct plain_answer {
  channel_id channel = 0;                  // its id, which is free again
  std::uint32_t cost = 0;                  // to be given back by consume(0, cost)
  void* user = nullptr;                    // what set_user() gave the channel
  byte_view bytes = {};                    // valid as those of an event
};

// Whether a write is also the last: FIN in the same frame.
enum class end_mark : std::uint8_t { open, end };

struct open_options {
  channel_kind kind = channel_kind::stream;
  std::string_view operation = {};         // 1-255 bytes of UTF-8, or empty. Sent once, then by alias
  std::optional<duration> deadline = {};   // both sides cancel when it has passed
  std::uint8_t urgency = 3;                // 0 (first) - 7
  byte_view meta = {};                     // TLVs
  void* user = nullptr;                    // as set_user() would give it
};

// Takes bytes from where they lie, in the middle of connection::send(). Calls nobody.
class outlet {
 public:
  // How many of the first bytes of the pieces, which follow one another, the transport has taken. Asked while it has all that
  // poll_transmit() gave; what it takes now goes ahead of what that gives from here on.
  virtual std::size_t try_send(std::span<const byte_view> pieces) = 0;

 protected:
  ~outlet() = default;
};

// One HWS/1 connection, without a socket, a thread or a clock (spec/wire.md). Bytes in, events out, bytes to send out:
//
//   after every input and after commands:   poll_event() until it returns false (a command may cause events: accept(), reset() ...)
//   on bytes from the transport:  handle_bytes(now, bytes), then poll_event() until it returns false
//   then:  poll_transmit() and give the chain to the transport; handle_sent() when it was taken
//   at poll_timeout():            handle_timeout(now), then as above
//
// The span given to handle_bytes() is parsed by poll_event(), in place: it must stay until poll_event() has returned false, and
// no other handle_* may come before that. Commands may be called between events.
// When the connection ends, each channel that still lives gets its own end first: reset with `refused` for own opens that the
// other side says it did not process, with `connection_lost` for the others, then released; closed comes last.
// A watermark is looked at before something is queued: a channel below it takes any one legal message, however large.
// Memory comes from the pool, and a connection without open channels holds none. Whatever a peer does, in bytes of cost (payload,
// and 16 for each frame), with the names of settings and of limits:
//   held by the application   receive_bytes_max + the connection's window (at most window_bytes_max) + message_bytes_max,
//                             and what sized reads (want()) hold until they are complete
//   half messages             channels_max x channel_credit + reassembly_bytes_max for windows that were widened,
//                             + places x message_bytes_max, places = max(1, reassembly_bytes_max / message_bytes_max);
//                             a buffer may be up to four times as large as what is in it, and one as large as a message
//   sized reads               their windows: channels_max x channel_credit + window_bytes_max,
//                             + places x four times the largest read (half of which is overhead of small frames at most)
//   sending                   send_bytes_max + one write or message + 16 KiB for each channel + committed_bytes_max, and the control
//                             frames of one turn
//   before accept()           96 KiB and what one read brings
// Not thread-safe. Nothing here throws.
class HAWSER_API connection {
 public:
  // settings must outlive the connection. who: read during construction only. seed: entropy for hashing and ping payloads.
  connection(role side, const settings& with, const identity& who, buffer_pool& pool, instant now, std::uint64_t seed);
  ~connection();
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  // -- input
  void handle_bytes(instant now, byte_view bytes);
  // For transports that receive into memory which they are given. poll_room(): where the next bytes belong, empty if that is not known: the
  // rest of what is here of a frame, in the message that it is a part of. handle_filled(), with no other call in between: the first `count`
  // bytes of it were filled, and `rest` came behind them: as handle_bytes() of both.
  // expects_room(): poll_room() gives nothing, but after messages as large as the last ones it will, once the head of the next is here.
  std::span<std::byte> poll_room();
  bool expects_room() const noexcept;
  void handle_filled(instant now, std::size_t count, byte_view rest);
  void handle_end(instant now);                        // the transport ended or failed: closed(connection_lost) unless it was over
  void handle_sent(instant now, std::size_t bytes);    // the transport took this many of what poll_transmit() gave
  void handle_timeout(instant now);

  // -- output
  bool poll_event(event& out);
  bool event_due() const noexcept;                     // poll_event() would give something that no input led to
  // Takes the next event if it is a message that lies whole in one frame and in what handle_bytes() was given, on channel 1 or on a channel
  // of message kind, without the making of an event. false: ask poll_event(). Costs of several of a channel may be consumed at once.
  bool poll_message(plain_message& out);
  // Takes the next two events if they are opened and data of a request that lies whole in one frame and in what handle_bytes() was given,
  // without the making of events. false: ask poll_event().
  bool poll_request(plain_request& out);
  // Likewise if it is the data event, last and released, of an own channel of bytes.
  bool poll_answer(plain_answer& out);
  // Right after an opened event: the data or message that came with it, if it is here. Else nothing changes.
  bool poll_first(event& out);
  std::size_t unparsed_bytes() const noexcept;         // of what handle_bytes() was given
  // Moves up to max_bytes of frames to the end of `out`; returns how many bytes. Late binding: nothing is framed before it can go.
  std::size_t poll_transmit(instant now, chain& out, std::size_t max_bytes);
  bool wants_transmit() const noexcept;                // poll_transmit() would give something
  instant poll_timeout() const noexcept;
  // The transport should not be read before this instant: an abuse bucket is in debt (`never`: until the verdict accept() or refuse(),
  // when what is held has reached its bound). Not after now: read on.
  instant receive_after() const noexcept;

  // -- handshake (the server's decision, after event hello)
  // The server's preface and HELLO leave only with its verdict, so that a client that is ready was let in. refuse() sends preface and
  // GOAWAY(code, opens_accepted 0), which is legal as a first frame. What arrived before the verdict is held, within the floors.
  void accept(instant now);
  void refuse(errc code, std::string_view reason = {});    // then closed

  // -- the default message channel, and channels of message kind
  // Queues one message; it is copied before this returns. Errors: would_block (a writable event follows), message_too_big,
  // closed, end_of_stream (after finish()). All or nothing.
  result<> send(channel_id channel, byte_view message);
  // The same; a large message is offered to the transport first, if it would be next to go and nobody else sends. Only what is not taken is
  // copied and queued.
  result<> send(channel_id channel, byte_view message, outlet& now);
  // The same without copying payloads of 16 KiB and more: the chunk is shared until sent.
  result<> send(channel_id channel, const chunk& message);
  // All of them on channel 1, or none: errors as above. Where they can leave at once the block is shared, or copied as a whole.
  result<> send(const framed_messages& messages);

  // -- channels
  // Opens a channel and may send first bytes (a first message) with it; `end`: FIN in the same frame. A channel beyond the
  // peer's limit is would_block: nothing was opened; try again after a released event. Errors: closed, message_too_big (the open block).
  result<channel_id> open(instant now, const open_options& options, byte_view first, end_mark end);
  // A request with default options and all of its body, in two bytes and one frame, because nothing is in the way. 0: nothing was done, and
  // open() says why.
  channel_id open_at_once(instant now, std::string_view operation, byte_view body, void* user);
  // Queues bytes; returns how many were taken (all, or what fits under the watermark). 0 of some: would_block.
  // `end` counts only when everything was taken.
  result<std::size_t> write(channel_id channel, byte_view bytes, end_mark end = end_mark::open);
  result<std::size_t> write(channel_id channel, const chunk& bytes, end_mark end = end_mark::open);
  // How many bytes were framed at once, because nothing is in the way. 0: nothing was done, and write() says why.
  std::size_t write_at_once(channel_id channel, byte_view bytes);
  result<> write_head(channel_id channel, byte_view tlvs);         // status, headers, trailers; at most 2
  result<> finish(channel_id channel);                             // FIN after what is queued
  void reset(channel_id channel, std::uint32_t code, std::string_view reason = {});   // gives it up at once, both directions
  void stop(channel_id channel, std::uint32_t code);               // asks the peer to send no more; what still comes is discarded
  // The acceptor's work for this channel has ended (rule R2): without it the slot is never given back. Own channels: forgets
  // the user pointer; events stop except released. True: the channel is gone with this call, and no released event comes.
  bool work_done(channel_id channel);
  // finish() and work_done() in one: the newest frame of the channel takes both along, if it is still here.
  bool conclude(channel_id channel);
  // The application took bytes: their credit goes back. What it still holds of a channel when that is released moves to the
  // connection's account: consume(0, cost) then (the id may already be another channel's).
  void consume(channel_id channel, std::uint32_t cost);
  // The reader can take nothing before it has this many bytes: they are granted, in the order of asking when that is more than a
  // window, and what it holds meanwhile is no reason to withhold credit. Ends when as much was consumed, with want(channel, 0),
  // and with the channel's last byte. At most reassembly_bytes_max. Messages need none: they are granted as a whole.
  void want(channel_id channel, std::size_t bytes);
  void set_user(channel_id channel, void* user);
  void* user(channel_id channel) const noexcept;
  std::size_t queued_bytes(channel_id channel) const noexcept;
  std::size_t queued_bytes() const noexcept;

  // -- the connection
  void ping(instant now);                                                     // ends in a pong event
  // Graceful: opens nothing more, refuses what the peer opens, closes when no channel is left or `drain` has passed.
  // code != no error: closes at once.
  void go_away(instant now, std::uint32_t code, duration drain, std::string_view reason = {});
  // After go_away(): ends at once if all that was queued is taken, or is a small rest that waits for nothing but poll_transmit(). True:
  // closed is the next event. Channels that are open then are cut off.
  bool end_now(instant now);
  bool ready() const noexcept;                                     // both HELLOs are through
  bool over() const noexcept;                                      // closed was or will be the next event
  const remote_hello* hello() const noexcept;                      // nullptr before it arrived, and after forget_hello()
  // Nobody will ask for hello() any more: gives its memory back. No effect before ready().
  void forget_hello() noexcept;
  std::size_t message_bytes_max() const noexcept;                  // what the peer takes as one message; 0 before its HELLO arrived
  std::size_t open_channels() const noexcept;

  struct statistics {
    std::uint64_t bytes_received, bytes_sent, messages_received, messages_sent, opens_received, opens_sent, frames_received;
    duration round_trip;                                           // smoothed; 0: not known yet
    std::size_t bytes_buffered;                                    // held by the application, not consumed yet
    std::size_t connection_window, send_credit;
  };
  statistics stats() const noexcept;

 private:
  friend struct inspection;            // src/proto/mux/inspection.hpp, for tests
  struct HAWSER_LOCAL parts;
  std::unique_ptr<parts> parts_;
};

}  // namespace hawser::inline v0::proto
