// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/hawser.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What the tests of peers share: ways to turn loops with a limit, to say what was expected of a result, and to write down hooks.

namespace hawser::peer_test {

using namespace std::chrono_literals;
using namespace std::string_literals;

inline constexpr duration patience = 30s;      // how long a test waits before it calls something hung

inline std::size_t scaled(std::size_t count) { return std::max<std::size_t>(1, count / HAWSER_COUNT_SCALE); }

// Turns the loop until `done` holds: true; false when it takes too long.
template <class Done>
bool drive(loop& on, Done done, duration limit = patience) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    on.run_once(5ms);
  }
  return true;
}

// Two loops of one thread, turn by turn.
template <class Done>
bool drive_both(loop& one, loop& other, Done done, duration limit = patience) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    const bool first = one.poll();
    const bool second = other.poll();
    if (!first && !second) one.run_once(200us);
  }
  return true;
}

// Everything that is ready now, and what follows from it, for a while.
inline void settle(loop& on, duration span = 20ms) {
  const auto end = std::chrono::steady_clock::now() + span;
  while (std::chrono::steady_clock::now() < end) on.run_once(1ms);
}

// Runs a task to its end, or throws (which fails the test) when it hangs.
template <class T>
T finish(loop& on, task<T> work, duration limit = patience) {
  work.start();
  if (!drive(on, [&] { return work.done(); }, limit)) throw std::runtime_error("the task did not end in time");
  return work.take();
}

template <class T>
::testing::AssertionResult failed_with(const result<T>& outcome, std::error_code expected) {
  if (outcome.has_value()) return ::testing::AssertionFailure() << "it succeeded, expected: " << expected.message();
  if (outcome.error() == expected) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "it failed with '" << outcome.error().message() << "' (" << outcome.error().value()
                                     << "), expected: " << expected.message();
}
template <class T>
::testing::AssertionResult succeeded(const result<T>& outcome) {
  if (outcome.has_value()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "it failed with '" << outcome.error().message() << "' (" << outcome.error().value() << ')';
}
inline ::testing::AssertionResult is(std::error_code got, std::error_code expected) {
  if (got == expected) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "got '" << got.message() << "' (" << got.value() << "), expected: " << expected.message();
}

// In a coroutine, where ASSERT_* cannot return.
#define HAWSER_CO_ASSERT(condition)              \
  do {                                           \
    if (const auto held_ = (condition); !held_) { \
      ADD_FAILURE() << #condition << " does not hold"; \
      co_return;                                 \
    }                                            \
  } while (false)

// Connects, or throws.
inline connection connect(loop& on, peer& from, const endpoint& where) {
  result<connection> with = finish(on, from.connect(where));
  if (!with) throw std::runtime_error("connect: " + with.error().message());
  return *with;
}
inline connection connect(peer& from, peer& to) { return connect(from.home(), from, to.local_endpoint()); }

// Bytes that tell their position: every wrong byte, gap or repetition shows.
inline std::byte pattern_at(std::uint64_t position) noexcept {
  const std::uint64_t mixed = (position / 8 + 1) * 0x9E3779B97F4A7C15u;
  return static_cast<std::byte>(mixed >> (8 * (position % 8)));
}
inline std::string pattern(std::uint64_t from, std::size_t count) {
  std::string text(count, '\0');
  for (std::size_t i = 0; i < count; ++i) text[i] = static_cast<char>(pattern_at(from + i));
  return text;
}
inline bool follows_pattern(byte_view bytes, std::uint64_t from) noexcept {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != pattern_at(from + i)) return false;
  }
  return true;
}

// Writes down what a peer tells its owner, in order.
class diary : public peer_hooks {
 public:
  std::vector<std::string> lines;
  std::vector<std::error_code> reasons;      // of disconnected
  std::vector<connection> seen;              // of connected
  bool let_in = true;                        // accept_socket's answer
  result<> verdict = {};                     // admit's answer
  bool with_traffic = false;

  virtual ~diary() = default;

  bool accept_socket(const endpoint&) override {
    lines.push_back("accept_socket");
    return let_in;
  }
  result<> admit(const introduction& who) override {
    lines.push_back("admit " + std::string(who.name));
    return verdict;
  }
  void connected(connection& with) override {
    lines.push_back("connected " + std::string(with.name()));
    seen.push_back(with);
  }
  void disconnected(connection& with, std::error_code reason) override {
    lines.push_back("disconnected " + std::string(with.name()));
    reasons.push_back(reason);
  }
  void sending(connection&, traffic what, std::string_view operation, std::size_t bytes) override {
    if (with_traffic) lines.push_back("sending " + described(what, operation, bytes));
  }
  void received(connection&, traffic what, std::string_view operation, std::size_t bytes) override {
    if (with_traffic) lines.push_back("received " + described(what, operation, bytes));
  }

  std::size_t count(std::string_view beginning) const {
    return static_cast<std::size_t>(std::count_if(lines.begin(), lines.end(), [&](const std::string& line) { return line.starts_with(beginning); }));
  }

 private:
  static std::string described(traffic what, std::string_view operation, std::size_t bytes) {
    if (what == traffic::message) return "message of " + std::to_string(bytes);
    return "request " + std::string(operation);
  }
};

// Operations that many tests call.
inline task<> echo(request& rq) {
  for (;;) {
    auto piece = co_await rq.read();
    if (!piece || piece->empty()) co_return;
    if (!co_await rq.write(std::move(*piece))) co_return;
  }
}

inline peer_options named(std::string name, peer_options options = {}) {
  options.name = std::move(name);
  return options;
}
inline peer_options listening(std::string name, peer_options options = {}) {
  options.name = std::move(name);
  options.listen = "127.0.0.1:0";
  return options;
}

// Two peers on one loop, and a connection between them.
class pair_of_peers : public ::testing::Test {
 protected:
  explicit pair_of_peers(peer_options of_server = {}, peer_options of_client = {})
      : server(loop_, listening("server", std::move(of_server))), client(loop_, named("client", std::move(of_client))) {}

  // The connection as the client sees it.
  connection& there() {
    if (!there_.is_open()) there_ = connect(client, server);
    return there_;
  }
  template <class T>
  T run(task<T> work, duration limit = patience) { return finish(loop_, std::move(work), limit); }
  template <class Done>
  bool until(Done done, duration limit = patience) { return drive(loop_, std::move(done), limit); }
  // One whole call.
  result<std::string> ask(std::string_view operation, std::string_view body, call_options options = {}) {
    there();
    return run(asked(operation, body, options));
  }

  loop loop_;
  peer server;
  peer client;

 private:
  task<result<std::string>> asked(std::string_view operation, std::string_view body, call_options options) {
    result<chunk> answer = co_await client.call(there(), operation, as_bytes(body), options);
    if (!answer) co_return failure(answer.error());
    co_return std::string(as_text(*answer));
  }
  connection there_;
};

}  // namespace hawser::peer_test
