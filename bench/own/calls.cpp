// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "own/seat.hpp"

#include <array>

namespace hawser::bench::own {
namespace {

task<> caller(seat& at, std::uint64_t number) {
  payload sent;
  sent.sequence = number << 32;
  for (;;) {
    const std::int64_t began = now_ns();
    if (at.measured.is_over(began)) co_return;
    at.counted.sum += sum_of(&sent);
    const auto answer = co_await at.me.call(at.servers.front(), "echo", bytes_of(sent));
    const std::int64_t ended = now_ns();
    if (!at.good(answer)) co_return;
    if (answer->size() != payload_bytes || std::memcmp(answer->data(), &sent, payload_bytes) != 0) at.counted.fail("a wrong answer");
    at.measured.took(ended - began);
    at.measured.arrived(ended, 1);
    ++sent.sequence;
  }
}

// Piece by piece, as somebody does who has them one after the other; the answer is read once all are written.
task<> streamer(seat& at, std::uint64_t number) {
  std::array<payload, pieces_of_a_request> pieces;
  std::uint64_t sequence = number << 32;
  for (;;) {
    const std::int64_t began = now_ns();
    if (at.measured.is_over(began)) co_return;
    auto rq = at.me.start(at.servers.front(), "echo");
    if (!at.good(rq)) co_return;
    for (payload& piece : pieces) {
      piece.sequence = sequence++;
      at.counted.sum += sum_of(&piece);
      const auto written = co_await rq->write(bytes_of(piece));
      if (!at.good(written)) co_return;
    }
    rq->finish();
    const auto answer = co_await rq->read_all(sizeof pieces);
    const std::int64_t ended = now_ns();
    if (!at.good(answer)) co_return;
    if (answer->size() != sizeof pieces || std::memcmp(answer->data(), pieces.data(), sizeof pieces) != 0) at.counted.fail("a wrong answer");
    at.measured.took(ended - began);
    at.measured.arrived(ended, 1);
  }
}

// The same block again and again, shared and not copied, until `over` answers true.
template <class Over>
task<> write_blocks(seat& at, std::size_t size, std::uint64_t& written, Over over) {
  chunk block = at.on.buffers().allocate(size);
  block.grow(size);
  std::memset(block.mutable_data(), 0x5a, size);
  auto to = at.me.open_stream(at.servers.front());
  if (!at.good(to)) co_return;
  while (!over()) {
    chunk shared = block;
    const auto taken = co_await to->write(std::move(shared));
    if (!at.good(taken)) co_return;
    ++written;
  }
  to->finish();
  (void)co_await to->read();               // the reader's end: everything was counted
}

}  // namespace

task<> requests(seat& at) {
  scope callers(at.on);
  for (std::uint64_t number = 0; number < at.of.in_flight; ++number) {
    callers.spawn(at.of.what == workload::streamed ? streamer(at, number) : caller(at, number));
  }
  co_await callers.join();
}

task<> bulk(seat& at) {
  const std::int64_t until = end_of(at.of);
  co_await write_blocks(at, at.of.size, at.counted.count, [until] { return now_ns() >= until; });
}

task<> beside(seat& at) {
  scope both(at.on);
  std::uint64_t blocks = 0;
  bool over = false;
  const std::int64_t until = end_of(at.of);
  const bool has_ping = at.of.what == workload::beside;
  const auto is_over = [&over, until, has_ping] { return has_ping ? over : now_ns() >= until; };
  both.spawn(write_blocks(at, block_bytes_beside, blocks, is_over));
  if (has_ping) co_await ask_and_answer(at);
  over = true;
  co_await both.join();
  at.counted.count += blocks;
  at.counted.sum += blocks * (block_bytes_beside / 8) * 0x5a5a'5a5a'5a5a'5a5a;
}

}  // namespace hawser::bench::own
