// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/self_pair.hpp"

#include "peer/connection_state.hpp"
#include "peer/core.hpp"

#include <algorithm>

namespace hawser::inline v0::detail {
namespace {

constexpr std::size_t carried_bytes_max = 256 * 1024;      // per direction and pass, so that a pair delays nobody

}  // namespace

// The handshake is over when this returns: a connection with oneself is open from the start.
self_pair::self_pair(peer_core& core) : loop_(&core.home()) {
  ends_[0] = ref<peer_connection>(new peer_connection(core, proto::role::client));
  ends_[1] = ref<peer_connection>(new peer_connection(core, proto::role::server));
  for (auto& end : ends_) end->join(*this);
  while (carry(loop_->now())) {
  }
}

self_pair::~self_pair() = default;

void self_pair::pump_later() noexcept {
  if (!over_) loop_->post(*this);
}

void self_pair::cut() noexcept {
  cut_ = true;
  pump_later();
}

void self_pair::dissolve() noexcept {
  over_ = true;
  io::job::unlink();
  loop_->disarm(*this);
}

// Moves what both halves give, once. Handlers run in here.
bool self_pair::carry(instant now) {
  bool carried = false;
  for (int from = 0; from < 2 && !over_; ++from) {
    protocol& giver = ends_[from]->machine();
    protocol& taker = ends_[1 - from]->machine();
    chain bytes(loop_->buffers());
    const std::size_t count = giver.poll_transmit(now, bytes, carried_bytes_max);
    if (count == 0) continue;
    carried = true;
    for (std::size_t i = 0; i < bytes.count() && !over_; ++i) taker.handle_bytes(now, bytes[i].view());
    if (!over_) giver.handle_sent(now, count);
  }
  return carried;
}

void self_pair::run() {
  if (over_) return;
  const ref<self_pair> self(this);
  const ref<peer_connection> near = ends_[0];
  const ref<peer_connection> far = ends_[1];
  const instant now = loop_->now();
  const bool carried = carry(now);
  if (over_) return;
  using phase = peer_connection::phase;
  const bool one_ended = near->now_in() == phase::over || far->now_in() == phase::over;
  if (cut_ || (one_ended && !carried)) {
    for (const auto& end : {near, far}) {
      if (!over_ && end->now_in() != phase::over) end->machine().handle_end(now, make_error_code(errc::connection_lost));
    }
    if (over_) return;
    dissolve();
    near->leave_pair();
    far->leave_pair();
    return;
  }
  if (carried) return pump_later();
  const instant due = std::min(near->machine().poll_timeout(), far->machine().poll_timeout());
  if (due != when()) loop_->arm(*this, due);
}

void self_pair::on_timer() {
  const ref<self_pair> self(this);
  const ref<peer_connection> ends[2] = {ends_[0], ends_[1]};
  const instant now = loop_->now();
  for (const auto& end : ends) {
    if (!over_ && end->machine().poll_timeout() <= now) end->machine().handle_timeout(now);
  }
  pump_later();
}

}  // namespace hawser::inline v0::detail
