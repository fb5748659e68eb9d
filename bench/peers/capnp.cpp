// SPDX-License-Identifier: Apache-2.0 OR MIT
// Cap'n Proto's two-party RPC: calls that overlap, `-> stream` for what goes one way, and for a streamed request an object whose calls
// are sent before it is known (pipelining). Messages are built with their size known.
#include "peers/many.hpp"

#include <capnp.capnp.h>

#include <capnp/rpc-twoparty.h>
#include <kj/async-io.h>

#include <utility>

namespace hawser::bench::peers {
namespace {

using hawser_bench::Contest;
using hawser_bench::Talk;

bytes bytes_of(capnp::Data::Reader of) { return std::as_bytes(std::span(of.begin(), of.size())); }
capnp::Data::Reader data_of(bytes of) { return {reinterpret_cast<const kj::byte*>(of.data()), of.size()}; }
// Of a call with one piece of data, in words.
capnp::MessageSize size_for(std::size_t data_bytes) { return {data_bytes / 8 + 32, 1}; }

// -- server

class talking final : public Talk::Server {
 public:
  explicit talking(receiver& takes) : takes_(takes) {}

 private:
  kj::Promise<void> piece(PieceContext context) override {
    const auto message = context.getParams().getMessage();
    takes_.take(bytes_of(message));
    context.getResults(size_for(message.size())).setMessage(message);
    return kj::READY_NOW;
  }

  receiver& takes_;
};

class contest final : public Contest::Server {
 public:
  contest(const job& of, ledger& books) : takes_(of, books) {}

 private:
  kj::Promise<void> ask(AskContext context) override {
    const auto message = context.getParams().getMessage();
    takes_.take(bytes_of(message));
    context.getResults(size_for(message.size())).setMessage(message);
    return kj::READY_NOW;
  }
  kj::Promise<void> pour(PourContext context) override {
    takes_.take(bytes_of(context.getParams().getMessage()));
    return kj::READY_NOW;
  }
  kj::Promise<void> talk(TalkContext context) override {
    context.getResults().setTalk(kj::heap<talking>(takes_));
    return kj::READY_NOW;
  }

  receiver takes_;
};

kj::Promise<void> end_of(kj::AsyncInputStream& input, kj::ArrayPtr<char> ignored) {
  return input.tryRead(ignored.begin(), 1, ignored.size()).then([&input, ignored](std::size_t n) -> kj::Promise<void> {
    if (n == 0) return kj::READY_NOW;
    return end_of(input, ignored);
  });
}

void serve(const job& of, ledger& books) {
  auto io = kj::setupAsyncIo();
  auto input = io.lowLevelProvider->wrapInputFd(STDIN_FILENO);
  auto listener = io.provider->getNetwork().parseAddress("127.0.0.1", 0).wait(io.waitScope)->listen();
  capnp::TwoPartyServer server(kj::heap<contest>(of, books));
  auto serving = server.listen(*listener).eagerlyEvaluate(nullptr);
  announce(static_cast<std::uint16_t>(listener->getPort()));
  char ignored[64];
  end_of(*input, kj::arrayPtr(ignored, sizeof ignored)).exclusiveJoin(kj::mv(serving)).wait(io.waitScope);
}

// -- client

// A connection of its own and the server's object behind it.
struct connection {
  kj::Own<kj::AsyncIoStream> stream;
  capnp::TwoPartyClient client;
  Contest::Client contest;

  explicit connection(kj::Own<kj::AsyncIoStream> connected)
      : stream(kj::mv(connected)), client(*stream), contest(client.bootstrap().castAs<Contest>()) {}
};

struct side {
  const job& of;
  ledger& books;
  kj::AsyncIoContext io = kj::setupAsyncIo();
  kj::Own<kj::NetworkAddress> server = io.provider->getNetwork().parseAddress("127.0.0.1", of.port).wait(io.waitScope);

  kj::Own<connection> connect() { return kj::heap<connection>(server->connect().wait(io.waitScope)); }
};

auto question_of(Contest::Client& to, bytes message) {
  auto question = to.askRequest(size_for(message.size()));
  question.setMessage(data_of(message));
  return question;
}

// The promise is kept when this caller's requests are all answered.
kj::Promise<void> call(Contest::Client& to, asker& asks) {
  const auto next = asks.next();
  if (!next) return kj::READY_NOW;
  return question_of(to, peers::bytes_of(*next)).send().then([&to, &asks](auto&& answer) {
    asks.tick();
    asks.take(bytes_of(answer.getMessage()));
    return call(to, asks);
  });
}

kj::Promise<void> stream(Contest::Client& to, asker& asks) {
  const auto caller = asks.begin();
  if (!caller) return kj::READY_NOW;
  auto talk = to.talkRequest(capnp::MessageSize{8, 0}).send().getTalk();
  auto answers = kj::heapArrayBuilder<kj::Promise<void>>(pieces_of_a_stream);
  for (std::size_t i = 0; i < pieces_of_a_stream; ++i) {
    const payload next = asks.piece(*caller);
    auto question = talk.pieceRequest(size_for(payload_bytes));
    question.setMessage(data_of(peers::bytes_of(next)));
    answers.add(question.send().then([&asks](auto&& answer) {
      asks.tick();
      asks.take(bytes_of(answer.getMessage()));
    }));
  }
  return kj::joinPromises(answers.finish()).then([&to, &asks] { return stream(to, asks); });
}

kj::Promise<void> pour(Contest::Client& to, pourer& pours) {
  const bytes next = pours.next();
  if (next.empty()) return kj::READY_NOW;
  auto message = to.pourRequest(size_for(next.size()));
  message.setMessage(data_of(next));
  return message.send().then([&to, &pours] { return pour(to, pours); });
}

// A call is answered after all messages that were sent before it on the stream were taken.
void end(side& here, Contest::Client& to) {
  const auto answer = question_of(to, word_of(end_word)).send().wait(here.io.waitScope);
  expect_end(bytes_of(answer.getMessage()));
}

void ask_together(side& here, std::size_t pieces) {
  auto with = here.connect();
  asker asks(here.of, here.books, pieces);
  auto callers = kj::heapArrayBuilder<kj::Promise<void>>(here.of.in_flight);
  for (std::size_t i = 0; i < here.of.in_flight; ++i) {
    callers.add(pieces == 1 ? call(with->contest, asks) : stream(with->contest, asks));
  }
  kj::joinPromises(callers.finish()).wait(here.io.waitScope);
}

void pour_all(side& here) {
  auto with = here.connect();
  pourer pours(here.of.size, here.books);
  pour(with->contest, pours).wait(here.io.waitScope);
  end(here, with->contest);
}

void ask_beside(side& here) {
  auto with = here.connect();
  asker asks(here.of, here.books);
  pourer pours(block_bytes, here.books);
  auto both = kj::heapArrayBuilder<kj::Promise<void>>(2);
  both.add(call(with->contest, asks));
  both.add(pour(with->contest, pours));
  kj::joinPromises(both.finish()).wait(here.io.waitScope);
  end(here, with->contest);
}

void connect_again(side& here) {
  asker asks(here.of, here.books);
  while (!asks.is_done()) {
    auto with = here.connect();
    const auto answer = question_of(with->contest, peers::bytes_of(asks.only())).send().wait(here.io.waitScope);
    asks.tick();
    asks.take(bytes_of(answer.getMessage()));
  }
}

void stay(side& here) {
  greeter greets(here.books);
  std::vector<kj::Own<connection>> all;
  for (std::size_t i = 0; i < here.of.connections; ++i) {
    all.push_back(here.connect());
    const auto answer = question_of(all.back()->contest, peers::bytes_of(greets.next())).send().wait(here.io.waitScope);
    greets.take(bytes_of(answer.getMessage()));
  }
  end(here, all.front()->contest);
}

void drive(const job& of, ledger& books) {
  side here{of, books};
  switch (of.what) {
    case work::pingpong:
    case work::requests: return ask_together(here, 1);
    case work::streamed: return ask_together(here, pieces_of_a_stream);
    case work::stream: return pour_all(here);
    case work::beside: return ask_beside(here);
    case work::connect: return connect_again(here);
    case work::idle: return stay(here);
    default: fail("not offered");
  }
}

constexpr offer offers[] = {{work::pingpong}, {work::stream}, {work::requests}, {work::streamed}, {work::beside}, {work::connect}, {work::idle}};

std::string version() {
  return "Cap'n Proto " + std::to_string(CAPNP_VERSION_MAJOR) + '.' + std::to_string(CAPNP_VERSION_MINOR) + '.' + std::to_string(CAPNP_VERSION_MICRO);
}

}
}  // namespace hawser::bench::peers

int main(int argc, char** argv) {
  using namespace hawser::bench::peers;
  return run(argc, argv, {version(), offers, serve, drive});
}
