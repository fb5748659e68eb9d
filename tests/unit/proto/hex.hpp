// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/bytes.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace hawser::tests {

// "01 0a ff" to bytes; anything that is no hex digit is passed over.
inline std::vector<std::byte> from_hex(std::string_view text) {
  std::vector<std::byte> bytes;
  int high = -1;
  for (const char c : text) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) continue;
    if (high < 0) {
      high = digit;
    } else {
      bytes.push_back(static_cast<std::byte>(high << 4 | digit));
      high = -1;
    }
  }
  return bytes;
}

inline std::string to_hex(byte_view bytes) {
  std::string text;
  for (const std::byte b : bytes) {
    if (!text.empty()) text += ' ';
    text += "0123456789abcdef"[static_cast<unsigned>(b) >> 4];
    text += "0123456789abcdef"[static_cast<unsigned>(b) & 15];
  }
  return text;
}

}  // namespace hawser::tests
