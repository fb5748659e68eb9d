// SPDX-License-Identifier: Apache-2.0 OR MIT
// libuv: a length of 4 bytes before each message, what is there in one write (at once where the kernel takes it), one callback a read.
#include "peers/libuv_line.hpp"
#include "peers/many.hpp"

#include <iterator>
#include <list>
#include <memory>

#include <unistd.h>

namespace hawser::bench::peers {
namespace {

// -- server

// Each subscriber gets what is published straight from where all get it.
class fan {
 public:
  explicit fan(side& here) : here_(here), publishes_(here.of, here.books) {}

  void add(line& to) {
    feeds_.push_back({&to});
    to.on_read = [this, &to] {
      to.in.each([this](bytes message) { publishes_.take(message); });
      publish();
    };
    if (feeds_.size() == here_.of.connections) publish();
  }

 private:
  struct feed {
    line* to;
    std::uint64_t sent_bytes = 0;          // of all publications
  };

  void publish() {
    for (bytes next = publishes_.next(); next.data() != nullptr; next = publishes_.next()) frames_.append(next);
    for (std::size_t i = 0; i < feeds_.size(); ++i) push(i);
    if (!publishes_.is_done() || is_ended_) return;
    is_ended_ = true;
    for (feed& each : feeds_) each.to->send(word_of(end_word));
  }

  void push(std::size_t index) {
    feed& at = feeds_[index];
    while (!at.to->is_writing() && at.sent_bytes < frames_.end_bytes()) {
      const auto parts = frames_.after(at.sent_bytes);
      const std::size_t taken = at.to->try_write(parts);
      at.sent_bytes += taken;
      if (taken > 0) continue;
      at.sent_bytes += parts[0].size();
      at.to->write({parts[0]}, [this, index] { push(index); });
    }
  }

  side& here_;
  publisher publishes_;
  open_frames frames_;
  std::vector<feed> feeds_;
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
    lines_.push_back(std::make_unique<line>(here_, served_inbox_bytes(here_.of)));
    const auto at = std::prev(lines_.end());
    line& with = **at;
    with.accept_from(reinterpret_cast<uv_stream_t*>(&listener_));
    if (here_.of.has_short_queues) with.set(SOL_SOCKET, SO_RCVBUF, received_bytes_beside);
    with.on_end = [this, at] { (*at)->close([this, at] { lines_.erase(at); }); };
    if (here_.of.what == work::fanout) return fan_.add(with);
    with.on_read = [this, &with] {
      with.in.each([&](bytes message) {
        if (takes_.take(message)) with.out.append(message);
      });
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
    expect_end(answer);
    here.stop();
  };
  with.send(word_of(end_word));
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
    with_.in.each([this](bytes answer) { asks_->take(answer); });
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
      if (next.size() >= copied_below_bytes) return with_.flush_then([this] { pour(); }, next);
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
    with_.in.each([this](bytes answer) { asks_->take(answer); });
    ask();                                 // leaves before the next block
    if (has_poured_ && asks_->is_done()) end(here_, with_);
    else if (has_poured_) with_.flush();
  }
  void pour() {
    const bytes block = pours_.next();
    if (!block.empty()) return with_.flush_then([this] { pour(); }, block);
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
  explicit many(side& here) : here_(here), turns_(here.of, here.books), hears_(here.of, here.books), greets_(here.books) { add(); }

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

  void greet() { all_.back()->send(bytes_of(greets_.next())); }
  void greeted() {
    const bytes answer = all_.back()->in.next();
    if (answer.data() == nullptr) return;
    greets_.take(answer);
    add();
  }

  void ask() {
    while (const auto next = turns_.next()) all_[next->connection]->send(bytes_of(next->message));
  }
  void answer(std::size_t index) {
    line& with = *all_[index];
    turns_.tick();
    with.in.each([&](bytes got) { turns_.take(index, got); });
    if (turns_.is_done()) here_.stop();
    else ask();
  }

  void hear(std::size_t index) {
    line& with = *all_[index];
    hears_.tick();
    with.in.each([&](bytes got) { hears_.take(index, got); });
    if (const auto confirmed = hears_.confirmation()) all_.front()->send(word_of(*confirmed));
    if (hears_.is_done()) here_.stop();
  }

  side& here_;
  turns turns_;
  subscribers hears_;
  greeter greets_;
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
