// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/affinity.hpp"
#include "common/clock.hpp"
#include "own/sides.hpp"

namespace hawser::bench::own {
namespace {

task<> echo(request& rq) {
  for (;;) {
    auto chunk = co_await rq.read();
    if (!chunk || chunk->empty()) co_return;
    if (!co_await rq.write(std::move(*chunk))) co_return;
  }
}

class service final : public peer_hooks {
 public:
  service(loop& on, const job& of) : loop_(on), job_(of), peer_(on, options(of)) {
    if (of.what == work::pingpong)
      peer_.on_message([this](connection& from, byte_view message) { answer(from, message); });
    else
      peer_.on_message([this](connection&, byte_view message) { check(message); });
    peer_.on("echo", echo);
    peer_.on_stream([this](channel& from) { return swallow(from); });
  }
  std::uint16_t port() const { return peer_.local_endpoint().port(); }
  tally& counted() { return counted_; }

  void connected(connection&) override { cpu_from_ = thread_cpu_ns(), since_ = now_ns(); }
  void disconnected(connection&, std::error_code) override {
    counted_.cpu = static_cast<double>(thread_cpu_ns() - cpu_from_) / static_cast<double>(now_ns() - since_);
    loop_.stop();
  }

 private:
  peer_options options(const job& of) {
    peer_options all = peer_for(of);
    all.listen = "127.0.0.1:0";
    all.hooks = this;
    return all;
  }

  void answer(connection& from, byte_view message) {
    if (!from.send(message)) counted_.failed = true;
  }

  void check(byte_view message) {
    raw::payload got;
    if (message.size() != sizeof got) {
      counted_.failed = true;
      return;
    }
    std::memcpy(&got, message.data(), sizeof got);
    if (got.sequence != counted_.count) counted_.failed = true;
    counted_.sum += raw::sum_of(message.data());
    const std::int64_t now = ns_of(loop_.now());
    counted_.add(now, job_, 1);
    if (got.stamp_ns != 0 && counted_.measured_from_ns != 0) counted_.latency.record(now_ns() - got.stamp_ns);
  }

  task<> swallow(channel& from) {
    for (;;) {
      auto piece = co_await from.read();
      if (!piece || piece->empty()) break;
      counted_.add(ns_of(loop_.now()), job_, piece->size());
    }
  }

  loop& loop_;
  const job& job_;
  tally counted_;
  std::int64_t cpu_from_ = 0, since_ = 0;
  peer peer_;
};

}  // namespace

int serve(const job& of, reporter& to) {
  const pinned here(of.with.server_core);
  loop on(loop_for(of));
  service server(on, of);
  if (server.port() == 0 || !to.write(server.port())) return 1;
  on.run();
  server.counted().is_pinned = here.held();
  return to.write(server.counted()) ? 0 : 1;
}

}  // namespace hawser::bench::own
