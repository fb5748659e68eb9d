// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peer/counted.hpp"

#include <hawser/io/loop.hpp>
#include <hawser/io/timer.hpp>

namespace hawser::inline v0::detail {

class peer_connection;
class peer_core;

// The connection of a peer with itself: two protocol cores, joined in memory by a job of the loop. Requests to oneself so take the
// same way, through the same limits and handlers, as all others.
class self_pair final : public counted<self_pair>, private io::job, private io::timer {
 public:
  explicit self_pair(peer_core& core);
  ~self_pair();

  peer_connection& near() const noexcept { return *ends_[0]; }
  bool over() const noexcept { return over_; }
  void pump_later() noexcept;
  void cut() noexcept;           // one half was aborted
  void dissolve() noexcept;      // at once: the peer is being destroyed

 private:
  void run() override;
  void on_timer() override;
  bool carry(instant now);

  loop* loop_;
  ref<peer_connection> ends_[2];
  bool cut_ = false;
  bool over_ = false;
};

}  // namespace hawser::inline v0::detail
