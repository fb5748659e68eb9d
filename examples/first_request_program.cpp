// SPDX-License-Identifier: Apache-2.0 OR MIT
// What users of request libraries write first: a named operation that streams, and a caller that writes while it reads.
#include <hawser/hawser.hpp>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <string>

hawser::task<> upper(hawser::request& rq) {
  for (;;) {
    auto chunk = co_await rq.read();
    if (!chunk) co_return;                                          // cancelled, or the caller is gone
    if (chunk->empty()) break;                                      // the caller's end
    std::string text(hawser::as_text(*chunk));
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    if (!co_await rq.write(text)) co_return;
  }
}

hawser::task<int> ask(hawser::peer& me, hawser::endpoint where) {
  auto there = co_await me.connect(where);
  if (!there) co_return 1;
  auto rq = me.start(*there, "upper", {.deadline = std::chrono::seconds(5)});
  if (!rq) co_return 1;
  for (const char* part : {"many ", "strands, ", "one rope"})
    if (!co_await rq->write(part)) co_return 1;
  rq->finish();
  auto answer = co_await rq->read_all(1024);
  if (!answer) {
    std::fprintf(stderr, "%s\n", answer.error().message().c_str());
    co_return 1;
  }
  std::printf("%s\n", std::string(hawser::as_text(*answer)).c_str());
  co_return hawser::as_text(*answer) == "MANY STRANDS, ONE ROPE" ? 0 : 1;
}

int main() {
  hawser::loop loop;
  hawser::peer server(loop, {.listen = "127.0.0.1:0"});
  server.on("upper", upper);
  hawser::peer client(loop);
  return loop.run(ask(client, server.local_endpoint()));
}
