// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/loop.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

// What an engine supplies to be judged by the conformance suite. To add an engine: derive a `world`, and put one
//   static const registration registered({.name = "...", .make = ...});
// into a source file of this directory.

namespace hawser::conformance {

enum class transport { tcp, unix_path };

// Two loops on the engine under test whose sockets reach each other; they may be one and the same loop. Lives for one test.
class world {
 public:
  virtual ~world() = default;
  virtual loop& server() = 0;
  virtual loop& client() = 0;

  // Turns both loops until `done` holds: true; or until `limit` of the engine's time has passed: false. `done` is asked after
  // every turn.
  virtual bool drive(const std::function<bool()>& done, duration limit) = 0;

  // Where the server may listen: a free port, or a fresh path.
  virtual endpoint vacant(transport over) = 0;
  // Where a connect is refused because nobody listens.
  virtual endpoint refusing(transport over) = 0;
  // Where a connect neither succeeds nor fails for many seconds (only with engine_under_test::silence).
  virtual endpoint silent(transport) { return {}; }
};

struct engine_under_test {
  std::string name;                                   // "epoll"
  std::vector<transport> transports = {transport::tcp, transport::unix_path};
  // A fresh world whose loops are made with these options (wait policy, remote limits).
  std::function<std::unique_ptr<world>(const loop_options&)> make;

  // What the engine has; tests that need more are skipped, and say so.
  bool threads = false;         // loops may be run by different threads, and remote() wakes a sleeping one
  bool descriptors = false;     // real descriptors: they can run out, and descriptor() can be polled
  bool kernel_buffers = false;  // socket_options' buffer sizes decide how much a silent reader absorbs
  bool silence = false;         // world::silent() exists

  // Why this machine cannot run the engine; empty: it can.
  std::function<std::string()> refusal = [] { return std::string(); };
};

// Every registered engine. Read only after main() has begun.
std::vector<engine_under_test>& engines();

struct registration {
  explicit registration(engine_under_test engine) { engines().push_back(std::move(engine)); }
};

}  // namespace hawser::conformance
