// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/error.hpp>

#include "abuse/stranger.hpp"

#include <functional>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

namespace hawser::abuse {

// What the stranger says next, after the handshake; empty: nothing before it has heard more.
using script = std::function<std::string(stranger&)>;

struct attack {
  std::string name;
  std::function<script()> begin;
  // How it ends; nothing: it is legal, if a nuisance, and goes on for as long as the stranger likes.
  std::optional<errc> ends_in;
  friend std::ostream& operator<<(std::ostream& out, const attack& one) { return out << one.name; }
};

const std::vector<attack>& attacks();
const attack& attack_named(std::string_view name);

// The OPEN of an operation by its name, with first data.
std::string open_operation(std::uint32_t channel, std::string_view operation, unsigned flags = 0, std::string_view first = {});
inline std::string open_kind(std::uint32_t channel, unsigned kind, unsigned flags = 0) {
  return wire::frame(type::open, flags, channel, std::string(1, static_cast<char>(kind)));
}
std::string many(std::string_view one, std::size_t count);

// What the server under attack serves: "echo"; "hold", whose handler stays until it is told that nobody waits; "linger", whose handler
// stays 2 ms longer than that; "pour", which writes without end.
inline constexpr unsigned kind_stream = 0, kind_messages = 1, kind_request = 2;

}  // namespace hawser::abuse
