// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/engine.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <string>
#include <utility>
#include <vector>

// The socket boundary by hand: an engine whose clock stands still until it is told, and whose sockets hear what they are given. One
// engine serves every input; nothing of one is left for the next.

namespace hawser::fuzzing {

class boundary final : public io::engine {
 public:
  // -- what the world does; it happens in the next turn
  void connect_stranger() {
    due_.emplace_back([this] {
      if (!listener_) return;
      sockets_.emplace_back();
      last_ = id_of(sockets_.size() - 1);
      listener_->on_accept(last_, "10.0.0.9:1234");
    });
  }
  // The socket that was accepted last, or one before.
  io::socket_id stranger(std::size_t back) const {
    return back < sockets_.size() ? io::socket_id{static_cast<std::uint32_t>(sockets_.size() - 1 - back), generation_} : io::socket_id();
  }
  void deliver(io::socket_id id, std::string bytes) {
    if (!bytes.empty()) due_.emplace_back([this, id, bytes = std::move(bytes)] { hear(id, bytes); });
  }
  void end(io::socket_id id) {
    due_.emplace_back([this, id] {
      if (socket* s = live(id); s && !std::exchange(s->ended, true)) s->events->on_end();
    });
  }
  void fail(io::socket_id id) {
    due_.emplace_back([this, id] {
      if (socket* s = live(id); s && !std::exchange(s->failed, true)) s->events->on_failed(make_error_code(errc::connection_reset));
    });
  }
  void advance(duration by) { now_ += by; }
  // Whether sends are taken.
  void take_sends(bool taken) { takes_ = taken; }
  std::size_t bytes_in_flight() const {
    std::size_t sum = 0;
    for (const socket& s : sockets_) sum += s.in_flight.bytes();
    return sum;
  }
  void forget() {
    sockets_.clear();
    due_.clear();
    ++generation_;
    takes_ = true;
  }

  // -- io::engine
  std::string_view name() const noexcept override { return "boundary"; }
  void use_buffers(buffer_pool& buffers) override { pool_ = &buffers; }
  instant now() noexcept override { return now_; }
  std::size_t turn(instant, instant& now) override {
    now = now_;
    std::size_t done = 0;
    for (std::size_t i = 0; takes_ && i < sockets_.size(); ++i) {
      socket& s = sockets_[i];
      if (s.in_flight.empty()) continue;
      const std::size_t count = s.in_flight.bytes();
      s.in_flight.clear();
      ++done;
      if (!s.closed && !s.failed) s.events->on_sent(count);
    }
    std::vector<std::move_only_function<void()>> all;
    all.swap(due_);
    for (auto& one : all) one(), ++done;
    for (std::size_t i = 0; i < sockets_.size(); ++i) {
      socket& s = sockets_[i];
      if (s.paused || s.held.empty() || !live(id_of(i))) continue;
      hear(id_of(i), std::exchange(s.held, {}));
      ++done;
    }
    return done;
  }
  void wake() noexcept override {}
  int descriptor() const noexcept override { return -1; }
  bool pending() const noexcept override { return !due_.empty(); }

  result<io::listener_id> listen(const endpoint&, const io::listen_options&, const io::socket_options&,
      io::listener_events& events) override {
    listener_ = &events;
    return io::listener_id{0, 1};
  }
  endpoint local_endpoint(io::listener_id) const override { return listener_ ? endpoint("10.0.0.1:7000") : endpoint(); }
  void close(io::listener_id) override { listener_ = nullptr; }
  void start(io::socket_id id, io::socket_events& events) override { at(id).events = &events; }
  result<io::socket_id> connect(const endpoint&, const io::socket_options&, io::socket_events&) override {
    return failure(errc::unreachable);
  }
  void send(io::socket_id id, chain& bytes) override {
    HAWSER_EXPECTS(!at(id).closed && !at(id).finished && at(id).in_flight.empty() && !bytes.empty(), "a send that breaks E4");
    at(id).in_flight = std::move(bytes);
  }
  void pause_receiving(io::socket_id id) override { at(id).paused = true; }
  void resume_receiving(io::socket_id id) override { at(id).paused = false; }
  void shutdown_sending(io::socket_id id) override { at(id).finished = true; }
  void close(io::socket_id id) override {
    HAWSER_EXPECTS(!at(id).closed, "closed twice");
    at(id).closed = true;
    at(id).in_flight.clear();
    at(id).held.clear();
  }
  void abort(io::socket_id id) override { close(id); }
  void hand_over(io::socket_id id, io::socket_events& events) override { at(id).events = &events; }
  endpoint local_endpoint(io::socket_id) const override { return "10.0.0.1:7000"; }
  endpoint remote_endpoint(io::socket_id) const override { return "10.0.0.9:1234"; }
  std::size_t open_sockets() const noexcept override {
    std::size_t open = 0;
    for (const socket& s : sockets_) open += !s.closed;
    return open;
  }

 private:
  struct socket {
    socket() : in_flight(nowhere()) {}
    static buffer_pool& nowhere() {
      static buffer_pool none(0);      // a chain wants one; this one stays empty until it is given another's bytes
      return none;
    }
    io::socket_events* events = nullptr;
    chain in_flight;
    std::string held;                  // came while paused
    bool paused = false, finished = false, closed = false, ended = false, failed = false;
  };

  io::socket_id id_of(std::size_t index) const { return {static_cast<std::uint32_t>(index), generation_}; }
  socket& at(io::socket_id id) {
    HAWSER_EXPECTS(id.generation == generation_ && id.index < sockets_.size(), "a socket of another input");
    return sockets_[id.index];
  }
  socket* live(io::socket_id id) {
    if (id.generation != generation_ || id.index >= sockets_.size()) return nullptr;
    socket& s = sockets_[id.index];
    return s.closed || s.failed || !s.events ? nullptr : &s;
  }
  void hear(io::socket_id id, const std::string& bytes) {
    socket* s = live(id);
    if (!s || s->ended) return;
    if (s->paused) {
      s->held += bytes;
      return;
    }
    chunk received = pool_->allocate(std::max(bytes.size(), io::receive_buffer_bytes));
    std::memcpy(received.mutable_data(), bytes.data(), bytes.size());
    received.grow(bytes.size());
    const lending lent(*pool_, received);
    s->events->on_bytes(received.view());
  }

  buffer_pool* pool_ = nullptr;
  instant now_{std::chrono::hours(1)};
  io::listener_events* listener_ = nullptr;
  io::socket_id last_;
  std::vector<socket> sockets_;
  std::vector<std::move_only_function<void()>> due_;
  std::uint32_t generation_ = 1;
  bool takes_ = true;
};

}  // namespace hawser::fuzzing
