// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/peer.hpp>

#include <cstdint>

namespace hawser::inline v0::detail {

class peer_connection;

struct id_tree_hook {
  peer_connection* before = nullptr;
  peer_connection* behind = nullptr;
};

// The connections of a peer by the other side's id and, among several of the same, by age: those of one may be thousands. A treap whose
// nodes are the connections: it allocates nothing, and takes of each two pointers. Priorities come from the connection's number and a
// secret, so what strangers choose makes no chain of it.
class id_tree {
 public:
  void set_secret(std::uint64_t secret) noexcept { secret_ = secret; }
  // Not twice; its id stays the same while it is in here.
  void insert(peer_connection& one) noexcept;
  // It must be in here.
  void erase(peer_connection& one) noexcept;
  // The oldest with this id whose number is at least that; nullptr: none.
  peer_connection* find(const peer_id& id, std::uint64_t number) const noexcept;
  // The first in order behind this one; of nullptr, the first of all.
  peer_connection* next(const peer_connection* one) const noexcept;

 private:
  std::uint64_t priority(const peer_connection& of) const noexcept;

  peer_connection* root_ = nullptr;
  std::uint64_t secret_ = 0;
};

}  // namespace hawser::inline v0::detail
