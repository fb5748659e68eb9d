// SPDX-License-Identifier: Apache-2.0 OR MIT
// Boost.Asio with coroutines: one thread, a length of 4 bytes before each message, and as much in one write as there is.
#include "peers/asio_wire.hpp"
#include "peers/many.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/version.hpp>

#include <memory>

#include <netinet/tcp.h>
#include <unistd.h>

namespace hawser::bench::peers {
namespace {

using not_sent_low_water = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;

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
  wire with(std::move(socket), message_bytes_max(here.of), served_inbox_bytes(here.of));
  if (here.of.has_short_queues) with.socket.set_option(asio::socket_base::receive_buffer_size(received_bytes_beside));
  for (;;) {
    const bool more = co_await with.fill();
    if (!more) co_return;
    with.in.each([&](bytes message) {
      if (takes.take(message)) with.out.append(message);
    });
    if (!with.out.is_empty()) co_await with.flush();
  }
}

// Each subscriber gets what is published straight from where all get it.
class fan {
 public:
  explicit fan(side& here) : publishes_(here.of, here.books), many_(here.of.connections) {}

  task<> serve(socket_type socket) {
    socket.non_blocking(true);
    feeds_.push_back({std::make_unique<wire>(std::move(socket), control_bytes, small_inbox_bytes)});
    const std::size_t index = feeds_.size() - 1;
    if (feeds_.size() == many_) publish();
    wire& with = *feeds_[index].with;
    for (;;) {
      const bool more = co_await with.fill();
      if (!more) co_return;
      with.in.each([this](bytes message) { publishes_.take(message); });
      publish();
    }
  }

 private:
  struct feed {
    std::unique_ptr<wire> with;
    std::uint64_t sent_bytes = 0;          // of all publications
    bool is_waiting = false;               // for the kernel to take more
  };

  void publish() {
    for (bytes next = publishes_.next(); next.data() != nullptr; next = publishes_.next()) frames_.append(next);
    for (std::size_t i = 0; i < feeds_.size(); ++i) push(i);
    if (!publishes_.is_done() || is_ended_) return;
    is_ended_ = true;
    for (feed& each : feeds_) each.with->send_now(word_of(end_word));
  }

  void push(std::size_t index) {
    feed& to = feeds_[index];
    while (!to.is_waiting && to.sent_bytes < frames_.end_bytes()) {
      const auto [first, second] = frames_.after(to.sent_bytes);
      const std::array parts = {asio::buffer(first.data(), first.size()), asio::buffer(second.data(), second.size())};
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
  open_frames frames_;
  std::vector<feed> feeds_;
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
    with->in.each([&asks](bytes answer) { asks.take(answer); });
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
    const payload next = asks.only();
    const auto with = co_await connect(here, small_inbox_bytes);
    with->out.append(bytes_of(next));
    co_await with->flush();
    const bytes answer = co_await with->message();
    with->socket.close();
    asks.tick();
    asks.take(answer);
  }
}

task<> stay(side& here) {
  std::vector<std::unique_ptr<wire>> all;
  greeter greets(here.books);
  while (all.size() < here.of.connections) {
    all.push_back(co_await connect(here, small_inbox_bytes));
    all.back()->out.append(bytes_of(greets.next()));
    co_await all.back()->flush();
    greets.take(co_await all.back()->message());
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
      with.in.each([&](bytes got) { turns_.take(index, got); });
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
      with.in.each([&](bytes got) { hears_.take(index, got); });
      if (const auto confirmed = hears_.confirmation()) all_.front()->send_now(word_of(*confirmed));
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
