// SPDX-License-Identifier: Apache-2.0 OR MIT
// A request whose body and answer stream at the same time: the server answers each line as it comes, long before the body ends.
// Headers travel first, each way; a deadline bounds the whole.
#include <hawser/hawser.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <iostream>
#include <string>

using namespace std::chrono_literals;

// Shouts back whatever is said.
hawser::task<> shout(hawser::request& rq) {
  const std::array<hawser::header, 1> headers{{{"volume", rq.header("volume")}}};
  if (!rq.respond_headers(headers)) co_return;
  for (;;) {
    const auto piece = co_await rq.read();
    if (!piece || piece->empty()) co_return;                 // the caller gave up, or everything was said: the answer ends here too
    std::string louder(hawser::as_text(*piece));
    std::transform(louder.begin(), louder.end(), louder.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (!co_await rq.write(louder)) co_return;               // waits while the caller does not read
  }
}

hawser::task<bool> converse(hawser::peer& me, hawser::endpoint where) {
  const auto there = co_await me.connect(where);
  if (!there) co_return false;

  const std::array<hawser::header, 1> headers{{{"volume", "11"}}};
  const hawser::call_options options{.deadline = 10s, .headers = headers};
  auto rq = me.start(*there, "shout", options);
  if (!rq || !co_await rq->headers()) co_return false;
  if (rq->answer_header("volume") != "11") co_return false;

  for (const std::string line : {"is anybody there", "yes", "good"}) {
    if (!co_await rq->write(line)) co_return false;
    const auto answer = co_await rq->read_at_least(line.size());          // while the body is still open
    if (!answer) {
      std::cerr << answer.error().message() << '\n';
      co_return false;
    }
    std::cout << line << "  ->  " << hawser::as_text(*answer) << '\n';
    if (hawser::as_text(*answer).size() != line.size()) co_return false;
  }
  rq->finish();                                                           // nothing more to say
  const auto end = co_await rq->read();
  co_return end && end->empty() && !rq->error();
}

int main() {
  hawser::loop loop;
  hawser::peer server(loop, {.name = "server", .listen = "127.0.0.1:0"});
  server.on("shout", shout);
  hawser::peer client(loop, {.name = "client"});
  return loop.run(converse(client, server.local_endpoint())) ? 0 : 1;
}
