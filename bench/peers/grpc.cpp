// SPDX-License-Identifier: Apache-2.0 OR MIT
// gRPC: unary calls and streams on the callback interface; where one thread only reads or writes, the synchronous one. Writes that more
// will follow carry the buffer hint.
#include "peers/many.hpp"
#include "peers/outcome.hpp"

#include <grpc.grpc.pb.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <memory>

namespace hawser::bench::peers {
namespace {

using hawser_bench::contest;
using piece_type = hawser_bench::message;

void check(const grpc::Status& status, const char* at) {
  if (!status.ok()) fail(std::string(at) + ": " + status.error_message());
}

void put(piece_type& to, bytes from) { to.set_payload(from.data(), from.size()); }
bytes payload_of(const piece_type& of) { return std::as_bytes(std::span(of.payload())); }

const auto more_follows = grpc::WriteOptions().set_buffer_hint();

// -- server

// Sends each message back; of a streamed request the answers leave with the last of them.
class echoing final : public grpc::ServerBidiReactor<piece_type, piece_type> {
 public:
  echoing(const job& of, receiver& takes, outcome& shared) : pieces_(of.what == work::streamed ? pieces_of_a_stream : 1), takes_(takes), shared_(shared) {
    StartRead(&piece_);
  }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    shared_.guarded([this] { takes_.take(payload_of(piece_)); });
    // The first answer takes the initial metadata along, which would not leave with the hint.
    const bool waits = ++count_ % pieces_ != 0 && count_ > 1;
    StartWrite(&piece_, waits ? more_follows : grpc::WriteOptions());
  }
  void OnWriteDone(bool ok) override {
    if (ok) StartRead(&piece_);
    else Finish(grpc::Status(grpc::StatusCode::ABORTED, "not written"));
  }
  void OnDone() override { delete this; }

  std::size_t pieces_, count_ = 0;
  receiver& takes_;
  outcome& shared_;
  piece_type piece_;
};

class service final : public contest::WithCallbackMethod_ask<contest::WithCallbackMethod_talk<contest::Service>> {
 public:
  service(const job& of, ledger& books) : of_(of), takes_(of, books) {}

  grpc::ServerUnaryReactor* ask(grpc::CallbackServerContext* context, const piece_type* question, piece_type* answer) override {
    shared_.guarded([&] { takes_.take(payload_of(*question)); });
    *answer = *question;
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }
  grpc::ServerBidiReactor<piece_type, piece_type>* talk(grpc::CallbackServerContext*) override { return new echoing(of_, takes_, shared_); }
  grpc::Status pour(grpc::ServerContext*, grpc::ServerReader<piece_type>* from, piece_type* last) override {
    while (from->Read(last)) shared_.guarded([&] { takes_.take(payload_of(*last)); });
    return grpc::Status::OK;
  }

  void close() {
    shared_.guarded([this] { shared_.over(); });
  }
  void wait() { shared_.wait(); }

 private:
  const job& of_;
  receiver takes_;
  outcome shared_;
};

void serve(const job& of, ledger& books) {
  service serves(of, books);
  grpc::ServerBuilder builder;
  int port = 0;
  // Windows that are wide from the start suit messages of a megabyte, and nothing smaller.
  if (of.what == work::stream && of.size > block_bytes) {
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 4 << 20);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_FRAME_SIZE, 1 << 20);
    builder.AddChannelArgument(GRPC_ARG_TCP_READ_CHUNK_SIZE, 256 << 10);
  }
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&serves);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server || port == 0) fail("cannot listen");
  const input_watch watch([&serves] { serves.close(); });
  announce(static_cast<std::uint16_t>(port));
  serves.wait();
  server->Shutdown(std::chrono::system_clock::now());
}

// -- client

// A connection of its own.
std::shared_ptr<grpc::Channel> connect(const job& of) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(of.port), grpc::InsecureChannelCredentials(), arguments);
}

class calling {
 public:
  calling(contest::Stub& stub, asker& asks, outcome& shared) : stub_(stub), asks_(asks), shared_(shared) {}

  void again() {
    const auto next = asks_.next();
    if (!next) {
      if (asks_.is_done()) shared_.over();
      return;
    }
    put(question_, bytes_of(*next));
    context_.emplace();
    stub_.async()->ask(&*context_, &question_, &answer_, [this](grpc::Status status) {
      shared_.guarded([&] {
        check(status, "ask");
        asks_.tick();
        asks_.take(payload_of(answer_));
        again();
      });
    });
  }

 private:
  contest::Stub& stub_;
  asker& asks_;
  outcome& shared_;
  std::optional<grpc::ClientContext> context_;
  piece_type question_, answer_;
};

// One request that streams, over and over; each time it is a call of its own.
class streaming final : public grpc::ClientBidiReactor<piece_type, piece_type> {
 public:
  streaming(contest::Stub& stub, asker& asks, outcome& shared) : stub_(stub), asks_(asks), shared_(shared) {}

  void again() {
    const auto began = asks_.begin();
    if (!began) {
      if (asks_.is_done()) shared_.over();
      return;
    }
    caller_ = *began;
    written_ = 0;
    context_.emplace();
    stub_.async()->talk(&*context_, this);
    StartRead(&got_);
    write();
    StartCall();
  }

 private:
  void write() {
    const payload next = asks_.piece(caller_);
    put(sent_, bytes_of(next));
    if (++written_ < pieces_of_a_stream) StartWrite(&sent_, more_follows);
    else StartWriteLast(&sent_, grpc::WriteOptions());
  }
  void OnWriteDone(bool ok) override {
    shared_.guarded([&] {
      if (!ok) fail("not written");
      if (written_ < pieces_of_a_stream) write();
    });
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;                       // the end of the stream; OnDone says how it went
    shared_.guarded([&] {
      asks_.tick();
      is_answered_ = asks_.take(payload_of(got_)).has_value();
      StartRead(&got_);
    });
  }
  void OnDone(const grpc::Status& status) override {
    shared_.guarded([&] {
      check(status, "talk");
      if (!is_answered_) fail("a stream ended before all was answered");
      again();
    });
  }

  contest::Stub& stub_;
  asker& asks_;
  outcome& shared_;
  std::optional<grpc::ClientContext> context_;
  std::uint32_t caller_ = 0;
  std::size_t written_ = 0;
  bool is_answered_ = false;
  piece_type sent_, got_;
};

template <class Caller>
void call(const job& of, ledger& books, std::size_t pieces) {
  outcome shared;
  const auto stub = contest::NewStub(connect(of));
  asker asks(of, books, pieces);
  std::vector<std::unique_ptr<Caller>> all;
  for (std::size_t i = 0; i < of.in_flight; ++i) all.push_back(std::make_unique<Caller>(*stub, asks, shared));
  for (auto& each : all) shared.guarded([&] { each->again(); });
  shared.wait();
}

using talk_type = grpc::ClientReaderWriter<piece_type, piece_type>;

void ping(contest::Stub& stub, asker& asks) {
  grpc::ClientContext context;
  const auto talk = stub.talk(&context);
  piece_type sent, got;
  for (auto next = asks.next(); next; next = asks.next()) {
    put(sent, bytes_of(*next));
    if (!talk->Write(sent) || !talk->Read(&got)) break;
    asks.tick();
    asks.take(payload_of(got));
  }
  talk->WritesDone();
  check(talk->Finish(), "talk");
}

void pour(contest::Stub& stub, pourer& pours) {
  grpc::ClientContext context;
  piece_type piece, last;
  const auto to = stub.pour(&context, &last);
  // Large messages fill a write by themselves.
  const auto options = pours.size() < block_bytes ? more_follows : grpc::WriteOptions();
  for (bytes next = pours.next(); !next.empty(); next = pours.next()) {
    put(piece, next);
    if (!to->Write(piece, options)) break;
  }
  put(piece, word_of(end_word));
  to->WriteLast(piece, grpc::WriteOptions());
  check(to->Finish(), "pour");
  expect_end(payload_of(last));
}

void ask_beside(const job& of, ledger& books) {
  const auto stub = contest::NewStub(connect(of));
  asker asks(of, books);
  ledger poured(of);
  pourer pours(block_bytes, poured);
  std::exception_ptr failed;
  std::thread bulk([&] {
    try {
      pour(*stub, pours);
    } catch (...) {
      failed = std::current_exception();
    }
  });
  ping(*stub, asks);
  bulk.join();
  if (failed) std::rethrow_exception(failed);
  books.count += poured.count;
  books.sum += poured.sum;
  books.bulk = poured.bulk;
}

piece_type ask_one(contest::Stub& stub, bytes question) {
  piece_type sent, got;
  put(sent, question);
  grpc::ClientContext context;
  check(stub.ask(&context, sent, &got), "ask");
  return got;
}

void connect_again(const job& of, ledger& books) {
  asker asks(of, books);
  while (!asks.is_done()) {
    const payload next = asks.only();
    const auto stub = contest::NewStub(connect(of));
    const piece_type answer = ask_one(*stub, bytes_of(next));
    asks.tick();
    asks.take(payload_of(answer));
  }
}

void stay(const job& of, ledger& books) {
  greeter greets(books);
  std::vector<std::unique_ptr<contest::Stub>> all;
  for (std::size_t i = 0; i < of.connections; ++i) {
    all.push_back(contest::NewStub(connect(of)));
    greets.take(payload_of(ask_one(*all.back(), bytes_of(greets.next()))));
  }
  expect_end(payload_of(ask_one(*all.front(), word_of(end_word))));
}

void drive(const job& of, ledger& books) {
  switch (of.what) {
    case work::pingpong: {
      asker asks(of, books);
      return ping(*contest::NewStub(connect(of)), asks);
    }
    case work::stream: {
      pourer pours(of.size, books);
      return pour(*contest::NewStub(connect(of)), pours);
    }
    case work::requests: return call<calling>(of, books, 1);
    case work::streamed: return call<streaming>(of, books, pieces_of_a_stream);
    case work::beside: return ask_beside(of, books);
    case work::connect: return connect_again(of, books);
    case work::idle: return stay(of, books);
    default: fail("not offered");
  }
}

constexpr offer offers[] = {{work::pingpong}, {work::stream}, {work::requests}, {work::streamed}, {work::beside}, {work::connect}, {work::idle}};

}
}  // namespace hawser::bench::peers

int main(int argc, char** argv) {
  using namespace hawser::bench::peers;
  return run(argc, argv, {"gRPC " + grpc::Version(), offers, serve, drive});
}
