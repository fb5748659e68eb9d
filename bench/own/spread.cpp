// SPDX-License-Identifier: Apache-2.0 OR MIT
// Messages that do not go one way through: many channels, new ones, many threads.
#include "common/affinity.hpp"
#include "common/producers.hpp"
#include "own/seat.hpp"

#include <algorithm>
#include <atomic>
#include <semaphore>
#include <thread>

namespace hawser::bench::own {

task<> channels(seat& at) {
  std::vector<channel> open;
  while (open.size() < at.of.channels) {
    auto one = at.me.open_messages(at.servers.front());
    if (!at.good(one)) co_return;
    open.push_back(std::move(*one));
  }
  message_source source(at.of.size);
  const std::uint64_t between_stamps = std::max<std::size_t>((64 << 10) / at.of.size, 1);
  const std::int64_t until = end_of(at.of);
  for (std::uint64_t number = 0; ns_of(at.on.now()) < until; ++number) {
    for (std::size_t line = 0; line < open.size(); ++line) {
      const byte_view message = source.numbered(sequence_in(line, number), source.count() % between_stamps == 0 ? now_ns() : 0);
      const auto written = co_await open[line].write(message);
      if (!at.good(written)) co_return;
      at.counted.sum += source.sum();
      ++at.counted.count;
    }
  }
  for (channel& one : open) one.finish();
  for (channel& one : open) (void)co_await one.read();       // the reader's end
}

task<> open_again_and_again(seat& at) {
  payload sent;
  for (std::int64_t began = now_ns(); !at.measured.is_over(began) && !at.counted.failed(); began = now_ns(), ++sent.sequence) {
    auto one = at.me.open_messages(at.servers.front());
    if (!at.good(one)) co_return;
    at.counted.sum += sum_of(&sent);
    const auto written = co_await one->write(bytes_of(sent));
    if (!at.good(written)) co_return;
    one->finish();
    const auto answer = co_await one->read();
    const std::int64_t ended = now_ns();
    if (!at.good(answer)) co_return;
    if (answer->size() != payload_bytes || std::memcmp(answer->data(), &sent, payload_bytes) != 0) at.counted.fail("a wrong answer");
    at.measured.took(ended - began);
    at.measured.arrived(ended, 1);
    const auto end = co_await one->read();                   // comes with the answer
    if (!at.good(end)) co_return;
    if (!end->empty()) at.counted.fail("something came behind the answer");
  }
}

namespace {

// False: the connection is gone. Who finds no room lets others run, as the baseline's producers do.
bool send(remote_sender& to, byte_view message) {
  for (auto taken = to.send(message); !taken; taken = to.send(message)) {
    if (taken.error() != errc::would_block) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace

task<> threads(seat& at) {
  event over(at.on);
  std::size_t running = at.of.threads;
  at.me.on_message([&](connection&, byte_view) {
    if (--running == 0) over.set();
  });
  std::vector<remote_sender> senders;
  while (senders.size() < at.of.threads) {
    auto to = at.me.sender(at.servers.front());
    if (!at.good(to)) co_return;
    senders.push_back(std::move(*to));
  }
  const auto hand_over = [&senders](std::size_t line, const payload& message) { return send(senders[line], bytes_of(message)); };
  const auto tell_the_end = [&senders](std::size_t line) {
    const std::byte last[control_bytes] = {};
    return send(senders[line], last);
  };
  producers all(at.of, hand_over, tell_the_end);
  co_await over.wait();
  all.add_up(at.counted);
}

task<> handover(seat& at) {
  event over(at.on);
  std::binary_semaphore answered(0);
  std::atomic<bool> is_over = false;
  payload sent;                            // of one side after the other: they take turns
  const connection server = at.servers.front();
  at.me.on_message([&](connection&, byte_view message) {
    const std::int64_t now = now_ns();
    if (message.size() != payload_bytes || std::memcmp(message.data(), &sent, payload_bytes) != 0) at.counted.fail("a wrong answer");
    at.measured.arrived(now, 1);
    is_over = at.measured.is_over(now) || at.counted.failed();
    if (is_over) over.set();
    answered.release();
  });
  const auto hand_on = [&] {
    at.measured.took(now_ns() - sent.stamp_ns);
    at.counted.sum += sum_of(&sent);
    at.good(server.send(bytes_of(sent)));
  };
  std::thread other([&, to = at.on.remote()] {
    const pinned there(at.of.server_core);
    for (; !is_over; ++sent.sequence) {
      sent.stamp_ns = now_after(silence_before_handover);
      if (!to.post([&hand_on] { hand_on(); })) return;
      answered.acquire();
    }
  });
  co_await over.wait();
  other.join();
}

}  // namespace hawser::bench::own
