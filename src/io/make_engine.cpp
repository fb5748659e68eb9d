// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/make_engine.hpp"

#include "io/epoll/epoll_engine.hpp"
#include "io/uring/self_test.hpp"
#include "io/uring/uring_engine.hpp"

#include <hawser/base/log.hpp>

#include <atomic>
#include <cstdlib>
#include <string_view>

namespace hawser::inline v0 {
namespace io {
namespace {

engine_choice from_environment() {
  const char* value = std::getenv("HAWSER_ENGINE");
  const std::string_view wanted = value ? value : "";
  if (wanted == "epoll") return engine_choice::epoll;
  if (wanted == "uring") return engine_choice::uring;
  if (!wanted.empty() && wanted != "auto") {
    HAWSER_LOG(log_level::warning, log_part::io, {}, 0, "HAWSER_ENGINE=%s is none of epoll, uring, auto: auto is used", value);
  }
  return engine_choice::automatic;
}

std::expected<std::unique_ptr<engine>, refusal> make_uring_or_refusal() {
  if (auto refused = uring_refused()) return std::unexpected(std::move(*refused));
  return make_uring_engine();
}

// Once for the process: it holds for every loop.
void say_refused(const refusal& why) {
  static std::atomic<bool> said = false;
  if (said.exchange(true)) return;
  HAWSER_LOG(log_level::info, log_part::io, {}, 0, "io_uring refused: %s: epoll is used", why.text().c_str());
}

}  // namespace

made_engine make_engine(engine_choice choice) {
  if (choice == engine_choice::automatic) choice = from_environment();
  if (choice != engine_choice::epoll) {
    auto made = make_uring_or_refusal();
    if (made) {
      HAWSER_LOG(log_level::info, log_part::io, {}, 0, "engine: uring");
      return std::move(*made);
    }
    if (choice == engine_choice::uring) return std::unexpected("io_uring refused: " + made.error().text());
    say_refused(made.error());
  }
  auto made = make_epoll_engine();
  if (!made) return std::unexpected("epoll: " + made.error().message());
  HAWSER_LOG(log_level::info, log_part::io, {}, 0, "engine: epoll");
  return std::move(*made);
}

}  // namespace io

std::string uring_refusal() {
  const auto refused = io::uring_refused();
  return refused ? refused->text() : std::string();
}

}  // namespace hawser::inline v0
