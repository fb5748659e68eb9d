// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "proto/mux/parts.hpp"

namespace hawser::inline v0::proto {

// What tests look at in a connection, and nobody else needs.
struct inspection {
  static abuse_meter& meter(connection& of) noexcept { return of.parts_->meter; }
  static const channel* find(connection& of, channel_id id) noexcept { return of.parts_->table.find(id); }
};

}  // namespace hawser::inline v0::proto
