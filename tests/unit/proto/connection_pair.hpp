// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/proto/connection.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <vector>

// Two connections and the bytes between them, by hand.

namespace hawser::proto::testing {

// An event whose views were copied.
struct seen {
  event_kind kind;
  channel_id channel;
  void* user;
  std::string bytes;
  std::uint32_t cost;
  std::uint32_t code;
  bool by_deadline;
  std::string text;
  channel_kind opened_kind;
  std::string operation;
  std::optional<duration> deadline;
  std::uint8_t urgency;
  std::string meta;
  std::uint64_t opens_accepted;
  duration elapsed;

  bool operator==(const seen&) const = default;
};

inline seen copy_of(const event& e) {
  seen s{e.kind, e.channel, e.user, std::string(as_text(e.bytes)), e.cost, e.code, e.by_deadline, std::string(e.text), {}, {}, {}, 0, {}, e.opens_accepted, e.elapsed};
  if (e.open) {
    s.opened_kind = e.open->kind;
    s.operation = e.open->operation;
    s.deadline = e.open->deadline;
    s.urgency = e.open->urgency;
    s.meta = as_text(e.open->meta);
  }
  return s;
}

// One side: its connection, what it said on the wire and what it reported.
struct side {
  side(role which, const settings& with_, const identity& who, instant now_)
      : with(with_), now(now_), c(which, with, who, pool, now_, 7), wire(pool) {}

  // What the connection wants to send now, taken by the transport at once.
  std::string take(std::size_t bytes_max = SIZE_MAX) {
    std::string all;
    while (all.size() < bytes_max) {
      const std::size_t count = c.poll_transmit(now, wire, bytes_max - all.size());
      if (count == 0) break;
      for (std::size_t i = 0; i < wire.count(); ++i) all.append(as_text(wire[i].view()));
      wire.clear();
      c.handle_sent(now, count);
    }
    return all;
  }
  void give(std::string_view bytes) {
    c.handle_bytes(now, as_bytes(bytes));
    drain();
  }
  void drain() {
    event e{};
    while (c.poll_event(e)) {
      note(e);
      // Tests look for an end in one place.
      if (e.last) {
        ++lasts;
        note({.kind = event_kind::finished, .channel = e.channel, .user = e.user});
      }
      if (e.released) gone(e.channel);
      e = event{};
    }
  }
  // Tests look for the end of a channel in one place too.
  void work_done(channel_id channel) {
    if (c.work_done(channel)) gone(channel);
  }
  void conclude(channel_id channel) {
    if (c.conclude(channel)) gone(channel);
  }
  // All of an acceptor's answer.
  void answer(channel_id channel, std::string_view text) {
    (void)c.write(channel, as_bytes(text));
    conclude(channel);
  }
  void gone(channel_id channel) {
    ++early_releases;
    note({.kind = event_kind::released, .channel = channel});
  }
  void note(const event& e) {
    if (consumes && (e.kind == event_kind::data || e.kind == event_kind::message)) c.consume(e.released ? 0 : e.channel, e.cost);
    if (on_event) on_event(e);
    if (keeps) events.push_back(copy_of(e));
    ++counts[static_cast<int>(e.kind)];
    if (e.kind == event_kind::hello && accepts) c.accept(now);
  }
  std::size_t count(event_kind kind) const { return counts[static_cast<int>(kind)]; }
  std::vector<seen> of(event_kind kind, channel_id channel) const {
    std::vector<seen> found;
    for (const seen& s : events)
      if (s.kind == kind && s.channel == channel) found.push_back(s);
    return found;
  }
  std::string text_of(channel_id channel) const {
    std::string all;
    for (const seen& s : events)
      if ((s.kind == event_kind::data || s.kind == event_kind::message) && s.channel == channel) all += s.bytes;
    return all;
  }
  std::optional<seen> last(event_kind kind) const {
    for (std::size_t i = events.size(); i-- > 0;)
      if (events[i].kind == kind) return events[i];
    return std::nullopt;
  }

  // The code with which it ended; UINT32_MAX while it lives.
  std::uint32_t last_closed() const {
    const std::optional<seen> end = last(event_kind::closed);
    return end ? end->code : UINT32_MAX;
  }

  settings with;
  instant now;
  buffer_pool pool;
  connection c;
  chain wire;
  std::deque<seen> events;
  std::size_t counts[16] = {};
  std::size_t lasts = 0;       // ends that came with bytes
  std::size_t early_releases = 0;      // of channels, told otherwise than by an event
  bool accepts = false;        // answers hello with accept()
  bool consumes = true;
  bool keeps = true;
  std::function<void(const event&)> on_event;
};

struct pair {
  explicit pair(const settings& client_with = {}, const settings& server_with = {}, const identity& client_who = {},
                const identity& server_who = {})
      : client(role::client, client_with, client_who, instant{} + std::chrono::hours(1)),
        server(role::server, server_with, server_who, instant{} + std::chrono::hours(1)) {
    server.accepts = true;
  }

  // One direction, once. Returns how many bytes went.
  std::size_t pass(side& from, side& to, std::size_t split = SIZE_MAX) {
    const std::string bytes = from.take();
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t count = std::min(split, bytes.size() - at);
      to.give(std::string_view(bytes).substr(at, count));
      at += count;
    }
    from.drain();
    return bytes.size();
  }
  // Until both have nothing to say.
  void settle(std::size_t split = SIZE_MAX) {
    client.drain();
    server.drain();
    while (pass(client, server, split) + pass(server, client, split) != 0) {
    }
  }
  void advance(duration by) {
    client.now += by;
    server.now += by;
  }
  void pass_time(duration by) {
    advance(by);
    for (side* each : {&client, &server}) {
      if (each->c.poll_timeout() <= each->now) each->c.handle_timeout(each->now);
      each->drain();
    }
  }

  side client;
  side server;
};

inline std::string pattern(std::size_t size, unsigned seed = 1) {
  std::string bytes(size, '\0');
  std::uint32_t state = seed * 2654435761u + 1;
  for (char& c : bytes) {
    state = state * 1664525u + 1013904223u;
    c = static_cast<char>(state >> 24);
  }
  return bytes;
}

}  // namespace hawser::proto::testing
