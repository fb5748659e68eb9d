// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <proto/utf8.hpp>

#include <cstdint>

namespace hawser::inline v0::proto {

bool utf8_valid(byte_view bytes) noexcept {
  const std::size_t size = bytes.size();
  std::size_t at = 0;
  while (at < size) {
    const auto first = static_cast<std::uint8_t>(bytes[at]);
    if (first < 0x80) {
      ++at;
      continue;
    }
    // The second byte's range excludes long forms, surrogates and code points beyond the last.
    std::size_t length = 0;
    std::uint8_t low = 0x80, high = 0xbf;
    if (first >= 0xc2 && first <= 0xdf) {
      length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
      length = 3;
      if (first == 0xe0) low = 0xa0;
      if (first == 0xed) high = 0x9f;
    } else if (first >= 0xf0 && first <= 0xf4) {
      length = 4;
      if (first == 0xf0) low = 0x90;
      if (first == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    if (size - at < length) return false;
    const auto second = static_cast<std::uint8_t>(bytes[at + 1]);
    if (second < low || second > high) return false;
    for (std::size_t i = 2; i < length; ++i) {
      if ((static_cast<std::uint8_t>(bytes[at + i]) & 0xc0) != 0x80) return false;
    }
    at += length;
  }
  return true;
}

}  // namespace hawser::inline v0::proto
