// SPDX-License-Identifier: Apache-2.0 OR MIT
// Boost.Asio with coroutines: one thread, sockets and awaitables of the loop's own executor (no type erasure, no locks), a length of 4
// bytes before each message, and as much in one write as there is.
#include "peers/framing.hpp"
#include "peers/side.hpp"
#include "peers/work.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/version.hpp>

#include <array>
#include <memory>

#include <netinet/tcp.h>
#include <unistd.h>

namespace hawser::bench::peers {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using asio::ip::tcp;
using executor = asio::io_context::executor_type;
using socket_type = asio::basic_stream_socket<tcp, executor>;
using acceptor_type = asio::basic_socket_acceptor<tcp, executor>;
template <class T = void>
using task = asio::awaitable<T, executor>;
constexpr auto awaited = asio::as_tuple(asio::use_awaitable_t<executor>());

using not_sent_low_water = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;

// From this size on a message is written from where it lies, not copied into the outbox.
constexpr std::size_t copied_below_bytes = 16 * 1024;
// async_write sends 64 KiB at most in one call to the system unless it is told more.
constexpr auto all_at_once = [](const error_code& failed, std::size_t) { return failed ? 0 : std::size_t{16} << 20; };
// Of connections that carry a message now and then.
constexpr std::size_t small_inbox_bytes = 1024;
// What a publisher may have sent ahead to one subscriber, more or less.
constexpr std::size_t subscriber_inbox_bytes = 16 * 1024;

void check(const error_code& failed, const char* at) {
  if (failed) fail(std::string(at) + ": " + failed.message());
}

class wire {
 public:
  wire(socket_type connected, std::size_t message_bytes_max, std::size_t inbox_bytes = buffer_bytes)
      : socket(std::move(connected)), in(message_bytes_max, inbox_bytes), out(inbox_bytes) {
    socket.set_option(tcp::no_delay(true));
  }

  // False: the other side has closed.
  task<bool> fill() {
    const auto space = in.space();
    const auto [failed, n] = co_await socket.async_read_some(asio::buffer(space.data(), space.size()), awaited);
    if (failed == asio::error::eof) co_return false;
    check(failed, "read");
    in.filled(n);
    co_return true;
  }
  task<> flush() {
    const bytes all = out.unsent();
    const auto [failed, n] = co_await asio::async_write(socket, asio::buffer(all.data(), all.size()), all_at_once, awaited);
    check(failed, "write");
    out.sent(n);
  }
  // What is in the outbox, then this message from where it lies.
  task<> flush_with(bytes message) {
    const auto length = static_cast<std::uint32_t>(message.size());
    const bytes before = out.unsent();
    const std::array<asio::const_buffer, 3> parts = {asio::buffer(before.data(), before.size()),
        asio::buffer(&length, sizeof length), asio::buffer(message.data(), message.size())};
    const auto [failed, n] = co_await asio::async_write(socket, parts, all_at_once, awaited);
    check(failed, "write");
    out.sent(before.size());
  }
  // For a message so small that the kernel takes it as long as both sides read.
  void send_now(bytes message) {
    out.append(message);
    error_code failed;
    const std::size_t n = asio::write(socket, asio::buffer(out.unsent().data(), out.unsent().size()), failed);
    check(failed, "write");
    out.sent(n);
  }
  task<bytes> message() {
    for (;;) {
      const bytes got = in.next();
      if (got.data() != nullptr) co_return got;
      if (!co_await fill()) fail("the other side has closed");
    }
  }
  // The control message there and back: all before it was taken.
  task<> end() {
    const std::uint64_t word = 0;
    out.append(std::as_bytes(std::span(&word, 1)));
    co_await flush();
    if ((co_await message()).size() != control_bytes) fail("the end was answered with something else");
  }

  socket_type socket;
  inbox in;
  outbox out;
};

struct side {
  const job& of;
  ledger& books;
  asio::io_context context{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE};

  // What fails inside ends run() with its exception.
  void spawn(task<> work) {
    asio::co_spawn(context, std::move(work), [](std::exception_ptr failed) {
      if (failed) std::rethrow_exception(failed);
    });
  }
  void run() {
    if (!of.spins) context.run();
    else
      while (!context.stopped()) context.poll();
  }
};

std::size_t message_bytes_max(const job& of) {
  return of.what == work::stream ? of.size : of.what == work::beside ? block_bytes
                                                                     : publication_bytes;
}

bool has_many_connections(const job& of) { return of.what == work::echoes || of.what == work::idle || of.what == work::connect; }

// -- server

task<> watch_input(side& here) {
  asio::posix::basic_stream_descriptor<executor> input(here.context, ::dup(STDIN_FILENO));
  char ignored[64];
  for (;;) {
    const auto [failed, n] = co_await input.async_read_some(asio::buffer(ignored), awaited);
    if (failed) break;
  }
  here.context.stop();
}

// Every message that came is taken, and the answers leave together.
task<> serve_one(side& here, receiver& takes, socket_type socket) {
  wire with(std::move(socket), message_bytes_max(here.of), has_many_connections(here.of) ? small_inbox_bytes : buffer_bytes);
  if (here.of.has_short_queues) with.socket.set_option(asio::socket_base::receive_buffer_size(received_bytes_beside));
  for (;;) {
    const bool more = co_await with.fill();
    if (!more) co_return;
    for (bytes message = with.in.next(); message.data() != nullptr; message = with.in.next()) {
      if (takes.take(message)) with.out.append(message);
    }
    if (!with.out.is_empty()) co_await with.flush();
  }
}

// The publications that are open lie side by side, as frames, once for all subscribers: each has a position in them.
class fan {
 public:
  explicit fan(side& here) : publishes_(here.of, here.books), many_(here.of.connections), frames_(publications_open * frame_bytes) {}

  task<> serve(socket_type socket) {
    socket.non_blocking(true);
    feeds_.push_back({std::make_unique<wire>(std::move(socket), control_bytes, small_inbox_bytes)});
    const std::size_t index = feeds_.size() - 1;
    if (feeds_.size() == many_) publish();
    wire& with = *feeds_[index].with;
    for (;;) {
      const bool more = co_await with.fill();
      if (!more) co_return;
      for (bytes message = with.in.next(); message.data() != nullptr; message = with.in.next()) publishes_.take(message);
      publish();
    }
  }

 private:
  static constexpr std::size_t frame_bytes = length_bytes + publication_bytes;
  struct feed {
    std::unique_ptr<wire> with;
    std::uint64_t sent_bytes = 0;          // of all publications
    bool is_waiting = false;               // for the kernel to take more
  };

  void publish() {
    for (bytes next = publishes_.next(); next.data() != nullptr; next = publishes_.next()) {
      std::byte* at = frames_.data() + published_++ % publications_open * frame_bytes;
      const auto length = static_cast<std::uint32_t>(publication_bytes);
      std::memcpy(at, &length, sizeof length);
      std::memcpy(at + length_bytes, next.data(), next.size());
    }
    for (std::size_t i = 0; i < feeds_.size(); ++i) push(i);
    if (!publishes_.is_done() || is_ended_) return;
    is_ended_ = true;
    const std::uint64_t word = 0;
    for (feed& each : feeds_) each.with->send_now(std::as_bytes(std::span(&word, 1)));
  }

  void push(std::size_t index) {
    feed& to = feeds_[index];
    const std::uint64_t end_bytes = published_ * frame_bytes;
    while (!to.is_waiting && to.sent_bytes < end_bytes) {
      const std::size_t begin = to.sent_bytes % frames_.size(), left = end_bytes - to.sent_bytes;
      const std::size_t first = std::min(left, frames_.size() - begin);
      const std::array<asio::const_buffer, 2> parts = {asio::buffer(frames_.data() + begin, first), asio::buffer(frames_.data(), left - first)};
      error_code failed;
      to.sent_bytes += to.with->socket.write_some(parts, failed);
      if (failed == asio::error::would_block) {
        to.is_waiting = true;
        to.with->socket.async_wait(tcp::socket::wait_write, [this, index](const error_code& stopped) {
          check(stopped, "wait");
          feeds_[index].is_waiting = false;
          push(index);
        });
      } else {
        check(failed, "write");
      }
    }
  }

  publisher publishes_;
  std::size_t many_;
  std::vector<std::byte> frames_;          // publications_open of them; number n is at n modulo that
  std::vector<feed> feeds_;
  std::uint64_t published_ = 0;
  bool is_ended_ = false;
};

task<> listen(side& here, receiver& takes, fan& fans) {
  acceptor_type acceptor(here.context, tcp::endpoint(asio::ip::address_v4::loopback(), 0));
  acceptor.listen(4096);
  announce(acceptor.local_endpoint().port());
  for (;;) {
    auto [failed, socket] = co_await acceptor.async_accept(awaited);
    check(failed, "accept");
    if (here.of.what == work::fanout) here.spawn(fans.serve(std::move(socket)));
    else here.spawn(serve_one(here, takes, std::move(socket)));
  }
}

void serve(const job& of, ledger& books) {
  side here{of, books};
  receiver takes(of, books);
  fan fans(here);
  here.spawn(listen(here, takes, fans));
  here.spawn(watch_input(here));
  here.run();
}

// -- client

task<std::unique_ptr<wire>> connect(side& here, std::size_t inbox_bytes = buffer_bytes) {
  socket_type socket(here.context);
  const tcp::endpoint server(asio::ip::address_v4::loopback(), here.of.port);
  const auto [failed] = co_await socket.async_connect(server, awaited);
  check(failed, "connect");
  if (here.of.has_short_queues) socket.set_option(not_sent_low_water(not_sent_bytes_beside));
  co_return std::make_unique<wire>(std::move(socket), message_bytes_max(here.of), inbox_bytes);
}

task<> ask(side& here, std::size_t pieces) {
  const auto with = co_await connect(here);
  asker asks(here.of, here.books, pieces);
  while (!asks.is_done()) {
    while (with->out.has_room(payload_bytes)) {
      const auto next = asks.next();
      if (!next) break;
      with->out.append(bytes_of(*next));
    }
    if (!with->out.is_empty()) co_await with->flush();
    const bool more = co_await with->fill();
    if (!more) fail("the server has closed");
    asks.tick();
    for (bytes answer = with->in.next(); answer.data() != nullptr; answer = with->in.next()) asks.take(answer);
  }
}

task<> pour(side& here) {
  const auto with = co_await connect(here);
  pourer pours(here.of.size, here.books);
  for (bytes next = pours.next(); !next.empty(); next = pours.next()) {
    if (next.size() >= copied_below_bytes) {
      co_await with->flush_with(next);
      continue;
    }
    with->out.append(next);
    if (!with->out.has_room(pours.size())) co_await with->flush();
  }
  co_await with->end();
}

// A ping at a time, and blocks in between.
class beside {
 public:
  explicit beside(side& here) : here_(here) {}

  task<> run() {
    with_ = co_await connect(here_);
    asks_.emplace(here_.of, here_.books);
    ping_ = asks_->next();
    here_.spawn(take_answers());
    pourer pours(block_bytes, here_.books);
    for (bytes block = pours.next(); !block.empty(); block = pours.next()) {
      add_ping();
      co_await with_->flush_with(block);
    }
    add_ping();
    if (!with_->out.is_empty()) co_await with_->flush();
    if (is_half_over_) co_await with_->end();
    is_half_over_ = true;
  }

 private:
  void add_ping() {
    if (ping_) with_->out.append(bytes_of(*ping_));
    ping_.reset();
  }
  task<> take_answers() {
    while (!asks_->is_done()) {
      const bytes answer = co_await with_->message();
      asks_->tick();
      asks_->take(answer);
      ping_ = asks_->next();               // leaves before the next block
    }
    if (is_half_over_) co_await with_->end();
    is_half_over_ = true;
  }

  side& here_;
  std::unique_ptr<wire> with_;
  std::optional<asker> asks_;
  std::optional<payload> ping_;            // waits to be sent
  bool is_half_over_ = false;              // one of the two has finished
};

task<> connect_again(side& here) {
  asker asks(here.of, here.books);
  while (!asks.is_done()) {
    const auto next = asks.next();
    if (!next) fail("a request is under way already");
    const auto with = co_await connect(here, small_inbox_bytes);
    with->out.append(bytes_of(*next));
    co_await with->flush();
    const bytes answer = co_await with->message();
    with->socket.close();
    asks.tick();
    asks.take(answer);
  }
}

task<> stay(side& here) {
  std::vector<std::unique_ptr<wire>> all;
  asker asks(here.of, here.books);
  for (std::size_t i = 0; i < here.of.connections; ++i) {
    all.push_back(co_await connect(here, small_inbox_bytes));
    payload hello;
    hello.sequence = i;
    here.books.count += 1;
    here.books.sum += sum_of(hello);
    all.back()->out.append(bytes_of(hello));
    co_await all.back()->flush();
    const bytes answer = co_await all.back()->message();
    if (answer.size() != sizeof hello || std::memcmp(answer.data(), &hello, sizeof hello) != 0) fail("an answer is not what was sent");
  }
  co_await all.front()->end();
}

class many {
 public:
  explicit many(side& here) : here_(here), turns_(here.of, here.books), hears_(here.of, here.books) {}

  task<> run() {
    const bool hears = here_.of.what == work::fanout;
    for (std::size_t i = 0; i < here_.of.connections; ++i) {
      all_.push_back(co_await connect(here_, hears ? subscriber_inbox_bytes : small_inbox_bytes));
    }
    turns_.tick();
    for (std::size_t i = 0; i < all_.size(); ++i) here_.spawn(hears ? hear(i) : answer(i));
    if (!hears) ask();
  }

 private:
  void ask() {
    while (const auto next = turns_.next()) all_[next->connection]->send_now(bytes_of(next->message));
  }
  task<> answer(std::size_t index) {
    wire& with = *all_[index];
    while (!turns_.is_done()) {
      const bool more = co_await with.fill();
      if (!more) fail("the server has closed");
      turns_.tick();
      for (bytes got = with.in.next(); got.data() != nullptr; got = with.in.next()) turns_.take(index, got);
      ask();
    }
    here_.context.stop();
  }
  task<> hear(std::size_t index) {
    wire& with = *all_[index];
    while (!hears_.is_done()) {
      const bool more = co_await with.fill();
      if (!more) fail("the server has closed");
      hears_.tick();
      for (bytes got = with.in.next(); got.data() != nullptr; got = with.in.next()) hears_.take(index, got);
      if (const auto confirmed = hears_.confirmation()) all_.front()->send_now(std::as_bytes(std::span(&*confirmed, 1)));
    }
    here_.context.stop();
  }

  side& here_;
  turns turns_;
  subscribers hears_;
  std::vector<std::unique_ptr<wire>> all_;
};

void drive(const job& of, ledger& books) {
  side here{of, books};
  many together(here);
  beside both(here);
  switch (of.what) {
    case work::pingpong:
    case work::requests: here.spawn(ask(here, 1)); break;
    case work::streamed: here.spawn(ask(here, pieces_of_a_stream)); break;
    case work::stream: here.spawn(pour(here)); break;
    case work::beside: here.spawn(both.run()); break;
    case work::connect: here.spawn(connect_again(here)); break;
    case work::idle: here.spawn(stay(here)); break;
    case work::echoes:
    case work::fanout: here.spawn(together.run()); break;
  }
  here.run();
}

constexpr offer offers[] = {{work::pingpong, true}, {work::stream, true}, {work::requests, true}, {work::streamed, true}, {work::echoes, true},
    {work::beside, true}, {work::fanout, true}, {work::connect, true}, {work::idle, false}};

}
}  // namespace hawser::bench::peers

int main(int argc, char** argv) {
  using namespace hawser::bench::peers;
  return run(argc, argv, {"Boost.Asio " BOOST_LIB_VERSION, offers, serve, drive});
}
