// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peers/framing.hpp"

#include <uv.h>

#include <array>
#include <functional>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>

// libuv's loop and one connection as a careful user wraps them.
namespace hawser::bench::peers {

inline void check(int result, const char* at) {
  if (result < 0) fail(std::string(at) + ": " + ::uv_strerror(result));
}

inline uv_buf_t buf(bytes of) { return ::uv_buf_init(reinterpret_cast<char*>(const_cast<std::byte*>(of.data())), static_cast<unsigned>(of.size())); }

class side {
 public:
  side(const job& what, ledger& kept) : of(what), books(kept) { check(::uv_loop_init(&loop), "loop"); }

  // Callbacks go through here: an exception must not cross the library.
  template <class Work>
  void guarded(Work&& work) noexcept {
    if (is_over_) return;                  // what was under way is cancelled then
    try {
      work();
    } catch (...) {
      failed_ = std::current_exception();
      stop();
    }
  }
  void stop() noexcept {
    is_over_ = true;
    ::uv_stop(&loop);
  }
  void run() {
    if (!of.spins) ::uv_run(&loop, UV_RUN_DEFAULT);
    else
      while (!is_over_) ::uv_run(&loop, UV_RUN_NOWAIT);
    ::uv_walk(&loop, [](uv_handle_t* each, void*) {
      if (::uv_is_closing(each) == 0) ::uv_close(each, nullptr); }, nullptr);
    ::uv_run(&loop, UV_RUN_DEFAULT);
    check(::uv_loop_close(&loop), "closing");
    if (failed_) std::rethrow_exception(failed_);
  }

  const job& of;
  ledger& books;
  uv_loop_t loop;

 private:
  std::exception_ptr failed_;
  bool is_over_ = false;
};

// One connection. Its owner is told once for each read; the messages are in the inbox then.
class line {
 public:
  line(side& here, std::size_t inbox_bytes) : in(message_bytes_max(here.of), inbox_bytes), out(inbox_bytes), here_(here) {
    check(::uv_tcp_init(&here.loop, &tcp_), "tcp");
    tcp_.data = this;
    write_.data = this;
  }

  std::function<void()> on_read;
  std::function<void()> on_end;            // the other side has closed; unset: that is a failure
  inbox in;
  outbox out;

  void accept_from(uv_stream_t* listener) {
    check(::uv_accept(listener, stream()), "accept");
    start();
  }
  void connect(std::uint16_t port, std::function<void()> connected) {
    sockaddr_in server;
    check(::uv_ip4_addr("127.0.0.1", port, &server), "address");
    on_done_ = std::move(connected);
    connect_.data = this;
    check(::uv_tcp_connect(&connect_, &tcp_, reinterpret_cast<const sockaddr*>(&server), [](uv_connect_t* at, int result) {
      auto* self = static_cast<line*>(at->data);
      self->here_.guarded([&] {
        check(result, "connect");
        if (self->here_.of.has_short_queues) self->set(IPPROTO_TCP, TCP_NOTSENT_LOWAT, not_sent_bytes_beside);
        self->start();
        self->done();
      });
    }),
        "connect");
  }

  // Sends what is in the outbox; what the kernel does not take goes with the next flush, or when it does.
  void flush() {
    if (is_writing() || out.is_empty()) return;
    out.sent(try_write({out.unsent(), {}}));
    if (!out.is_empty()) flush_then([this] { flush(); });
  }
  void send(bytes message) {
    out.append(message);
    flush();
  }
  // The outbox, and then `message`, if any, from where it lies. Both are left alone until `written`, which the loop calls.
  void flush_then(std::function<void()> written, bytes message = {}) {
    length_ = static_cast<std::uint32_t>(message.size());
    std::swap(out, busy_);
    const bytes length = std::as_bytes(std::span(&length_, message.empty() ? 0 : 1));
    write({busy_.unsent(), length, message}, [this, written = std::move(written)] {
      busy_.sent(busy_.unsent().size());
      written();
    });
  }
  // The bytes that the kernel took. 0: none now.
  std::size_t try_write(const std::array<bytes, 2>& parts) {
    const uv_buf_t both[2] = {buf(parts[0]), buf(parts[1])};
    const int n = ::uv_try_write(stream(), both, parts[1].empty() ? 1 : 2);
    if (n != UV_EAGAIN) check(n, "write");
    return static_cast<std::size_t>(std::max(n, 0));
  }
  void write(std::initializer_list<bytes> parts, std::function<void()> written) {
    uv_buf_t all[3];
    unsigned many = 0;
    for (bytes part : parts) {
      if (!part.empty()) all[many++] = buf(part);
    }
    on_done_ = std::move(written);
    is_writing_ = true;
    check(::uv_write(&write_, stream(), all, many, [](uv_write_t* at, int result) {
      auto* self = static_cast<line*>(at->data);
      self->is_writing_ = false;
      self->here_.guarded([&] {
        check(result, "write");
        self->done();
      });
    }),
        "write");
  }
  bool is_writing() const noexcept { return is_writing_; }

  // A socket option that the library has no call for.
  void set(int level, int name, int value) {
    uv_os_fd_t number = -1;
    check(::uv_fileno(reinterpret_cast<const uv_handle_t*>(&tcp_), &number), "descriptor");
    ::setsockopt(number, level, name, &value, sizeof value);
  }
  // Closes, and calls `closed` when the library has let go of it: the line may be destroyed then.
  void close(std::function<void()> closed) {
    on_done_ = std::move(closed);
    ::uv_close(reinterpret_cast<uv_handle_t*>(&tcp_), [](uv_handle_t* at) {
      auto* self = static_cast<line*>(at->data);
      self->here_.guarded([&] { self->done(); });
    });
  }

 private:
  uv_stream_t* stream() noexcept { return reinterpret_cast<uv_stream_t*>(&tcp_); }
  void done() {
    const auto work = std::exchange(on_done_, nullptr);
    work();
  }
  void start() {
    check(::uv_tcp_nodelay(&tcp_, 1), "nodelay");
    const auto space = [](uv_handle_t* at, std::size_t, uv_buf_t* to) {
      const auto room = static_cast<line*>(at->data)->in.space();
      *to = buf(room);
    };
    const auto came = [](uv_stream_t* at, ssize_t n, const uv_buf_t*) {
      auto* self = static_cast<line*>(at->data);
      self->here_.guarded([&] { self->read(n); });
    };
    check(::uv_read_start(stream(), space, came), "read");
  }
  void read(ssize_t n) {
    if (n == 0) return;
    if (n == UV_EOF && on_end) return on_end();
    check(static_cast<int>(n), "read");
    in.filled(static_cast<std::size_t>(n));
    on_read();
  }

  side& here_;
  uv_tcp_t tcp_;
  uv_connect_t connect_;
  uv_write_t write_;
  outbox busy_;                            // what a write has that is under way
  std::uint32_t length_ = 0;
  bool is_writing_ = false;
  std::function<void()> on_done_;          // of the one of connect, write and close that is under way
};

}  // namespace hawser::bench::peers
