// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/parts.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

// Input: handle_bytes() keeps the span, poll_event() takes the next frame from it.

namespace hawser::inline v0::proto {

void connection::handle_bytes(instant now, byte_view bytes) {
  parts& p = *parts_;
  p.now = now;
  if (p.over) return;
  HAWSER_EXPECTS(p.in.empty(), "handle_bytes() before poll_event() has returned false");
  p.in = bytes;
  p.bytes_received += bytes.size();
}

bool connection::poll_event(event& out) { return parts_->poll_event(out); }

bool connection::event_due() const noexcept { return parts_->has_events(); }

std::size_t connection::unparsed_bytes() const noexcept {
  const std::size_t after = parts_->rare ? parts_->rare->in_after.size() : 0;
  return parts_->in.size() + after;
}

bool connection::parts::poll_event(event& to) {
  if (lent.capacity() != 0) lent = chunk();
  for (;;) {
    if ((first_event || connection_writable) && next_notification(to)) return true;
    if (over) [[unlikely]] {
      if (rare) free_rare();
      if (closed_told) return false;
      closed_told = true;
      to = event{};
      to.kind = event_kind::closed;
      to.code = closed_code;
      return true;
    }
    switch (const progress made = parse_whole(to); made == progress::starved ? parse(to) : made) {
      case progress::event: return true;
      case progress::nothing: break;
      case progress::starved:
        check_drained();
        if (has_events()) break;
        return false;
    }
  }
}

// One step: at most one event.
connection::parts::progress connection::parts::parse(event& to) {
  if (in.empty() && (reading != stage::data || left != 0)) {
    if (replaying) {
      replaying = false;
      rare->replayed = chunk();
      in = std::exchange(rare->in_after, {});
      if (!in.empty()) return progress::nothing;
    }
    if (meter_touched) {
      meter_touched = false;
      if (with.abuse_buckets && meter.judge(to_bucket_time(now)) == abuse_meter::verdict::calm) return fail(errc::calm);
    }
    if (reading == stage::header && stash_size == 0) {
      frame_at = never;
    } else if (frame_at == never && reading != stage::preface) {
      frame_at = after(now, with.frame_timeout);
    }
    drop_rare();
    return progress::starved;
  }
  switch (reading) {
    case stage::header: return parse_header(to);
    case stage::data: return parse_data(to);
    case stage::gather: return parse_gather(to);
    case stage::preface: return parse_preface();
  }
  return progress::starved;
}

connection::parts::progress connection::parts::parse_preface() {
  const std::size_t count = std::min(preface_bytes - stash_size, in.size());
  std::memcpy(stash.data() + stash_size, in.data(), count);
  stash_size = static_cast<std::uint8_t>(stash_size + count);
  advance_input(count);
  preface theirs{};
  const decode_status status = decode_preface({stash.data(), stash_size}, theirs);
  if (status == decode_status::error) {
    // Not our protocol: nothing that we could say would be understood.
    end(static_cast<std::uint32_t>(errc::protocol));
    return progress::nothing;
  }
  if (status == decode_status::need_more) return progress::nothing;
  stash_size = 0;
  reading = stage::header;
  preface_here = true;
  shake->theirs = theirs;
  if (common_version({version_newest, version_oldest}, theirs) == 0) return fail(errc::version);
  return progress::nothing;
}

connection::parts::progress connection::parts::parse_header(event& to) {
  if (!greeted && hello_here) [[unlikely]] return hold_back();
  decode_status status;
  if (stash_size == 0) [[likely]] {
    frame_at = never;      // its time runs from its first byte; what was left of the last one's does not count
    status = decode_header(in, frame);
    if (status == decode_status::header) [[likely]] {
      advance_input(frame.size);
    } else if (status == decode_status::need_more) {
      stash_size = static_cast<std::uint8_t>(in.size());
      std::memcpy(stash.data(), in.data(), in.size());
      in = {};
      return progress::nothing;
    }
  } else {
    do {
      stash[stash_size++] = in.front();
      advance_input(1);
      status = decode_header({stash.data(), stash_size}, frame);
    } while (status == decode_status::need_more && !in.empty());
    if (status == decode_status::need_more) return progress::nothing;
    stash_size = 0;
  }
  if (status == decode_status::error) [[unlikely]] return fail(errc::protocol);
  return begin_frame(to);
}

connection::parts::progress connection::parts::begin_frame(event& to) {
  if (const errc wrong = check_header(frame, with.announced.frame_bytes_max, with.announced.open_block_bytes_max); wrong != errc{}) [[unlikely]]
    return fail(wrong);
  // HELLO comes first, and once; in its place only a refusal.
  if (hello_here == (frame.type == frame_type::hello)) [[unlikely]] {
    if (hello_here || frame.type != frame_type::go_away) return fail(errc::protocol);
  }
  ++frames_received;
  pulse.handle_received(now);
  if (frame.type == frame_type::data) [[likely]] {
    const progress begun = begin_data();
    return begun == progress::event ? parse_data(to) : begun;
  }
  if (frame.type != frame_type::open) ++granted_frame;      // it pays for no CREDIT

  std::size_t need = frame.length;
  if (frame.type == frame_type::open) need = std::min<std::size_t>(need, with.announced.open_block_bytes_max);
  if (frame.type == frame_type::skip_first || frame.type == frame_type::skip_last) {
    meter.control_received(to_bucket_time(now));
    meter_touched = true;
    left = frame.length;
    reading = left == 0 ? stage::header : stage::gather;
    return progress::nothing;
  }
  if (in.size() >= need) [[likely]] {
    reading = stage::header;
    if (frame.type == frame_type::open) return handle_open(in.first(std::min<std::size_t>(in.size(), frame.length)), to);
    const byte_view payload = in.first(need);
    advance_input(need);
    return handle_control(payload, to);
  }
  left = static_cast<std::uint32_t>(need);
  need_rare().stitch = pool.allocate(need);
  reading = stage::gather;
  return progress::nothing;
}

connection::parts::progress connection::parts::parse_gather(event& to) {
  const std::size_t count = std::min<std::size_t>(left, in.size());
  left -= static_cast<std::uint32_t>(count);
  const bool skipped = !rare || rare->stitch.capacity() == 0;
  if (!skipped) {
    chunk& stitch = rare->stitch;
    std::memcpy(stitch.mutable_data() + stitch.size(), in.data(), count);
    stitch.grow(count);
  }
  advance_input(count);
  if (left != 0) return progress::nothing;
  reading = stage::header;
  if (skipped) return progress::nothing;
  if (frame.type != frame_type::open) {
    lent = std::move(rare->stitch);
    return handle_control(lent.view(), to);
  }
  // What follows the open block in the copy is parsed before the rest of the span.
  replay(std::move(rare->stitch));
  return handle_open(in, to);
}

// Parses these bytes in front of what is left of the span. They stay where they are until the last of them is parsed.
void connection::parts::replay(chunk bytes) {
  HAWSER_EXPECTS(!replaying, "a replay within a replay");
  rarity& again = need_rare();
  again.replayed = std::move(bytes);
  again.in_after = in;
  in = again.replayed.view();
  replaying = true;
}

// What the peer sent with its HELLO waits until accept().
connection::parts::progress connection::parts::hold_back() {
  chunk& held = shake->held;
  if (held.size() >= held_bytes_max) return fail(errc::flow_control);
  if (held.capacity() == 0) held = pool.allocate(in.size());
  if (held.room() < in.size()) {
    chunk larger = pool.allocate(std::max(held.size() + in.size(), 2 * held.size()));
    std::memcpy(larger.mutable_data(), held.data(), held.size());
    larger.grow(held.size());
    held = std::move(larger);
  }
  std::memcpy(held.mutable_data() + held.size(), in.data(), in.size());
  held.grow(in.size());
  in = {};
  return progress::nothing;
}

}  // namespace hawser::inline v0::proto
