// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/error.hpp>
#include <hawser/io/endpoint.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

// The blocking half of name resolution: a few threads of the process that ask the system.

namespace hawser::inline v0::io {

inline constexpr std::size_t lookup_threads_max = 4;
inline constexpr std::size_t lookups_waiting_max = 256;

// One question. The asker and the thread that works on it share it, so that either may go first.
class name_lookup {
 public:
  virtual ~name_lookup() = default;
  const std::string host;
  const std::uint16_t port;
  // On a helper thread. Not called once withdraw() has returned before the thread took the question up.
  virtual void answered(result<std::vector<endpoint>> addresses) = 0;

 protected:
  name_lookup(std::string asked_host, std::uint16_t asked_port) : host(std::move(asked_host)), port(asked_port) {}
};

// False: too many are waiting.
bool ask_system(std::shared_ptr<name_lookup> question);
// Takes the question back if no thread has begun with it.
void withdraw(const std::shared_ptr<name_lookup>& question) noexcept;

// First address of the system's order first, then the families by turns (RFC 8305, section 4).
std::vector<endpoint> interleave_families(std::vector<endpoint> addresses);

// For tests: what the helper threads call instead of getaddrinfo; empty puts the system's back. It may block as long as the
// test likes.
using lookup_function = std::function<result<std::vector<endpoint>>(const std::string& host, std::uint16_t port)>;
void replace_system_lookup(lookup_function lookup);

}  // namespace hawser::inline v0::io
