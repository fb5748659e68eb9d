// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/contract.hpp>
#include <hawser/io/entropy.hpp>

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace hawser::inline v0 {
namespace {

constinit thread_local dangerous_fixed_entropy* fixed = nullptr;

// splitmix64: every seed, zero included, gives a full-period sequence.
std::uint64_t next_of(std::uint64_t& state) noexcept {
  std::uint64_t z = state += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

void draw_entropy(std::span<std::byte> into) noexcept {
  if (fixed) {
    for (std::size_t at = 0; at < into.size(); at += 8) {
      const std::uint64_t word = next_of(fixed->state_);
      std::memcpy(into.data() + at, &word, std::min<std::size_t>(8, into.size() - at));
    }
    return;
  }
  while (!into.empty()) {
    const ssize_t got = ::getrandom(into.data(), into.size(), 0);
    if (got < 0) {
      HAWSER_EXPECTS(errno == EINTR, "the system has a random source");
      continue;
    }
    into = into.subspan(static_cast<std::size_t>(got));
  }
}

std::uint64_t draw_seed() noexcept {
  std::uint64_t seed = 0;
  draw_entropy(std::as_writable_bytes(std::span(&seed, 1)));
  return seed;
}

dangerous_fixed_entropy::dangerous_fixed_entropy(std::uint64_t seed) noexcept : state_(seed), outer_(std::exchange(fixed, this)) {}
dangerous_fixed_entropy::~dangerous_fixed_entropy() { fixed = outer_; }

}  // namespace hawser::inline v0
