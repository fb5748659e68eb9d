// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "abuse/attacks.hpp"
#include "abuse/memory.hpp"
#include "abuse/service.hpp"

#include <memory>
#include <string>
#include <vector>

// Attacks over real sockets, on every engine that this build and this system have.

namespace hawser::abuse {

inline std::vector<engine_choice> engines() {
  std::vector<engine_choice> all{engine_choice::epoll};
  const loop tried({.engine = engine_choice::uring});
  if (const_cast<loop&>(tried).engine().name() == "uring") all.push_back(engine_choice::uring);
  return all;
}
inline std::string name_of(engine_choice engine) { return engine == engine_choice::uring ? "uring" : "epoll"; }

// A stranger at a TCP socket.
class intruder : public stranger {
 public:
  intruder(const endpoint& where, const proto::limits& of_server, std::string hello = wire::named("stranger"))
      : stranger(of_server), socket_(where), unsent_(std::move(hello)) {}

  // Says what the kernel takes of what there is to say, and hears what has come.
  void turn(const script& next = {}) {
    if (deaf) {
      gone_ = false;
    } else {
      gone_ = !socket_.receive();
      hear(std::exchange(socket_.received(), {}));
    }
    for (int i = 0; i < 8; ++i) {
      if (unsent_.empty() && next && !farewell) unsent_ = next(*this);
      if (unsent_.empty()) return;
      const std::size_t taken = socket_.send(unsent_);
      said += taken;
      unsent_.erase(0, taken);
      if (!unsent_.empty()) return;
    }
  }
  void say(std::string_view bytes) { unsent_.append(bytes); }
  bool gone() const noexcept { return gone_; }
  peer_test::raw_socket& socket() noexcept { return socket_; }

  std::size_t said = 0;      // bytes that the kernel took
  bool deaf = false;         // reads nothing from its socket

 private:
  peer_test::raw_socket socket_;
  std::string unsent_;
  bool gone_ = false;
};

class attacked_server {
 public:
  explicit attacked_server(engine_choice engine, peer_options options = attacked()) : on({.engine = engine}), options_(std::move(options)) {
    options_.listen = "127.0.0.1:0";
    options_.hooks = &hooks;
    server = std::make_unique<peer>(on, options_);
    serves.install(*server);
    client = std::make_unique<peer>(on, peer_options{.name = "honest"});
    honest = peer_test::connect(*client, *server);
    expect_others_untouched();
    idle_bytes = on.buffers().bytes_in_use();
  }

  std::unique_ptr<intruder> intrude() {
    auto made = std::make_unique<intruder>(server->local_endpoint(), limits().announced);
    const std::size_t before = hooks.count("connected stranger");
    if (!until([&] { return made->turn(), hooks.count("connected stranger") > before; })) throw std::runtime_error("not let in");
    return made;
  }
  // One turn of the loop, without waiting, unless there is nothing to do.
  bool turn() { return on.poll() || on.run_once(1ms); }
  template <class Done>
  bool until(Done done, duration limit = peer_test::patience) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      turn();
    }
    return true;
  }
  // Nobody else has noticed anything.
  void expect_others_untouched() {
    const auto call = [&]() -> task<result<std::string>> {
      const result<chunk> answer = co_await client->call(honest, "echo", as_bytes("untouched"));
      if (!answer) co_return failure(answer.error());
      co_return std::string(as_text(*answer));
    };
    EXPECT_EQ(finish(on, call()).value_or("failed"), "untouched");
    EXPECT_EQ(hooks.count("disconnected honest"), 0u);
  }
  const proto::settings& limits() const noexcept { return options_.wire; }

  loop on;
  diary hooks;
  service serves;
  std::unique_ptr<peer> server;
  std::unique_ptr<peer> client;
  connection honest;
  std::size_t idle_bytes = 0;      // segments that the engine receives into, held while nothing happens

 private:
  peer_options options_;
};

}  // namespace hawser::abuse
