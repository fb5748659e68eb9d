// SPDX-License-Identifier: Apache-2.0 OR MIT
// nng: PAIR where there is one of each, REQ and REP with a context for each caller where a server has clients. Messages are passed on, not
// copied: what was received is what is sent back.
#include "peers/blocking.hpp"
#include "peers/outcome.hpp"

#include <nng/nng.h>
#include <nng/protocol/pair0/pair.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include <netinet/in.h>

#include <memory>
#include <semaphore>
#include <utility>

namespace hawser::bench::peers {
namespace {

// Messages that a socket queues each way; the library allows 8,192. Beside bulk the queue is where a ping waits.
constexpr std::size_t queued_bytes_max = std::size_t{4} << 20;
constexpr int queued_max = 8192, queued_beside = 1;
// Connections that are being made at a time, below what the library lets wait at a listener.
constexpr std::size_t dials_max = 64;
// More contexts than this make nothing faster.
constexpr std::size_t serving_max = 256;

void check(int result, const char* at) {
  if (result != 0) fail(std::string(at) + ": " + ::nng_strerror(result));
}

class message {
 public:
  message() = default;
  explicit message(nng_msg* taken) noexcept : inside_(taken) {}
  explicit message(bytes of) {
    check(::nng_msg_alloc(&inside_, of.size()), "message");
    std::memcpy(::nng_msg_body(inside_), of.data(), of.size());
  }
  ~message() {
    if (inside_ != nullptr) ::nng_msg_free(inside_);
  }
  message(message&& other) noexcept : inside_(std::exchange(other.inside_, nullptr)) {}
  message& operator=(message&& other) noexcept {
    std::swap(inside_, other.inside_);
    return *this;
  }
  bytes all() const noexcept { return {static_cast<const std::byte*>(::nng_msg_body(inside_)), ::nng_msg_len(inside_)}; }
  nng_msg* get() const noexcept { return inside_; }
  nng_msg* release() noexcept { return std::exchange(inside_, nullptr); }

 private:
  nng_msg* inside_ = nullptr;
};

class socket_of {
 public:
  socket_of(int (*open)(nng_socket*), const job& of) {
    check(open(&handle_), "socket");
    check(::nng_socket_set_size(handle_, NNG_OPT_RECVMAXSZ, 0), "option");
    if (open != ::nng_pair0_open) return;
    const std::size_t size = of.what == work::stream ? of.size : payload_bytes;
    const int queued = of.has_short_queues ? queued_beside : static_cast<int>(std::clamp<std::size_t>(queued_bytes_max / size, 4, queued_max));
    check(::nng_socket_set_int(handle_, NNG_OPT_SENDBUF, queued), "option");
    check(::nng_socket_set_int(handle_, NNG_OPT_RECVBUF, queued), "option");
  }
  ~socket_of() {
    if (handle_.id != 0) ::nng_close(handle_);
  }
  socket_of(socket_of&& other) noexcept : handle_(std::exchange(other.handle_, nng_socket{0})) {}
  socket_of& operator=(socket_of&&) = delete;

  std::uint16_t listen() {
    nng_listener listener;
    check(::nng_listen(handle_, "tcp://127.0.0.1:0", &listener, 0), "listen");
    nng_sockaddr address;
    check(::nng_listener_get_addr(listener, NNG_OPT_LOCADDR, &address), "address");
    return ntohs(address.s_in.sa_port);
  }
  void dial(std::uint16_t port, int flags = 0) { check(::nng_dial(handle_, ("tcp://127.0.0.1:" + std::to_string(port)).c_str(), nullptr, flags), "dial"); }
  // Takes the message.
  void send(message&& of) {
    const int result = ::nng_sendmsg(handle_, of.get(), 0);
    if (result == 0) of.release();
    check(result, "send");
  }
  void send(bytes of) { send(message(of)); }
  // False: closed, or nothing now (with NNG_FLAG_NONBLOCK).
  bool receive(message& to, int flags = 0) {
    nng_msg* got = nullptr;
    const int result = ::nng_recvmsg(handle_, &got, flags);
    if (result == NNG_ECLOSED || result == NNG_EAGAIN) return false;
    check(result, "receive");
    to = message(got);
    return true;
  }
  bool receive_now(message& to) { return receive(to, NNG_FLAG_NONBLOCK); }
  nng_socket get() const noexcept { return handle_; }

 private:
  nng_socket handle_;
};

// A context with the one operation that it has under way.
class talk {
 public:
  talk(const socket_of& on, void (*done)(void*), void* who) {
    check(::nng_ctx_open(&context_, on.get()), "context");
    check(::nng_aio_alloc(&operation_, done, who), "operation");
  }
  ~talk() {
    ::nng_aio_stop(operation_);
    ::nng_ctx_close(context_);
    ::nng_aio_free(operation_);
  }
  talk(const talk&) = delete;
  talk& operator=(const talk&) = delete;

  void receive() { ::nng_ctx_recv(context_, operation_); }
  void send(message of) {
    ::nng_aio_set_msg(operation_, of.release());
    ::nng_ctx_send(context_, operation_);
  }
  int result() const { return ::nng_aio_result(operation_); }
  message received() { return message(::nng_aio_get_msg(operation_)); }

 private:
  nng_ctx context_;
  nng_aio* operation_ = nullptr;
};

bool has_clients(const job& of) {
  return of.what == work::requests || of.what == work::echoes || of.what == work::idle || of.what == work::connect;
}

// -- server

void serve_pair(const job& of, ledger& books) {
  socket_of with(::nng_pair0_open, of);
  const input_watch watch([&with] { ::nng_close(with.get()); });
  receiver takes(of, books);
  announce(with.listen());
  message got;
  while (with.receive(got)) {
    if (takes.take(got.all())) with.send(std::move(got));
  }
}

class answering {
 public:
  answering(const socket_of& on, receiver& takes, outcome& shared)
      : takes_(takes), shared_(shared), talk_(on, [](void* self) { static_cast<answering*>(self)->done(); }, this) {
    talk_.receive();
  }

 private:
  void done() {
    shared_.guarded([this] {
      if (talk_.result() == NNG_ECLOSED) return;
      check(talk_.result(), is_sending_ ? "send" : "receive");
      is_sending_ = !is_sending_;
      if (!is_sending_) return talk_.receive();
      message got = talk_.received();
      takes_.take(got.all());
      talk_.send(std::move(got));
    });
  }

  receiver& takes_;
  outcome& shared_;
  bool is_sending_ = false;
  talk talk_;
};

void serve_rep(const job& of, ledger& books) {
  outcome shared;
  receiver takes(of, books);
  socket_of with(::nng_rep0_open, of);
  const input_watch watch([&shared] { shared.guarded([&] { shared.over(); }); });
  std::vector<std::unique_ptr<answering>> all;
  for (std::size_t i = 0; i < std::min(of.in_flight, serving_max); ++i) all.push_back(std::make_unique<answering>(with, takes, shared));
  announce(with.listen());
  shared.wait();
}

void serve(const job& of, ledger& books) {
  if (has_clients(of)) serve_rep(of, books);
  else serve_pair(of, books);
}

// -- client

void ask(const job& of, ledger& books, std::size_t pieces) {
  socket_of with(::nng_pair0_open, of);
  with.dial(of.port);
  asker asks(of, books, pieces);
  blocking::ask<message>(with, asks);
}

class calling {
 public:
  calling(const socket_of& on, asker& asks, outcome& shared)
      : asks_(asks), shared_(shared), talk_(on, [](void* self) { static_cast<calling*>(self)->done(); }, this) {
    shared.guarded([this] { again(); });
  }

 private:
  void again() {
    const auto next = asks_.next();
    if (next) talk_.send(message(bytes_of(*next)));
    else if (asks_.is_done()) shared_.over();
  }
  void done() {
    shared_.guarded([this] {
      if (talk_.result() == NNG_ECLOSED) return;
      check(talk_.result(), is_receiving_ ? "receive" : "send");
      is_receiving_ = !is_receiving_;
      if (is_receiving_) return talk_.receive();
      const message answer = talk_.received();
      asks_.tick();
      asks_.take(answer.all());
      again();
    });
  }

  asker& asks_;
  outcome& shared_;
  bool is_receiving_ = false;
  talk talk_;
};

void call(const job& of, ledger& books) {
  outcome shared;
  socket_of with(::nng_req0_open, of);
  with.dial(of.port);
  asker asks(of, books);
  std::vector<std::unique_ptr<calling>> all;
  for (std::size_t i = 0; i < of.in_flight; ++i) all.push_back(std::make_unique<calling>(with, asks, shared));
  shared.wait();
}

void pour(const job& of, ledger& books) {
  socket_of with(::nng_pair0_open, of);
  with.dial(of.port);
  blocking::pour<message>(with, of, books);
}

// Looks for the answer before each block; a ping goes ahead of it.
void ask_beside(const job& of, ledger& books) {
  socket_of with(::nng_pair0_open, of);
  with.dial(of.port);
  asker asks(of, books);
  pourer pours(block_bytes, books);
  with.send(bytes_of(*asks.next()));
  message answer;
  for (bytes block = pours.next(); !block.empty() || !asks.is_done(); block = pours.next()) {
    while (with.receive(answer, block.empty() ? 0 : NNG_FLAG_NONBLOCK)) {
      asks.tick();
      asks.take(answer.all());
      if (const auto next = asks.next()) with.send(bytes_of(*next));
      if (asks.is_done()) break;
    }
    if (!block.empty()) with.send(block);
  }
  blocking::end<message>(with);
}

void connect_again(const job& of, ledger& books) {
  blocking::connect_again<message>(of, books, [&of] {
    socket_of with(::nng_req0_open, of);
    with.dial(of.port);
    return with;
  });
}

// One socket with all of them: with a socket for each, the library takes longer to make and close thousands than the bench waits. It sends
// by each connection in turn, so that as many messages as there are connections use each once.
void stay(const job& of, ledger& books) {
  std::counting_semaphore<> connected(0);
  socket_of with(::nng_req0_open, of);
  check(::nng_pipe_notify(with.get(), NNG_PIPE_EV_ADD_POST, [](nng_pipe, nng_pipe_ev, void* to) { static_cast<std::counting_semaphore<>*>(to)->release(); }, &connected), "notify");
  for (std::size_t i = 0; i < of.connections; ++i) {
    if (i >= dials_max) connected.acquire();
    with.dial(of.port, NNG_FLAG_NONBLOCK);
  }
  for (std::size_t i = 0; i < std::min(dials_max, of.connections); ++i) connected.acquire();
  greeter greets(books);
  for (std::size_t i = 0; i < of.connections; ++i) blocking::greet<message>(with, greets);
  blocking::end<message>(with);
}

void drive(const job& of, ledger& books) {
  switch (of.what) {
    case work::pingpong: return ask(of, books, 1);
    case work::streamed: return ask(of, books, pieces_of_a_stream);
    case work::requests: return call(of, books);
    case work::stream: return pour(of, books);
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
  return run(argc, argv, {std::string("nng ") + ::nng_version(), offers, serve, drive});
}
