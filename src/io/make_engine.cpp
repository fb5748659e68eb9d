// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/make_engine.hpp"

#include "io/epoll/epoll_engine.hpp"
#include "io/uring/uring_engine.hpp"

#include <hawser/base/log.hpp>

#include <cstdlib>
#include <string_view>

namespace hawser::io {
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

}  // namespace

result<std::unique_ptr<engine>> make_engine(engine_choice choice) {
  if (choice == engine_choice::automatic) choice = from_environment();
  if (choice == engine_choice::uring) {
    auto made = make_uring_engine();
    if (made) return std::unique_ptr<engine>(std::move(*made));
  }
  auto made = make_epoll_engine();
  if (made) HAWSER_LOG(log_level::info, log_part::io, {}, 0, "engine: epoll");
  return made;
}

}  // namespace hawser::io
