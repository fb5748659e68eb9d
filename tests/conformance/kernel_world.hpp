// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "conformance/engines.hpp"
#include "io/sockets.hpp"

#include <unistd.h>

#include <atomic>
#include <filesystem>

namespace hawser::conformance {

// Sockets of the kernel. Both loops on the test's thread, turned by turns without waiting for long in either.
class kernel_world final : public world {
 public:
  explicit kernel_world(const loop_options& options) : server_(options), client_(options) {}
  kernel_world(std::unique_ptr<io::engine> server, std::unique_ptr<io::engine> client)
      : server_(std::move(server)), client_(std::move(client)) {}
  ~kernel_world() override {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  loop& server() override { return server_; }
  loop& client() override { return client_; }

  bool drive(const std::function<bool()>& done, duration limit) override {
    const instant end = after(client_.engine().now(), limit);
    while (!done()) {
      const bool server_worked = server_.poll();
      if (done()) return true;
      const bool client_worked = client_.poll();
      if (done()) return true;
      if (client_.now() >= end) return false;
      if (server_worked || client_worked) continue;
      // Nothing to do in either: wait in one, shortly, for the other's sake.
      client_.run_once(std::chrono::microseconds(200));
    }
    return true;
  }

  endpoint vacant(transport over) override {
    if (over == transport::tcp) return "127.0.0.1:0";
    if (directory_.empty()) {
      directory_ = std::filesystem::temp_directory_path() / ("hawser-conformance-" + std::to_string(::getpid()) + "-" + number());
      std::filesystem::create_directories(directory_);
    }
    return endpoint::unix_path((directory_ / number()).string());
  }

  // Port 1 of an address that is this host's own, or a path at which there is nothing.
  endpoint refusing(transport over) override { return over == transport::tcp ? endpoint("127.0.0.1:1") : vacant(over); }

  // A listener that accepts nothing and whose backlog is full: the kernel lets further dials wait.
  endpoint silent(transport over) override {
    const endpoint where = over == transport::tcp ? endpoint("127.0.0.1:0") : vacant(over);
    auto opened = io::sockets::open_listener(where, {.backlog = 0}, {});
    if (!opened) return {};
    const auto to = io::sockets::to_address(opened->local);
    for (int i = 0; i < 4; ++i) {
      auto dial = io::sockets::open_stream(to->family());
      if (!dial) return {};
      static_cast<void>(::connect(dial->get(), to->raw(), to->size));
      kept_open_.push_back(std::move(*dial));
    }
    const endpoint local = opened->local;
    kept_open_.push_back(std::move(opened->fd));
    return local;
  }

 private:
  static std::string number() {
    static std::atomic<int> next{0};
    return std::to_string(next.fetch_add(1));
  }
  loop server_;
  loop client_;
  std::filesystem::path directory_;
  std::vector<io::sockets::descriptor> kept_open_;
};

}  // namespace hawser::conformance
