// SPDX-License-Identifier: Apache-2.0 OR MIT
// ZeroMQ by its C interface: PAIR where there is one of each, DEALER and ROUTER where a server has clients, XPUB and XSUB for one to many.
// High-water marks follow the size of a message, a received message is sent back as it is, and what is there is taken at once.
#include "peers/blocking.hpp"

#include <zmq.h>

#include <cerrno>
#include <deque>
#include <utility>

namespace hawser::bench::peers {
namespace {

// Both queues of a socket together hold this much, and a few messages at least.
constexpr std::size_t queued_bytes_max = std::size_t{8} << 20;
constexpr std::size_t blocks_queued_beside = 2;
// Closed sockets count until a thread of the library has come to them.
constexpr std::size_t closing_max = 4096;

[[noreturn]] void failed(const char* at) { fail(std::string(at) + ": " + ::zmq_strerror(::zmq_errno())); }

class context {
 public:
  explicit context(std::size_t sockets) : handle_(::zmq_ctx_new()) {
    if (::zmq_ctx_set(handle_, ZMQ_MAX_SOCKETS, static_cast<int>(sockets + closing_max)) != 0) failed("context");
  }
  ~context() { ::zmq_ctx_term(handle_); }
  context(const context&) = delete;
  context& operator=(const context&) = delete;
  void* get() const noexcept { return handle_; }

 private:
  void* handle_;
};

class message {
 public:
  message() { ::zmq_msg_init(&inside_); }
  ~message() { ::zmq_msg_close(&inside_); }
  message(const message&) = delete;
  message& operator=(const message&) = delete;
  bytes all() { return {static_cast<const std::byte*>(::zmq_msg_data(&inside_)), ::zmq_msg_size(&inside_)}; }
  zmq_msg_t* get() noexcept { return &inside_; }

 private:
  zmq_msg_t inside_;
};

class socket_of {
 public:
  socket_of(const context& in, int type, const job& of) : handle_(::zmq_socket(in.get(), type)) {
    if (handle_ == nullptr) failed("socket");
    const std::size_t size = of.what == work::stream ? of.size : payload_bytes;
    set(ZMQ_SNDHWM, mark_for(of, size));
    set(ZMQ_RCVHWM, mark_for(of, size));
  }
  ~socket_of() {
    if (handle_ != nullptr) ::zmq_close(handle_);
  }
  socket_of(socket_of&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  socket_of& operator=(socket_of&&) = delete;

  void set(int option, int value) {
    if (::zmq_setsockopt(handle_, option, &value, sizeof value) != 0) failed("option");
  }
  std::uint16_t bind() {
    if (::zmq_bind(handle_, "tcp://127.0.0.1:*") != 0) failed("bind");
    char name[64];
    std::size_t size = sizeof name;
    if (::zmq_getsockopt(handle_, ZMQ_LAST_ENDPOINT, name, &size) != 0) failed("endpoint");
    return static_cast<std::uint16_t>(std::stoi(std::string(name).substr(std::string(name).rfind(':') + 1)));
  }
  void connect(std::uint16_t port) {
    if (::zmq_connect(handle_, ("tcp://127.0.0.1:" + std::to_string(port)).c_str()) != 0) failed("connect");
  }
  // False: not now (with ZMQ_DONTWAIT).
  bool send(bytes of, int flags = 0) {
    if (::zmq_send(handle_, of.data(), of.size(), flags) >= 0) return true;
    if (::zmq_errno() != EAGAIN) failed("send");
    return false;
  }
  void send(message& of, int flags = 0) {
    if (::zmq_msg_send(of.get(), handle_, flags) < 0) failed("send");
  }
  // False: nothing now (with ZMQ_DONTWAIT), or the context is being shut down.
  bool receive(message& to, int flags = 0) {
    while (::zmq_msg_recv(to.get(), handle_, flags) < 0) {
      const int why = ::zmq_errno();
      if (why == EAGAIN || why == ETERM) return false;
      if (why != EINTR) failed("receive");
    }
    return true;
  }
  bool receive_now(message& to) { return receive(to, ZMQ_DONTWAIT); }
  void* get() const noexcept { return handle_; }

 private:
  static int mark_for(const job& of, std::size_t size) {
    if (of.has_short_queues) return blocks_queued_beside;
    return static_cast<int>(std::max<std::size_t>(queued_bytes_max / 2 / size, 2));
  }

  void* handle_;
};

bool has_clients(const job& of) { return of.what != work::pingpong && of.what != work::stream && of.what != work::beside; }

// -- server

void serve_pair(const context& in, const job& of, ledger& books) {
  socket_of with(in, ZMQ_PAIR, of);
  receiver takes(of, books);
  announce(with.bind());
  message got;
  while (with.receive(got)) {
    if (takes.take(got.all())) with.send(got);
  }
}

void serve_router(const context& in, const job& of, ledger& books) {
  socket_of with(in, ZMQ_ROUTER, of);
  with.set(ZMQ_BACKLOG, 4096);
  receiver takes(of, books);
  announce(with.bind());
  message who, got;
  while (with.receive(who) && with.receive(got)) {
    if (!takes.take(got.all())) continue;
    with.send(who, ZMQ_SNDMORE);
    with.send(got);
  }
}

void publish(const context& in, const job& of, ledger& books) {
  socket_of with(in, ZMQ_XPUB, of);
  with.set(ZMQ_XPUB_VERBOSE, 1);           // each subscription is told, not only the first to everything
  with.set(ZMQ_XPUB_NODROP, 1);
  with.set(ZMQ_BACKLOG, 4096);
  publisher publishes(of, books);
  announce(with.bind());
  message got;
  for (std::size_t i = 0; i < of.connections; ++i) {
    if (!with.receive(got)) return;
  }
  for (;;) {
    for (bytes next = publishes.next(); !next.empty(); next = publishes.next()) with.send(next);
    if (publishes.is_done()) break;
    if (!with.receive(got)) return;
    publishes.take(got.all().subspan(1));  // a first byte of 0 or 1 would be a subscription
  }
  with.send(word_of(end_word));
  while (with.receive(got)) {}
}

void serve(const job& of, ledger& books) {
  const context in(1);
  const input_watch watch([&in] { ::zmq_ctx_shutdown(in.get()); });
  if (of.what == work::fanout) publish(in, of, books);
  else if (has_clients(of)) serve_router(in, of, books);
  else serve_pair(in, of, books);
}

// -- client

void ask(const context& in, const job& of, ledger& books, std::size_t pieces) {
  socket_of with(in, has_clients(of) ? ZMQ_DEALER : ZMQ_PAIR, of);
  with.connect(of.port);
  asker asks(of, books, pieces);
  blocking::ask<message>(with, asks);
}

void pour(const context& in, const job& of, ledger& books) {
  socket_of with(in, ZMQ_PAIR, of);
  with.connect(of.port);
  blocking::pour<message>(with, of, books);
}

void ask_beside(const context& in, const job& of, ledger& books) {
  socket_of with(in, ZMQ_PAIR, of);
  with.connect(of.port);
  asker asks(of, books);
  pourer pours(block_bytes, books);
  auto ping = asks.next();
  bytes block = pours.next();
  message answer;
  while (!asks.is_done() || !block.empty()) {
    const bool wants_out = ping || !block.empty();
    zmq_pollitem_t waits{with.get(), 0, static_cast<short>(wants_out ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN), 0};
    if (::zmq_poll(&waits, 1, -1) < 0) failed("poll");
    if (with.receive_now(answer)) {
      asks.tick();
      asks.take(answer.all());
      ping = asks.next();
    }
    if (ping && with.send(bytes_of(*ping), ZMQ_DONTWAIT)) ping.reset();
    if (!ping && !block.empty() && with.send(block, ZMQ_DONTWAIT)) block = pours.next();
  }
  blocking::end<message>(with);
}

void connect_again(const context& in, const job& of, ledger& books) {
  blocking::connect_again<message>(of, books, [&] {
    socket_of with(in, ZMQ_DEALER, of);
    with.set(ZMQ_LINGER, 0);
    with.connect(of.port);
    return with;
  });
}

std::vector<socket_of> connect_all(const context& in, const job& of, int type) {
  std::vector<socket_of> all;
  for (std::size_t i = 0; i < of.connections; ++i) {
    all.emplace_back(in, type, of);
    all.back().connect(of.port);
  }
  return all;
}

void stay(const context& in, const job& of, ledger& books) {
  greeter greets(books);
  std::vector<socket_of> all;
  while (all.size() < of.connections) {
    all.emplace_back(in, ZMQ_DEALER, of);
    all.back().connect(of.port);
    blocking::greet<message>(all.back(), greets);
  }
  blocking::end<message>(all.front());
}

// Answers are awaited in the order of the questions; those that came meanwhile wait in their sockets.
void echo_many(const context& in, const job& of, ledger& books) {
  auto all = connect_all(in, of, ZMQ_DEALER);
  greeter greets(books);
  for (socket_of& each : all) blocking::greet<message>(each, greets);
  turns takes(of, books);
  takes.tick();
  std::deque<std::size_t> asked;
  message answer;
  while (!takes.is_done()) {
    while (const auto next = takes.next()) {
      all[next->connection].send(bytes_of(next->message));
      asked.push_back(next->connection);
    }
    const std::size_t first = asked.front();
    asked.pop_front();
    all[first].receive(answer);
    takes.tick();
    takes.take(first, answer.all());
  }
}

// Each publication comes to all, so the last subscriber waits and tells how far the others are to read: they have it already, mostly, and
// nothing is awaited for each. Half of the window at most is confirmed at once, so that the publisher goes on meanwhile.
void subscribe(const context& in, const job& of, ledger& books) {
  auto all = connect_all(in, of, ZMQ_XSUB);
  const std::byte everything{1};
  for (socket_of& each : all) each.send(bytes(&everything, 1));
  subscribers hears(of, books);
  message got;
  const std::size_t last = all.size() - 1;
  while (!hears.is_done()) {
    if (!all[last].receive(got)) fail("the publisher has gone");
    std::size_t many = 0;
    do {
      hears.take(last, got.all());
      ++many;
    } while (many < publications_open / 2 && all[last].receive_now(got));
    for (std::size_t i = 0; i < last; ++i) {
      for (std::size_t left = many; left > 0; --left) {
        if (!all[i].receive(got)) fail("the publisher has gone");
        hears.take(i, got.all());
      }
    }
    hears.tick();
    if (const auto confirmed = hears.confirmation()) {
      std::byte told[1 + control_bytes] = {std::byte{2}};
      std::memcpy(told + 1, &*confirmed, sizeof *confirmed);
      all[0].send(told);
    }
  }
}

void drive(const job& of, ledger& books) {
  const context in(of.connections);
  switch (of.what) {
    case work::pingpong:
    case work::requests: return ask(in, of, books, 1);
    case work::streamed: return ask(in, of, books, pieces_of_a_stream);
    case work::stream: return pour(in, of, books);
    case work::beside: return ask_beside(in, of, books);
    case work::connect: return connect_again(in, of, books);
    case work::idle: return stay(in, of, books);
    case work::echoes: return echo_many(in, of, books);
    case work::fanout: return subscribe(in, of, books);
  }
}

// No spinning: its own thread does the input and output, and needs the core on which its user would spin.
constexpr offer offers[] = {{work::pingpong}, {work::stream}, {work::requests}, {work::streamed}, {work::echoes}, {work::beside}, {work::fanout},
    {work::connect}, {work::idle}};

std::string version() {
  int major = 0, minor = 0, patch = 0;
  ::zmq_version(&major, &minor, &patch);
  return "libzmq " + std::to_string(major) + '.' + std::to_string(minor) + '.' + std::to_string(patch);
}

}
}  // namespace hawser::bench::peers

int main(int argc, char** argv) {
  using namespace hawser::bench::peers;
  return run(argc, argv, {version(), offers, serve, drive});
}
