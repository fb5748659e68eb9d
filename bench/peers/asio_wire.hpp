// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peers/framing.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>

// Asio's loop and one connection as a careful user wraps them: sockets and awaitables of the loop's own executor (no type erasure, no
// locks).
namespace hawser::bench::peers {

namespace asio = boost::asio;
using boost::system::error_code;
using asio::ip::tcp;
using executor = asio::io_context::executor_type;
using socket_type = asio::basic_stream_socket<tcp, executor>;
using acceptor_type = asio::basic_socket_acceptor<tcp, executor>;
template <class T = void>
using task = asio::awaitable<T, executor>;
inline constexpr auto awaited = asio::as_tuple(asio::use_awaitable_t<executor>());

// async_write sends 64 KiB at most in one call to the system unless it is told more.
inline constexpr auto all_at_once = [](const error_code& failed, std::size_t) { return failed ? 0 : std::size_t{16} << 20; };

inline void check(const error_code& failed, const char* at) {
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
    out.append(word_of(end_word));
    co_await flush();
    expect_end(co_await message());
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

}  // namespace hawser::bench::peers
