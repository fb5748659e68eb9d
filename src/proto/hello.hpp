// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/bytes.hpp>
#include <hawser/base/error.hpp>
#include <hawser/proto/connection.hpp>
#include <hawser/proto/limits.hpp>

#include <cstddef>
#include <cstdint>

// HELLO: what each side announces of itself (spec/wire.md, section 1).

namespace hawser::inline v0::proto {

namespace feature {
inline constexpr std::uint64_t schema_check = 1u << 0;
inline constexpr std::uint64_t mesh = 1u << 1;
}  // namespace feature

// What a HELLO that leaves a field out means.
limits default_limits() noexcept;
// What every peer accepts before its HELLO has been seen; no peer announces less.
limits floor_limits() noexcept;
// The most that may be announced.
limits ceiling_limits() noexcept;
// errc{} or errc::protocol: below a floor, above a ceiling, or an open block that no frame could hold.
errc check_limits(const limits& announced) noexcept;

// The payload's size; what put_hello() writes. Fields that equal their default are left out. grease: adds one unknown field
// made of these bits, so that nobody comes to depend on there being none (0: none is added).
std::size_t hello_payload_size(const limits& announced, const identity& who, std::uint64_t grease) noexcept;
// The whole frame, at most header_bytes_max + hello_bytes_max; returns its size. The identity must be sound (check_identity).
std::size_t put_hello(std::byte* to, const limits& announced, const identity& who, std::uint64_t grease) noexcept;
// errc{} or errc::name_invalid (name), errc::message_too_big (another field is too long).
errc check_identity(const identity& who) noexcept;

// Reads a HELLO's payload. Views in `out` point into it; out.version is left as it is. errc{}, or errc::protocol: a broken
// list, a field twice, of the wrong length, below its floor or above its ceiling. Unknown fields are passed over.
[[nodiscard]] errc parse_hello(byte_view payload, remote_hello& out) noexcept;

}  // namespace hawser::inline v0::proto
