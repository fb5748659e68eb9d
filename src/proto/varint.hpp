// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/bytes.hpp>

#include <cstddef>
#include <cstdint>

namespace hawser::inline v0::proto {

// Prefix varints (spec/wire.md, section 1): the first byte tells the size, the rest follows big endian.
//   0xxxxxxx 1 byte, 7 bits | 10xxxxxx 2 bytes, 14 bits | 110xxxxx 4 bytes, 29 bits | 11100000 8 bytes, 56 bits
inline constexpr std::uint64_t varint_max = (std::uint64_t{1} << 56) - 1;
inline constexpr std::size_t varint_bytes_max = 8;

constexpr std::size_t varint_size(std::uint64_t value) noexcept {
  return value < (1u << 7) ? 1 : value < (1u << 14) ? 2 : value < (1u << 29) ? 4 : 8;
}

// Writes `value` (at most varint_max) in its shortest form; returns how many bytes that took.
inline std::size_t put_varint(std::byte* to, std::uint64_t value) noexcept {
  if (value < (1u << 7)) {
    to[0] = static_cast<std::byte>(value);
    return 1;
  }
  const std::size_t size = varint_size(value);
  for (std::size_t i = size; i-- > 1; value >>= 8) to[i] = static_cast<std::byte>(value);
  to[0] = static_cast<std::byte>(value | (size == 2 ? 0x80u : size == 4 ? 0xc0u : 0xe0u));
  return size;
}

// Reads fields from a range that is complete in memory. The first read that does not fit makes this and every later one fail.
class byte_reader {
 public:
  explicit byte_reader(byte_view bytes) noexcept : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool failed() const noexcept { return failed_; }
  bool at_end() const noexcept { return at_ == end_; }
  std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  const std::byte* position() const noexcept { return at_; }

  template <class Integer>
  Integer fixed() noexcept {
    if (left() < sizeof(Integer)) return fail<Integer>();
    const Integer value = load_le<Integer>(at_);
    at_ += sizeof(Integer);
    return value;
  }

  // Fails on first bytes that are not assigned, and on values that a shorter form could have held.
  std::uint64_t varint() noexcept {
    if (at_ == end_) return fail<std::uint64_t>();
    const auto first = static_cast<std::uint8_t>(*at_);
    if (first < 0x80) {
      ++at_;
      return first;
    }
    return long_varint(first);
  }

  // A view into the range that was given.
  byte_view bytes(std::uint64_t count) noexcept {
    if (count > left()) {
      failed_ = true;
      at_ = end_;
      return {};
    }
    const byte_view view(at_, static_cast<std::size_t>(count));
    at_ += count;
    return view;
  }

 private:
  template <class Integer>
  Integer fail() noexcept {
    failed_ = true;
    at_ = end_;
    return 0;
  }
  std::uint64_t long_varint(std::uint8_t first) noexcept {
    if (first > 0xe0) return fail<std::uint64_t>();
    const std::size_t size = first < 0xc0 ? 2 : first < 0xe0 ? 4 : 8;
    if (left() < size) return fail<std::uint64_t>();
    std::uint64_t value = first & (size == 2 ? 0x3fu : size == 4 ? 0x1fu : 0u);
    for (std::size_t i = 1; i < size; ++i) value = value << 8 | static_cast<std::uint8_t>(at_[i]);
    if (varint_size(value) != size) return fail<std::uint64_t>();
    at_ += size;
    return value;
  }

  const std::byte* at_;
  const std::byte* end_;
  bool failed_ = false;
};

}  // namespace hawser::inline v0::proto
