// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/proto/connection.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>

// Hostile bytes against one connection. The first byte of the input chooses the role and how the rest is cut into reads and
// what the application does; everything after it is what the peer says. What must hold whatever comes: no crash, no endless
// loop, bounded memory, one closed event at most and nothing after it.

namespace {

using namespace hawser;
using namespace hawser::proto;

constexpr std::size_t memory_max = std::size_t{24} << 20;

void demand(bool held) {
  if (!held) std::abort();
}

struct application {
  connection& c;
  std::uint32_t choices;
  instant now;
  bool closed = false;

  struct some final : outlet {
    explicit some(application& whose) : of(whose) {}
    std::size_t try_send(std::span<const byte_view> pieces) override {
      std::size_t all = 0;
      for (const byte_view piece : pieces) {
        demand(!piece.empty());
        all += piece.size();
      }
      return of.choose(static_cast<unsigned>(all) + 1);
    }
    application& of;
  };
  void send_large() {
    static const std::byte large[60'000] = {};
    some taken(*this);
    (void)c.send(message_channel, large, taken);
  }
  unsigned choose(unsigned n) {
    choices = choices * 1664525u + 1013904223u;
    return (choices >> 16) % n;
  }
  void act_on(const event& e) {
    switch (choose(8)) {
      case 0: (void)c.finish(e.channel); break;
      case 1: c.reset(e.channel, 6, "gone"); break;
      case 2: c.stop(e.channel, 6); break;
      case 3: choices & 1 ? c.work_done(e.channel) : c.conclude(e.channel); break;
      case 4: c.want(e.channel, 100'000); break;
      case 5:
        if (choices & 1 && c.open_at_once(now, "fuzz", as_bytes("first"), nullptr) != 0) break;
        (void)c.open(now, {.kind = channel_kind::request, .operation = "fuzz"}, as_bytes("first"), end_mark::end);
        break;
      case 6: choices & 1 ? send_large() : (void)c.send(message_channel, as_bytes("answer")); break;
      default: break;
    }
  }
  void drain() {
    event e{};
    plain_message plain;
    plain_request asked;
    plain_answer answer;
    for (;;) {
      // Either way to ask for messages, as the input chooses.
      if (choose(2) == 0 && c.poll_message(plain)) {
        demand(!closed);
        for (const std::byte b : plain.bytes) choices ^= static_cast<unsigned>(b);
        if (choose(4) != 0) c.consume(plain.channel, plain.cost);
        continue;
      }
      if (choose(2) == 0 && c.poll_request(asked)) {
        demand(!closed && !asked.operation.empty());
        for (const std::byte b : asked.bytes) choices ^= static_cast<unsigned>(b);
        if (choose(4) != 0) c.consume(asked.channel, asked.cost);
        act_on({.kind = event_kind::data, .channel = asked.channel, .last = asked.last});
        continue;
      }
      if (choose(2) == 0 && c.poll_answer(answer)) {
        demand(!closed);
        for (const std::byte b : answer.bytes) choices ^= static_cast<unsigned>(b);
        if (choose(4) != 0) c.consume(0, answer.cost);
        continue;
      }
      if (!c.poll_event(e)) break;
      if (e.kind == event_kind::opened && choose(2) == 0) {
        event first;
        if (c.poll_first(first)) c.consume(first.channel, first.cost);
      }
      demand(!closed);
      closed = e.kind == event_kind::closed;
      // Every byte that a view names must be readable.
      unsigned sum = 0;
      for (const std::byte b : e.bytes) sum += static_cast<unsigned>(b);
      for (const char b : e.text) sum += static_cast<unsigned>(b);
      if (e.open)
        for (const char b : e.open->operation) sum += static_cast<unsigned>(b);
      choices ^= sum;
      if (e.kind == event_kind::hello) c.accept(now);
      if ((e.kind == event_kind::data || e.kind == event_kind::message) && choose(4) != 0) c.consume(e.channel, e.cost);
      if (e.channel > 1 && e.kind != event_kind::released) act_on(e);
    }
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  static const settings with = [] {
    settings s;
    s.announced.message_bytes_max = 64 * 1024;
    s.announced.channels_max = 64;
    s.reassembly_bytes_max = 256 * 1024;
    return s;
  }();
  static const identity who;
  buffer_pool pool(std::size_t{1} << 20);
  const instant begin = instant{} + std::chrono::hours(1);
  connection c((data[0] & 1) != 0 ? role::client : role::server, with, who, pool, begin, 1);
  application app{.c = c, .choices = data[0], .now = begin};
  const std::size_t read_max = (data[0] & 2) != 0 ? 7 : (data[0] & 4) != 0 ? 100 : SIZE_MAX;
  byte_view rest = as_bytes(std::string_view(reinterpret_cast<const char*>(data) + 1, size - 1));
  chain out(pool);
  while (!rest.empty()) {
    const byte_view part = rest.first(rest.size() < read_max ? rest.size() : read_max);
    rest = rest.subspan(part.size());
    app.now += std::chrono::milliseconds(app.choose(16) == 0 ? 10'000 : 1);
    // Either way to receive, as the input chooses.
    const std::span<std::byte> room = app.choose(2) == 0 ? c.poll_room() : std::span<std::byte>();
    if (room.empty()) {
      c.handle_bytes(app.now, part);
    } else {
      const std::size_t count = room.size() < part.size() ? room.size() : part.size();
      std::memcpy(room.data(), part.data(), count);
      c.handle_filled(app.now, count, part.subspan(count));
      // A user's command may come before the events that the bytes lead to.
      if (app.choose(4) == 0) c.reset(3 + 2 * app.choose(4), 6, "gone");
    }
    app.drain();
    if (c.poll_timeout() <= app.now) c.handle_timeout(app.now);
    app.drain();
    if (app.choose(4) != 0) {
      const std::size_t taken = c.poll_transmit(app.now, out, 1 + app.choose(40'000));
      demand(taken == out.bytes());
      out.clear();
      c.handle_sent(app.now, taken);
    }
    demand(pool.bytes_in_use() < memory_max);
  }
  c.handle_end(app.now);
  app.drain();
  demand(app.closed && c.over());
  return 0;
}
