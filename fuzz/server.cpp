// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "boundary.hpp"

#include "proto/frame.hpp"

#include <hawser/hawser.hpp>
#include <hawser/io/entropy.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

// A whole peer with its handlers, at the socket boundary: strangers come, say bytes of the input cut as the input likes, and go. What must
// hold: nothing ends the program, memory is bounded, connected and disconnected come in pairs, each call completes once, and when the
// strangers are gone nothing is left of them.

namespace {

using namespace hawser;

void demand(bool held) {
  if (!held) std::abort();
}

constexpr std::size_t memory_max = std::size_t{32} << 20;

struct books final : peer_hooks {
  std::size_t connected_count = 0, disconnected_count = 0;
  void connected(connection&) override { ++connected_count; }
  void disconnected(connection&, std::error_code) override { ++disconnected_count; }
};

struct server {
  explicit server(loop& on) : on_(on), peer_(on, options()), calls_(on) {
    peer_.on("echo", [](request& rq) -> task<> {
      for (;;) {
        auto piece = co_await rq.read();
        if (!piece || piece->empty()) co_return;
        const result<> written = co_await rq.write(std::move(*piece));
        if (!written) co_return;
      }
    });
    peer_.on("hold", [this](request& rq) -> task<> {
      while (!rq.cancelled()) co_await sleep(on_, std::chrono::milliseconds(100));
    },
        {.in_flight_max = 8});
    peer_.on("drop", [this](request&) -> task<> { co_await sleep_until(on_, never); }, {.cancel = operation_options::on_cancel::drop});
    peer_.on("sized", [](request& rq) -> task<> {
      const auto head = co_await rq.read_at_least(3'000);
      if (!head) co_return rq.fail(errc::operation_failed);
      const auto rest = co_await rq.read_all(100'000);
      if (!rest) co_return;
      const header name{"size", "many"};
      (void)rq.respond_headers({&name, 1});
      const result<> written = co_await rq.write(*rest);
      (void)written;
    });
    peer_.on("peek", [](request& rq) -> task<> {
      for (;;) {
        const auto more = co_await rq.read_at_least(1);
        if (!more) co_return;
        rq.consume(std::min<std::size_t>(rq.peek().size(), 3));
        if (more->size() > 100) rq.stop_reading();
      }
    });
    peer_.on("fail", [](request& rq) -> task<> { co_return rq.fail(0x10001, "as asked"); });
    peer_.on_stream([](channel& opened) -> task<> {
      const auto first = co_await opened.read();
      if (!first) co_return;
      const result<> written = co_await opened.write(*first);
      (void)written;
    });
    peer_.on_messages([](channel& opened) -> task<> {
      for (;;) {
        auto one = co_await opened.read();
        if (!one || opened.ended()) co_return;
        const result<> written = co_await opened.write(std::move(*one));
        if (!written) co_return;
      }
    });
    peer_.on_message([](connection& from, byte_view message) { (void)from.send(message); });
  }

  // A request of ours to the newest connection.
  void call() {
    const auto all = peer_.connections();
    if (all.empty()) return;
    calls_.spawn(one_call(all.back()));
  }
  void close() {
    const auto all = peer_.connections();
    if (!all.empty()) all.front().close();
  }

  void check_when_all_are_gone() {
    demand(peer_.connections().empty());
    demand(hooks_.connected_count == hooks_.disconnected_count);
    demand(calls_.count() == 0 && completed_ == made_);
    for (const operation_statistics& each : peer_.operations()) {
      demand(each.running == 0);
      demand(each.started == each.answered + each.failed + each.cancelled + each.expired + each.lost);
    }
  }

 private:
  peer_options options() {
    peer_options with{.name = "server", .listen = "10.0.0.1:7000", .hooks = &hooks_, .handshakes_max = 4};
    with.wire.announced.channels_max = 64;
    with.wire.announced.message_bytes_max = 64 * 1024;
    with.wire.announced.connection_credit = 256 * 1024;
    with.wire.reassembly_bytes_max = 128 * 1024;
    with.wire.window_bytes_max = 1024 * 1024;
    with.wire.receive_bytes_max = 256 * 1024;
    with.wire.send_bytes_max = 512 * 1024;
    with.wire.stall_timeout = std::chrono::seconds(20);
    return with;
  }
  task<> one_call(connection to) {
    ++made_;
    auto rq = peer_.start(to, "ask", {.deadline = std::chrono::seconds(5)});
    if (rq) {
      const result<> written = co_await rq->write("question");
      if (written) rq->finish();
      const auto answer = co_await rq->read_all(10'000);
      (void)answer;
    }
    ++completed_;
  }

  loop& on_;
  books hooks_;
  peer peer_;
  std::size_t made_ = 0, completed_ = 0;
  scope calls_;
};

class script {
 public:
  script(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  bool empty() const { return at_ == end_; }
  unsigned byte() { return empty() ? 0 : *at_++; }
  std::string take(std::size_t count) {
    const std::size_t some = std::min<std::size_t>(count, static_cast<std::size_t>(end_ - at_));
    std::string out(reinterpret_cast<const char*>(at_), some);
    at_ += some;
    return out;
  }

 private:
  const std::uint8_t *at_, *end_;
};

std::string frame(unsigned type, unsigned flags, std::uint32_t channel, std::string_view payload) {
  std::byte head[proto::header_bytes_max];
  const auto bits = static_cast<std::uint8_t>((flags & 7) << 4);
  const auto length = static_cast<std::uint32_t>(payload.size());
  const std::size_t size = proto::put_header(head, static_cast<proto::frame_type>(type & 15), bits, channel, length);
  return std::string(reinterpret_cast<const char*>(head), size).append(payload);
}

const std::string& greeting() {
  static const std::string bytes = std::string("\xd7HWS\x01\x01\0\0", 8) + frame(9, 0, 0, "\x0b\x10strangers are we\x0f\x08stranger");
  return bytes;
}
std::string open_of(unsigned which, std::uint32_t channel, unsigned flags, std::string_view first) {
  static constexpr std::string_view names[] = {"echo", "hold", "drop", "sized", "peek", "fail", "absent"};
  const std::string_view name = names[which % 7];
  std::string block{"\x12"};
  block.push_back(static_cast<char>(2 * name.size() + 1));
  block.append(name).append(1, '\0').append(first);
  return frame(2, flags & 2, channel, block);
}

// One engine and one loop for all inputs.
struct world {
  world() {
    auto made = std::make_unique<fuzzing::boundary>();
    engine = made.get();
    on = std::make_unique<loop>(std::move(made), loop_options{.wait = wait_policy::block, .cached_bytes_max = std::size_t{1} << 20});
  }
  void turn() {
    for (int i = 0; i < 64 && on->poll(); ++i) {
    }
    demand(on->buffers().bytes_in_use() < memory_max);
  }
  void pass(duration by) {
    engine->advance(by);
    turn();
  }
  fuzzing::boundary* engine;
  std::unique_ptr<loop> on;
};

void play(script& from, world& in) {
  fuzzing::boundary& at = *in.engine;
  std::size_t strangers = 1;
  at.connect_stranger();
  in.turn();
  for (int steps = 0; !from.empty() && steps < 2'000; ++steps) {
    const unsigned op = from.byte();
    const auto who = at.stranger(op >> 6);
    switch (op % 16) {
      case 0:
      case 1: at.deliver(who, from.take(from.byte())); break;
      case 2: at.deliver(who, greeting()); break;
      case 3:
      case 4:
      case 5: {
        const unsigned head = from.byte();
        const unsigned channel = from.byte();
        at.deliver(who, frame(head, head >> 4, channel, from.take(from.byte())));
        break;
      }
      case 6: {
        const unsigned which = from.byte();
        const unsigned channel = 2 * (from.byte() % 70) + 3;
        at.deliver(who, open_of(which, channel, which >> 4, from.take(which >> 6)));
        break;
      }
      case 7: at.deliver(who, frame(1, from.byte() & 3, from.byte(), std::string(from.byte() * 40, 'd'))); break;
      case 8: at.deliver(who, from.take(from.byte() * 16)); break;
      case 9:
        if (strangers++ < 12) at.connect_stranger();
        break;
      case 10: at.end(who); break;
      case 11: at.fail(who); break;
      case 12: at.take_sends((from.byte() & 1) != 0); break;
      case 13: in.pass(std::chrono::milliseconds(from.byte() * (op >> 4))); break;
      default: break;
    }
    // Without a turn in between several deliveries become one turn's.
    if (op % 3 != 0) in.turn();
  }
  in.turn();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static world in;
  const dangerous_fixed_entropy fixed(7);
  script from(data, size);
  {
    server serves(*in.on);
    // The first byte says what the server does by itself.
    const unsigned own = from.byte();
    if (own & 1) {
      in.engine->connect_stranger();
      in.turn();
      in.engine->deliver(in.engine->stranger(0), greeting());
      in.turn();
      serves.call();
    }
    play(from, in);
    if (own & 2) serves.call();
    if (own & 4) serves.close();
    in.turn();
    in.engine->take_sends(true);
    for (std::size_t back = 0; back < 16; ++back) {
      const io::socket_id who = in.engine->stranger(back);
      (own & 8) != 0 ? in.engine->fail(who) : in.engine->end(who);
    }
    for (int i = 0; i < 60 && (in.engine->open_sockets() != 0 || i < 8); ++i) in.pass(std::chrono::seconds(1));
    demand(in.engine->open_sockets() == 0);
    in.pass(std::chrono::seconds(1));
    serves.check_when_all_are_gone();
    demand(in.on->buffers().bytes_in_use() == 0);
  }
  in.turn();
  in.engine->forget();
  return 0;
}
