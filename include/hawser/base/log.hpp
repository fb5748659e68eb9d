// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/export.hpp>

#include <atomic>
#include <cstdint>
#include <string_view>

namespace hawser::inline v0 {

enum class log_level : std::uint8_t { error, warning, info, debug };
enum class log_part : std::uint8_t { base, io, link, peer, relay, user };

struct log_record {
  log_level level;
  log_part part;
  std::string_view peer;          // name of the local peer; empty below peer
  std::uint64_t connection;       // 0: none
  std::string_view text;          // valid for the call
};

// Called from whichever loop thread logs; it must not call back into hawser. nullptr (the default) is silent, unless the
// environment variable HAWSER_LOG asks for lines on standard error: HAWSER_LOG=io=debug,peer=info or HAWSER_LOG=debug.
// Hook and context change together, from any thread; the former hook may still be running in another thread when set_log_hook()
// returns. Each different pair of the two costs 24 bytes that are never given back.
using log_hook = void (*)(const log_record&, void* context);
HAWSER_API void set_log_hook(log_hook hook, void* context) noexcept;
// Nothing at or below `most` is dropped for `part`; everything else costs one load and a branch.
HAWSER_API void set_log_level(log_part part, log_level most) noexcept;
HAWSER_API void set_log_silent(log_part part) noexcept;

namespace detail {
HAWSER_API extern std::atomic<std::uint8_t> log_threshold[6];  // level + 1; 0 = silent
HAWSER_API void log_line(log_level level, log_part part, std::string_view peer, std::uint64_t connection, const char* format, ...) noexcept
    __attribute__((format(printf, 5, 6)));
}  // namespace detail

}  // namespace hawser::inline v0

// Arguments are evaluated only when the level is on.
#define HAWSER_LOG(level_, part_, peer_, connection_, ...)                                                           \
  do {                                                                                                               \
    if (static_cast<unsigned>(level_) < ::hawser::detail::log_threshold[static_cast<unsigned>(part_)].load(std::memory_order_relaxed)) [[unlikely]]  \
      ::hawser::detail::log_line(level_, part_, peer_, connection_, __VA_ARGS__);                                    \
  } while (false)
