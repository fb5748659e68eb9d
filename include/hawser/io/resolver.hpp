// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/export.hpp>
#include <hawser/io/loop.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace hawser::inline v0::io {

// Turns a host name into addresses without ever blocking the loop. The system's resolver (getaddrinfo) runs on at most 4 helper
// threads of the process; a look-up that takes longer than `timeout` is abandoned: its thread finishes alone and its answer is dropped.
// An engine with a table of its own (the simulation) answers instead: engine::look_up().
class HAWSER_API resolution {
 public:
  // Addresses in the order to try (RFC 6724's as the system gives it), families interleaved (RFC 8305, section 4); never empty.
  // Errors: name_not_found, resolve_timeout, address_invalid, out_of_memory_budget (256 look-ups are waiting). Called once, on the loop's thread,
  // never from inside resolve().
  using handler = std::move_only_function<void(result<std::vector<endpoint>>)>;

  resolution() noexcept;
  resolution(resolution&&) noexcept;
  resolution& operator=(resolution&&) noexcept;
  ~resolution();          // abandons it: the handler is not called any more

 private:
  friend resolution resolve(loop&, const endpoint&, duration, handler);
  struct HAWSER_LOCAL state;
  std::unique_ptr<state> state_;
};

// where: a host name; an address or a unix path is answered as itself.
[[nodiscard]] HAWSER_API resolution resolve(loop& on, const endpoint& where, duration timeout, resolution::handler handler);

}  // namespace hawser::inline v0::io
