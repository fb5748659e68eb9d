// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "peer/id_tree.hpp"

#include "peer/connection_state.hpp"

#include <compare>

namespace hawser::inline v0::detail {
namespace {

std::strong_ordering compare(const peer_connection& one, const peer_id& id, std::uint64_t number) noexcept {
  const auto by_id = one.id() <=> id;
  return by_id != 0 ? by_id : one.number() <=> number;
}

bool is_before(const peer_connection& one, const peer_connection& other) noexcept { return compare(one, other.id(), other.number()) < 0; }

}  // namespace

// A bijection: no two connections have the same one.
std::uint64_t id_tree::priority(const peer_connection& of) const noexcept {
  std::uint64_t mixed = of.number() + secret_;
  mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111eb;
  return mixed ^ mixed >> 31;
}

void id_tree::insert(peer_connection& one) noexcept {
  const std::uint64_t own = priority(one);
  peer_connection** at = &root_;
  while (*at && priority(**at) > own) at = is_before(**at, one) ? &(*at)->in_tree.behind : &(*at)->in_tree.before;
  // What stood here is cut in two around it.
  peer_connection* rest = *at;
  *at = &one;
  peer_connection** smaller = &one.in_tree.before;
  peer_connection** larger = &one.in_tree.behind;
  while (rest) {
    if (is_before(*rest, one)) {
      *smaller = rest;
      smaller = &rest->in_tree.behind;
      rest = *smaller;
    } else {
      *larger = rest;
      larger = &rest->in_tree.before;
      rest = *larger;
    }
  }
  *smaller = *larger = nullptr;
}

void id_tree::erase(peer_connection& one) noexcept {
  peer_connection** at = &root_;
  while (*at != &one) at = is_before(**at, one) ? &(*at)->in_tree.behind : &(*at)->in_tree.before;
  // Its two halves become one.
  peer_connection* smaller = one.in_tree.before;
  peer_connection* larger = one.in_tree.behind;
  while (smaller && larger) {
    if (priority(*smaller) > priority(*larger)) {
      *at = smaller;
      at = &smaller->in_tree.behind;
      smaller = *at;
    } else {
      *at = larger;
      at = &larger->in_tree.before;
      larger = *at;
    }
  }
  *at = smaller ? smaller : larger;
  one.in_tree = {};
}

peer_connection* id_tree::find(const peer_id& id, std::uint64_t number) const noexcept {
  peer_connection* found = nullptr;
  for (peer_connection* at = root_; at;) {
    if (compare(*at, id, number) < 0) {
      at = at->in_tree.behind;
    } else {
      found = at;
      at = at->in_tree.before;
    }
  }
  return found && found->id() == id ? found : nullptr;
}

peer_connection* id_tree::next(const peer_connection* one) const noexcept {
  peer_connection* found = nullptr;
  for (peer_connection* at = root_; at;) {
    if (one && !is_before(*one, *at)) {
      at = at->in_tree.behind;
    } else {
      found = at;
      at = at->in_tree.before;
    }
  }
  return found;
}

}  // namespace hawser::inline v0::detail
