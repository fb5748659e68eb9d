// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "unit/peer/fixture.hpp"

#include <algorithm>
#include <cstddef>

// What is attacked: operations, streams and messages, with a count of the handlers that run.

namespace hawser::abuse {

using namespace std::chrono_literals;
using peer_test::diary;
using peer_test::drive;
using peer_test::failed_with;
using peer_test::finish;
using peer_test::is;
using peer_test::scaled;
using peer_test::succeeded;

// What the server announces in these tests: small, so that limits are met soon.
inline proto::settings small_limits() {
  proto::settings with;
  with.announced.frame_bytes_max = 16 * 1024;
  with.announced.message_bytes_max = 8'192;
  with.announced.channel_credit = 16 * 1024;
  with.announced.connection_credit = 256 * 1024;
  with.window_bytes_max = 256 * 1024;
  with.receive_bytes_max = 256 * 1024;
  with.reassembly_bytes_max = 32 * 1024;
  with.channel_send_bytes_max = 64 * 1024;
  with.send_bytes_max = 512 * 1024;
  return with;
}

inline peer_options attacked(peer_options options = {}) {
  options.name = "server";
  options.wire = small_limits();
  return options;
}

// Must outlive the peers that serve it: their handlers count themselves in here.
class service {
 public:
  void install(peer& on) {
    loop_ = &on.home();
    on.on("echo", [this](request& rq) { return echo(rq); });
    on.on("hold", [this](request& rq) { return hold(rq, 0ms); });
    on.on("linger", [this](request& rq) { return hold(rq, 2ms); });
    on.on("pour", [this](request& rq) { return pour(rq); });
    on.on_stream([this](channel& opened) { return take(opened); });
    on.on_messages([this](channel& opened) { return take(opened); });
    on.on_message([this](connection&, byte_view bytes) { ++messages, message_bytes += bytes.size(); });
  }

  std::size_t running = 0, running_peak = 0, started = 0;
  std::size_t messages = 0, message_bytes = 0, stream_bytes = 0;
  std::size_t poured_bytes = 0;

 private:
  struct run {
    explicit run(service& of) : of_(of) {
      ++of_.started;
      of_.running_peak = std::max(of_.running_peak, ++of_.running);
    }
    ~run() { --of_.running; }
    run(const run&) = delete;
    service& of_;
  };

  task<> echo(request& rq) {
    const run here(*this);
    for (;;) {
      auto piece = co_await rq.read();
      if (!piece || piece->empty()) co_return;
      if (!co_await rq.write(std::move(*piece))) co_return;
    }
  }
  task<> hold(request& rq, duration longer) {
    const run here(*this);
    while (!rq.cancelled()) {
      const auto piece = co_await rq.read();
      if (!piece) break;
      if (piece->empty()) co_await sleep(*loop_, 1ms);
    }
    if (longer > 0ms) co_await sleep(*loop_, longer);
  }
  task<> pour(request& rq) {
    const run here(*this);
    const std::string piece(4'000, 'p');
    for (;;) {
      const auto written = co_await rq.write(piece);
      if (!written) co_return;
      poured_bytes += piece.size();
    }
  }
  task<> take(channel& opened) {
    const run here(*this);
    for (;;) {
      const auto piece = co_await opened.read();
      if (!piece) co_return;
      stream_bytes += piece->size();
      if (opened.ended()) co_return;
    }
  }

  loop* loop_ = nullptr;
};

}  // namespace hawser::abuse
