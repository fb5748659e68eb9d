// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/process.hpp"
#include "own/sides.hpp"

#include <optional>

namespace hawser::bench::own {
namespace {

class service final : public peer_hooks {
 public:
  service(loop& on, const job& of, tally& counted) : loop_(on), job_(of), counted_(counted), measured_(of, counted), peer_(on, options(of)) {
    if (of.what == workload::stream) {
      peer_.on_message([this](connection&, byte_view message) { check(message); });
    } else {
      peer_.on_message([this](connection& from, byte_view message) { answer(from, message); });
    }
    peer_.on("echo", [this](request& rq) { return echo(rq); });
    peer_.on_stream([this](channel& from) { return swallow(from); });
  }
  std::uint16_t port() const { return peer_.local_endpoint().port(); }

  void connected(connection&) override {
    if (++open_ == job_.connections) {
      congestion_of_sockets(counted_.congestion);
      spent_.emplace(loop_);
    }
  }
  void disconnected(connection&, std::error_code) override {
    if (spent_) spent_->tell(counted_);
    spent_.reset();                        // what ending the others takes is not to be measured
    if (--open_ == 0) loop_.stop();
  }

 private:
  peer_options options(const job& of) {
    peer_options all = peer_for(of);
    all.listen = "127.0.0.1:0";
    all.hooks = this;
    return all;
  }

  void count(byte_view message) { counted_.sum += message.size() == payload_bytes ? sum_of(message.data()) : sum_of(message); }

  void answer(connection& from, byte_view message) {
    count(message);
    ++counted_.count;
    if (!from.send(message)) counted_.fail("an answer could not be sent");
  }

  task<> echo(request& rq) {
    running_sum sum;
    for (;;) {
      auto chunk = co_await rq.read();
      if (!chunk || chunk->empty()) break;
      sum.add(byte_view(chunk->data(), chunk->size()));
      if (!co_await rq.write(std::move(*chunk))) co_return;
    }
    ++counted_.count;
    counted_.sum += sum.take();
  }

  void check(byte_view message) {
    payload_head got;
    if (message.size() != job_.size) return counted_.fail("a message of a wrong size");
    count(message);
    std::memcpy(&got, message.data(), sizeof got);
    if (got.sequence != counted_.count) counted_.fail("a message out of order");
    measured_.arrived(ns_of(loop_.now()), 1);
    if (got.stamp_ns != 0) measured_.took(now_ns() - got.stamp_ns);
  }

  // Counts whole blocks: the last one of a piece may be cut.
  task<> swallow(channel& from) {
    std::size_t bytes = 0;
    for (;;) {
      auto piece = co_await from.read();
      if (!piece || piece->empty()) break;
      bytes += piece->size();
      if (bytes < job_.size) continue;
      measured_.arrived(ns_of(loop_.now()), bytes / job_.size);
      bytes %= job_.size;
    }
    if (bytes != 0) counted_.fail("a block is not whole");
  }

  loop& loop_;
  const job& job_;
  tally& counted_;
  meter measured_;
  std::size_t open_ = 0;
  std::optional<expenses> spent_;
  peer peer_;
};

}  // namespace

void serve(const job& of, const listening& listens, tally& counted) {
  loop on(loop_for(of));
  service server(on, of, counted);
  if (server.port() == 0) return counted.fail("it could not listen");
  listens(server.port());
  on.run();
}

}  // namespace hawser::bench::own
