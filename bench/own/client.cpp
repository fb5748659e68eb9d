// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/process.hpp"
#include "own/sides.hpp"

#include <memory>
#include <string>
#include <vector>

namespace hawser::bench::own {
namespace {

// How many dials are under way at a time, well below what a listener lets wait.
constexpr std::size_t dials_max = 64;

// What the client has of one connection: the message that it has under way.
struct question {
  payload sent;
  std::int64_t began_ns = 0;
};

class driver {
 public:
  driver(loop& on, const job& of, tally& counted) : loop_(on), job_(of), counted_(counted), measured_(of, counted), me_(on, peer_for(of)) {}

  task<> play(endpoint where) {
    if (!co_await connect(where)) co_return;
    congestion_of_sockets(counted_.congestion);
    const expenses spent(loop_);
    switch (job_.what) {
      case workload::pingpong:
      case workload::echoes: co_await ask_and_answer(); break;
      case workload::stream: co_await stream(); break;
      case workload::requests:
      case workload::streamed: co_await requests(); break;
      case workload::bulk: co_await bulk(); break;
      default: counted_.fail("this work is not known here");
    }
    spent.tell(counted_);
    if (servers_.size() == 1) {
      co_await me_.stop(std::chrono::seconds(5));
    } else {
      for (connection& one : servers_) one.abort();      // leaves no port behind that has to wait
    }
  }

 private:
  task<> dial(const endpoint& where) {
    while (!counted_.failed() && dialled_ < job_.connections) {
      ++dialled_;
      auto made = co_await me_.connect(where);
      if (made) servers_.push_back(std::move(*made));
      else counted_.fail("connecting: " + made.error().message());
    }
  }
  task<bool> connect(const endpoint& where) {
    scope dials(loop_);
    for (std::size_t i = 0; i < std::min(dials_max, job_.connections); ++i) dials.spawn(dial(where));
    co_await dials.join();
    co_return !counted_.failed();
  }

  // On each connection one message at a time; the next leaves from the handler of the answer.
  task<> ask_and_answer() {
    event over(loop_);
    me_.on_message([&](connection& from, byte_view message) {
      const std::int64_t ended = now_ns();
      question& asked = *from.user_state<question>();
      if (message.size() != payload_bytes || std::memcmp(message.data(), &asked.sent, payload_bytes) != 0) counted_.fail("a wrong answer");
      measured_.took(ended - asked.began_ns);
      measured_.arrived(ended, 1);
      --under_way_;
      if (!measured_.is_over(ended)) {
        ++asked.sent.sequence;
        ask(from, asked, ended);
      }
      if (under_way_ == 0 || counted_.failed()) over.set();
    });
    for (connection& one : servers_) {
      auto asked = std::make_shared<question>();
      one.set_user_state(asked);
      ask(one, *asked, now_ns());
    }
    co_await over.wait();
  }
  void ask(const connection& to, question& of, std::int64_t now) {
    of.began_ns = now;
    counted_.sum += sum_of(&of.sent);
    ++under_way_;
    if (!to.send(bytes_of(of.sent))) counted_.fail("a message could not be sent");
  }

  task<> stream() {
    const connection server = servers_.front();
    message_source source(job_.size);
    const std::uint64_t between_stamps = std::max<std::size_t>(raw::buffer_bytes / job_.size, 1);
    const std::int64_t until = end_of(job_);
    while (ns_of(loop_.now()) < until) {
      const byte_view message(source.next(source.count() % between_stamps == 0 ? now_ns() : 0), job_.size);
      for (auto taken = server.send(message); !taken; taken = server.send(message)) {
        if (taken.error() != errc::would_block) {
          counted_.fail(taken.error().message());
          co_return;
        }
        const auto writable = co_await me_.writable(server);
        if (!writable) {
          counted_.fail(writable.error().message());
          co_return;
        }
      }
      counted_.sum += source.sum();
      ++counted_.count;
    }
  }

  task<> caller(std::uint64_t number) {
    payload sent;
    sent.sequence = number << 32;
    for (;;) {
      const std::int64_t began = now_ns();
      if (measured_.is_over(began)) co_return;
      counted_.sum += sum_of(&sent);
      const auto answer = co_await me_.call(servers_.front(), "echo", bytes_of(sent));
      const std::int64_t ended = now_ns();
      if (!answer || answer->size() != payload_bytes || std::memcmp(answer->data(), &sent, payload_bytes) != 0) {
        counted_.fail(answer ? "a wrong answer" : answer.error().message());
        co_return;
      }
      measured_.took(ended - began);
      measured_.arrived(ended, 1);
      ++sent.sequence;
    }
  }
  task<> requests() {
    scope callers(loop_);
    for (std::uint64_t number = 0; number < job_.in_flight; ++number) {
      callers.spawn(job_.what == workload::streamed ? streamer(number) : caller(number));
    }
    co_await callers.join();
  }

  // Piece by piece, as somebody does who has them one after the other; the answer is read once all are written.
  task<> streamer(std::uint64_t number) {
    payload sent;
    sent.sequence = number << 32;
    std::vector<payload> pieces(pieces_of_a_request);
    for (;;) {
      const std::int64_t began = now_ns();
      if (measured_.is_over(began)) co_return;
      auto rq = me_.start(servers_.front(), "echo");
      if (!rq) {
        counted_.fail(rq.error().message());
        co_return;
      }
      for (payload& piece : pieces) {
        piece = sent;
        ++sent.sequence;
        counted_.sum += sum_of(&piece);
        const auto written = co_await rq->write(bytes_of(piece));
        if (!written) {
          counted_.fail(written.error().message());
          co_return;
        }
      }
      rq->finish();
      const auto answer = co_await rq->read_all(pieces.size() * payload_bytes);
      const std::int64_t ended = now_ns();
      if (!answer || answer->size() != pieces.size() * payload_bytes || std::memcmp(answer->data(), pieces.data(), answer->size()) != 0) {
        counted_.fail(answer ? "a wrong answer" : answer.error().message());
        co_return;
      }
      measured_.took(ended - began);
      measured_.arrived(ended, 1);
    }
  }

  task<> bulk() {
    chunk block = loop_.buffers().allocate(job_.size);
    block.grow(job_.size);
    std::memset(block.mutable_data(), 0x5a, job_.size);
    auto to = me_.open_stream(servers_.front());
    if (!to) {
      counted_.fail(to.error().message());
      co_return;
    }
    const std::int64_t until = end_of(job_);
    while (now_ns() < until) {
      chunk shared = block;
      const auto written = co_await to->write(std::move(shared));
      if (!written) {
        counted_.fail(written.error().message());
        co_return;
      }
      ++counted_.count;
    }
    to->finish();
    (void)co_await to->read();             // the reader's end: everything was counted
  }

  loop& loop_;
  const job& job_;
  tally& counted_;
  meter measured_;
  peer me_;
  std::vector<connection> servers_;
  std::size_t dialled_ = 0, under_way_ = 0;
};

}  // namespace

void drive(const job& of, std::uint16_t port, tally& counted) {
  loop on(loop_for(of));
  driver client(on, of, counted);
  on.run(client.play("127.0.0.1:" + std::to_string(port)));
}

}  // namespace hawser::bench::own
