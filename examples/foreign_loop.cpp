// SPDX-License-Identifier: Apache-2.0 OR MIT
// A program that has a loop of its own, around poll(2), and lets it turn hawser's: one descriptor to watch and one timeout to keep.
#include <hawser/hawser.hpp>

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <thread>

using namespace std::chrono_literals;

namespace {

// As poll(2) wants it: rounded up, so that a timer has really passed; -1 for ever.
int milliseconds(hawser::duration span) {
  if (span == hawser::duration::max()) return -1;
  return static_cast<int>(std::min<std::int64_t>((span + 999us) / 1ms, 60'000));
}

hawser::task<> ask(hawser::peer& me, hawser::endpoint where, std::string& answer) {
  const auto there = co_await me.connect(where);
  if (!there) co_return;
  const auto got = co_await me.call(*there, "nap");
  if (got) answer = hawser::as_text(*got);
}

}  // namespace

int main() {
  hawser::loop loop({.wait = hawser::wait_policy::block});
  hawser::peer server(loop, {.name = "server", .listen = "127.0.0.1:0"});
  server.on("nap", [&](hawser::request& rq) -> hawser::task<> {
    co_await hawser::sleep(loop, 20ms);
    static_cast<void>(co_await rq.write("rested"));
  });
  hawser::peer client(loop, {.name = "client"});
  std::string answer;
  hawser::scope work(loop);
  work.spawn(ask(client, server.local_endpoint(), answer));

  // Something else that this loop serves: a pipe on which another thread writes.
  int own[2];
  if (::pipe(own) != 0) return 1;
  std::jthread other([&] {
    for (int i = 0; i < 3; ++i) {
      std::this_thread::sleep_for(5ms);
      if (::write(own[1], "x", 1) != 1) return;
    }
  });

  int own_events = 0, rounds = 0;
  for (; (answer.empty() || own_events < 3) && rounds < 10'000; ++rounds) {
    pollfd watched[2] = {{loop.descriptor(), POLLIN, 0}, {own[0], POLLIN, 0}};
    // next_timeout() comes last before the wait: from then on other threads wake the descriptor.
    ::poll(watched, 2, milliseconds(loop.next_timeout()));
    if (watched[1].revents & POLLIN) {
      char byte;
      if (::read(own[0], &byte, 1) == 1) ++own_events;
    }
    loop.poll();                                            // one bounded turn; cheap when there is nothing to do
  }
  other.join();
  ::close(own[0]);
  ::close(own[1]);
  std::cout << "answer: " << answer << ", own events: " << own_events << ", rounds: " << rounds << '\n';
  return answer == "rested" && own_events == 3 && rounds < 1'000 ? 0 : 1;
}
