// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/process.hpp"
#include "own/sides.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

namespace hawser::bench::own {
namespace {

class service final : public peer_hooks {
 public:
  service(loop& on, const job& of, tally& counted) : loop_(on), job_(of), counted_(counted), measured_(of, counted), peer_(on, options(of)), before_(memory_now()) {
    switch (of.what) {
      case workload::stream:
      case workload::threads:
        peer_.on_message([this](connection& from, byte_view message) {
          if (message.size() != control_bytes) check(message);
          else if (!from.send(message)) counted_.fail("an answer could not be sent");
        });
        break;
      case workload::quiet:
        peer_.on_message([this](connection& from, byte_view message) {
          if (silence_) counted_.quiet_cpu = silence_->share();
          answer(from, message);
          if (!silence_) silence_.emplace();
        });
        break;
      case workload::fanout:
        peer_.on_message([this](connection&, byte_view message) { confirm(message); });
        publisher_.emplace(publish_what_fits());
        publisher_->start();
        break;
      default: peer_.on_message([this](connection& from, byte_view message) { answer(from, message); });
    }
    peer_.on("echo", [this](request& rq) { return echo(rq); });
    peer_.on_messages([this](channel& from) { return job_.what == workload::open ? answer_once(from) : check_all(from); });
    peer_.on_stream([this](channel& from) { return job_.what == workload::bulk ? swallow(from) : sum_up(from); });
  }
  std::uint16_t port() const { return peer_.local_endpoint().port(); }

  void connected(connection& one) override {
    ++open_;
    if (job_.what == workload::fanout) subscribers_.push_back(one);
    if (spent_ || open_ < job_.connections) return;
    congestion_of_sockets(counted_.congestion);
    spent_.emplace(loop_);
  }
  // What ending the others takes is not to be measured. In connect they come one after the other, until one says that it is the last.
  void disconnected(connection&, std::error_code) override {
    --open_;
    const bool one_by_one = job_.what == workload::connect;
    if (one_by_one ? is_over_ : open_ + 1 == job_.connections) spent_->tell(counted_);
    if (open_ == 0 && (!one_by_one || is_over_)) loop_.stop();
  }

 private:
  peer_options options(const job& of) {
    peer_options all = peer_for(of);
    all.listen = "127.0.0.1:0";
    all.hooks = this;
    return all;
  }

  void count(byte_view message) { counted_.sum += message.size() == payload_bytes ? sum_of(message.data()) : sum_of(message); }

  // -- messages

  void answer(connection& from, byte_view message) {
    if (message.size() == control_bytes) {
      is_over_ = true;
      growth_of(before_, job_.connections, counted_);
    } else {
      count(message);
      ++counted_.count;
    }
    if (!from.send(message)) counted_.fail("an answer could not be sent");
  }

  void check(byte_view message) {
    payload_head got;
    if (message.size() != job_.size) return counted_.fail("a message of a wrong size");
    count(message);
    std::memcpy(&got, message.data(), sizeof got);
    if (!order_.follows(got.sequence)) counted_.fail("a message out of order");
    measured_.arrived(ns_of(loop_.now()), 1);
    if (got.stamp_ns != 0) measured_.took(now_ns() - got.stamp_ns);
  }

  // As many publications as the window has room for, to one subscriber after the other.
  void publish() {
    publications_.clear();
    const std::int64_t now = now_ns();
    while (now < until_ns_ && source_.count() - confirmed_ < publications_open) {
      if (!publications_.append(source_.next(now))) counted_.fail("publications are too large for one block");
      counted_.count += subscribers_.size();
      counted_.sum += subscribers_.size() * source_.sum();
    }
    for (connection& one : subscribers_) {
      if (!one.send(publications_)) counted_.fail("a publication could not be sent");
    }
    if (confirmed_ != source_.count()) return;
    const std::byte over[control_bytes] = {};
    if (!subscribers_.front().send(over)) counted_.fail("the end could not be told");
  }
  // Once for all confirmations that came together.
  task<> publish_what_fits() {
    for (;;) {
      co_await confirmation_.wait();
      confirmation_.reset();
      publish();
    }
  }
  // The first confirmation, of nothing, says that all are listening.
  void confirm(byte_view message) {
    if (message.size() != control_bytes) return counted_.fail("a message of a wrong size");
    if (until_ns_ == 0) until_ns_ = end_of(job_);
    std::memcpy(&confirmed_, message.data(), sizeof confirmed_);
    confirmation_.set();
  }

  // -- requests and streams

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

  task<> answer_once(channel& from) {
    auto message = co_await from.read();
    if (!message || message->empty()) co_return;
    count(byte_view(message->data(), message->size()));
    ++counted_.count;
    const auto written = co_await from.write(std::move(*message));
    if (!written) counted_.fail(written.error().message());
  }

  task<> check_all(channel& from) {
    for (;;) {
      const auto message = co_await from.read();
      if (!message || message->empty()) co_return;
      check(byte_view(message->data(), message->size()));
    }
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

  // The same beside messages, every byte looked at.
  task<> sum_up(channel& from) {
    const auto bulk = std::make_unique<tally>();
    meter measured(job_, *bulk);
    running_sum sum;
    std::size_t bytes = 0;
    for (;;) {
      auto piece = co_await from.read();
      if (!piece || piece->empty()) break;
      sum.add(byte_view(piece->data(), piece->size()));
      bytes += piece->size();
      measured.arrived(ns_of(loop_.now()), bytes / block_bytes_beside);
      bytes %= block_bytes_beside;
    }
    counted_.sum += sum.take();
    add_blocks(*bulk, job_, counted_);
  }

  loop& loop_;
  const job& job_;
  tally& counted_;
  meter measured_;
  arrival_order order_{std::max(job_.channels, job_.threads)};
  std::size_t open_ = 0;
  bool is_over_ = false;
  std::optional<expenses> spent_;
  std::optional<cpu_clock> silence_;       // since the first message
  std::vector<connection> subscribers_;
  framed_messages publications_{loop_.buffers()};
  event confirmation_{loop_};
  message_source source_{publication_bytes};
  std::uint64_t confirmed_ = 0;
  std::int64_t until_ns_ = 0;
  peer peer_;
  memory before_;
  std::optional<task<>> publisher_;
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
