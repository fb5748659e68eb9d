// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/log.hpp>

#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>

namespace hawser::inline v0 {
namespace {

constexpr std::array<std::string_view, 4> level_names = {"error", "warning", "info", "debug"};
constexpr std::array<std::string_view, 6> part_names = {"base", "io", "link", "peer", "relay", "user"};

// A hook with its context. Bindings stay for ever, in one list, because another thread may be about to call one: so many as programs
// have different hooks.
struct binding {
  log_hook hook;
  void* context;
  binding* older;
};
constinit std::atomic<binding*> bindings{nullptr};
constinit std::atomic<const binding*> bound{nullptr};

void to_standard_error(const log_record& r, void*) {
  char connection[32] = "";
  if (r.connection != 0) std::snprintf(connection, sizeof connection, " #%llu", static_cast<unsigned long long>(r.connection));
  const std::string_view part = part_names[static_cast<std::size_t>(r.part)];
  const std::string_view level = level_names[static_cast<std::size_t>(r.level)];
  std::fprintf(stderr, "hawser %.*s %.*s %.*s%s: %.*s\n", static_cast<int>(level.size()), level.data(), static_cast<int>(part.size()),
               part.data(), static_cast<int>(r.peer.size()), r.peer.data(), connection, static_cast<int>(r.text.size()), r.text.data());
}

template <std::size_t N>
int index_of(const std::array<std::string_view, N>& names, std::string_view name) {
  for (std::size_t i = 0; i < N; ++i)
    if (names[i] == name) return static_cast<int>(i);
  return -1;
}

// One term of HAWSER_LOG: "debug" or "io=debug".
bool apply(std::string_view term) {
  const std::size_t equals = term.find('=');
  const int level = index_of(level_names, equals == std::string_view::npos ? term : term.substr(equals + 1));
  if (level < 0) return false;
  if (equals == std::string_view::npos) {
    for (std::size_t p = 0; p < part_names.size(); ++p) set_log_level(static_cast<log_part>(p), static_cast<log_level>(level));
    return true;
  }
  const int part = index_of(part_names, term.substr(0, equals));
  if (part < 0) return false;
  set_log_level(static_cast<log_part>(part), static_cast<log_level>(level));
  return true;
}

// Runs before main, so that the first line of a program can already be logged.
const bool environment_read = [] {
  const char* text = std::getenv("HAWSER_LOG");
  if (!text || !*text) return false;
  set_log_hook(&to_standard_error, nullptr);
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::string_view term = rest.substr(0, rest.find(','));
    rest.remove_prefix(term.size() < rest.size() ? term.size() + 1 : rest.size());
    if (!apply(term))
      std::fprintf(stderr, "hawser: HAWSER_LOG: '%.*s' is not [base|io|link|peer|relay|user=](error|warning|info|debug)\n",
                   static_cast<int>(term.size()), term.data());
  }
  return true;
}();

}  // namespace

namespace detail {

constinit std::atomic<std::uint8_t> log_threshold[6] = {};

void log_line(log_level level, log_part part, std::string_view peer, std::uint64_t connection, const char* format, ...) noexcept {
  const binding* to = bound.load(std::memory_order_acquire);
  if (!to) return;
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  const int written = std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  const std::size_t size = written < 0 ? 0 : static_cast<std::size_t>(written) < sizeof text ? static_cast<std::size_t>(written) : sizeof text - 1;
  to->hook({level, part, peer, connection, {text, size}}, to->context);
}

}  // namespace detail

void set_log_hook(log_hook to, void* context) noexcept {
  if (!to) return bound.store(nullptr, std::memory_order_release);
  binding* newest = bindings.load(std::memory_order_acquire);
  for (const binding* known = newest; known; known = known->older) {
    if (known->hook == to && known->context == context) return bound.store(known, std::memory_order_release);
  }
  binding* made = new binding{to, context, newest};
  while (!bindings.compare_exchange_weak(made->older, made, std::memory_order_acq_rel)) {
  }
  bound.store(made, std::memory_order_release);
}

void set_log_level(log_part part, log_level most) noexcept {
  detail::log_threshold[static_cast<std::size_t>(part)] .store(static_cast<std::uint8_t>(static_cast<unsigned>(most) + 1), std::memory_order_relaxed);
}

void set_log_silent(log_part part) noexcept { detail::log_threshold[static_cast<std::size_t>(part)].store(0, std::memory_order_relaxed); }

}  // namespace hawser::inline v0
