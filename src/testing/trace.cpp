// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "testing/trace.hpp"

#include "testing/random.hpp"

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <ostream>

namespace hawser::inline v0::testing::sim {

namespace {

constexpr std::string_view names[] = {
    "connect", "connected", "accept", "accept_error", "start", "bytes", "end", "send", "sent", "failed", "shutdown", "close", "abort", "listen",
    "look_up", "cut", "heal", "freeze", "thaw", "kill", "restart", "refuse", "admit", "action",
};

std::uint64_t step(std::uint64_t hash, std::uint64_t value) noexcept {
  const auto product = static_cast<unsigned __int128>(hash ^ value) * 0x9e3779b97f4a7c15u;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

}  // namespace

// Four lanes, so that the multiplications overlap: the hash must not be what a bulk transfer waits for.
std::uint64_t hash_of(byte_view bytes) noexcept {
  std::uint64_t lanes[4] = {0x243f6a8885a308d3u, 0x13198a2e03707344u, 0xa4093822299f31d0u, 0x082efa98ec4e6c89u};
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  while (left >= 32) {
    std::uint64_t words[4];
    std::memcpy(words, at, 32);
    for (int i = 0; i < 4; ++i) lanes[i] = step(lanes[i], words[i]);
    at += 32;
    left -= 32;
  }
  std::uint64_t rest[4] = {};
  if (left) std::memcpy(rest, at, left);
  std::uint64_t hash = bytes.size();
  for (int i = 0; i < 4; ++i) hash = step(hash + lanes[i], rest[i]);
  return mix(hash);
}

void trace::record(instant at, std::string_view host, std::uint32_t host_index, std::uint64_t connection, happening what, std::uint64_t count,
                   std::uint64_t content) {
  ++events_;
  const std::uint64_t elapsed = static_cast<std::uint64_t>((at - start_).count());
  std::uint64_t hash = step(hash_ + 1, elapsed);
  hash = step(hash, (std::uint64_t{host_index} << 8) | static_cast<std::uint64_t>(what));
  hash = step(hash, connection);
  hash = step(hash, count);
  hash_ = mix(step(hash, content));
  if (!out_) return;
  char line[160];
  const int size = std::snprintf(line, sizeof line, "%6" PRIu64 ".%09" PRIu64 " %-10.*s #%" PRIu64 ".%u %.*s %" PRIu64 " %016" PRIx64 "\n",
                                 elapsed / 1'000'000'000, elapsed % 1'000'000'000, static_cast<int>(host.size() > 40 ? 40 : host.size()),
                                 host.data(), connection / 2, static_cast<unsigned>(connection % 2),
                                 static_cast<int>(names[static_cast<std::size_t>(what)].size()), names[static_cast<std::size_t>(what)].data(),
                                 count, content);
  out_->write(line, size);
}

}  // namespace hawser::inline v0::testing::sim
