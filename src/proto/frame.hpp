// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/bytes.hpp>
#include <hawser/base/contract.hpp>
#include <hawser/base/error.hpp>
#include <hawser/proto/limits.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

// The frame codec of HWS/1 (spec/wire.md, sections 1, 2 and 9). No state, no allocation; what runs per frame is inline.

namespace hawser::inline v0::proto {

enum class frame_type : std::uint8_t {
  data = 1, open = 2, credit = 3, reset = 4, stop = 5, release = 6, ping = 7, go_away = 8, hello = 9, head = 10,
  skip_first = 11, skip_last = 12,
};

// Bits of frame_header::flags, where the first byte of the header has them.
namespace frame_flag {
inline constexpr std::uint8_t none = 0x00;
inline constexpr std::uint8_t more = 0x10;
inline constexpr std::uint8_t fin = 0x20;
inline constexpr std::uint8_t rel = 0x40;
}  // namespace frame_flag

inline constexpr std::size_t short_header_bytes = 4;
inline constexpr std::size_t header_bytes_max = 8;
inline constexpr std::uint32_t short_field_max = 4'095;             // largest channel and length of the short form
inline constexpr std::uint32_t wide_field_max = (1u << 28) - 1;     // of the long form
inline constexpr std::size_t reason_bytes_max = 1'024;              // RESET, STOP
inline constexpr std::size_t go_away_reason_bytes_max = 256;
inline constexpr std::size_t hello_bytes_max = 16 * 1'024;          // always accepted, whatever max_frame is

struct frame_header {
  channel_id channel;
  std::uint32_t length;          // of the payload
  frame_type type;
  std::uint8_t flags;            // frame_flag bits
  std::uint8_t size;             // of this header: 4 or 8
};

enum class decode_status : std::uint8_t { header, need_more, error };

namespace detail {
// One byte per type: bit n is set when n = MORE | FIN << 1 | REL << 2 is a legal combination. Reserved types have none.
inline constexpr std::array<std::uint8_t, 16> legal_flags = {
    0x00,  // 0 reserved: a word of zero is always an error
    0x47,  // data: none, MORE, FIN, FIN|REL
    0x07,  // open: none, MORE, FIN
    0x01,  // credit
    0x11,  // reset: none, REL
    0x01,  // stop
    0x01,  // release
    0x05,  // ping: none (ask), FIN (answer)
    0x01,  // go_away
    0x01,  // hello
    0x01,  // head
    0xff,  // skip types: their flags are not ours to judge
    0xff,
    0x00, 0x00, 0x00,
};
}  // namespace detail

// Reads the header at the front of `bytes`. need_more: too few bytes to tell. error: the connection ends with errc::protocol
// (reserved type, illegal flags, or a long form where the short one would do). Writes `out` only with `header`.
[[nodiscard]] inline decode_status decode_header(byte_view bytes, frame_header& out) noexcept {
  if (bytes.size() < short_header_bytes) return decode_status::need_more;
  const auto word = load_le<std::uint32_t>(bytes.data());
  const std::uint32_t type = word & 0x0f;
  if ((detail::legal_flags[type] >> (word >> 4 & 7) & 1) == 0) [[unlikely]] return decode_status::error;
  out.type = static_cast<frame_type>(type);
  out.flags = static_cast<std::uint8_t>(word & 0x70);
  out.channel = word >> 8 & 0xfff;
  out.length = word >> 20;
  out.size = short_header_bytes;
  if (word & 0x80) [[unlikely]] {
    if (bytes.size() < header_bytes_max) return decode_status::need_more;
    const auto wide = load_le<std::uint32_t>(bytes.data() + short_header_bytes);
    if (wide == 0) return decode_status::error;
    out.channel |= (wide & 0xffff) << 12;
    out.length |= (wide >> 16) << 12;
    out.size = header_bytes_max;
  }
  return decode_status::header;
}

// How many bytes put_header() writes.
constexpr std::size_t header_size(channel_id channel, std::uint32_t length) noexcept {
  return (channel | length) <= short_field_max ? short_header_bytes : header_bytes_max;
}

// Writes the header, in the short form when both numbers fit; returns its size. Both are at most wide_field_max.
inline std::size_t put_header(std::byte* to, frame_type type, std::uint8_t flags, channel_id channel, std::uint32_t length) noexcept {
  const std::uint32_t word = static_cast<std::uint32_t>(type) | flags | (channel & 0xfff) << 8 | length << 20;
  if ((channel | length) <= short_field_max) [[likely]] {
    store_le<std::uint32_t>(to, word);
    return short_header_bytes;
  }
  store_le<std::uint32_t>(to, word | 0x80);
  store_le<std::uint32_t>(to + short_header_bytes, (channel >> 12 & 0xffff) | (length >> 12) << 16);
  return header_bytes_max;
}

// What a header must satisfy beyond decode_header(): which channel its type may name and which payload lengths it may have.
// open_block_bytes_max and frame_bytes_max are what this side announced (HELLO is measured against hello_bytes_max instead).
// Zero: sound. Otherwise errc::protocol or errc::frame_size, both ends of the connection.
inline errc check_header(const frame_header& header, std::uint32_t frame_bytes_max, std::uint32_t open_block_bytes_max) noexcept;
errc check_control_header(const frame_header& header, std::uint32_t frame_bytes_max, std::uint32_t open_block_bytes_max) noexcept;

inline errc check_header(const frame_header& header, std::uint32_t frame_bytes_max, std::uint32_t open_block_bytes_max) noexcept {
  if (header.type == frame_type::data && header.channel != 0 && header.length <= frame_bytes_max) [[likely]] return errc{};
  return check_control_header(header, frame_bytes_max, open_block_bytes_max);
}

// -- whole control frames. Each put_* writes header and payload and returns the size; `to` has room for frame_bytes_of below.

inline constexpr std::size_t credit_frame_bytes_max = header_bytes_max + 4;
inline constexpr std::size_t release_frame_bytes_max = header_bytes_max;
inline constexpr std::size_t ping_frame_bytes = short_header_bytes + 8;
inline constexpr std::size_t code_frame_bytes_max = header_bytes_max + 4 + reason_bytes_max;       // RESET, STOP
inline constexpr std::size_t go_away_frame_bytes_max = short_header_bytes + 16 + go_away_reason_bytes_max;

inline std::size_t put_credit(std::byte* to, channel_id channel, std::uint32_t increment) noexcept {
  const std::size_t size = put_header(to, frame_type::credit, frame_flag::none, channel, 4);
  store_le(to + size, increment);
  return size + 4;
}
inline std::size_t put_release(std::byte* to, channel_id channel) noexcept {
  return put_header(to, frame_type::release, frame_flag::none, channel, 0);
}
enum class ping_kind : std::uint8_t { ask, answer };
inline std::size_t put_ping(std::byte* to, ping_kind kind, std::uint64_t payload) noexcept {
  const std::size_t size = put_header(to, frame_type::ping, kind == ping_kind::answer ? frame_flag::fin : frame_flag::none, 0, 8);
  store_le(to + size, payload);
  return size + 8;
}
// A reason that is too long is cut at a character's boundary.
std::size_t put_reset(std::byte* to, channel_id channel, std::uint8_t flags, std::uint32_t code, std::string_view reason) noexcept;
std::size_t put_stop(std::byte* to, channel_id channel, std::uint32_t code, std::string_view reason) noexcept;
std::size_t put_go_away(std::byte* to, std::uint32_t code, std::uint32_t drain_ms, std::uint64_t opens_accepted,
                        std::string_view reason) noexcept;

// -- payloads of control frames. The header was checked, so lengths fit; false: errc::protocol. Views point into the payload.

struct code_payload {
  std::uint32_t code;
  std::string_view reason;
};
struct go_away_payload {
  std::uint32_t code, drain_ms;
  std::uint64_t opens_accepted;
  std::string_view reason;
};
[[nodiscard]] bool parse_code(byte_view payload, code_payload& out) noexcept;           // RESET, STOP
[[nodiscard]] bool parse_go_away(byte_view payload, go_away_payload& out) noexcept;

// -- preface

inline constexpr std::size_t preface_bytes = 8;
inline constexpr std::uint8_t version_newest = 1;
inline constexpr std::uint8_t version_oldest = 1;

struct preface {
  std::uint8_t version_max, version_min;
};
std::size_t put_preface(std::byte* to, preface versions) noexcept;
// error: not our magic (told at the first byte that differs): close without a word.
[[nodiscard]] decode_status decode_preface(byte_view bytes, preface& out) noexcept;
// The version that both sides speak, 0 when there is none (then errc::version).
std::uint8_t common_version(preface ours, preface theirs) noexcept;

}  // namespace hawser::inline v0::proto
