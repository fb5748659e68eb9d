// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/time.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

namespace hawser::inline v0::proto {

// Which side opened the transport. The client sends first and opens odd channels.
enum class role : std::uint8_t { client, server };

// 28 bits. 0 is the connection, 1 the default message channel.
using channel_id = std::uint32_t;
inline constexpr channel_id message_channel = 1;

enum class channel_kind : std::uint8_t {
  stream = 0, message = 1, request = 2, rpc = 3, broadcast = 6, response = 7,
  application_first = 12, application_last = 15,
};

// What one side announces in HELLO: what it is ready to receive (spec/wire.md, section 1). Defaults are what hawser announces,
// which is more than a silent peer is assumed to accept.
struct limits {
  std::uint32_t frame_bytes_max = 256 * 1024;         // one frame's payload. Raised: longer holds of a half-received frame
  std::uint32_t message_bytes_max = 1 << 20;          // reassembled. Raised: the reassembly budget must follow
  std::uint32_t channels_max = 256;                   // channels the peer may have open here. Raised: more concurrent work per peer
  std::uint32_t channel_credit = 65'536;              // initial credit of each channel, with 16 bytes of cost per frame
  std::uint32_t connection_credit = 1 << 20;
  std::uint16_t open_block_bytes_max = 4'096;
  std::uint16_t alias_slots = 256;
  std::uint32_t idle_timeout_ms = 60'000;             // 0 = never
  std::uint8_t pings_in_flight_max = 4;               // at most 4
};

// Who this side is, as HELLO tells it. Everything may be empty.
struct identity {
  std::array<std::byte, 16> peer_id{};
  std::string name;                  // 1-64 bytes of UTF-8
  std::string metadata;              // <= 4,096 bytes, opaque
  std::string token;                 // <= 4,096 bytes, opaque
  std::string software = "hawser";
  std::string application;           // <= 64 bytes; must be equal on both sides
  std::uint64_t features = 0;
};

// Everything about a connection that does not change while it lives; shared by all connections of a peer, must outlive them.
struct settings {
  limits announced;
  std::size_t receive_bytes_max = std::size_t{4} << 20;      // rx_limit: bytes buffered by the application before connection credit is withheld
  std::size_t reassembly_bytes_max = std::size_t{4} << 20;   // for messages and sized reads larger than their window
  std::size_t window_bytes_max = std::size_t{32} << 20;      // how far auto-tuning may widen a window, and all channels together
  std::size_t channel_send_bytes_max = 256 * 1024;           // high water of one channel: writes answer would_block above it
  std::size_t send_bytes_max = std::size_t{1} << 20;         // of the connection, all channels together; above it a channel takes 16 KiB when nothing of it waits
  // Framed and handed to the transport, not taken by it yet; half of it while several channels have much to send, and 32 KiB while
  // somebody sends small things beside one that sends much (16 KiB while more than about 100 KiB is not yet read, 8 KiB if the other side
  // sends much, too).
  // Raised: larger writes, and urgent or small messages that wait longer. With socket_options::unsent_bytes_max it stays below 256 KiB.
  std::size_t committed_bytes_max = 128 * 1024;
  duration handshake_timeout = std::chrono::seconds(5);
  duration frame_timeout = std::chrono::seconds(30);         // a started frame must be complete
  // Data pending, no credit, no progress: resets the channel; for channel 1 it ends the connection. Off for peers.
  duration stall_timeout = duration::max();
  bool abuse_buckets = true;
};

}  // namespace hawser::inline v0::proto
