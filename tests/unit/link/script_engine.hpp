// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/engine.hpp>
#include <hawser/link/protocol.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hawser::test {

// An engine whose sockets do what the test says, on a clock that jumps to what a turn would have waited for.
class script_engine final : public io::engine {
 public:
  struct socket {
    io::socket_events* events = nullptr;
    endpoint remote;
    std::string sent;                 // all that was taken
    std::vector<std::size_t> sends;   // sizes
    std::size_t in_flight = 0;
    bool paused = false, finished = false, closed = false, aborted = false;
  };
  // What connecting to an address does: nothing set, it never answers.
  struct answer {
    duration delay{};
    std::optional<std::error_code> error;
    bool local_failure = false;
  };

  // Runs inside a turn, in order of time.
  void at(duration from_now, std::move_only_function<void()> what) { due_.emplace(now_ + from_now, std::move(what)); }
  io::socket_id accepted() {
    sockets.emplace_back();
    sockets.back().remote = "10.0.0.9:1234";
    return {static_cast<std::uint32_t>(sockets.size() - 1), 1};
  }
  void give(io::socket_id id, std::string bytes, duration from_now = {}) {
    at(from_now, [this, id, bytes = std::move(bytes)] {
      socket& s = sockets[id.index];
      if (!s.closed && !s.paused) s.events->on_bytes(as_bytes(bytes));
      else if (!s.closed) held[id.index] += bytes;
    });
  }
  void give_end(io::socket_id id, duration from_now = {}) {
    at(from_now, [this, id] {
      if (!sockets[id.index].closed) sockets[id.index].events->on_end();
    });
  }
  void fail(io::socket_id id, errc reason, duration from_now = {}) {
    at(from_now, [this, id, reason] {
      if (!sockets[id.index].closed) sockets[id.index].events->on_failed(make_error_code(reason));
    });
  }

  std::vector<socket> sockets;
  std::map<std::uint32_t, std::string> held;       // came while paused
  std::map<std::string, answer> addresses;         // how connects end
  std::map<std::string, io::name_answer> names;
  bool take_sends = true;                          // sends are taken in the next turn
  bool keep_sent = true;                           // for allocation counts: false
  std::size_t resumes = 0;
  std::vector<std::pair<io::listener_events*, bool>> listeners;   // second: open

  // -- io::engine
  std::string_view name() const noexcept override { return "script"; }
  void use_buffers(buffer_pool&) override {}
  instant now() noexcept override { return now_; }
  std::size_t turn(instant until, instant& now) override {
    std::size_t done = 0;
    const auto first = due_.begin();
    if (taken_.empty() && (first == due_.end() || first->first > std::max(now_, until))) {
      if (until == never) {
        ADD_FAILURE() << "the loop would sleep for ever";
        std::abort();
      }
      now_ = std::max(now_, until);
    } else if (taken_.empty()) {
      now_ = std::max(now_, first->first);
    }
    now = now_;
    std::vector<io::socket_id> taken;
    taken.swap(taken_);
    for (const io::socket_id id : taken) {
      socket& s = sockets[id.index];
      if (s.closed) continue;
      ++done;
      s.events->on_sent(std::exchange(s.in_flight, 0));
    }
    taken.clear();
    if (taken_.empty()) taken_.swap(taken);   // keeps its memory
    while (!due_.empty() && due_.begin()->first <= now_) {
      auto what = std::move(due_.begin()->second);
      due_.erase(due_.begin());
      ++done;
      what();
    }
    return done;
  }
  void wake() noexcept override {}
  int descriptor() const noexcept override { return -1; }
  bool pending() const noexcept override { return !taken_.empty(); }

  result<io::listener_id> listen(const endpoint&, const io::listen_options&, const io::socket_options&, io::listener_events& events) override {
    listeners.emplace_back(&events, true);
    return io::listener_id{static_cast<std::uint32_t>(listeners.size() - 1), 1};
  }
  endpoint local_endpoint(io::listener_id id) const override { return listeners[id.index].second ? endpoint("10.0.0.1:7000") : endpoint(); }
  void close(io::listener_id id) override { listeners[id.index].second = false; }
  void start(io::socket_id id, io::socket_events& events) override { sockets[id.index].events = &events; }

  result<io::socket_id> connect(const endpoint& where, const io::socket_options&, io::socket_events& events) override {
    const auto found = addresses.find(where.text());
    answer what;
    what.delay = duration::max();
    if (found != addresses.end()) what = found->second;
    if (what.local_failure) return failure(*what.error);
    const io::socket_id id = accepted();
    sockets[id.index].events = &events;
    sockets[id.index].remote = where;
    if (what.delay != duration::max())
      at(what.delay, [this, id, error = what.error] {
        socket& s = sockets[id.index];
        if (s.closed) return;
        if (error) s.events->on_failed(*error);
        else s.events->on_connected();
      });
    return id;
  }
  void send(io::socket_id id, chain& bytes) override {
    socket& s = sockets[id.index];
    EXPECT_FALSE(s.closed || s.finished);
    EXPECT_EQ(s.in_flight, 0u) << "one send in flight (E4)";
    EXPECT_FALSE(bytes.empty());
    s.in_flight = bytes.bytes();
    if (keep_sent) {
      s.sends.push_back(bytes.bytes());
      for (std::size_t i = 0; i < bytes.count(); ++i) s.sent += as_text(bytes[i]);
    }
    bytes.clear();
    if (take_sends) taken_.push_back(id);
  }
  void take_now(io::socket_id id) { taken_.push_back(id); }
  void pause_receiving(io::socket_id id) override { sockets[id.index].paused = true; }
  void resume_receiving(io::socket_id id) override {
    sockets[id.index].paused = false;
    ++resumes;
    // In pieces: whoever pauses again in between gets no more than one.
    if (const auto bytes = held.extract(id.index))
      for (std::size_t at = 0; at < bytes.mapped().size(); at += 10'000) give(id, bytes.mapped().substr(at, 10'000));
  }
  void shutdown_sending(io::socket_id id) override { sockets[id.index].finished = true; }
  void close(io::socket_id id) override {
    EXPECT_FALSE(sockets[id.index].closed) << "closed twice";
    sockets[id.index].closed = true;
  }
  void abort(io::socket_id id) override {
    close(id);
    sockets[id.index].aborted = true;
  }
  void hand_over(io::socket_id id, io::socket_events& events) override { sockets[id.index].events = &events; }
  endpoint local_endpoint(io::socket_id) const override { return endpoint("10.0.0.1:7000"); }
  endpoint remote_endpoint(io::socket_id id) const override { return sockets[id.index].remote; }
  std::optional<io::name_answer> look_up(const endpoint& host) override {
    const auto found = names.find(std::string(host.name()));
    if (found == names.end()) return io::name_answer{failure(errc::name_not_found), {}};
    return found->second;
  }
  std::size_t open_sockets() const noexcept override {
    std::size_t open = 0;
    for (const socket& s : sockets) open += !s.closed;
    return open;
  }

 private:
  instant now_{std::chrono::hours(1)};
  std::multimap<instant, std::move_only_function<void()>> due_;
  std::vector<io::socket_id> taken_;
};

}  // namespace hawser::test
