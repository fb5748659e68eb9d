// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/bytes.hpp>

namespace hawser::inline v0::proto {

// True when the bytes are well-formed UTF-8 (RFC 3629): shortest forms, no surrogates, nothing above U+10FFFF.
bool utf8_valid(byte_view bytes) noexcept;

}  // namespace hawser::inline v0::proto
