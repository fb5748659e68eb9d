// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "link/parts.hpp"

// How bytes pass a link's stages. Inward depth first, so that no stage keeps spans for longer than its own call; outward from the
// protocol down, each stage asked for as much as the next one has room for.

namespace hawser::inline v0 {

// False: the link is gone, or no longer takes bytes.
bool link::deliver(std::size_t at, instant now, byte_view bytes) {
  if (at == parts_->stages.size()) {
    bool gone = false;
    parts_->gone = &gone;
    protocol_->handle_bytes(now, bytes);
    if (gone) return false;
    parts_->gone = nullptr;
    return state_ == state::open;
  }
  stage& here = *parts_->stages[at];
  if (const result<> taken = here.handle_bytes(now, bytes); !taken) {
    lose_at_stage(now, taken.error());
    return false;
  }
  return deliver_polled(at, now);
}

bool link::deliver_polled(std::size_t at, instant now) {
  stage& here = *parts_->stages[at];
  byte_view inner;
  while (here.poll_bytes(inner))
    if (!deliver(at + 1, now, inner)) return false;
  return true;
}

void link::end_of_stages(instant now) {
  for (std::size_t at = 0; at < parts_->stages.size(); ++at) {
    if (const result<> sound = parts_->stages[at]->handle_end(now); !sound) return lose_at_stage(now, sound.error());
    if (!deliver_polled(at, now)) return;
  }
  protocol_->handle_end(now, {});
}

// What the stages have to say about it (an alert) still goes out, if the socket is free.
void link::lose_at_stage(instant now, std::error_code reason) {
  if (in_flight_bytes_ == 0) {
    chain last(loop_->buffers());
    fill_from_stages(now, last);
    if (!last.empty()) loop_->engine().send(socket_, last);
  }
  // The protocol has not heard of this end, even when the socket's own is what the stage found unsound.
  ended_ = false;
  lose(reason);
}

std::size_t link::fill(instant now, chain& out) {
  if (!finished_) {
    chain inner(loop_->buffers());
    std::size_t room = std::min(parts_->stages.back()->room(), send_bytes_max);
    while (room > 0) {
      const std::size_t got = protocol_->poll_transmit(now, inner, room);
      if (got == 0) break;
      parts_->inner_bytes += got;
      parts_->stages.back()->write(now, inner);
      room = std::min(parts_->stages.back()->room(), room - got);
    }
  }
  std::size_t filled = fill_from_stages(now, out);
  if (filled == 0 && state_ == state::draining && !finished_) {
    finished_ = true;
    // Without room nothing more gets in, and what the protocol still has is lost.
    const auto shut = [](const std::unique_ptr<stage>& one) { return one->room() == 0; };
    if (std::ranges::any_of(parts_->stages, shut)) remember(make_error_code(errc::closed));
    // From the protocol's side down: what a stage says last is still wrapped by those below.
    for (std::size_t at = parts_->stages.size(); at-- > 0;) {
      parts_->stages[at]->finish(now);
      filled = fill_from_stages(now, out);
    }
  }
  return filled;
}

std::size_t link::fill_from_stages(instant now, chain& out) {
  chain between(loop_->buffers());
  for (std::size_t at = parts_->stages.size(); at-- > 1;) {
    std::size_t room = std::min(parts_->stages[at - 1]->room(), send_bytes_max);
    while (room > 0) {
      const std::size_t got = parts_->stages[at]->poll_transmit(now, between, room);
      if (got == 0) break;
      parts_->stages[at - 1]->write(now, between);
      room = std::min(parts_->stages[at - 1]->room(), room - got);
    }
  }
  if (out.full() || out.bytes() >= send_bytes_max) return 0;
  return parts_->stages.front()->poll_transmit(now, out, send_bytes_max - out.bytes());
}

}  // namespace hawser::inline v0
