// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "support/seeded.hpp"
#include "unit/proto/connection_pair.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <random>
#include <sys/wait.h>
#include <unistd.h>

// Two connections, two wires, random steps. Each life of a channel has a ghost tag that no protocol rule knows of: it is its
// operation, and every byte that travels in it. Bytes that reach another life are seen at once.

namespace hawser::proto::testing {
namespace {

struct life {
  std::uint32_t tag = 0;
  channel_kind kind = channel_kind::stream;
  bool own = false;
  bool sending = true;
  bool broken = false;             // reset or stopped by somebody: not everything need arrive
  bool peer_finished = false;
  bool work_done = false;
  std::uint64_t sent = 0, received = 0;
  std::uint64_t unconsumed = 0;
};

// What became of a life, by tag: both ends report.
struct account {
  std::uint64_t sent[2] = {}, received[2] = {};
  bool broken = false;
  int released = 0;
};

class model {
 public:
  model(std::uint64_t seed, std::uint32_t slots) : random_(seed), slots_(slots), p_(small(), small()) {
    p_.client.keeps = p_.server.keeps = false;
    p_.client.consumes = p_.server.consumes = false;
    for (int i : {0, 1}) end(i).on_event = [this, i](const event& e) { handle(i, e); };
    p_.settle();
  }

  // Empty: nothing was wrong.
  std::string run(int steps) {
    for (int i = 0; i < steps && wrong_.empty(); ++i) step();
    if (wrong_.empty()) quiesce();
    return wrong_;
  }
  std::uint64_t lives() const { return next_tag_ - 1; }

 private:
  static settings small() {
    settings with;
    with.announced.channels_max = 16;
    with.announced.channel_credit = 16'384;
    with.announced.connection_credit = 65'536;
    with.announced.message_bytes_max = 65'536;
    with.receive_bytes_max = 100'000;
    with.reassembly_bytes_max = 65'536;
    with.abuse_buckets = false;
    return with;
  }
  side& end(int i) { return i == 0 ? p_.client : p_.server; }
  std::uint32_t below(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  void fail(const std::string& what) {
    if (wrong_.empty()) wrong_ = what;
  }

  std::string body(std::uint32_t tag, std::size_t words) {
    std::string bytes(words * 4, '\0');
    for (std::size_t i = 0; i < words; ++i) std::memcpy(bytes.data() + 4 * i, &tag, 4);
    return bytes;
  }

  void handle(int i, const event& e) {
    auto& mine = lives_[i];
    if (e.kind == event_kind::closed) return fail("a connection ended with code " + std::to_string(e.code));
    if (e.channel <= 1) return plain(i, e);
    if (e.kind == event_kind::opened) {
      life fresh;
      fresh.tag = static_cast<std::uint32_t>(std::strtoul(std::string(e.open->operation).c_str(), nullptr, 10));
      fresh.kind = e.open->kind;
      if (mine.count(e.channel)) return fail("an OPEN reached a busy channel");
      mine[e.channel] = fresh;
      return;
    }
    const auto found = mine.find(e.channel);
    if (found == mine.end()) return fail("an event for a channel that nobody has");
    life& of = found->second;
    switch (e.kind) {
      case event_kind::data:
      case event_kind::message:
        for (std::size_t k = 0; k < e.bytes.size(); ++k) {
          const auto expected = static_cast<std::byte>(of.tag >> 8 * ((of.received + k) % 4));
          if (e.bytes[k] != expected) return fail("a byte reached another life of channel " + std::to_string(e.channel));
        }
        if (of.peer_finished) return fail("bytes after the end");
        of.received += e.bytes.size();
        of.unconsumed += e.cost;
        of.peer_finished = e.last;
        break;
      case event_kind::finished: of.peer_finished = true; break;
      case event_kind::reset:
        of.broken = true;
        of.sending = false;
        break;
      case event_kind::stopped:
        if (below(2)) {
          (void)end(i).c.finish(e.channel);
        } else {
          end(i).c.reset(e.channel, 6);
          of.broken = true;
        }
        of.sending = false;
        break;
      case event_kind::released: {
        end(i).c.consume(0, static_cast<std::uint32_t>(of.unconsumed));
        account& sum = accounts_[of.tag];
        const int direction = of.own ? 0 : 1;
        sum.sent[direction] += of.sent;
        sum.received[direction] += of.received;
        sum.broken = sum.broken || of.broken;
        ++sum.released;
        if (of.own) --open_own_[i];
        mine.erase(found);
        break;
      }
      default: break;
    }
  }

  void plain(int i, const event& e) {
    if (e.kind != event_kind::message) return;
    std::uint32_t number = 0;
    if (e.bytes.size() < 4) return fail("a plain message is too short");
    std::memcpy(&number, e.bytes.data(), 4);
    if (number != plain_received_[i]++) return fail("plain messages out of order");
    plain_unconsumed_[i] += e.cost;
  }

  void step() {
    const int i = static_cast<int>(below(2));
    side& me = end(i);
    switch (below(16)) {
      case 0:
      case 1: open(i); break;
      case 2:
      case 3:
      case 4: send(i); break;
      case 5:
        if (life* of = any(i)) {
          if (of->sending && me.c.finish(chosen_)) of->sending = false;
        }
        break;
      case 6:
        if (below(3) != 0) break;
        if (life* of = any(i)) {
          me.c.reset(chosen_, 6);
          of->sending = false;
          of->broken = true;
        }
        break;
      case 7:
        if (below(3) != 0) break;
        if (life* of = any(i)) {
          me.c.stop(chosen_, 6);
          of->broken = true;
        }
        break;
      case 8:
        if (life* of = any(i); of && !of->own) {
          // Half of them answer at length and end with the last byte, which often has to wait for credit.
          const bool answers = of->sending && below(2);
          if (answers) {
            for (int k = 0; k < 3; ++k) send_to(i, *of, body(of->tag, 5'000));
          }
          if ((of->sending && !answers) || !of->peer_finished) of->broken = true;
          of->sending = false;
          if (answers) me.conclude(chosen_);
          else me.work_done(chosen_);
        }
        break;
      case 9:
        if (life* of = any(i)) {
          const auto part = static_cast<std::uint32_t>(of->unconsumed / (1 + below(2)));
          me.c.consume(chosen_, part);
          of->unconsumed -= part;
        }
        break;
      case 10: {
        std::string message(4 + below(below(4) ? 100 : 40'000), 'p');
        std::memcpy(message.data(), &plain_sent_[i], 4);
        if (me.c.send(message_channel, as_bytes(message))) ++plain_sent_[i];
        me.c.consume(message_channel, static_cast<std::uint32_t>(std::exchange(plain_unconsumed_[i], 0)));
        break;
      }
      default: move(i); break;
    }
    me.drain();
    if (me.c.open_channels() > 32) fail("more channels than slots");
  }

  life* any(int i) {
    if (lives_[i].empty()) return nullptr;
    auto at = lives_[i].begin();
    std::advance(at, below(static_cast<std::uint32_t>(lives_[i].size())));
    chosen_ = at->first;
    return &at->second;
  }

  void open(int i) {
    if (open_own_[i] >= slots_) return;
    static constexpr channel_kind kinds[] = {channel_kind::stream, channel_kind::message, channel_kind::request};
    life fresh;
    fresh.tag = next_tag_;
    fresh.kind = kinds[below(3)];
    fresh.own = true;
    const std::string first = body(fresh.tag, below(3) ? below(20) : below(6'000));
    const std::string name = std::to_string(fresh.tag);
    const end_mark mark = below(3) ? end_mark::open : end_mark::end;
    const auto id = end(i).c.open(end(i).now, {.kind = fresh.kind, .operation = name, .urgency = static_cast<std::uint8_t>(below(8))}, as_bytes(first), mark);
    if (!id) {
      if (id.error() != errc::would_block) fail("open failed: " + id.error().message());
      return;
    }
    ++next_tag_;
    ++open_own_[i];
    fresh.sent = first.size();
    fresh.sending = mark == end_mark::open;
    if (!lives_[i].emplace(*id, fresh).second) fail("open gave a busy channel");
  }

  void send(int i) {
    life* of = any(i);
    if (!of || !of->sending) return;
    send_to(i, *of, body(of->tag, below(8) ? below(50) : below(10'000)));
  }

  void send_to(int i, life& of, const std::string& bytes) {
    if (of.kind == channel_kind::message) {
      if (end(i).c.send(chosen_, as_bytes(bytes))) of.sent += bytes.size();
      return;
    }
    // A write may be cut anywhere; the next one goes on inside the word.
    const std::size_t phase = of.sent % 4;
    if (bytes.size() <= phase) return;
    if (const auto taken = end(i).c.write(chosen_, as_bytes(bytes).subspan(phase))) of.sent += *taken;
  }

  // Some bytes leave side i, some of those under way reach the other.
  void move(int i) {
    if (below(3)) wires_[i] += end(i).take(1 + below(30'000));
    std::string& wire = wires_[i];
    const std::size_t count = std::min<std::size_t>(wire.size(), below(4) ? below(200) : below(60'000));
    if (count == 0) return;
    const std::string piece = wire.substr(0, count);
    wire.erase(0, count);
    end(1 - i).give(piece);
    p_.advance(std::chrono::microseconds(below(500)));
  }

  void deliver_all() {
    for (;;) {
      for (int i : {0, 1}) {
        for (auto& [id, of] : lives_[i]) end(i).c.consume(id, static_cast<std::uint32_t>(std::exchange(of.unconsumed, 0)));
        end(i).c.consume(message_channel, static_cast<std::uint32_t>(std::exchange(plain_unconsumed_[i], 0)));
        end(i).drain();
      }
      std::size_t moved = 0;
      for (int i : {0, 1}) {
        const std::string wire = std::exchange(wires_[i], {}) + end(i).take();
        moved += wire.size();
        if (!wire.empty()) end(1 - i).give(wire);
      }
      if (moved == 0 || !wrong_.empty()) return;
    }
  }

  // Everybody ends what is open: then nothing may be left, and every sum must be equal.
  void quiesce() {
    deliver_all();
    for (int i : {0, 1}) {
      for (auto& [id, of] : lives_[i])
        if (of.sending && end(i).c.finish(id)) of.sending = false;
      end(i).drain();
    }
    deliver_all();
    for (int i : {0, 1}) {
      std::vector<channel_id> done;
      for (auto& [id, of] : lives_[i])
        if (!of.own) done.push_back(id);
      for (const channel_id id : done) end(i).work_done(id);
      end(i).drain();
    }
    deliver_all();
    if (!wrong_.empty()) return;
    for (int i : {0, 1}) {
      if (!lives_[i].empty() || end(i).c.open_channels() != 0) {
        std::string which;
        for (const auto& [id, of] : lives_[i])
          which += " channel " + std::to_string(id) + (of.own ? " own" : " theirs") + (of.sending ? " sending" : "") + (of.broken ? " broken" : "") +
                   (of.peer_finished ? " peer_finished" : "");
        return fail("a slot leaked:" + which);
      }
      if (end(i).pool.bytes_in_use() != 0) return fail("buffers leaked: " + std::to_string(end(i).pool.bytes_in_use()) + " of side " + std::to_string(i));
      if (end(i).c.stats().bytes_buffered != 0) return fail("the receive ledger is off");
      if (plain_sent_[i] != plain_received_[1 - i]) return fail("plain messages were lost");
      const auto ours = end(i).c.stats();
      const auto theirs = end(1 - i).c.stats();
      if (ours.send_credit > theirs.connection_window || 2 * ours.send_credit < theirs.connection_window) return fail("connection credit was lost or made");
    }
    for (const auto& [tag, sum] : accounts_) {
      if (sum.released > 2) return fail("a life ended twice");
      if (sum.broken) continue;
      if (sum.released != 2 || sum.sent[0] != sum.received[1] || sum.sent[1] != sum.received[0])
        return fail("life " + std::to_string(tag) + " lost bytes without being told");
    }
  }

  std::mt19937_64 random_;
  std::uint32_t slots_;
  pair p_;
  std::map<channel_id, life> lives_[2];
  std::map<std::uint32_t, account> accounts_;
  std::string wires_[2];
  std::string wrong_;
  std::uint32_t next_tag_ = 1;
  std::uint32_t open_own_[2] = {};
  std::uint32_t plain_sent_[2] = {}, plain_received_[2] = {};
  std::uint64_t plain_unconsumed_[2] = {};
  channel_id chosen_ = 0;
};

constexpr int steps_per_run = 6'000;

#ifndef HAWSER_MODEL_FAULT

TEST(connection_model, no_byte_reaches_another_life_no_slot_leaks_and_all_sums_are_equal) {
  std::uint64_t lives = 0, count = 0;
  seeded::for_each_seed(seeded::share::channel_model, [&](std::uint64_t seed) {
    model m(seed, 1 + static_cast<std::uint32_t>(seed % 8));
    EXPECT_EQ(m.run(steps_per_run), "");
    lives += m.lives(), ++count;
  });
  RecordProperty("lives", static_cast<int>(lives));
  EXPECT_GT(lives, count * 50);
}

#else

// A broken rule may be seen as a wrong byte, as an error of the connection, or as a contract that aborts: a child process runs it.
TEST(connection_model, a_broken_transition_rule_is_found) {
  int found = 0;
  for (std::uint64_t seed = 1; seed <= 60; ++seed) {
    const pid_t child = fork();
    if (child == 0) {
      std::freopen("/dev/null", "w", stderr);
      model m(seed, 1 + static_cast<std::uint32_t>(seed % 8));
      _exit(m.run(steps_per_run).empty() ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (status != 0) ++found;
  }
  EXPECT_GE(found, 20);      // more than half of them, as a rule
}

#endif

}  // namespace
}  // namespace hawser::proto::testing
