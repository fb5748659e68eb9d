// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/export.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace hawser::inline v0 {

// Fills from the system's random source: ids, hash seeds, tokens, ping payloads. Floors below link take their entropy from here, as
// arguments. Aborts when the system has none. Any thread.
HAWSER_API void draw_entropy(std::span<std::byte> into) noexcept;
HAWSER_API std::uint64_t draw_seed() noexcept;

// While it lives, draw_entropy() on this thread answers a sequence that follows from `seed` alone: for simulations, whose runs
// must repeat (testing::network holds one). Never in production: everything that is drawn can be foretold. They nest; destroyed in reverse order.
class HAWSER_API dangerous_fixed_entropy {
 public:
  explicit dangerous_fixed_entropy(std::uint64_t seed) noexcept;
  ~dangerous_fixed_entropy();
  dangerous_fixed_entropy(const dangerous_fixed_entropy&) = delete;
  dangerous_fixed_entropy& operator=(const dangerous_fixed_entropy&) = delete;

 private:
  friend void draw_entropy(std::span<std::byte>) noexcept;
  std::uint64_t state_;
  dangerous_fixed_entropy* outer_;
};

}  // namespace hawser::inline v0
