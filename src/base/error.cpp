// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/contract.hpp>
#include <hawser/base/error.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string>

namespace hawser::inline v0 {
namespace {

struct entry {
  errc code;
  const char* message;
  const char* remedy;
};

// In the order of the codes.
constexpr std::array table = {
    entry{errc::protocol, "the other side broke the wire format", "check that both ends speak HWS/1 and report a bug if they do"},
    entry{errc::internal, "the other side failed internally", "look at the other side's log"},
    entry{errc::flow_control, "more bytes were sent than credit was granted", "report a bug in the sending implementation"},
    entry{errc::frame_size, "a frame is larger than the announced maximum", "raise limits::frame_bytes_max if the sender is trusted"},
    entry{errc::refused, "the other side refused without processing", "safe to try again, here or elsewhere"},
    entry{errc::cancelled, "cancelled", ""},
    entry{errc::stalled, "no credit and no progress for too long", "let the reader read, or raise settings::stall_timeout"},
    entry{errc::calm, "too many control frames or abandoned calls", "slow down, or raise the other side's limits if this load is meant"},
    entry{errc::version, "no protocol version in common", "upgrade the older side"},
    entry{errc::unauthenticated, "not authenticated", "present a valid token"},
    entry{errc::forbidden, "not allowed", ""},
    entry{errc::operation_not_found, "the operation is not registered at the other side", "check its name, or register it there with on()"},
    entry{errc::operation_failed, "the handler failed", "look at the other side's log"},
    entry{errc::deadline, "the deadline passed", ""},
    entry{errc::message_too_big, "the message is larger than the receiver accepts", "stream it, or raise limits::message_bytes_max at the receiver"},
    entry{errc::connection_lost, "the connection was lost; whether the call was processed is unknown", ""},
    entry{errc::schema, "both sides know the operation by different types", "build both sides from the same definition"},
    entry{errc::idle, "nothing was heard for the idle time-out", "check the network, or raise limits::idle_timeout_ms"},
    entry{errc::shutdown, "the peer is shutting down", "connect elsewhere, or later"},
    entry{errc::no_route, "no route to that peer", ""},
    entry{errc::ttl, "the broadcast travelled too many hops", "raise its ttl"},
    entry{errc::duplicate, "already received", ""},
    entry{errc::overflow, "a queue overflowed", ""},
    entry{errc::id_taken, "the presented name is already in use at the listener", "choose another name, or wait until the other connection ends"},
    entry{errc::application_tag, "the peer belongs to another application", "use the same application tag on both sides"},
    entry{errc::veto, "the listener refused this connection", ""},
    entry{errc::name_invalid, "the name is not 1 to 64 bytes of UTF-8", "choose another name"},
    entry{errc::name_absent, "this listener demands a name and none was presented", "set peer_options::name"},

    entry{errc::would_block, "over the high-water mark", "wait for writable, then try again"},
    entry{errc::closed, "closed by this side", ""},
    entry{errc::end_of_stream, "the stream ended", ""},
    entry{errc::too_many_calls, "too many calls wait for the peer", "wait for answers before calling again, or raise the queue's limit"},
    entry{errc::not_connected, "no such peer is connected", ""},
    entry{errc::self_connect, "the other end is this peer itself", ""},
    entry{errc::handshake_timeout, "the handshake was not finished in time", "check that the other side speaks HWS/1"},
    entry{errc::connect_timeout, "the connection was not established in time", "check the address and the firewall"},
    entry{errc::resolve_timeout, "the name was not resolved in time", "check the resolver"},
    entry{errc::name_not_found, "the host name does not resolve", "check its spelling"},
    entry{errc::connection_refused, "nobody listens there", "start the listener, or check the address"},
    entry{errc::connection_reset, "the other side reset the connection", ""},
    entry{errc::unreachable, "the address cannot be reached", "check the network"},
    entry{errc::address_in_use, "the address is already in use", "stop the other listener, or use another port"},
    entry{errc::address_invalid, "not an address", "write 127.0.0.1:7000, [::1]:7000, host:7000 or unix:/path"},
    entry{errc::permission_denied, "not permitted", "use a port above 1023, or a path that you may write"},
    entry{errc::too_many_descriptors, "no more descriptors", "raise the limit (ulimit -n)"},
    entry{errc::too_many_connections, "too many connections", "raise the limit of connections"},
    entry{errc::write_timeout, "the other side acknowledged nothing for too long", "check the network"},
    entry{errc::loop_stopped, "the loop is gone", ""},
    entry{errc::not_supported, "not supported here", ""},
    entry{errc::out_of_memory_budget, "a limit in bytes was reached", "raise it, or slow down"},
};
static_assert(std::ranges::is_sorted(table, {}, &entry::code));

constexpr std::uint32_t first_application_code = 0x10000;
constexpr auto last_wire_code = static_cast<std::uint32_t>(errc::name_absent);

const entry* find(int code) noexcept {
  const auto* at = std::ranges::lower_bound(table, static_cast<errc>(code), {}, &entry::code);
  return at != table.end() && static_cast<int>(at->code) == code ? &*at : nullptr;
}

class category final : public std::error_category {
 public:
  const char* name() const noexcept override { return "hawser"; }
  std::string message(int code) const override {
    if (const entry* e = find(code)) return e->message;
    const auto number = static_cast<std::uint32_t>(code);
    if (number >= first_application_code) return "application error " + std::to_string(number);
    return "unknown code " + std::to_string(number);
  }
};

}  // namespace

const std::error_category& hawser_category() noexcept {
  static const category instance;
  return instance;
}

std::error_code make_application_error(std::uint32_t code) noexcept {
  HAWSER_EXPECTS(code >= first_application_code, "application codes start at 0x10000");
  return {static_cast<int>(code), hawser_category()};
}

std::error_code error_from_wire(std::uint32_t code) noexcept {
  const bool known = code != 0 && code <= last_wire_code && code != static_cast<std::uint32_t>(errc::connection_lost);
  if (!known && code < first_application_code) return errc::internal;
  return {static_cast<int>(code), hawser_category()};
}

std::uint32_t error_to_wire(std::error_code error) noexcept {
  if (error.category() != hawser_category()) return static_cast<std::uint32_t>(errc::internal);
  const auto number = static_cast<std::uint32_t>(error.value());
  const bool travels = number <= last_wire_code || number >= first_application_code;
  return travels ? number : static_cast<std::uint32_t>(errc::internal);
}

std::error_code error_from_errno(int number) noexcept {
  switch (number) {
    case ECONNREFUSED: return errc::connection_refused;
    case ECONNRESET: case EPIPE: case ECONNABORTED: return errc::connection_reset;
    case ETIMEDOUT: return errc::write_timeout;
    case EHOSTUNREACH: case ENETUNREACH: case ENETDOWN: return errc::unreachable;
#ifdef EHOSTDOWN
    case EHOSTDOWN: return errc::unreachable;
#endif
    case EADDRINUSE: return errc::address_in_use;
    case EADDRNOTAVAIL: case EAFNOSUPPORT: case EINVAL: case ENOENT: return errc::address_invalid;
    case EACCES: case EPERM: return errc::permission_denied;
    case EMFILE: case ENFILE: return errc::too_many_descriptors;
    case ENOMEM: case ENOBUFS: return errc::out_of_memory_budget;
    case EOPNOTSUPP: case ENOSYS: case EPROTONOSUPPORT: return errc::not_supported;
    default: return {number, std::system_category()};
  }
}

std::string_view remedy(std::error_code error) noexcept {
  if (error.category() != hawser_category()) return {};
  const entry* e = find(error.value());
  return e ? e->remedy : "";
}

}  // namespace hawser::inline v0
