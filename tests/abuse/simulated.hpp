// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/testing/network.hpp>

#include "abuse/attacks.hpp"
#include "abuse/service.hpp"
#include "sim/wires.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

// Attacks in the simulated network, on virtual time.

namespace hawser::abuse {

// A stranger on a host of its own, who says what there is to say whenever its system has taken what was said before.
class simulated_intruder final : public stranger {
 public:
  simulated_intruder(loop& on, const endpoint& where, const proto::limits& of_server, script next = {},
      std::string hello = wire::named("stranger"), duration tick = 100us)
      : stranger(of_server), loop_(on), socket_(on, where), clock_(on), next_(std::move(next)), began_(on.now()), tick_(tick) {
    say(std::move(hello));
    clock_.then = [this] { turn(); };
    turn();
  }

  void say(std::string bytes) {
    said += bytes.size();
    if (!bytes.empty()) socket_.say(std::move(bytes));
  }
  wires::end& socket() noexcept { return socket_; }
  bool gone() const noexcept { return ended_at_ != never; }
  // From the beginning of the dial until the other side was seen to have ended.
  duration lasted() const noexcept { return ended_at_ - began_; }

  std::size_t said = 0;

 private:
  void turn() {
    hear(std::exchange(socket_.heard, {}));
    if ((socket_.ended || socket_.failure) && ended_at_ == never) ended_at_ = loop_.now();
    if (gone()) return;
    if (next_ && socket_.sent == said) say(next_(*this));
    clock_.arm(loop_.now() + tick_);
  }

  loop& loop_;
  wires::caller socket_;
  wires::alarm clock_;
  script next_;
  instant began_;
  instant ended_at_ = never;
  duration tick_;
};

}  // namespace hawser::abuse
