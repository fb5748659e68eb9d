// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peer/core.hpp"

#include <hawser/link/listener.hpp>

#include <memory>

namespace hawser::inline v0::detail {

// One endpoint on which a peer listens.
class doorway final : public listener_events {
 public:
  doorway(peer_core& core, const endpoint& where) : core_(&core), where_(where), listener_(core.home(), where, options(), *this) {}

  std::error_code error() const noexcept { return listener_.error(); }
  // As it is listened on; a name that is still being resolved is answered as it was given.
  endpoint local() const {
    endpoint bound = listener_.local_endpoint();
    return bound.valid() ? bound : where_;
  }
  std::vector<endpoint> locals() const { return listener_.local_endpoints(); }
  const endpoint& where() const noexcept { return where_; }

 private:
  // The peer counts by itself, over all of its doorways.
  static listener_options options() {
    listener_options all;
    all.connections_max = all.half_open_max = SIZE_MAX;
    return all;
  }
  void on_connection(io::socket_id id, const endpoint& remote, admission) override { core_->incoming(id, remote); }
  void on_listener_error(const endpoint& where, std::error_code reason) override {
    core_->log(log_level::error, 0, "listening on %s: %s", where.text().c_str(), reason.message().c_str());
  }

  peer_core* core_;
  endpoint where_;
  listener listener_;
};

}  // namespace hawser::inline v0::detail
