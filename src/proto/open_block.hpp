// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/bytes.hpp>
#include <hawser/base/error.hpp>
#include <hawser/base/time.hpp>
#include <hawser/proto/limits.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

// The block at the front of an OPEN's payload (spec/wire.md, section 4).

namespace hawser::inline v0::proto {

inline constexpr std::uint8_t urgency_default = 3;
inline constexpr std::uint8_t urgency_max = 7;
inline constexpr std::size_t operation_bytes_max = 255;

struct open_block {
  channel_kind kind = channel_kind::stream;    // any value of 4 bits after parsing: see kind_known()
  std::uint8_t urgency = urgency_default;
  std::uint16_t alias = 0;                     // the operation by its alias; 0: literal or none
  std::uint16_t assign = 0;                    // with a literal: the alias it gets; 0: none
  std::string_view operation;                  // the literal, empty: alias or none
  std::optional<std::uint64_t> deadline_ms;    // from receipt
  byte_view meta;                              // TLVs
};

// Kinds that version 1 defines; an OPEN of any other is refused, without ending the connection.
constexpr bool kind_known(channel_kind kind) noexcept {
  const auto value = static_cast<unsigned>(kind);
  return value <= 3 || value == 6 || value == 7 || value >= 12;
}
// Kinds whose DATA are whole messages (MORE joins frames); the others carry bytes.
constexpr bool kind_has_messages(channel_kind kind) noexcept {
  return kind == channel_kind::message || kind == channel_kind::rpc;
}

// A deadline in the form of the wire, rounded up to whole milliseconds; negative ones are 0.
std::uint64_t deadline_to_wire(duration deadline) noexcept;
duration deadline_from_wire(std::uint64_t ms) noexcept;      // saturates at duration::max()

// How many bytes put_open_block() writes.
std::size_t open_block_size(const open_block& block) noexcept;
// Writes the block; returns its size. operation is at most 255 bytes of UTF-8, urgency at most 7, kind at most 15.
std::size_t put_open_block(std::byte* to, const open_block& block) noexcept;

// What nearly every OPEN of a request has: an operation by a low alias, and nothing else. Two bytes.
namespace plain_block {
inline constexpr std::size_t size = 2;
inline constexpr unsigned first_bits = 0x10;             // above the kind: an operation
inline constexpr std::uint16_t alias_end = 64;           // its word takes one byte
inline bool fits(const open_block& block) noexcept {
  return block.alias != 0 && block.alias < alias_end && !block.deadline_ms && block.urgency == urgency_default && block.meta.empty();
}
inline void put(std::byte* to, channel_kind kind, std::uint16_t alias) noexcept {
  to[0] = static_cast<std::byte>((static_cast<unsigned>(kind) & 0x0f) | first_bits);
  to[1] = static_cast<std::byte>(alias << 1);
}
// The alias; 0: not this form, or not an alias.
inline std::uint16_t alias_in(byte_view payload) noexcept {
  if (payload.size() < size || (std::to_integer<unsigned>(payload[0]) & 0xf0) != first_bits) return 0;
  const auto word = std::to_integer<unsigned>(payload[1]);
  return (word & 0x81) == 0 ? static_cast<std::uint16_t>(word >> 1) : std::uint16_t{0};
}
}  // namespace plain_block

// Reads the block at the front of an OPEN's payload. `size` gets the block's length: the first data follow it. Views point
// into the payload. alias_slots: what this side announced (0 until it has). errc{}, errc::protocol, or errc::frame_size when
// the block is longer than block_bytes_max. Whether an alias is assigned is the alias table's to say.
[[nodiscard]] errc parse_open_block(byte_view payload, std::uint32_t block_bytes_max, std::uint16_t alias_slots, open_block& out,
                                    std::size_t& size) noexcept;

}  // namespace hawser::inline v0::proto
