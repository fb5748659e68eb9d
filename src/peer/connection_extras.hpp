// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peer/connection_state.hpp"
#include "peer/lane.hpp"
#include "peer/self_pair.hpp"

#include <memory>
#include <vector>

namespace hawser::inline v0::detail {

// What can still be asked of a connection after its end.
struct connection_remains {
  endpoint local, remote;
  connection_statistics statistics;
};

struct peer_connection::extras {
  ref<self_pair> pair;                   // until it is dissolved
  intrusive_list<waiting_link> queued;   // calls that wait for a channel
  std::size_t queued_bytes = 0;
  std::uint32_t queued_count = 0;
  intrusive_list<waiting_link> blocked;  // writers that wait for the connection
  wait_list writable_waiters;
  std::vector<std::shared_ptr<lane>> lanes;
  std::shared_ptr<void> user_state;
  std::unique_ptr<endpoint> remote;      // once it was asked for
  std::unique_ptr<connection_remains> left;
  std::error_code reason;
  std::error_code link_reason;
  instant resume_at = never;             // reading is paused until then
  instant decide_at = never;             // in phase undecided
};

}  // namespace hawser::inline v0::detail
