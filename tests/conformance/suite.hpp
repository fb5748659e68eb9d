// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "conformance/engines.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace hawser::conformance {

using namespace std::chrono_literals;

// Generous: only a test that fails waits so long.
inline constexpr duration patience = 20s;

// True while a command of the engine runs: a handler that is called then breaks rule E1.
inline thread_local bool inside_command = false;

class command_scope {
 public:
  command_scope() { inside_command = true; }
  ~command_scope() { inside_command = false; }
};

// One end of a connection: records what it is told, checks what must hold for every handler call, gives commands.
class side final : public io::socket_events {
 public:
  explicit side(loop& on) : on_(&on) {}
  side(const side&) = delete;
  ~side() { if (id && !closed) close(); }

  bool connect(const endpoint& where, const io::socket_options& options = {}) {
    const command_scope command;
    auto made = on_->engine().connect(where, options, *this);
    if (!made) {
      refused_at_once = made.error();
      return false;
    }
    id = *made;
    return true;
  }
  void start(io::socket_id accepted) {
    id = accepted;
    const command_scope command;
    on_->engine().start(id, *this);
    connected = true;
  }
  void send(byte_view bytes) {
    chain out(on_->buffers());
    while (!bytes.empty()) {
      const std::size_t piece = std::min<std::size_t>(bytes.size(), 256 * 1024);
      out.append(on_->buffers().copy(bytes.first(piece)));
      bytes = bytes.subspan(piece);
    }
    send(out);
  }
  void send(std::string_view text) { send(as_bytes(text)); }
  void send(chain& out) {
    const command_scope command;
    sending = true;
    on_->engine().send(id, out);
    EXPECT_TRUE(out.empty());
  }
  void send_last(byte_view bytes) {
    chain out(on_->buffers());
    for (; !bytes.empty(); bytes = bytes.subspan(std::min<std::size_t>(bytes.size(), 256 * 1024)))
      out.append(on_->buffers().copy(bytes.first(std::min<std::size_t>(bytes.size(), 256 * 1024))));
    const command_scope command;
    sending = true;
    on_->engine().send_last(id, out);
    EXPECT_TRUE(out.empty());
  }
  void pause() { const command_scope command; on_->engine().pause_receiving(id); paused = true; }
  void resume() { const command_scope command; paused = false; on_->engine().resume_receiving(id); }
  void end() { const command_scope command; on_->engine().shutdown_sending(id); }
  void close() { const command_scope command; closed = true; on_->engine().close(id); }
  void abort() { const command_scope command; closed = true; on_->engine().abort(id); }

  void on_connected() override {
    note("connected");
    EXPECT_FALSE(connected);
    connected = true;
    if (when_connected) when_connected();
  }
  void on_bytes(byte_view bytes) override {
    note("bytes");
    EXPECT_TRUE(connected);
    EXPECT_FALSE(paused) << "bytes while paused";
    EXPECT_FALSE(ended) << "bytes after the end";
    EXPECT_FALSE(bytes.empty());
    received_bytes += bytes.size();
    ++receives;
    if (keep) got.append(as_text(bytes));
    if (when_bytes) when_bytes(bytes);
  }
  std::span<std::byte> poll_room() override {
    EXPECT_FALSE(paused);
    room_given = give_room ? give_room() : std::span<std::byte>();
    return room_given;
  }
  bool expects_room() const override { return expects; }
  void on_filled(std::size_t count, byte_view rest) override {
    ASSERT_GT(count, 0u);
    ASSERT_LE(count, room_given.size());
    EXPECT_TRUE(rest.empty() || count == room_given.size()) << "bytes behind a room that is not full";
    filled_bytes += count;
    std::string all(as_text(byte_view(room_given).first(count)));
    all.append(as_text(rest));
    on_bytes(as_bytes(all));
  }
  void on_end() override {
    note("end");
    EXPECT_FALSE(paused) << "an end while paused";
    EXPECT_FALSE(ended);
    ended = true;
    if (when_end) when_end();
  }
  void on_sent(std::size_t bytes) override {
    note("sent");
    EXPECT_TRUE(sending) << "on_sent() without a send";
    sending = false;
    sent_bytes += bytes;
    ++sends;
    if (when_sent) when_sent();
  }
  void on_failed(std::error_code reason) override {
    note("failed");
    failed = reason;
    if (when_failed) when_failed();
  }

  std::function<void()> when_connected, when_end, when_sent, when_failed;
  std::function<void(byte_view)> when_bytes;
  std::function<std::span<std::byte>()> give_room;
  std::span<std::byte> room_given;
  bool expects = false;
  std::size_t filled_bytes = 0;
  io::socket_id id;
  bool connected = false, ended = false, closed = false, paused = false, sending = false, keep = true;
  std::optional<std::error_code> failed;
  std::error_code refused_at_once;
  std::string got, log;
  std::size_t received_bytes = 0, sent_bytes = 0, sends = 0, receives = 0;

 private:
  void note(const char* what) {
    log += what;
    log += ' ';
    EXPECT_FALSE(inside_command) << "E1: " << what << " from inside a command";
    EXPECT_FALSE(closed) << "E2: " << what << " after close";
    EXPECT_FALSE(failed) << "E5: " << what << " after the failure";
  }
  loop* on_;
};

// A listener that starts a side for each connection, unless `when_accepted` does something else.
class harbour final : public io::listener_events {
 public:
  explicit harbour(loop& on) : on_(&on) {}
  harbour(const harbour&) = delete;
  ~harbour() { close(); }

  result<> listen(const endpoint& where, const io::listen_options& options = {}, const io::socket_options& accepted = {}) {
    auto made = on_->engine().listen(where, options, accepted, *this);
    if (!made) return failure(made.error());
    id = *made;
    return {};
  }
  void close() {
    if (id) on_->engine().close(std::exchange(id, {}));
  }
  endpoint where() const { return on_->engine().local_endpoint(id); }

  void on_accept(io::socket_id accepted, const endpoint& remote) override {
    EXPECT_FALSE(inside_command);
    ++accepts;
    last_remote = remote;
    if (when_accepted) {
      when_accepted(accepted);
      return;
    }
    sides.push_back(std::make_unique<side>(*on_));
    if (when_made) when_made(*sides.back());
    sides.back()->start(accepted);
  }
  void on_accept_error(std::error_code reason) override {
    EXPECT_FALSE(inside_command);
    errors.push_back(reason);
  }

  std::function<void(io::socket_id)> when_accepted;
  std::function<void(side&)> when_made;
  io::listener_id id;
  std::deque<std::unique_ptr<side>> sides;
  std::vector<std::error_code> errors;
  endpoint last_remote;
  std::size_t accepts = 0;

 private:
  loop* on_;
};

// Sends every block back, in order: what arrives while a send is in flight waits for its end.
class echo {
 public:
  explicit echo(side& over) : over_(&over) {
    over.keep = false;
    over.when_bytes = [this](byte_view bytes) {
      waiting_.append(as_text(bytes));
      go_on();
    };
    over.when_sent = [this] { go_on(); };
  }
  echo(const echo&) = delete;

 private:
  void go_on() {
    if (waiting_.empty() || over_->sending || over_->closed) return;
    const std::string block = std::exchange(waiting_, {});
    over_->send(block);
  }
  side* over_;
  std::string waiting_;
};

struct case_of {
  engine_under_test engine;
  transport over;
  friend void PrintTo(const case_of& one, std::ostream* out) {
    *out << one.engine.name << (one.over == transport::tcp ? " over tcp" : " over unix sockets");
  }
};

class engine_rules : public testing::TestWithParam<case_of> {
 protected:
  void SetUp() override {
    if (const std::string why = engine().refusal(); !why.empty()) GTEST_SKIP() << "NOT TESTED, the engine is refused: " << why;
  }
  const engine_under_test& engine() const { return GetParam().engine; }
  transport over() const { return GetParam().over; }
  bool tcp() const { return over() == transport::tcp; }

  // The options must be set before the first use of world_of().
  world& world_of() {
    if (!world_) world_ = engine().make(options_);
    return *world_;
  }
  loop& server() { return world_of().server(); }
  loop& client() { return world_of().client(); }
  bool drive(const std::function<bool()>& done, duration limit = patience) { return world_of().drive(done, limit); }
  // Lets time pass in which nothing may happen.
  void idle(duration span) { drive([] { return false; }, span); }

  // Lets everything that is under way arrive: simulated lines may be slow, and their time costs nothing.
  void settle() { idle(engine().descriptors ? duration(20ms) : duration(3s)); }

  // A listener, a dialling side and the side that it met.
  struct pair {
    std::unique_ptr<harbour> listener;
    std::unique_ptr<side> near;      // on the client's loop
    side* far = nullptr;             // on the server's
  };
  pair connect_pair(const io::socket_options& near_options = {}, const io::socket_options& far_options = {}) {
    pair made;
    made.listener = std::make_unique<harbour>(server());
    EXPECT_TRUE(made.listener->listen(world_of().vacant(over()), {}, far_options));
    made.near = std::make_unique<side>(client());
    EXPECT_TRUE(made.near->connect(made.listener->where(), near_options));
    EXPECT_TRUE(drive([&] { return made.near->connected && !made.listener->sides.empty(); }));
    if (!made.listener->sides.empty()) made.far = made.listener->sides.front().get();
    return made;
  }

  loop_options options_{};

 private:
  std::unique_ptr<world> world_;
};

// Bytes that differ at every offset that matters: a lost, doubled or misplaced piece changes the text.
inline std::string pattern(std::size_t bytes, std::uint32_t seed = 1) {
  std::string text(bytes, '\0');
  std::uint32_t x = seed * 2'654'435'761u + 1;
  for (char& c : text) {
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    c = static_cast<char>(x);
  }
  return text;
}

}  // namespace hawser::conformance

// Skips, and says what the engine does not have.
#define HAWSER_NEEDS(capability)                                                              \
  do {                                                                                        \
    if (!engine().capability) GTEST_SKIP() << engine().name << " has no " #capability;        \
  } while (false)
