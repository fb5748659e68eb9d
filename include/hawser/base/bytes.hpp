// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace hawser::inline v0 {

// Bytes that somebody else owns. Each function that takes or gives one says how long it stays valid.
using byte_view = std::span<const std::byte>;

inline byte_view as_bytes(std::string_view text) noexcept {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}
inline std::string_view as_text(byte_view bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Little-endian loads and stores at any alignment: the byte order of HWS/1 (spec/wire.md).
template <class Integer>
Integer load_le(const std::byte* from) noexcept {
  Integer value;
  std::memcpy(&value, from, sizeof value);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  Integer swapped = 0;
  for (std::size_t i = 0; i < sizeof value; ++i) swapped = static_cast<Integer>((swapped << 8) | ((value >> (8 * i)) & 0xff));
  return swapped;
#else
  return value;
#endif
}
template <class Integer>
void store_le(std::byte* to, Integer value) noexcept {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  for (std::size_t i = 0; i < sizeof value; ++i) to[i] = static_cast<std::byte>(value >> (8 * i));
#else
  std::memcpy(to, &value, sizeof value);
#endif
}

}  // namespace hawser::inline v0
