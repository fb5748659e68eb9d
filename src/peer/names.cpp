// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/core.hpp"

#include <cstdint>

namespace hawser::inline v0 {

bool peer_hooks::accept_socket(const endpoint&) { return true; }
result<> peer_hooks::admit(const introduction&) { return {}; }
void peer_hooks::connected(connection&) {}
void peer_hooks::disconnected(connection&, std::error_code) {}
void peer_hooks::sending(connection&, traffic, std::string_view, std::size_t) {}
void peer_hooks::received(connection&, traffic, std::string_view, std::size_t) {}
void peer_hooks::writable(connection&) {}

namespace detail {
namespace {

// Length of the well-formed UTF-8 sequence at the beginning (RFC 3629: shortest form, no surrogates); 0: there is none.
std::size_t sequence(std::string_view text) noexcept {
  const auto at = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t lead = at(0);
  if (lead < 0x80) return 1;
  const std::size_t size = lead >= 0xc2 && lead < 0xe0 ? 2 : lead >= 0xe0 && lead < 0xf0 ? 3 : lead >= 0xf0 && lead < 0xf5 ? 4 : 0;
  if (size == 0 || text.size() < size) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((at(i) & 0xc0) != 0x80) return 0;
  if ((lead == 0xe0 && at(1) < 0xa0) || (lead == 0xed && at(1) >= 0xa0)) return 0;
  if ((lead == 0xf0 && at(1) < 0x90) || (lead == 0xf4 && at(1) >= 0x90)) return 0;
  return size;
}

}  // namespace

bool valid_name(std::string_view name) noexcept {
  if (name.empty() || name.size() > 64) return false;
  while (!name.empty()) {
    const std::size_t size = sequence(name);
    if (size == 0) return false;
    name.remove_prefix(size);
  }
  return true;
}

}  // namespace detail
}  // namespace hawser::inline v0
