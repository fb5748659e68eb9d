// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/loop.hpp>
#include <hawser/testing/network.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

// Bare ends of connections for tests of the simulated network: what was said is sent piece by piece, what was heard is kept.

namespace hawser::wires {

class end : public io::socket_events {
 public:
  explicit end(loop& on) : loop_(on) {}
  end(const end&) = delete;
  end& operator=(const end&) = delete;
  virtual ~end() = default;

  void say(std::string text) {
    queue_.push_back(std::move(text));
    send_next();
  }
  void finish() {
    finishing_ = true;
    send_next();
  }
  void pause() { loop_.engine().pause_receiving(id); }
  void resume() { loop_.engine().resume_receiving(id); }
  void close() { loop_.engine().close(id); }
  void abort() { loop_.engine().abort(id); }

  void on_connected() override {
    connected = true;
    connected_at = loop_.now();
    send_next();
  }
  void on_bytes(byte_view bytes) override {
    count += bytes.size();
    smallest = std::min(smallest, bytes.size());
    if (keeps) heard += as_text(bytes);
    if (echoes) say(std::string(as_text(bytes)));
  }
  void on_end() override { ended = true; }
  void on_sent(std::size_t bytes) override {
    sent += bytes;
    sending_ = false;
    send_next();
  }
  void on_failed(std::error_code reason) override { failure = reason; }

  io::socket_id id;
  bool connected = false;
  bool ended = false;
  bool echoes = false;
  bool keeps = true;
  std::error_code failure;
  std::string heard;
  std::size_t count = 0;
  std::size_t sent = 0;
  std::size_t smallest = ~std::size_t{0};
  instant connected_at{};

 private:
  void send_next() {
    if (sending_ || !connected) return;
    if (queue_.empty()) {
      if (finishing_) loop_.engine().shutdown_sending(id);
      return;
    }
    chain bytes(loop_.buffers());
    bytes.append(loop_.buffers().copy(as_bytes(queue_.front())));
    queue_.pop_front();
    sending_ = true;
    loop_.engine().send(id, bytes);
  }

  loop& loop_;
  std::deque<std::string> queue_;
  bool sending_ = false;
  bool finishing_ = false;
};

class caller final : public end {
 public:
  caller(loop& on, const endpoint& where, const io::socket_options& options = {}) : end(on) {
    auto made = on.engine().connect(where, options, *this);
    if (made) id = *made;
    else failure = made.error();
  }
};

class server final : public io::listener_events {
 public:
  server(loop& on, const endpoint& where, const io::listen_options& options = {}) : loop_(on) {
    auto made = on.engine().listen(where, options, {}, *this);
    if (made) listening = *made;
    else failure = made.error();
  }
  void on_accept(io::socket_id id, const endpoint&) override {
    accepted.push_back(std::make_unique<end>(loop_));
    end& one = *accepted.back();
    one.id = id;
    one.connected = true;
    one.echoes = echoes;
    loop_.engine().start(id, one);
  }
  void on_accept_error(std::error_code reason) override {
    stumble = reason;
    ++stumbles;
  }

  io::listener_id listening;
  bool echoes = false;
  std::error_code failure;
  std::error_code stumble;
  std::size_t stumbles = 0;
  std::vector<std::unique_ptr<end>> accepted;

 private:
  loop& loop_;
};

// "a" has called "b", who listens on port 7000.
class pair {
 public:
  explicit pair(testing::network& net)
      : a(net.host("a")), listening(net.host("b"), net.address("b", 7000)), client(a, net.address("b", 7000)), began(net.now()) {
    net.run_until([this] { return client.connected && !listening.accepted.empty(); }, std::chrono::seconds(5));
  }
  end& far() { return *listening.accepted.at(0); }

  loop& a;
  server listening;
  caller client;
  instant began;
};

class alarm final : public io::timer {
 public:
  explicit alarm(loop& on) : loop_(on) {}
  void arm(instant when) { loop_.arm(*this, when); }
  void on_timer() override {
    fired_at = loop_.now();
    if (then) then();
  }
  instant fired_at{};
  std::function<void()> then;

 private:
  loop& loop_;
};

}  // namespace hawser::wires
