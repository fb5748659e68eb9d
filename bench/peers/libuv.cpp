// SPDX-License-Identifier: Apache-2.0 OR MIT
// libuv: a length of 4 bytes before each message, what is there in one write (at once where the kernel takes it), one callback a read.
#include "peers/framing.hpp"
#include "peers/side.hpp"
#include "peers/work.hpp"

#include <uv.h>

#include <functional>
#include <iterator>
#include <list>
#include <memory>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

namespace hawser::bench::peers {
namespace {

// From this size on a message is written from where it lies, not copied into the outbox.
constexpr std::size_t copied_below_bytes = 16 * 1024;
constexpr std::size_t small_inbox_bytes = 1024;
constexpr std::size_t subscriber_inbox_bytes = 16 * 1024;

void check(int result, const char* at) {
  if (result < 0) fail(std::string(at) + ": " + ::uv_strerror(result));
}

uv_buf_t buf(bytes of) { return ::uv_buf_init(reinterpret_cast<char*>(const_cast<std::byte*>(of.data())), static_cast<unsigned>(of.size())); }
bytes word_of(const std::uint64_t& from) { return std::as_bytes(std::span(&from, 1)); }

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

std::size_t message_bytes_max(const job& of) {
  return of.what == work::stream ? of.size : of.what == work::beside ? block_bytes
                                                                     : publication_bytes;
}

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
    const uv_buf_t all = buf(out.unsent());
    const int n = ::uv_try_write(stream(), &all, 1);
    if (n != UV_EAGAIN) check(n, "write");
    out.sent(static_cast<std::size_t>(std::max(n, 0)));
    if (out.is_empty()) return;
    std::swap(out, busy_);
    write({busy_.unsent()}, [this] {
      busy_.sent(busy_.unsent().size());
      flush();
    });
  }
  void send(bytes message) {
    out.append(message);
    flush();
  }
  // The outbox and then `message` from where it lies. It and the outbox are left alone until `written`, which the loop calls.
  void flush_with(bytes message, std::function<void()> written) {
    length_ = static_cast<std::uint32_t>(message.size());
    std::swap(out, busy_);
    write({busy_.unsent(), std::as_bytes(std::span(&length_, 1)), message}, [this, written = std::move(written)] {
      busy_.sent(busy_.unsent().size());
      written();
    });
  }
  void flush_then(std::function<void()> written) {
    std::swap(out, busy_);
    write({busy_.unsent()}, [this, written = std::move(written)] {
      busy_.sent(busy_.unsent().size());
      written();
    });
  }
  // Tries to send two pieces; the bytes that the kernel took. 0: none now.
  std::size_t try_write(bytes first, bytes second) {
    const uv_buf_t both[2] = {buf(first), buf(second)};
    const int n = ::uv_try_write(stream(), both, second.empty() ? 1 : 2);
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

// -- server

class fan {
 public:
  explicit fan(side& here) : here_(here), publishes_(here.of, here.books), frames_(publications_open * frame_bytes) {}

  void add(line& to) {
    feeds_.push_back({&to});
    to.on_read = [this, &to] {
      for (bytes message = to.in.next(); message.data() != nullptr; message = to.in.next()) publishes_.take(message);
      publish();
    };
    if (feeds_.size() == here_.of.connections) publish();
  }

 private:
  static constexpr std::size_t frame_bytes = length_bytes + publication_bytes;
  struct feed {
    line* to;
    std::uint64_t sent_bytes = 0;          // of all publications
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
    for (feed& each : feeds_) each.to->send(word_of(0));
  }

  // Straight from the frames, which stay while anybody has not confirmed them.
  void push(std::size_t index) {
    feed& at = feeds_[index];
    const std::uint64_t end_bytes = published_ * frame_bytes;
    while (!at.to->is_writing() && at.sent_bytes < end_bytes) {
      const std::size_t begin = at.sent_bytes % frames_.size(), left = end_bytes - at.sent_bytes;
      const std::size_t first = std::min(left, frames_.size() - begin);
      const bytes parts[2] = {{frames_.data() + begin, first}, {frames_.data(), left - first}};
      const std::size_t taken = at.to->try_write(parts[0], parts[1]);
      at.sent_bytes += taken;
      if (taken > 0) continue;
      at.sent_bytes += first;
      at.to->write({parts[0]}, [this, index] { push(index); });
    }
  }

  side& here_;
  publisher publishes_;
  std::vector<std::byte> frames_;          // publications_open of them; number n is at n modulo that
  std::vector<feed> feeds_;
  std::uint64_t published_ = 0;
  bool is_ended_ = false;
};

class server {
 public:
  explicit server(side& here) : here_(here), takes_(here.of, here.books), fan_(here) {
    check(::uv_tcp_init(&here.loop, &listener_), "tcp");
    listener_.data = this;
    sockaddr_in address;
    check(::uv_ip4_addr("127.0.0.1", 0, &address), "address");
    check(::uv_tcp_bind(&listener_, reinterpret_cast<const sockaddr*>(&address), 0), "bind");
    check(::uv_listen(reinterpret_cast<uv_stream_t*>(&listener_), 4096, [](uv_stream_t* at, int result) {
      auto* self = static_cast<server*>(at->data);
      self->here_.guarded([&] {
        check(result, "listen");
        self->accept();
      });
    }),
        "listen");
    check(::uv_poll_init(&here.loop, &input_, STDIN_FILENO), "input");
    input_.data = &here;
    check(::uv_poll_start(&input_, UV_READABLE | UV_DISCONNECT, [](uv_poll_t* at, int, int) {
      char ignored[64];
      if (::read(STDIN_FILENO, ignored, sizeof ignored) <= 0) static_cast<side*>(at->data)->stop();
    }),
        "input");
    int bytes = sizeof address;
    check(::uv_tcp_getsockname(&listener_, reinterpret_cast<sockaddr*>(&address), &bytes), "name");
    announce(ntohs(address.sin_port));
  }

 private:
  void accept() {
    const work what = here_.of.what;
    const bool many = what == work::echoes || what == work::idle || what == work::connect || what == work::fanout;
    lines_.push_back(std::make_unique<line>(here_, many ? small_inbox_bytes : buffer_bytes));
    const auto at = std::prev(lines_.end());
    line& with = **at;
    with.accept_from(reinterpret_cast<uv_stream_t*>(&listener_));
    if (here_.of.has_short_queues) with.set(SOL_SOCKET, SO_RCVBUF, received_bytes_beside);
    with.on_end = [this, at] { (*at)->close([this, at] { lines_.erase(at); }); };
    if (what == work::fanout) return fan_.add(with);
    with.on_read = [this, &with] {
      for (bytes message = with.in.next(); message.data() != nullptr; message = with.in.next()) {
        if (takes_.take(message)) with.out.append(message);
      }
      with.flush();
    };
  }

  side& here_;
  receiver takes_;
  fan fan_;
  std::list<std::unique_ptr<line>> lines_;
  uv_tcp_t listener_;
  uv_poll_t input_;
};

void serve(const job& of, ledger& books) {
  side here(of, books);
  server listens(here);
  here.run();
}

// -- client

// The control message there and back, then it is over.
void end(side& here, line& with) {
  with.on_read = [&here, &with] {
    const bytes answer = with.in.next();
    if (answer.data() == nullptr) return;
    if (answer.size() != control_bytes) fail("the end was answered with something else");
    here.stop();
  };
  with.send(word_of(0));
}

class asking {
 public:
  asking(side& here, std::size_t pieces) : here_(here), with_(here, buffer_bytes), pieces_(pieces) {
    with_.connect(here.of.port, [this] {
      asks_.emplace(here_.of, here_.books, pieces_);
      with_.on_read = [this] { take(); };
      ask();
    });
  }

 private:
  void ask() {
    while (with_.out.has_room(payload_bytes)) {
      const auto next = asks_->next();
      if (!next) break;
      with_.out.append(bytes_of(*next));
    }
    with_.flush();
  }
  void take() {
    asks_->tick();
    for (bytes answer = with_.in.next(); answer.data() != nullptr; answer = with_.in.next()) asks_->take(answer);
    if (asks_->is_done()) here_.stop();
    else ask();
  }

  side& here_;
  line with_;
  std::size_t pieces_;
  std::optional<asker> asks_;
};

class pouring {
 public:
  explicit pouring(side& here) : here_(here), with_(here, buffer_bytes), pours_(here.of.size, here.books) {
    with_.connect(here.of.port, [this] { pour(); });
  }

 private:
  void pour() {
    for (bytes next = pours_.next(); !next.empty(); next = pours_.next()) {
      if (next.size() >= copied_below_bytes) return with_.flush_with(next, [this] { pour(); });
      with_.out.append(next);
      if (!with_.out.has_room(pours_.size())) return with_.flush_then([this] { pour(); });
    }
    end(here_, with_);
  }

  side& here_;
  line with_;
  pourer pours_;
};

// A ping at a time, and blocks in between.
class beside {
 public:
  explicit beside(side& here) : here_(here), with_(here, buffer_bytes), pours_(block_bytes, here.books) {
    with_.connect(here.of.port, [this] {
      asks_.emplace(here_.of, here_.books);
      with_.on_read = [this] { take(); };
      ask();
      pour();
    });
  }

 private:
  void ask() {
    if (const auto next = asks_->next()) with_.out.append(bytes_of(*next));
  }
  void take() {
    asks_->tick();
    for (bytes answer = with_.in.next(); answer.data() != nullptr; answer = with_.in.next()) asks_->take(answer);
    ask();                                 // leaves before the next block
    if (has_poured_ && asks_->is_done()) end(here_, with_);
    else if (has_poured_) with_.flush();
  }
  void pour() {
    const bytes block = pours_.next();
    if (!block.empty()) return with_.flush_with(block, [this] { pour(); });
    has_poured_ = true;
    if (asks_->is_done()) end(here_, with_);
    else with_.flush();
  }

  side& here_;
  line with_;
  pourer pours_;
  std::optional<asker> asks_;
  bool has_poured_ = false;
};

class connecting {
 public:
  explicit connecting(side& here) : here_(here), asks_(here.of, here.books) { again(); }

 private:
  void again() {
    with_ = std::make_unique<line>(here_, small_inbox_bytes);
    with_->connect(here_.of.port, [this] {
      const auto next = asks_.next();
      if (!next) return here_.stop();
      with_->on_read = [this] { take(); };
      with_->send(bytes_of(*next));
    });
  }
  void take() {
    const bytes answer = with_->in.next();
    if (answer.data() == nullptr) return;
    asks_.tick();
    asks_.take(answer);
    with_->close([this] {
      if (asks_.is_done()) here_.stop();
      else again();
    });
  }

  side& here_;
  asker asks_;
  std::unique_ptr<line> with_;
};

// Connects one after another; in idle each says one message first.
class many {
 public:
  explicit many(side& here) : here_(here), turns_(here.of, here.books), hears_(here.of, here.books) { add(); }

 private:
  void add() {
    const std::size_t index = all_.size();
    if (index == here_.of.connections) return begin();
    all_.push_back(std::make_unique<line>(here_, here_.of.what == work::fanout ? subscriber_inbox_bytes : small_inbox_bytes));
    line& with = *all_.back();
    if (here_.of.what == work::fanout) with.on_read = [this, index] { hear(index); };
    else if (here_.of.what == work::echoes) with.on_read = [this, index] { answer(index); };
    else with.on_read = [this] { greeted(); };
    with.connect(here_.of.port, [this] {
      if (here_.of.what == work::idle) greet();
      else add();
    });
  }
  void begin() {
    if (here_.of.what == work::idle) return end(here_, *all_.front());
    if (here_.of.what != work::echoes) return;
    turns_.tick();
    ask();
  }

  void greet() {
    hello_.sequence = here_.books.count++;
    here_.books.sum += sum_of(hello_);
    all_.back()->send(bytes_of(hello_));
  }
  void greeted() {
    const bytes answer = all_.back()->in.next();
    if (answer.data() == nullptr) return;
    if (answer.size() != sizeof hello_ || std::memcmp(answer.data(), &hello_, sizeof hello_) != 0) fail("an answer is not what was sent");
    add();
  }

  void ask() {
    while (const auto next = turns_.next()) all_[next->connection]->send(bytes_of(next->message));
  }
  void answer(std::size_t index) {
    line& with = *all_[index];
    turns_.tick();
    for (bytes got = with.in.next(); got.data() != nullptr; got = with.in.next()) turns_.take(index, got);
    if (turns_.is_done()) here_.stop();
    else ask();
  }

  void hear(std::size_t index) {
    line& with = *all_[index];
    hears_.tick();
    for (bytes got = with.in.next(); got.data() != nullptr; got = with.in.next()) hears_.take(index, got);
    if (const auto confirmed = hears_.confirmation()) all_.front()->send(word_of(*confirmed));
    if (hears_.is_done()) here_.stop();
  }

  side& here_;
  turns turns_;
  subscribers hears_;
  payload hello_;
  std::vector<std::unique_ptr<line>> all_;
};

void drive(const job& of, ledger& books) {
  side here(of, books);
  const auto run_with = [&here](auto&& work) {
    (void)work;
    here.run();
  };
  switch (of.what) {
    case work::pingpong:
    case work::requests: run_with(asking(here, 1)); break;
    case work::streamed: run_with(asking(here, pieces_of_a_stream)); break;
    case work::stream: run_with(pouring(here)); break;
    case work::beside: run_with(beside(here)); break;
    case work::connect: run_with(connecting(here)); break;
    case work::idle:
    case work::echoes:
    case work::fanout: run_with(many(here)); break;
  }
}

constexpr offer offers[] = {{work::pingpong, true}, {work::stream, true}, {work::requests, true}, {work::streamed, true}, {work::echoes, true},
    {work::beside, true}, {work::fanout, true}, {work::connect, true}, {work::idle, false}};

}
}  // namespace hawser::bench::peers

int main(int argc, char** argv) {
  using namespace hawser::bench::peers;
  return run(argc, argv, {std::string("libuv ") + ::uv_version_string(), offers, serve, drive});
}
