// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

#include <memory>
#include <random>

// Handlers that do to their request, their connection and their peer whatever comes to their mind, in any order, while callers change
// theirs as well. Whatever it was: every request ends once, the books balance, and nothing is kept.

namespace hawser::peer_test {
namespace {

class whims : public ::testing::Test {
 protected:
  whims() { build(); }

  void build() {
    server = std::make_unique<peer>(loop_, peer_options{.name = "server", .listen = "127.0.0.1:0"});
    for (const auto cancel : {operation_options::on_cancel::tell, operation_options::on_cancel::drop}) {
      const char* const name = cancel == operation_options::on_cancel::drop ? "dropped" : "told";
      server->on(name, [this](request& rq) -> task<> {
        if (below(20) == 0) throw std::runtime_error("before it began");
        return handle(rq);
      }, {.cancel = cancel});
    }
    server->on_stream([this](channel& c) -> task<> { return stream(c); });
    server->on_message([](connection&, byte_view) {});
  }
  unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

  task<> handle(request& rq) {
    ++running_;
    const std::shared_ptr<void> left(nullptr, [this](void*) { --running_; });
    for (unsigned i = below(6); i > 0; --i) {
      switch (below(rare_end_ ? 21 : 20)) {
        case 0: co_await sleep(loop_, 200us); break;
        case 1: co_await sleep(loop_, 0s); break;
        case 2: case 3:
          if (rq) static_cast<void>(co_await rq.read());
          break;
        case 4:
          if (rq) static_cast<void>(co_await rq.read_all(3'000));
          break;
        case 5:
          if (rq) static_cast<void>(co_await rq.read_at_least(below(9'000)));
          break;
        case 6: case 7:
          if (rq) static_cast<void>(co_await rq.write("a few words"));
          break;
        case 8:
          if (rq) static_cast<void>(co_await rq.write(pattern(0, below(300'000))));
          break;
        case 9:
          if (rq) rq.finish();
          break;
        case 10:
          if (rq) rq.fail(errc::forbidden);
          break;
        case 11: { const request gone = std::move(rq); } break;
        case 12:
          if (rq) elsewhere_.spawn(go_on(std::move(rq)));
          break;
        case 13: throw 42;
        case 14:
          if (rq && !rq.peek().empty()) rq.consume(1 + below(static_cast<unsigned>(rq.peek().size())));
          break;
        case 15:
          if (rq) rq.stop_reading();
          break;
        case 16:
          if (rq && below(4) == 0) rq.caller().abort();
          break;
        case 17:
          if (rq && below(4) == 0) rq.caller().close();
          break;
        case 18:
          if (rq) elsewhere_.spawn(wait_for(rq));
          if (below(2) == 0) co_await sleep(loop_, 100us);
          co_return;
        case 19:
          if (rq) static_cast<void>(rq.try_write(as_bytes("more")));
          break;
        case 20: server.reset(); break;
        default: break;
      }
    }
  }
  task<> go_on(request rq) {
    if (below(2) == 0) co_await sleep(loop_, 300us);
    static_cast<void>(co_await rq.read_all(100'000));
    static_cast<void>(co_await rq.write("from elsewhere"));
    if (below(2) == 0) rq.finish();
  }
  // Somebody else's read on a request that may end meanwhile.
  task<> wait_for(request& rq) { static_cast<void>(co_await rq.read()); }
  task<> stream(channel& c) {
    for (unsigned i = below(4); i > 0; --i) {
      if (!c) break;
      const auto piece = co_await c.read();
      if (!piece || piece->empty()) break;
      static_cast<void>(co_await c.write(piece->view()));
      if (below(6) == 0) { const channel gone = std::move(c); }
    }
  }

  task<> call(peer& from, connection to) {
    call_options options;
    if (below(3) == 0) options.deadline = std::chrono::microseconds(below(2'000));
    const std::string body = pattern(0, below(3) == 0 ? below(200'000) : below(2'000));
    static_cast<void>(co_await from.call(to, below(2) == 0 ? "told" : "dropped", as_bytes(body), options));
  }
  task<> call_self() {
    const std::string body = pattern(0, below(3'000));
    static_cast<void>(co_await server->call("server", below(2) == 0 ? "told" : "dropped", as_bytes(body)));
  }
  task<> talk(peer& from, connection to) {
    auto rq = from.prepare(to, below(2) == 0 ? "told" : "dropped");
    if (below(2) == 0) static_cast<void>(rq.try_write(as_bytes("early")));
    if (!rq.start()) co_return;
    for (unsigned i = below(5); i > 0; --i) {
      if (below(2) == 0) static_cast<void>(co_await rq.write(pattern(0, below(20'000))));
      if (below(4) == 0) static_cast<void>(co_await rq.read());
      if (below(6) == 0) rq.finish();
      if (below(8) == 0) rq.stop_reading();
      if (below(8) == 0) co_await sleep(loop_, 100us);
    }
  }
  task<> flow(peer& from, connection to) {
    auto c = from.open_stream(to);
    if (!c) co_return;
    for (unsigned i = below(4); i > 0; --i) static_cast<void>(co_await c->write(pattern(0, below(5'000))));
    if (below(2) == 0) c->finish();
    static_cast<void>(co_await c->read());
  }

  void check_books() {
    for (const operation_statistics& each : server->operations()) {
      EXPECT_EQ(each.running, 0u) << each.operation;
      EXPECT_EQ(each.started, each.answered + each.failed + each.cancelled + each.expired + each.lost) << each.operation;
    }
  }

  loop loop_;
  std::minstd_rand random_;
  std::size_t running_ = 0;
  bool rare_end_ = false;
  scope elsewhere_{loop_};
  std::unique_ptr<peer> server;
};

TEST_F(whims, of_handlers_and_callers_leave_the_books_balanced_and_nothing_behind) {
  const std::size_t in_use = loop_.buffers().bytes_in_use();
  for (unsigned round = 0; round < scaled(160); ++round) {
    random_.seed(round + 1);
    rare_end_ = round % 4 == 3;
    if (!server) build();
    {
      peer client(loop_, {.name = "client"});
      // A handler of the round before may end the server meanwhile.
      const auto first = finish(loop_, client.connect(server->local_endpoint()));
      if (!first || !server) continue;
      connection to = *first;
      scope calls(loop_);
      for (unsigned i = 0; i < 60 && server; ++i) {
        if (!to.is_open()) {
          auto again = finish(loop_, client.connect(server->local_endpoint()));
          if (!again || !server) break;
          to = *again;
        }
        const unsigned what = below(10);
        if (what < 6) calls.spawn(call(client, to));
        else if (what < 8) calls.spawn(talk(client, to));
        else if (what < 9) calls.spawn(flow(client, to));
        else calls.spawn(call_self());
        if (below(5) == 0) loop_.poll();
        if (below(40) == 0) calls.cancel();
      }
      if (below(3) != 0) drive(loop_, [&] { return calls.count() == 0; }, 5ms);      // some wait for each other
      calls.cancel();
      elsewhere_.cancel();
      const call_statistics sums = client.calls();
      EXPECT_EQ(sums.running, 0u);
      EXPECT_EQ(sums.started, sums.answered + sums.failed + sums.refused + sums.cancelled + sums.expired + sums.lost);
      if (server && below(2) == 0) finish(loop_, client.stop(2ms));
    }
    if (server) {
      ASSERT_TRUE(drive(loop_, [&] { return !server || running_ == 0; })) << round;
      if (server) check_books();
    }
    elsewhere_.cancel();
    if (below(3) == 0) server.reset();
    if (!server) {
      settle(loop_, 1ms);
      EXPECT_EQ(running_, 0u) << round;
    }
  }
  server.reset();
  EXPECT_TRUE(drive(loop_, [&] { return loop_.buffers().bytes_in_use() <= in_use; }, 5s)) << loop_.buffers().bytes_in_use();
}

}  // namespace
}  // namespace hawser::peer_test
