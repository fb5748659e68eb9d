// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/proto/connection.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// Two connections and the bytes between them; the input is a sequence of commands to either. Beside them a shadow model, which knows of
// each life of a channel what was sent in it: what arrives is that, in order and once; when everything has been said the slots are free,
// the sums of credit match, and both ends agree on how it ended.

namespace {

using namespace hawser;
using namespace hawser::proto;

void demand(bool held) {
  if (!held) std::abort();
}

class input {
 public:
  input(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
  bool empty() const { return at_ == end_; }
  unsigned byte() { return empty() ? 0 : *at_++; }
  unsigned below(unsigned n) { return byte() % n; }
  // Mostly small, now and then around a limit.
  std::size_t length() {
    const unsigned kind = byte();
    if (kind < 160) return kind % 40;
    if (kind < 230) return (kind - 160) * 64 + byte();
    return (kind - 229) * 1'500 + byte();
  }

 private:
  const std::uint8_t *at_, *end_;
};

// One direction of one life.
struct flow {
  std::uint64_t sent = 0, received = 0;
  std::deque<std::uint32_t> messages;      // sizes of those under way
  bool ended = false, end_seen = false;
};

struct life {
  channel_kind kind = channel_kind::stream;
  flow flows[2];                           // by who sends
  bool broken = false;                     // given up by somebody: not everything need arrive
  int released = 0;
};

// How an end knows a life that is open there.
struct place {
  std::uint32_t tag = 0;
  bool own = false, sending = true, working = true, forgotten = false;
  std::uint64_t unconsumed = 0;
  unsigned heads = 0;
};

bool has_messages(channel_kind kind) { return kind == channel_kind::message || kind == channel_kind::rpc; }

std::byte content(std::uint32_t tag, unsigned from, std::uint64_t position) {
  return static_cast<std::byte>((tag * 31 + from * 7 + position * 13 + (position >> 8)) & 0xff);
}
void fill(std::string& out, std::uint32_t tag, unsigned from, std::uint64_t position, std::size_t count) {
  out.resize(count);
  for (std::size_t i = 0; i < count; ++i) out[i] = static_cast<char>(content(tag, from, position + i));
}

const settings& small() {
  static const settings with = [] {
    settings s;
    s.announced.channels_max = 16;
    s.announced.frame_bytes_max = 8'192;
    s.announced.channel_credit = 16'384;
    s.announced.connection_credit = 65'536;
    s.announced.message_bytes_max = 40'000;
    s.announced.alias_slots = 4;
    s.receive_bytes_max = 100'000;
    s.reassembly_bytes_max = 80'000;
    s.window_bytes_max = 128 * 1024;
    s.channel_send_bytes_max = 20'000;
    s.send_bytes_max = 120'000;
    s.committed_bytes_max = 24'000;
    s.abuse_buckets = false;
    return s;
  }();
  return with;
}

class model {
 public:
  explicit model(input& from) : in_(from) {
    lives_.emplace_back();      // tag 0 is channel 1
    lives_[0].kind = channel_kind::message;
    settle();
  }

  void run() {
    for (int steps = 0; !in_.empty() && steps < 4'000; ++steps) step();
    finish_all();
  }

 private:
  struct end {
    end(role side, instant now) : pool(0), c(side, small(), identity{}, pool, now, 5), wire(pool) {}
    buffer_pool pool;
    connection c;
    chain wire;
    std::string under_way;      // to the other end
    std::size_t unsent = 0;     // given to the transport, which has not taken it
    std::map<channel_id, place> open;
    std::uint64_t plain_unconsumed = 0;
    std::optional<std::uint32_t> closed;
    std::size_t own_open = 0;
  };

  // ---- what the connections say

  void drain(unsigned i) {
    event e{};
    while (ends_[i].c.poll_event(e)) handle(i, e);
  }

  void handle(unsigned i, const event& e) {
    end& here = ends_[i];
    demand(!here.closed);
    switch (e.kind) {
      case event_kind::hello:
        if (i == 1) here.c.accept(now_);
        return;
      case event_kind::closed: here.closed = e.code; return;
      case event_kind::go_away: ending_ = true; return;
      case event_kind::pong: return;
      case event_kind::opened: return opened(i, e);
      default: break;
    }
    if (e.channel == message_channel) {
      if (e.kind == event_kind::message) receive(lives_[0], 0, i, e), here.plain_unconsumed += e.cost;
      if (e.kind == event_kind::finished || e.last) end_of(lives_[0], i);
      return;
    }
    if (e.channel == 0) return;
    const auto found = here.open.find(e.channel);
    demand(found != here.open.end());
    place& at = found->second;
    life& of = lives_[at.tag];
    demand(!at.forgotten || e.kind == event_kind::released);
    switch (e.kind) {
      case event_kind::data:
      case event_kind::message:
        demand((e.kind == event_kind::message) == has_messages(of.kind));
        receive(of, at.tag, i, e);
        at.unconsumed += e.cost;
        if (e.last) end_of(of, i);
        demand(!e.released || (e.last && at.own));
        if (e.released) gone(i, e.channel);
        break;
      case event_kind::finished: end_of(of, i); break;
      case event_kind::reset:
        of.broken = true;
        at.sending = false;
        break;
      case event_kind::stopped: of.broken = true; break;
      case event_kind::released: gone(i, e.channel); break;
      default: break;
    }
  }
  void gone(unsigned i, channel_id id) {
    end& here = ends_[i];
    const place& at = here.open[id];
    here.c.consume(0, static_cast<std::uint32_t>(at.unconsumed));
    ++lives_[at.tag].released;
    if (at.own) --here.own_open;
    here.open.erase(id);
  }

  void opened(unsigned i, const event& e) {
    std::uint32_t tag = 0;
    for (const char digit : e.open->operation) tag = tag * 10 + static_cast<std::uint32_t>(digit - '0');
    demand(tag > 0 && tag < lives_.size() && lives_[tag].kind == e.open->kind && !ends_[i].open.contains(e.channel));
    ends_[i].open[e.channel] = {.tag = tag};
  }

  void receive(life& of, std::uint32_t tag, unsigned to, const event& e) {
    flow& f = of.flows[1 - to];
    demand(!f.end_seen);
    if (e.kind == event_kind::message) {
      demand(!f.messages.empty() && f.messages.front() == e.bytes.size());
      f.messages.pop_front();
    }
    for (std::size_t i = 0; i < e.bytes.size(); ++i) demand(e.bytes[i] == content(tag, 1 - to, f.received + i));
    f.received += e.bytes.size();
    demand(f.received <= f.sent);
  }
  void end_of(life& of, unsigned to) {
    flow& f = of.flows[1 - to];
    demand(!f.end_seen && f.ended);
    f.end_seen = true;
    demand(of.broken || (f.received == f.sent && f.messages.empty()));
  }

  // ---- what the input has them do

  void step() {
    const unsigned op = in_.byte();
    const unsigned i = op >> 7;
    end& me = ends_[i];
    const channel_id id = pick(i);
    switch (op % 20) {
      case 0:
      case 1: open(i); break;
      case 2:
      case 3:
      case 4: send(i, id); break;
      case 5: finish(i, id); break;
      case 6: give_up(i, id); break;
      case 7:
        if (id != 0) {
          me.c.stop(id, static_cast<std::uint32_t>(errc::cancelled));
          life_of(i, id).broken = true;
        }
        break;
      case 8: end_work(i, id); break;
      case 9:
        if (id != 0) {
          place& at = me.open[id];
          const auto part = static_cast<std::uint32_t>(at.unconsumed / (1 + in_.below(3)));
          me.c.consume(id, part);
          at.unconsumed -= part;
        }
        break;
      case 10: say(i); break;
      case 11: head(i, id); break;
      case 12:
        if (id != 0 && !has_messages(life_of(i, id).kind)) me.c.want(id, in_.length());
        break;
      case 13: me.c.ping(now_); break;
      case 14: pass_time(in_.below(4) == 0 ? 75 * in_.byte() : in_.below(8)); break;
      case 15: taken(i, me.unsent / (1 + in_.below(3))); break;
      case 16: me.c.consume(message_channel, static_cast<std::uint32_t>(std::exchange(me.plain_unconsumed, 0))); break;
      case 17:
      case 18: deliver(i, 1 + in_.length()); break;
      default: transmit(i, 1 + in_.length() * 8); break;
    }
    drain(0), drain(1);
    for (const end& one : ends_) demand(one.pool.bytes_in_use() < (8u << 20) && one.c.open_channels() <= 32 && !one.closed);
  }

  channel_id pick(unsigned i) {
    auto& open = ends_[i].open;
    if (open.empty()) return 0;
    auto at = open.begin();
    std::advance(at, in_.below(static_cast<unsigned>(open.size())));
    return at->first;
  }
  life& life_of(unsigned i, channel_id id) { return lives_[ends_[i].open[id].tag]; }

  void open(unsigned i) {
    static constexpr channel_kind kinds[] = {channel_kind::stream, channel_kind::message, channel_kind::request, channel_kind::rpc};
    if (lives_.size() > 3'000) return;
    const auto tag = static_cast<std::uint32_t>(lives_.size());
    const unsigned how = in_.byte();
    life made;
    made.kind = kinds[how & 3];
    fill(text_, tag, i, 0, in_.length());
    const bool ends = (how & 4) != 0;
    open_options options{.kind = made.kind, .urgency = static_cast<std::uint8_t>(how >> 5)};
    const std::string name = std::to_string(tag);
    options.operation = name;
    if ((how & 24) == 24) options.deadline = std::chrono::milliseconds(in_.byte());
    const auto id = ends_[i].c.open(now_, options, as_bytes(text_), ends ? end_mark::end : end_mark::open);
    if (!id) {
      demand(id.error() == errc::would_block || id.error() == errc::message_too_big || (ending_ && id.error() == errc::closed));
      return;
    }
    made.broken = options.deadline.has_value();
    flow& f = made.flows[i];
    f.sent = text_.size();
    f.ended = ends;
    if (has_messages(made.kind) && !text_.empty()) f.messages.push_back(static_cast<std::uint32_t>(text_.size()));
    demand(!ends_[i].open.contains(*id));
    ends_[i].open[*id] = {.tag = tag, .own = true, .sending = !ends};
    ++ends_[i].own_open;
    lives_.push_back(std::move(made));
  }

  void send(unsigned i, channel_id id) {
    if (id == 0) return;
    place& at = ends_[i].open[id];
    life& of = lives_[at.tag];
    flow& f = of.flows[i];
    if (!at.sending) return;
    fill(text_, at.tag, i, f.sent, in_.length());
    if (has_messages(of.kind)) {
      if (ends_[i].c.send(id, as_bytes(text_))) {
        f.sent += text_.size();
        f.messages.push_back(static_cast<std::uint32_t>(text_.size()));
      }
      return;
    }
    const unsigned how = in_.byte();
    const end_mark mark = how < 200 ? end_mark::open : end_mark::end;
    // Set before: the end may be reported from inside.
    result<std::size_t> taken;
    if (how & 1) {
      chunk owned = ends_[i].pool.copy(as_bytes(text_));
      taken = ends_[i].c.write(id, owned, mark);
    } else {
      taken = ends_[i].c.write(id, as_bytes(text_), mark);
    }
    if (!taken) return;
    f.sent += *taken;
    if (mark == end_mark::end && *taken == text_.size()) f.ended = true, at.sending = false;
  }

  void finish(unsigned i, channel_id id) {
    if (id == 0 || !ends_[i].open[id].sending) return;
    if (!ends_[i].c.finish(id)) return;
    life_of(i, id).flows[i].ended = true;
    ends_[i].open[id].sending = false;
  }
  void give_up(unsigned i, channel_id id) {
    if (id == 0 || in_.below(3) != 0) return;
    ends_[i].c.reset(id, static_cast<std::uint32_t>(errc::cancelled), "so it goes");
    place& at = ends_[i].open[id];
    lives_[at.tag].broken = true;
    at.sending = false;
    at.forgotten = true;
  }
  void end_work(unsigned i, channel_id id) {
    if (id == 0) return;
    place& at = ends_[i].open[id];
    life& of = lives_[at.tag];
    // Who ends before everything was said and heard gives the rest up.
    const bool concludes = at.sending && in_.below(2) == 0;
    if ((at.sending && !concludes) || !of.flows[1 - i].end_seen) of.broken = true;
    if (concludes) of.flows[i].ended = true;
    at.sending = false;
    at.working = false;
    at.forgotten = true;
    const bool is_gone = concludes ? ends_[i].c.conclude(id) : ends_[i].c.work_done(id);
    if (is_gone) gone(i, id);
  }
  void head(unsigned i, channel_id id) {
    if (id == 0) return;
    place& at = ends_[i].open[id];
    if (at.heads == 2 || !at.sending) return;
    static constexpr char list[] = "\x09\x03yes";
    if (ends_[i].c.write_head(id, as_bytes(std::string_view(list, in_.below(2) ? 5 : 0)))) ++at.heads;
  }
  void say(unsigned i) {
    flow& f = lives_[0].flows[i];
    fill(text_, 0, i, f.sent, in_.length());
    if (!ends_[i].c.send(message_channel, as_bytes(text_))) return;
    f.sent += text_.size();
    f.messages.push_back(static_cast<std::uint32_t>(text_.size()));
  }

  // ---- the transport and the clock

  std::size_t transmit(unsigned i, std::size_t bytes_max) {
    end& me = ends_[i];
    const std::size_t count = me.c.poll_transmit(now_, me.wire, bytes_max);
    demand(count == me.wire.bytes() && count <= bytes_max);
    for (std::size_t k = 0; k < me.wire.count(); ++k) me.under_way.append(as_text(me.wire[k].view()));
    me.wire.clear();
    me.unsent += count;
    return count;
  }
  void taken(unsigned i, std::size_t count) {
    ends_[i].unsent -= count;
    if (count != 0) ends_[i].c.handle_sent(now_, count);
  }
  void deliver(unsigned i, std::size_t count) {
    std::string piece = ends_[i].under_way.substr(0, count);
    ends_[i].under_way.erase(0, piece.size());
    if (piece.empty()) return;
    ends_[1 - i].c.handle_bytes(now_, as_bytes(piece));
    drain(1 - i);
  }
  // Up to 19 s: no frame lies about for longer than it may, nor is anybody silent for longer than is allowed.
  void pass_time(unsigned ms) {
    if (ms > 1'000) settle();
    now_ += std::chrono::milliseconds(ms);
    for (unsigned i : {0u, 1u}) {
      if (ends_[i].c.poll_timeout() > now_) continue;
      ends_[i].c.handle_timeout(now_);
      drain(i);
    }
    settle();
  }

  void consume_all(unsigned i) {
    end& me = ends_[i];
    for (auto& [id, at] : me.open) me.c.consume(id, static_cast<std::uint32_t>(std::exchange(at.unconsumed, 0)));
    me.c.consume(message_channel, static_cast<std::uint32_t>(std::exchange(me.plain_unconsumed, 0)));
  }
  // Everything that is under way arrives.
  void settle() {
    for (bool moved = true; moved;) {
      moved = false;
      for (unsigned i : {0u, 1u}) {
        drain(i);
        while (transmit(i, SIZE_MAX) != 0) moved = true;
        taken(i, ends_[i].unsent);
        moved = moved || !ends_[i].under_way.empty();
        deliver(i, SIZE_MAX);
      }
    }
    drain(0), drain(1);
  }
  void settle_consuming() {
    for (int quiet = 0; quiet < 2; ++quiet) {
      for (unsigned i : {0u, 1u}) {
        for (auto& [id, at] : ends_[i].open) {
          if (at.unconsumed != 0) quiet = -1;
          if (!has_messages(lives_[at.tag].kind)) ends_[i].c.want(id, 0);
        }
        if (ends_[i].plain_unconsumed != 0) quiet = -1;
        consume_all(i);
      }
      settle();
    }
  }

  void finish_all() {
    settle_consuming();
    for (unsigned i : {0u, 1u}) {
      std::vector<channel_id> sending;
      for (const auto& [id, at] : ends_[i].open)
        if (at.sending) sending.push_back(id);
      for (const channel_id id : sending) finish(i, id);
    }
    settle_consuming();
    for (unsigned i : {0u, 1u}) {
      std::vector<channel_id> working;
      for (const auto& [id, at] : ends_[i].open)
        if (!at.own && at.working) working.push_back(id);
      for (const channel_id id : working) end_work(i, id);
    }
    settle_consuming();
    check_sums();
    farewell();
  }

  void check_sums() {
    for (unsigned i : {0u, 1u}) {
      const end& me = ends_[i];
      demand(me.open.empty() && me.own_open == 0 && me.c.open_channels() == 0);
      demand(me.pool.bytes_in_use() == 0);
      const connection::statistics ours = me.c.stats();
      const connection::statistics theirs = ends_[1 - i].c.stats();
      demand(ours.bytes_buffered == 0 && ours.bytes_sent == theirs.bytes_received && ours.opens_sent >= theirs.opens_received);
      demand(ours.messages_sent >= theirs.messages_received);
      demand(ours.send_credit <= theirs.connection_window && 2 * ours.send_credit >= theirs.connection_window);
      const flow& plain = lives_[0].flows[i];
      demand(plain.sent == plain.received && plain.messages.empty());
    }
    for (std::size_t tag = 1; tag < lives_.size(); ++tag) {
      const life& of = lives_[tag];
      demand(of.released <= 2);
      if (of.broken) continue;
      demand(of.released == 2);
      for (const flow& f : of.flows) demand(f.sent == f.received && f.messages.empty() && f.ended == f.end_seen);
    }
  }

  // One of them goes; both end in order.
  void farewell() {
    const unsigned first = lives_.size() % 2;
    for (unsigned i : {0u, 1u}) lives_[0].flows[i].ended = true;
    ends_[first].c.go_away(now_, 0, std::chrono::seconds(5));
    settle();
    for (unsigned i : {first, 1 - first}) {
      ends_[i].c.handle_end(now_);
      drain(i);
    }
    for (const end& one : ends_) demand(one.closed == 0u && one.pool.bytes_in_use() == 0);
  }

  input& in_;
  instant now_ = instant{} + std::chrono::hours(1);
  std::array<end, 2> ends_{end(role::client, now_), end(role::server, now_)};
  std::vector<life> lives_;
  std::string text_;
  bool ending_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  input from(data, size);
  model both(from);
  both.run();
  return 0;
}
