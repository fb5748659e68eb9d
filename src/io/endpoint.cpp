// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/io/endpoint.hpp>

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace hawser::inline v0 {
namespace {

constexpr std::string_view unix_prefix = "unix:";
constexpr std::size_t unix_path_bytes_max = 107;     // sun_path without its final zero
constexpr std::size_t host_name_bytes_max = 253;
constexpr std::size_t host_label_bytes_max = 63;

bool parse_number(std::string_view digits, std::uint32_t most, std::uint32_t& value) {
  if (digits.empty() || digits.size() > 10) return false;
  if (!std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; })) return false;
  std::uint64_t number = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (number > most) return false;
  value = static_cast<std::uint32_t>(number);
  return true;
}

bool parse_port(std::string_view digits, std::uint16_t& port) {
  std::uint32_t value = 0;
  if (digits.size() > 5 || !parse_number(digits, 65'535, value)) return false;
  port = static_cast<std::uint16_t>(value);
  return true;
}

bool parse_scope(std::string_view text, std::uint32_t& scope) {
  if (parse_number(text, ~std::uint32_t{0}, scope)) return scope != 0;
  if (text.empty() || text.size() >= IF_NAMESIZE) return false;
  char name[IF_NAMESIZE] = {};
  std::memcpy(name, text.data(), text.size());
  scope = if_nametoindex(name);
  return scope != 0;
}

// inet_pton wants a terminated string.
template <std::size_t Size>
bool parse_address(int family, std::string_view text, std::array<std::byte, Size>& address) {
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof terminated) return false;
  std::memcpy(terminated, text.data(), text.size());
  return inet_pton(family, terminated, address.data()) == 1;
}

// Letters, digits, '-' and '_' in labels; the last label is not a number, so that a misspelt IPv4 address is no host name.
bool is_host_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > host_name_bytes_max) return false;
  bool numeric = true;
  std::size_t label_bytes = 0;
  for (const char c : name) {
    if (c == '.') {
      if (label_bytes == 0) return false;
      label_bytes = 0;
      numeric = true;
      continue;
    }
    const bool digit = c >= '0' && c <= '9';
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!digit && !letter && c != '-' && c != '_') return false;
    if (c == '-' && label_bytes == 0) return false;
    numeric = numeric && digit;
    if (++label_bytes > host_label_bytes_max) return false;
  }
  return label_bytes != 0 && !numeric;
}

bool is_unix_path(std::string_view path) {
  if (path.empty() || path.size() > unix_path_bytes_max || path == "@") return false;
  return path.find('\0') == std::string_view::npos;
}

result<endpoint> parse_bracketed(std::string_view text) {
  const std::size_t close = text.find("]:");
  std::uint16_t port = 0;
  if (close == std::string_view::npos || !parse_port(text.substr(close + 2), port)) return failure(errc::address_invalid);
  std::string_view inside = text.substr(1, close - 1);
  std::uint32_t scope = 0;
  if (const std::size_t percent = inside.find('%'); percent != std::string_view::npos) {
    if (!parse_scope(inside.substr(percent + 1), scope)) return failure(errc::address_invalid);
    inside = inside.substr(0, percent);
  }
  std::array<std::byte, 16> address{};
  if (!parse_address(AF_INET6, inside, address)) return failure(errc::address_invalid);
  return endpoint::ipv6(address, port, scope);
}

}  // namespace

endpoint::endpoint(std::string_view text) {
  if (auto parsed = parse(text)) {
    *this = std::move(*parsed);
  } else {
    name_ = text;
  }
}

result<endpoint> endpoint::parse(std::string_view text) {
  if (text.starts_with(unix_prefix)) {
    const std::string_view path = text.substr(unix_prefix.size());
    if (!is_unix_path(path)) return failure(errc::address_invalid);
    return unix_path(path);
  }
  if (text.starts_with('[')) return parse_bracketed(text);
  const std::size_t colon = text.find(':');
  std::uint16_t port = 0;
  if (colon == std::string_view::npos || !parse_port(text.substr(colon + 1), port)) return failure(errc::address_invalid);
  const std::string_view name = text.substr(0, colon);
  if (name.empty()) return ipv6({}, port);
  if (std::array<std::byte, 4> address{}; parse_address(AF_INET, name, address)) return ipv4(address, port);
  if (!is_host_name(name)) return failure(errc::address_invalid);
  return host(name, port);
}

endpoint endpoint::ipv4(std::array<std::byte, 4> address, std::uint16_t port) noexcept {
  endpoint made;
  made.family_ = family::ipv4;
  made.port_ = port;
  std::ranges::copy(address, made.address_.begin());
  return made;
}

endpoint endpoint::ipv6(std::array<std::byte, 16> address, std::uint16_t port, std::uint32_t scope) noexcept {
  endpoint made;
  made.family_ = family::ipv6;
  made.port_ = port;
  made.scope_ = scope;
  made.address_ = address;
  return made;
}

endpoint endpoint::unix_path(std::string_view path) {
  endpoint made;
  made.family_ = is_unix_path(path) ? family::unix_path : family::none;
  made.name_ = path;
  return made;
}

endpoint endpoint::host(std::string_view name, std::uint16_t port) {
  endpoint made;
  made.family_ = is_host_name(name) ? family::host_name : family::none;
  made.port_ = made.valid() ? port : std::uint16_t{0};
  made.name_ = name;
  return made;
}

bool endpoint::wildcard() const noexcept {
  if (family_ != family::ipv4 && family_ != family::ipv6) return false;
  return std::ranges::all_of(address_, [](std::byte b) { return b == std::byte{0}; });
}

bool endpoint::loopback() const noexcept {
  if (family_ == family::unix_path) return true;
  if (family_ == family::ipv4) return address_[0] == std::byte{127};
  if (family_ != family::ipv6) return false;
  constexpr unsigned char one[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  constexpr unsigned char mapped_127[13] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 127};
  return std::memcmp(address_.data(), one, sizeof one) == 0 || std::memcmp(address_.data(), mapped_127, sizeof mapped_127) == 0;
}

endpoint endpoint::with_port(std::uint16_t port) const {
  endpoint changed(*this);
  if (family_ != family::unix_path && family_ != family::none) changed.port_ = port;
  return changed;
}

std::string endpoint::text() const {
  char digits[INET6_ADDRSTRLEN] = {};
  switch (family_) {
    case family::none:
      return name_;
    case family::unix_path:
      return std::string(unix_prefix) + name_;
    case family::host_name:
      return name_ + ':' + std::to_string(port_);
    case family::ipv4:
      inet_ntop(AF_INET, address_.data(), digits, sizeof digits);
      return std::string(digits) + ':' + std::to_string(port_);
    case family::ipv6:
      break;
  }
  inet_ntop(AF_INET6, address_.data(), digits, sizeof digits);
  std::string out = std::string("[") + digits;
  if (scope_ != 0) {
    char interface_name[IF_NAMESIZE] = {};
    out += '%';
    out += if_indextoname(scope_, interface_name) ? interface_name : std::to_string(scope_).c_str();
  }
  return out + "]:" + std::to_string(port_);
}

}  // namespace hawser::inline v0
