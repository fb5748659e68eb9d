// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/bytes.hpp>
#include <hawser/base/export.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

// Lists of `type | length | value`, as OPEN meta and HEAD carry them (spec/wire.md, section 7).

namespace hawser::inline v0::proto {

namespace tlv {
inline constexpr std::uint64_t status = 0x01;           // u32: the outcome of a request, before its data or as a trailer
inline constexpr std::uint64_t codec = 0x02;            // varint
inline constexpr std::uint64_t extra_credit = 0x03;     // u32: raises what the acceptor may send at once
inline constexpr std::uint64_t broadcast_id = 0x10;     // 16 bytes
inline constexpr std::uint64_t origin = 0x11;           // 16 bytes: a peer id, asserted by the neighbour
inline constexpr std::uint64_t ttl = 0x12;              // u8, 8 when absent
inline constexpr std::uint64_t broadcast_flags = 0x14;  // u32: 1 answers wanted, 2 not to the sender itself
inline constexpr std::uint64_t expiry_ms = 0x15;        // u32
inline constexpr std::uint64_t in_reply_to = 0x18;      // varint: a channel
inline constexpr std::uint64_t schema = 0x20;           // u64
inline constexpr std::uint64_t destination = 0x21;      // 16 bytes
inline constexpr std::uint64_t trace_context = 0x40;    // 26 bytes
inline constexpr std::uint64_t application_first = 0x80;  // from here on: the application's own
inline constexpr std::uint64_t header = 0x80;           // `varint key length | key | value`: one named header, as requests and answers use them
}  // namespace tlv

struct HAWSER_API tlv_item {
  std::uint64_t type = 0;
  byte_view value;                 // into the bytes that are read

  // The value as a number; nothing when its length is not that of the type.
  std::optional<std::uint8_t> u8() const noexcept;
  std::optional<std::uint32_t> u32() const noexcept;
  std::optional<std::uint64_t> u64() const noexcept;
  std::optional<std::uint64_t> varint() const noexcept;
};

// A named header of a request or an answer. Both views point into the bytes that are read.
struct header_item {
  std::string_view key;
  byte_view value;
};

// Walks a list in place. Copies nothing, allocates nothing; the bytes must outlive the reader and what it gave out.
class HAWSER_API tlv_reader {
 public:
  explicit tlv_reader(byte_view bytes) noexcept : bytes_(bytes) {}

  // The next item; false at the end or where the list is broken (then malformed() is true).
  bool next(tlv_item& out) noexcept;
  bool malformed() const noexcept { return malformed_; }

  // The first item of that type in the whole list, wherever next() stands.
  std::optional<tlv_item> find(std::uint64_t type) const noexcept;
  std::optional<std::uint32_t> status() const noexcept;
  // The value of the first header with that name; names compare byte by byte.
  std::optional<byte_view> find_header(std::string_view key) const noexcept;

 private:
  byte_view bytes_;
  std::size_t at_ = 0;
  bool malformed_ = false;
};

// Splits an item of type tlv::header; nothing when the item is another one or is broken.
HAWSER_API std::optional<header_item> as_header(const tlv_item& item) noexcept;

// True when the bytes are a complete list of items.
HAWSER_API bool tlv_well_formed(byte_view bytes) noexcept;

// Builds a list in memory of its own. bytes() stays valid until the next call that adds, or clear().
class HAWSER_API tlv_writer {
 public:
  tlv_writer& add(std::uint64_t type, byte_view value);          // types and lengths up to 2^56 - 1
  tlv_writer& add_u8(std::uint64_t type, std::uint8_t value);
  tlv_writer& add_u32(std::uint64_t type, std::uint32_t value);
  tlv_writer& add_u64(std::uint64_t type, std::uint64_t value);
  tlv_writer& add_varint(std::uint64_t type, std::uint64_t value);
  tlv_writer& add_status(std::uint32_t value) { return add_u32(tlv::status, value); }
  tlv_writer& add_header(std::string_view key, byte_view value);
  tlv_writer& add_header(std::string_view key, std::string_view value) { return add_header(key, as_bytes(value)); }

  byte_view bytes() const noexcept { return bytes_; }
  bool empty() const noexcept { return bytes_.empty(); }
  void clear() noexcept { bytes_.clear(); }

 private:
  std::byte* extend(std::size_t count);
  void put_prefix(std::uint64_t type, std::uint64_t length);
  std::vector<std::byte> bytes_;
};

}  // namespace hawser::inline v0::proto
