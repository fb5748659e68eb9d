// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "unit/proto/frames.hpp"

#include <gtest/gtest.h>

#include <random>
#include <set>
#include <string>

// Frames that lie whole in the input go a shorter way than those that come in pieces. What a peer says, sound or not, must lead to the
// same either way.

namespace hawser::proto::testing {
namespace {

using namespace std::chrono_literals;

settings tight() {
  settings with;
  with.announced.channels_max = 16;
  with.announced.alias_slots = 4;
  with.announced.channel_credit = 16'384;
  with.announced.connection_credit = 65'536;
  with.announced.message_bytes_max = 16'384;
  with.announced.frame_bytes_max = 4'096;
  return with;
}

// One end, told in words in which it makes no difference how bytes are cut.
struct told {
  told(role which, bool asks_first_) : of(which, tight(), {}, instant{} + 1h), asks_first(asks_first_) {
    of.consumes = of.keeps = false;
    give(greeting(), SIZE_MAX);
  }

  void give(std::string_view bytes, std::size_t piece) {
    for (std::size_t at = 0; at < bytes.size(); at += std::min(piece, bytes.size() - at)) {
      of.c.handle_bytes(of.now, as_bytes(bytes.substr(at, piece)));
      for (;;) {
        event e{};
        if (asks_first && took_request_or_answer()) continue;
        if (plain_message plain; asks_first && of.c.poll_message(plain)) {
          e = {.kind = event_kind::message, .channel = plain.channel, .user = plain.user, .bytes = plain.bytes, .cost = plain.cost};
        } else if (!of.c.poll_event(e)) {
          break;
        }
        take(e);
        event first{};
        if (asks_first && e.kind == event_kind::opened && of.c.poll_first(first)) take(first);
      }
    }
  }
  // What it is given without events, told as these.
  bool took_request_or_answer() {
    if (plain_request asked; of.c.poll_request(asked)) {
      remote_open what{};
      what.kind = channel_kind::request;
      what.operation = asked.operation;
      take({.kind = event_kind::opened, .channel = asked.channel, .open = &what});
      take({.kind = event_kind::data, .channel = asked.channel, .bytes = asked.bytes, .cost = asked.cost, .last = asked.last});
      return ++short_ways != 0;
    }
    if (plain_answer answer; of.c.poll_answer(answer)) {
      take({.kind = event_kind::data, .channel = answer.channel, .user = answer.user, .bytes = answer.bytes, .cost = answer.cost, .last = true, .released = true});
      return ++short_ways != 0;
    }
    return false;
  }
  void take(const event& e) {
    const std::string id = std::to_string(e.channel);
    switch (e.kind) {
      case event_kind::hello:
        if (!of.c.ready()) of.c.accept(of.now);
        return;
      case event_kind::opened:
        open.insert(e.channel);
        if (e.open->kind == channel_kind::message || e.open->kind == channel_kind::rpc) whole_messages.insert(e.channel);
        say("opened " + id + " kind " + std::to_string(static_cast<int>(e.open->kind)) + ' ' + std::string(e.open->operation) + ' ' +
            std::to_string(e.open->urgency) + ' ' + std::string(as_text(e.open->meta)) + (e.open->deadline ? " timed" : ""));
        return;
      case event_kind::data:
        if (!log.ends_with('\x01' + id)) log.append(" data " + id);
        else log.resize(log.size() - id.size() - 1);
        log.append(as_text(e.bytes)).append("\x01" + id);
        break;
      case event_kind::message: say("message " + id + ' ' + std::string(as_text(e.bytes))); break;
      case event_kind::finished: return end_of(e.channel);
      case event_kind::released: return gone(e.channel);
      case event_kind::writable:
      case event_kind::pong: return;
      default: say(std::to_string(static_cast<int>(e.kind)) + ' ' + id + " code " + std::to_string(e.code)); return;
    }
    of.c.consume(e.released ? 0 : e.channel, e.cost);
    if (e.last) end_of(e.channel);
    if (e.released) ++early, gone(e.channel);
  }
  void say(const std::string& what) { log += "\n" + what; }
  void gone(channel_id id) {
    say("gone " + std::to_string(id));
    open.erase(id);
    whole_messages.erase(id);
  }
  void write(channel_id id, std::string_view text) {
    if (whole_messages.contains(id)) (void)of.c.send(id, as_bytes(text));
    else (void)of.c.write(id, as_bytes(text));
  }
  void end_of(channel_id id) {
    say("end " + std::to_string(id));
    if (!answers || id % 2 != 1 || !open.contains(id)) return;
    if (++answered % 3 == 0) return;      // later, between two inputs
    write(id, "an answer");
    if (of.c.conclude(id)) ++early, gone(id);
  }
  void command(unsigned what, channel_id id) {
    if (what == 0) write(id, "some");
    if (what == 1) (void)of.c.finish(id);
    if (what == 2) of.c.reset(id, 6);
    if (what == 3) of.c.stop(id, 6);
    if (what >= 4 && of.c.work_done(id)) gone(id);
  }

  side of;
  bool asks_first;
  bool answers = false;
  std::size_t answered = 0, early = 0, short_ways = 0;
  std::set<channel_id> open, whole_messages;
  std::string log;
};

// The other end: keeps to the rules, but for a frame now and then.
struct speaker {
  speaker(std::minstd_rand& random_, bool opens_) : random(random_), opens(opens_) {}

  struct one {
    bool ended = false, has_messages = false, in_message = false;
  };
  unsigned below(unsigned n) { return static_cast<unsigned>(random() % n); }

  std::string open_frame() {
    channel_id id = 3;
    while (known.contains(id)) id += 2;
    if (id > 33) return {};
    const unsigned dice = below(20);
    const channel_kind kind = dice < 12 ? channel_kind::request : dice < 15 ? channel_kind::stream : dice < 19 ? channel_kind::message : channel_kind::rpc;
    std::string block(1, static_cast<char>(0x10 | static_cast<unsigned>(kind)));
    const unsigned alias = 1 + below(4);
    if (assigned.contains(alias)) {
      block += static_cast<char>(alias << 1);
    } else {
      block += std::string("\x07op") + static_cast<char>('0' + alias) + static_cast<char>(alias);
      assigned.insert(alias);
    }
    if (below(10) == 0) block[0] = static_cast<char>(block[0] | 0x40), block += static_cast<char>(below(8));
    one fresh{.has_messages = kind == channel_kind::message || kind == channel_kind::rpc};
    const std::string body = text();
    std::uint8_t flags = below(2) == 0 ? frame_flag::fin : frame_flag::none;
    if (fresh.has_messages && !body.empty() && below(3) == 0) flags = frame_flag::more, fresh.in_message = true;
    fresh.ended = flags == frame_flag::fin;
    known[id] = fresh;
    return frame_of(frame_type::open, flags, id, block + body);
  }
  std::string text() { return std::string(below(4) == 0 ? 0 : 1 + below(300), static_cast<char>('a' + below(26))); }
  std::string data_frame(channel_id id) {
    one& of = known[id];
    if (of.ended) {
      if (opens || below(3) != 0) return {};
      known.erase(id);
      return frame_of(frame_type::release, 0, id, {});
    }
    std::string body = text();
    std::uint8_t flags = below(3) == 0 ? frame_flag::fin : frame_flag::none;
    if (flags == 0 && of.has_messages && below(3) == 0) flags = frame_flag::more;
    if (of.in_message && body.empty()) body = "x";
    of.in_message = flags == frame_flag::more;
    of.ended = flags == frame_flag::fin;
    if (of.ended && !opens && below(3) != 0) {
      flags |= frame_flag::rel;
      known.erase(id);
    }
    return frame_of(frame_type::data, flags, id, body);
  }
  std::string any_frame() {
    channel_id id = 2 + below(12);
    if (!known.empty() && below(4) != 0) id = some();
    return frame_of(static_cast<frame_type>(1 + below(12)), static_cast<std::uint8_t>(below(8) << 4), id, below(2) == 0 ? bytes_of(below(500)) : text());
  }
  channel_id some() { return std::next(known.begin(), below(static_cast<unsigned>(known.size())))->first; }

  std::string frames(const std::set<channel_id>& open) {
    std::erase_if(known, [&](const auto& each) { return !open.contains(each.first); });
    for (const channel_id id : open) known.try_emplace(id);
    std::string all;
    for (unsigned i = 1 + below(8); i > 0; --i) {
      const unsigned dice = below(100);
      if (below(300) == 0) all += any_frame();
      else if (opens && dice < 40) all += open_frame();
      else if (known.empty()) all += frame_of(frame_type::skip_first, 0, 0, text());
      else if (dice < 92) all += data_frame(some());
      else if (dice < 94) all += frame_of(frame_type::stop, 0, some(), bytes_of(6));
      else if (dice < 96) all += frame_of(frame_type::credit, 0, some(), bytes_of(1 + below(1'000)));
      else if (const channel_id id = some(); dice < 98 && opens) all += frame_of(frame_type::reset, 0, id, bytes_of(6)), known[id].ended = true;
    }
    return all;
  }

  std::minstd_rand& random;
  bool opens;
  std::map<channel_id, one> known;
  std::set<unsigned> assigned;
};

void compare(role which, int seeds) {
  std::size_t steps = 0, breaches = 0, lives = 0, early = 0, short_ways = 0;
  for (int seed = 1; seed <= seeds; ++seed) {
    std::minstd_rand random(static_cast<unsigned>(seed));
    const bool serves = which == role::server;
    told whole(which, seed % 2 == 0), parted(which, false);
    whole.answers = parted.answers = true;
    const std::size_t piece = seed % 5 == 0 ? 1 : 1 + random() % 40;
    speaker other(random, serves);
    for (int round = 0; round < 60 && !whole.of.c.over(); ++round, ++steps) {
      for (unsigned i = random() % 4; i > 0; --i) {
        if (!serves && random() % 2 == 0) {
          for (told* each : {&whole, &parted}) {
            const auto id = each->of.c.open(each->of.now, {.kind = channel_kind::request, .operation = "x"}, as_bytes("asked"), end_mark::end);
            if (id) each->open.insert(*id);
          }
        } else if (!whole.open.empty()) {
          const channel_id id = *std::next(whole.open.begin(), static_cast<std::ptrdiff_t>(random() % whole.open.size()));
          const auto what = static_cast<unsigned>(random() % 8);
          whole.command(what, id);
          parted.command(what, id);
        }
      }
      const std::string input = other.frames(whole.open);
      whole.give(input, SIZE_MAX);
      parted.give(input, piece);
      ASSERT_EQ(whole.of.c.over(), parted.of.c.over()) << "seed " << seed << " round " << round;
      if (whole.of.c.over()) {
        // Pieces of the frame that was wrong may have been told.
        ASSERT_EQ(whole.log.substr(whole.log.rfind('\n')), parted.log.substr(parted.log.rfind('\n'))) << "seed " << seed;
        break;
      }
      ASSERT_EQ(whole.log, parted.log) << "seed " << seed << " round " << round;
      ASSERT_EQ(whole.of.take(), parted.of.take()) << "seed " << seed << " round " << round;
      whole.give({}, 1);
      for (told* each : {&whole, &parted}) {
        event e{};
        while (each->of.c.poll_event(e)) each->take(e);
      }
      ASSERT_EQ(whole.log, parted.log) << "seed " << seed << " round " << round;
      const auto a = whole.of.c.stats(), b = parted.of.c.stats();
      ASSERT_EQ(a.frames_received, b.frames_received);
      ASSERT_EQ(a.bytes_buffered, b.bytes_buffered) << "seed " << seed << " round " << round;
      ASSERT_EQ(a.opens_received, b.opens_received);
      ASSERT_EQ(whole.of.c.open_channels(), parted.of.c.open_channels());
      whole.log.clear();
      parted.log.clear();
    }
    breaches += whole.of.c.over();
    lives += whole.of.c.stats().opens_received + whole.of.c.stats().opens_sent;
    early += whole.early;
    short_ways += whole.short_ways;
  }
  EXPECT_GT(steps, 20 * static_cast<std::size_t>(seeds));
  EXPECT_GT(lives, steps / 2);
  EXPECT_GT(early, lives / 10) << "or nothing was told with what ended it";
  EXPECT_GT(short_ways, lives / 20) << "of those in half of the seeds";
  EXPECT_GT(breaches, 0u);
}

TEST(connection_shortcuts, of_a_server_lead_where_pieces_of_the_same_input_lead) { compare(role::server, 400 / HAWSER_COUNT_SCALE); }
TEST(connection_shortcuts, of_a_client_lead_where_pieces_of_the_same_input_lead) { compare(role::client, 400 / HAWSER_COUNT_SCALE); }

}  // namespace
}  // namespace hawser::proto::testing
