// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/export.hpp>

#include <cstdint>
#include <expected>
#include <string_view>
#include <system_error>

namespace hawser::inline v0 {

// Everything that a peer, the network or the machine can cause. 1-28 are the codes of the wire (spec/wire.md, section 9), with
// the same numbers; from 100 on they are local and never travel. Values >= 0x10000 are the application's own: a handler may end
// with one and the caller receives it (make_application_error).
enum class errc : int {
  protocol = 1,            // the other side broke the wire format
  internal = 2,            // the other side failed
  flow_control = 3,        // more bytes than credit
  frame_size = 4,          // a frame larger than announced, or a hostile length
  refused = 5,             // not processed: safe to retry
  cancelled = 6,           // the caller gave up
  stalled = 7,             // no credit and no progress for too long
  calm = 8,                // abusive rate of control frames or opens
  version = 9,             // no version in common
  unauthenticated = 10,
  forbidden = 11,
  operation_not_found = 12,
  operation_failed = 13,   // the handler failed (threw, or ended without an answer)
  deadline = 14,
  message_too_big = 15,
  connection_lost = 16,    // unknown whether processed
  schema = 17,
  idle = 18,
  shutdown = 19,           // the peer stops
  no_route = 20,
  ttl = 21,
  duplicate = 22,
  overflow = 23,
  id_taken = 24,           // the presented name is in use at the listener
  application_tag = 25,    // another application
  veto = 26,               // the listener's own decision
  name_invalid = 27,       // empty, longer than 64 bytes, or not UTF-8
  name_absent = 28,        // the listener demands a name and none was presented

  would_block = 100,       // over the watermark; wait for writable
  closed,                  // this side closed it
  end_of_stream,           // no more bytes will come, fewer than asked for are there
  too_many_calls,          // the local queue of calls is full
  not_connected,           // no such peer, or it departed
  self_connect,            // the other end of this connection is this peer itself
  handshake_timeout,
  connect_timeout,
  resolve_timeout,
  name_not_found,          // the host name does not resolve
  connection_refused,
  connection_reset,
  unreachable,
  address_in_use,
  address_invalid,
  permission_denied,
  too_many_descriptors,
  too_many_connections,
  write_timeout,           // the other side's kernel acknowledged nothing for too long
  loop_stopped,
  not_supported,
  out_of_memory_budget,    // a limit in bytes was reached
};

HAWSER_API const std::error_category& hawser_category() noexcept;
inline std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), hawser_category()}; }

// code must be >= 0x10000.
HAWSER_API std::error_code make_application_error(std::uint32_t code) noexcept;
// The error for a code that arrived on the wire. A peer cannot forge local errors: numbers that are no wire code, errc::connection_lost
// (local by nature) and 0 become errc::internal.
HAWSER_API std::error_code error_from_wire(std::uint32_t code) noexcept;
// The code that travels for this error: wire and application codes are themselves, every other error is errc::internal.
HAWSER_API std::uint32_t error_to_wire(std::error_code error) noexcept;
// The error for an errno value: hawser's own where a program would decide on it, else std::system_category's.
HAWSER_API std::error_code error_from_errno(int number) noexcept;
// What a person can do about it; empty when there is nothing to add to message().
HAWSER_API std::string_view remedy(std::error_code error) noexcept;

// A value or the reason why there is none.
template <class T = void>
using result = std::expected<T, std::error_code>;

inline std::unexpected<std::error_code> failure(errc code) noexcept { return std::unexpected(make_error_code(code)); }
inline std::unexpected<std::error_code> failure(std::error_code code) noexcept { return std::unexpected(code); }

}  // namespace hawser::inline v0

template <>
struct std::is_error_code_enum<hawser::errc> : std::true_type {};
