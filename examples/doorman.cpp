// SPDX-License-Identifier: Apache-2.0 OR MIT
// Who is let in, what is known of them, what they did: the hooks of a peer, and its statistics.
#include <hawser/hawser.hpp>

#include <chrono>
#include <iostream>
#include <memory>
#include <string>

namespace {

struct visit {
  int requests = 0;
};

class doorman final : public hawser::peer_hooks {
 public:
  bool accept_socket(const hawser::endpoint& remote) override { return remote.loopback(); }
  hawser::result<> admit(const hawser::introduction& who) override {
    if (hawser::as_text(who.token) == "sesame") return {};
    return hawser::failure(hawser::errc::forbidden);        // what the dialer gets
  }
  void connected(hawser::connection& with) override { with.set_user_state(std::make_shared<visit>()); }
  void received(hawser::connection& from, traffic, std::string_view, std::size_t) override { ++from.user_state<visit>()->requests; }
  void disconnected(hawser::connection& with, std::error_code reason) override {
    requests_of_the_gone += with.user_state<visit>()->requests;
    std::cout << with.name() << " left" << (reason ? ": " + reason.message() : "") << '\n';
  }
  int requests_of_the_gone = 0;
};

hawser::task<> answer(hawser::request& rq) {
  static_cast<void>(co_await rq.write(rq.caller().metadata()));
}

hawser::task<bool> knock(hawser::peer& stranger, hawser::peer& guest, hawser::peer& house) {
  const auto outside = co_await stranger.connect(house.local_endpoint());
  if (outside || outside.error() != hawser::errc::forbidden) co_return false;

  const auto inside = co_await guest.connect(house.local_endpoint());
  if (!inside || house.has_route("guest") != 1u) co_return false;
  for (int i = 0; i < 10; ++i) {
    const auto told = co_await guest.call(*inside, "what am I");
    if (!told || hawser::as_text(*told) != "a painter") co_return false;
  }
  for (const hawser::operation_statistics& of : house.operations()) {
    std::cout << of.operation << ": " << of.answered << " of " << of.started << " answered, 99 % of them within "
              << of.percentile(0.99) / std::chrono::microseconds(1) << " us\n";
    if (of.answered != 10 || of.percentile(0.99) <= hawser::duration::zero()) co_return false;
  }
  co_await guest.stop();
  co_return true;
}

}  // namespace

int main() {
  hawser::loop loop;
  doorman hooks;
  bool well = false;
  {
    hawser::peer house(loop, {.name = "house", .listen = "127.0.0.1:0", .hooks = &hooks});
    house.on("what am I", answer);
    hawser::peer stranger(loop, {.name = "stranger"});
    hawser::peer guest(loop, {.name = "guest", .metadata = "a painter", .token = "sesame"});
    well = loop.run(knock(stranger, guest, house));
    for (int turns = 0; hooks.requests_of_the_gone == 0 && turns < 1'000; ++turns) loop.run_once(std::chrono::milliseconds(10));
  }
  return well && hooks.requests_of_the_gone == 10 ? 0 : 1;
}
