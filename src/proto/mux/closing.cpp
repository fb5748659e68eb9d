// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <algorithm>
#include <utility>

// How a connection ends, and everything that time ends.

namespace hawser::inline v0::proto {

void connection::handle_end(instant now) {
  parts& p = *parts_;
  p.now = std::max(p.now, now);
  if (p.over) return;
  // The peer of a drained connection ends it like this.
  const bool orderly = (p.go_away_sent || p.go_away_here) && p.table.open_count() == 0 && p.queue.queued_bytes() == 0;
  p.end(orderly ? 0 : static_cast<std::uint32_t>(errc::connection_lost));
}

void connection::handle_timeout(instant now) {
  parts& p = *parts_;
  p.now = std::max(p.now, now);
  p.handle_timeout();
}

instant connection::poll_timeout() const noexcept { return parts_->poll_timeout(); }

instant connection::receive_after() const noexcept {
  parts& p = *parts_;
  if (p.over) return p.now;
  if (!p.greeted && p.shake && p.shake->held.size() >= held_bytes_max) return never;
  if (!p.with.abuse_buckets) return p.now;
  return p.with.abuse_buckets ? after(p.now, p.meter.debt(to_bucket_time(p.now))) : p.now;
}

// The connection is over: nothing more is parsed or framed.
void connection::parts::end(std::uint32_t code) noexcept {
  if (over) return;
  over = true;
  closed_code = code;
  in = {};
  if (rare) {
    rare->in_after = {};
    rare->stitch = chunk();
  }
  first_dirty = nullptr;
  connection_writable = false;
  if (shake) {
    shake->held = chunk();
    shake->greeting = {};
  }
  const auto drop = [&](channel& each) {
    queue.discard(each);
    if (each.incoming) assembly::drop(each.incoming);
    each.clear(channel_flag::dirty | channel_flag::writable_event | channel_flag::fin_due);
  };
  drop(table.plain());
  // Each channel gets its own end before the connection has its.
  table.for_each([&](channel& each) {
    drop(each);
    if (is_free(each.state)) return;
    const bool unheard = each.has(channel_flag::open_due) || (is_own(each.state) && rare && each.open_number > rare->opens_processed);
    if (!each.has(channel_flag::forgotten | channel_flag::reset_received | channel_flag::reset_event)) {
      each.clear(channel_flag::finished_event);
      each.code_reset = static_cast<std::uint32_t>(unheard ? errc::refused : errc::connection_lost);
      notify(each, channel_flag::reset_event);
    }
    each.state = table.free_state(each.id);
    notify(each, channel_flag::released_event);
  });
}

connection::parts::progress connection::parts::fail(errc code, std::string_view reason) {
  if (over) return progress::nothing;
  put_goodbye(code, reason);
  end(static_cast<std::uint32_t>(code));
  return progress::nothing;
}

// GOAWAY; behind a preface when nothing was said before: then it takes the place of HELLO.
void connection::parts::put_goodbye(errc code, std::string_view reason) {
  if (!out.has_slots() || (!greeted && !preface_here)) return;
  if (!greeted) out.wrote(put_preface(out.reserve(preface_bytes), {version_newest, version_oldest}));
  out.wrote(put_go_away(out.reserve(go_away_frame_bytes_max), static_cast<std::uint32_t>(code), 0, opens_accepted, reason));
}

void connection::parts::go_away(std::uint32_t code, duration drain, std::string_view reason) {
  if (over) return;
  if (code != 0) {
    fail(static_cast<errc>(code), reason);
    return;
  }
  const instant until = after(now, drain);
  rarity& soon = need_rare();
  if (go_away_sent && until >= soon.drain_at) return;
  soon.drain_at = std::min(soon.drain_at, until);
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(drain).count();
  soon.drain_ms = static_cast<std::uint32_t>(std::clamp<std::int64_t>(ms, 0, UINT32_MAX));
  go_away_due = true;
  soon.go_away_reason = reason;
  if (!go_away_sent) {
    go_away_sent = true;
    // Plain messages end with what is queued: so the peer knows when it has everything.
    channel& plain = table.plain();
    if (greeted && can_send(plain.state) && !plain.has(channel_flag::fin_due)) (void)finish(plain);
  }
  if (!greeted) fail(errc::shutdown, reason);
}

// The peer wants to end, and nothing is left to do: then this side ends first, and says so with its last frame. Not in the middle of an
// input: an OPEN that waited when the peer said GOAWAY may come behind it, and behind the FIN of channel 1.
void connection::parts::check_drained() {
  if (!go_away_here || over) return;
  if (!in.empty() || (rare && !rare->in_after.empty()) || reading != stage::header || stash_size != 0) return;
  if (table.open_count() != 0 || queue.queued_bytes() != 0 || first_dirty || go_away_due) return;
  channel& plain = table.plain();
  if (can_receive(plain.state) || !out.has_slots() || plain.queue) return;
  if (can_send(plain.state)) (void)finish(plain);
  if (!go_away_sent) out.wrote(put_go_away(out.reserve(go_away_frame_bytes_max), 0, 0, opens_accepted, {}));
  end(0);
}

bool connection::end_now(instant now) {
  constexpr std::size_t rest_bytes_max = 16 * 1024;      // a transport that has taken everything so far takes this at once
  parts& p = *parts_;
  p.now = std::max(p.now, now);
  if (p.over) return true;
  HAWSER_EXPECTS(p.go_away_sent, "end_now() without go_away()");
  if (p.queue.queued_bytes() != 0) return false;
  p.fill();
  const std::size_t rest = p.out.pending_bytes();
  if (rest != 0 && (rest > rest_bytes_max || rest != p.out.committed_bytes())) return false;
  if (p.queue.can_commit() || p.first_dirty || p.go_away_due || p.pongs_due != 0) return false;
  p.end(0);
  return true;
}

// -- time

void connection::parts::handle_timeout() {
  if (over) return;
  if (!hello_here && now >= shake->until) {
    fail(errc::idle);
    closed_code = static_cast<std::uint32_t>(errc::handshake_timeout);
    return;
  }
  if (now >= frame_at) {
    fail(errc::stalled);
    return;
  }
  if (rare && now >= rare->drain_at) {
    end(0);
    return;
  }
  if (now >= deadline_at) handle_deadlines();
  if (table.open_count() == 0) table.trim();
  if (with.stall_timeout != duration::max()) handle_stalls();
  if (!ready()) return;
  switch (pulse.handle_timeout(now)) {
    case keepalive::verdict::nothing: break;
    case keepalive::verdict::ping: quiet_ping_due = true; break;
    case keepalive::verdict::idle: fail(errc::idle); break;
  }
}

// One of our own timers ends the channel; the user learns it.
void connection::parts::expire(channel& of, errc code) {
  if (of.has(channel_flag::reset_sent | channel_flag::reset_due | channel_flag::reset_received)) return;
  const bool told = !of.has(channel_flag::forgotten);
  end_locally(of, static_cast<std::uint32_t>(code), {});
  of.code_reset = static_cast<std::uint32_t>(code);
  if (told) notify(of, channel_flag::reset_event);
}

void connection::parts::handle_deadlines() {
  deadline_at = never;
  table.for_each([&](channel& each) {
    if (each.deadline == never || is_free(each.state)) return;
    // Everything was said; only the release is missing.
    if (each.state == channel_state::own_ended) each.deadline = never;
    if (now >= each.deadline) {
      each.deadline = never;
      expire(each, errc::deadline);
    } else {
      deadline_at = std::min(deadline_at, each.deadline);
    }
  });
}

// Data that wait, without credit and without progress: counted in quarters of the time limit. Channel 1 has no end of its own.
void connection::parts::handle_stalls() {
  if (stall_at == never) stall_at = after(now, with.stall_timeout / 4);
  if (now < stall_at) return;
  stall_at = after(now, with.stall_timeout / 4);
  const auto stalls = [](channel& one) { return one.queue && one.queue->bytes != 0 && ++one.queue->stalled_ticks > 4; };
  table.for_each([&](channel& each) {
    if (stalls(each)) expire(each, errc::stalled);
  });
  if (stalls(table.plain())) fail(errc::stalled);
}

instant connection::parts::poll_timeout() const noexcept {
  if (has_events()) return now;
  if (over) return never;
  instant next = std::min(frame_at, deadline_at);
  if (!hello_here) next = std::min(next, shake->until);
  if (rare) next = std::min(next, rare->drain_at);
  if (ready()) next = std::min(next, quiet_ping_due ? pulse.idle_due() : pulse.poll_timeout());
  if (with.stall_timeout != duration::max() && queue.queued_bytes() != 0) next = std::min(next, stall_at == never ? after(now, with.stall_timeout / 4) : stall_at);
  return next;
}

}  // namespace hawser::inline v0::proto
