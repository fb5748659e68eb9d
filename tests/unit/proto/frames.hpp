// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "proto/frame.hpp"
#include "unit/proto/connection_pair.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string>

// The peer as a string of bytes: what no sound implementation would send.

namespace hawser::proto::testing {

inline std::string frame_of(frame_type type, std::uint8_t flags, channel_id id, std::string_view payload) {
  std::byte header[header_bytes_max];
  const std::size_t size = put_header(header, type, flags, id, static_cast<std::uint32_t>(payload.size()));
  return std::string(reinterpret_cast<const char*>(header), size).append(payload);
}

inline std::string bytes_of(std::uint32_t value) {
  std::byte at[4];
  store_le(at, value);
  return std::string(reinterpret_cast<const char*>(at), 4);
}

// Preface and HELLO, with these fields.
inline std::string greeting(std::string_view fields = {}) {
  std::byte at[preface_bytes];
  put_preface(at, {version_newest, version_oldest});
  return std::string(reinterpret_cast<const char*>(at), preface_bytes) + frame_of(frame_type::hello, frame_flag::none, 0, fields);
}

// Keeps to its credit, and to nothing else.
struct miser {
  explicit miser(side& of_) : of(of_) {}
  side& of;
  std::int64_t connection = 1 << 20;
  std::map<channel_id, std::int64_t> channels;

  std::int64_t& channel(channel_id id) { return channels.try_emplace(id, 65'536).first->second; }
  std::int64_t room(channel_id id) { return std::min(channel(id), connection); }
  // Empty-handed when the credit is too small.
  bool send(channel_id id, std::uint8_t flags, std::size_t size) {
    const auto cost = static_cast<std::int64_t>(size + 16);
    if (room(id) < cost) return false;
    channel(id) -= cost;
    connection -= cost;
    of.give(frame_of(frame_type::data, flags, id, std::string(size, 'x')));
    read();
    return true;
  }
  // Takes what the connection says, for the credit in it.
  void read() {
    const std::string said = of.take();
    for (std::size_t at = 0; at < said.size();) {
      frame_header header{};
      if (decode_header(as_bytes(said).subspan(at), header) != decode_status::header) return;
      if (header.type == frame_type::credit) {
        const auto increment = load_le<std::uint32_t>(as_bytes(said).data() + at + header.size);
        (header.channel == 0 ? connection : channel(header.channel)) += increment;
      }
      at += header.size + header.length;
    }
  }
};

}  // namespace hawser::proto::testing
