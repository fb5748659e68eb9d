// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "testing/fifo.hpp"

#include <hawser/base/buffer.hpp>
#include <hawser/base/time.hpp>
#include <hawser/io/engine.hpp>
#include <hawser/testing/network.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <system_error>

// What the systems of the simulated hosts know of a connection. Plain records; the rules are in flow.cpp, handshake.cpp and closing.cpp.

namespace hawser::inline v0::testing::sim {

struct process;
struct machine;

// Names one side of a connection by slot and generation, as io::socket_id does.
struct side_name {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint8_t side = 0;
};

// One direction of a link. The connections that have something to send wait in line; each sends a segment and lines up again.
struct wire {
  link_options how;
  instant busy_until{};
  std::uint64_t remainder = 0;      // of the division that gave busy_until: no rounding adds up
  fifo<side_name> line;
  bool armed = false;
};

struct link {
  wire directions[2];
  machine* ends[2] = {nullptr, nullptr};
  std::size_t number = 0;
  bool down = false;
};

struct acknowledgement {
  instant at;                // when the sender learns it
  std::uint64_t arrived;
  std::uint64_t edge;        // the receiver has room up to here
};

// The bytes that one side sends, as positions in the stream: read <= arrived <= sent <= written.
struct pipe {
  fifo<chunk> store;         // from read to written
  std::uint64_t written = 0;
  std::uint64_t sent = 0;
  std::uint64_t arrived = 0;
  std::uint64_t read = 0;
  std::uint64_t acked = 0;   // what the sender knows of arrived
  std::uint64_t edge = 0;
  fifo<acknowledgement> acks;
  instant last_arrival{};
  instant progress{};        // since when nothing more was acknowledged
  instant stalled_since{};
  bool end_wanted = false;
  bool end_sent = false;
  bool end_arrived = false;
  bool in_line = false;
  bool stalled = false;           // lost something to a cut, waits for the next retransmission
  bool stopped = false;           // nothing more is sent, ever
  bool timeout_armed = false;
  bool ack_wanted = false;
  bool ack_armed = false;
};

enum class phase : std::uint8_t {
  absent,        // the other side's SYN has not arrived
  connecting,
  embryo,        // established, waits to be accepted
  open,
  failed,        // on_failed() was called, the owner has still to close
  draining,      // closed by its owner; something is unsent or unacknowledged, what comes is thrown away
  orphan,        // closed; the system sends what it has
  gone,
};

struct side {
  phase state = phase::absent;
  bool started = false;            // has events
  bool paused = false;
  bool queued = false;             // stands in the owner's ready line
  bool connected_due = false;
  bool sent_due = false;
  bool end_delivered = false;
  bool send_failed = false;        // a send ran into the failure: a paused owner learns of it
  machine* home = nullptr;
  process* owner = nullptr;
  io::socket_events* events = nullptr;
  std::error_code failure;         // due when set and state is open or connecting
  std::optional<chain> sending;    // what the system has not taken yet
  std::size_t sending_bytes = 0;
  pipe out;
  endpoint local;
  io::socket_options options;
};

// Whether on_failed() is due: what had arrived before goes first; while receiving is paused, nobody looks unless a send failed.
inline bool failure_due(const side& s, const pipe& in) noexcept {
  return s.failure && s.state != phase::failed && (in.read == in.arrived || (s.paused && s.send_failed));
}

// Whether the owner may still use the socket.
inline bool held(const side& s) noexcept { return s.state == phase::connecting || s.state == phase::open || s.state == phase::failed; }

// Whether send() and shutdown_sending() mean something: what is sent while connecting waits for the connection.
inline bool sends(const side& s) noexcept { return s.state == phase::connecting || s.state == phase::open; }

struct connection {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint64_t serial = 0;
  link* route = nullptr;
  bool flipped = false;            // side 0 sends on directions[1]
  bool unix_path = false;
  std::uint8_t attempts = 0;
  std::uint32_t epoch = 0;         // a cut raises it: what was under way is void
  side sides[2];
};

struct listener {
  std::uint32_t generation = 0;
  bool open = false;
  bool queued = false;
  bool pausing = false;            // after a stumble
  process* owner = nullptr;
  io::listener_events* events = nullptr;
  endpoint where;
  io::listen_options options;
  io::socket_options accepted;
  fifo<side_name> backlog;
};

}  // namespace hawser::inline v0::testing::sim
