// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/error.hpp>
#include <hawser/base/export.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hawser::inline v0 {

// Where a listener sits or a dial goes. Written as
//   "127.0.0.1:7000"  "[::1]:7000"  "[fe80::1%eth0]:7000"  ":7000" (every address, IPv6 and IPv4)  "host.example:7000"
//   "unix:/path"  "unix:@name" (Linux's abstract names: no file)
// Port 0 asks the system for a free one. A host name is resolved when it is dialled or listened on, never here.
class HAWSER_API endpoint {
 public:
  enum class family : std::uint8_t { none, ipv4, ipv6, unix_path, host_name };

  endpoint() noexcept = default;
  // Implicit, so that text works wherever an endpoint is asked for. Text that is no endpoint gives family::none with the text
  // kept, and whatever is asked to use it answers errc::address_invalid.
  endpoint(std::string_view text);
  endpoint(const char* text) : endpoint(std::string_view(text)) {}
  endpoint(const std::string& text) : endpoint(std::string_view(text)) {}

  static result<endpoint> parse(std::string_view text);
  static endpoint ipv4(std::array<std::byte, 4> address, std::uint16_t port) noexcept;
  static endpoint ipv6(std::array<std::byte, 16> address, std::uint16_t port, std::uint32_t scope = 0) noexcept;

  // path: 1-107 bytes; "@name" is an abstract name.
  static endpoint unix_path(std::string_view path);
  // A host name that a resolver is to look up, and the port to use with what it finds.
  static endpoint host(std::string_view name, std::uint16_t port);

  family kind() const noexcept { return family_; }
  bool valid() const noexcept { return family_ != family::none; }
  std::uint16_t port() const noexcept { return port_; }
  std::uint32_t scope() const noexcept { return scope_; }
  const std::array<std::byte, 16>& address() const noexcept { return address_; }   // IPv4: the first 4 bytes
  std::string_view name() const noexcept { return name_; }                          // path, host name, or the text that failed
  bool wildcard() const noexcept;    // every address
  bool loopback() const noexcept;    // 127.0.0.0/8, ::1, a unix path
  endpoint with_port(std::uint16_t port) const;

  std::string text() const;          // parses back to an equal endpoint
  friend bool operator==(const endpoint&, const endpoint&) = default;

 private:
  family family_ = family::none;
  std::uint16_t port_ = 0;
  std::uint32_t scope_ = 0;
  std::array<std::byte, 16> address_{};
  std::string name_;
};

}  // namespace hawser::inline v0
