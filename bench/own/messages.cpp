// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "common/pacer.hpp"
#include "common/process.hpp"
#include "own/seat.hpp"

#include <algorithm>
#include <memory>

namespace hawser::bench::own {
namespace {

// What the client has of one connection: the message that it has under way.
struct question {
  payload sent;
  std::int64_t began_ns = 0;
};

void ask(seat& at, const connection& to, question& of, std::int64_t now) {
  of.began_ns = now;
  at.counted.sum += sum_of(&of.sent);
  at.good(to.send(bytes_of(of.sent)));
}

bool is_answer(seat& at, byte_view message, const question& asked) {
  const bool same = message.size() == payload_bytes && std::memcmp(message.data(), &asked.sent, payload_bytes) == 0;
  if (!same) at.counted.fail("a wrong answer");
  return same;
}

// How many publications all subscribers have.
void confirm(seat& at, std::uint64_t publications) {
  at.good(at.servers.front().send(byte_view(reinterpret_cast<const std::byte*>(&publications), sizeof publications)));
}

}  // namespace

// On each connection one message at a time; the next leaves from the handler of the answer.
task<> ask_and_answer(seat& at) {
  event over(at.on);
  std::size_t under_way = at.servers.size();
  at.me.on_message([&](connection& from, byte_view message) {
    const std::int64_t ended = now_ns();
    question& asked = *from.user_state<question>();
    if (!is_answer(at, message, asked)) return over.set();
    at.measured.took(ended - asked.began_ns);
    at.measured.arrived(ended, 1);
    if (at.measured.is_over(ended)) {
      if (--under_way == 0) over.set();
      return;
    }
    ++asked.sent.sequence;
    ask(at, from, asked, ended);
  });
  for (connection& one : at.servers) {
    auto asked = std::make_shared<question>();
    one.set_user_state(asked);
    ask(at, one, *asked, now_ns());
  }
  co_await over.wait();
}

task<> stream(seat& at) {
  const connection server = at.servers.front();
  message_source source(at.of.size);
  const std::uint64_t between_stamps = std::max<std::size_t>((64 << 10) / at.of.size, 1);
  const std::int64_t until = end_of(at.of);
  while (ns_of(at.on.now()) < until) {
    const byte_view message = source.next(source.count() % between_stamps == 0 ? now_ns() : 0);
    for (auto taken = server.send(message); !taken; taken = server.send(message)) {
      if (taken.error() != errc::would_block) at.good(taken);
      const auto writable = co_await at.me.writable(server);
      if (!at.good(writable) || at.counted.failed()) co_return;
    }
    at.counted.sum += source.sum();
    ++at.counted.count;
  }
}

task<> ask_once(seat& at) {
  event answered(at.on);
  question asked;
  std::size_t answers = 0;
  at.me.on_message([&](connection&, byte_view message) {
    if (message.size() != control_bytes && !is_answer(at, message, asked)) return answered.set();
    if (++answers >= at.servers.size()) answered.set();
  });
  for (connection& one : at.servers) {
    ask(at, one, asked, now_ns());
    ++at.counted.count;
  }
  co_await answered.wait();
  answered.reset();
  const std::byte measure[control_bytes] = {};
  if (at.good(at.servers.front().send(measure))) co_await answered.wait();
}

task<> connect_again_and_again(seat& at, endpoint where) {
  event answered(at.on);
  question asked;
  at.me.on_message([&](connection&, byte_view message) {
    if (message.size() != control_bytes) is_answer(at, message, asked);
    answered.set();
  });
  const std::byte last[control_bytes] = {};
  for (bool over = false; !over && !at.counted.failed(); ++asked.sent.sequence) {
    const std::int64_t began = now_ns();
    over = at.measured.is_over(began);
    const byte_view message = over ? byte_view(last) : bytes_of(asked.sent);
    if (!over) at.counted.sum += sum_of(&asked.sent);
    task<result<connection>> dialling = at.of.ahead ? at.me.connect(where, message) : at.me.connect(where);
    const auto made = co_await std::move(dialling);
    if (!at.good(made) || (!at.of.ahead && !at.good(made->send(message)))) co_return;
    if (at.counted.count == 0) congestion_of_sockets(at.counted.congestion);
    co_await answered.wait();
    answered.reset();
    made->close();
    if (over) break;
    const std::int64_t ended = now_ns();
    at.measured.took(ended - began);
    at.measured.arrived(ended, 1);
  }
}

task<> paced(seat& at) {
  event over(at.on);
  pacer pace(at.of, at.counted);
  at.me.on_message([&](connection& from, byte_view message) {
    pace.answered(*from.user_state<std::uint64_t>(), message, now_ns());
    if (pace.is_done()) over.set();
  });
  for (std::size_t i = 0; i < at.servers.size(); ++i) at.servers[i].set_user_state(std::make_shared<std::uint64_t>(i));
  while (!over.is_set()) {
    while (pace.is_due(now_ns())) pace.burst([&](std::size_t which, byte_view message) { at.good(at.servers[which].send(message)); });
    co_await sleep_until(at.on, instant(std::chrono::nanoseconds(pace.due_ns())));
  }
}

task<> quiet(seat& at) {
  event answered(at.on);
  question asked;
  at.me.on_message([&](connection&, byte_view message) {
    is_answer(at, message, asked);
    answered.set();
  });
  for (const bool is_first : {true, false}) {
    ask(at, at.servers.front(), asked, now_ns());
    ++at.counted.count;
    co_await answered.wait();
    answered.reset();
    ++asked.sent.sequence;
    if (!is_first) break;
    const cpu_clock silence;
    const std::int64_t began = now_ns();
    co_await sleep(at.on, at.of.measured);
    at.counted.quiet_cpu = silence.share();
    at.counted.measured_count = 1;
    at.counted.measured_ns = now_ns() - began;
  }
}

task<> subscribe(seat& at) {
  event over(at.on);
  std::uint64_t seen[publications_open] = {}, seen_by_all = 0;
  at.me.on_message([&](connection& from, byte_view message) {
    if (message.size() == control_bytes) return over.set();
    std::uint64_t& next = *from.user_state<std::uint64_t>();
    payload_head got;
    if (message.size() != publication_bytes) return at.counted.fail("a publication of a wrong size");
    std::memcpy(&got, message.data(), sizeof got);
    if (got.sequence != next) at.counted.fail("a publication was lost");
    ++next;
    at.counted.sum += sum_of(message);
    at.measured.arrived(ns_of(at.on.now()), 1);
    std::uint64_t& of_it = seen[got.sequence % publications_open];
    if (++of_it < at.servers.size()) return;
    of_it = 0;
    ++seen_by_all;
    at.measured.took(now_ns() - got.stamp_ns);
    confirm(at, seen_by_all);
  });
  for (connection& one : at.servers) one.set_user_state(std::make_shared<std::uint64_t>(0));
  confirm(at, 0);
  co_await over.wait();
}

}  // namespace hawser::bench::own
