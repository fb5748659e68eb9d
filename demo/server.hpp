// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/hawser.hpp>

#include <cstdint>

namespace demo {

inline constexpr std::size_t message_bytes = 64;

// What message number n contains: its number, then a pattern derived from it, so that a lost, doubled, moved or damaged message shows.
void fill_message(std::uint64_t number, std::byte (&message)[message_bytes]);

// Serves echo, file, clock, sink and the count of messages on 127.0.0.1, tells its port through `port_to` (a descriptor) and
// runs until it is killed or its parent is gone (end of `alive_from`).
int serve(int port_to, int alive_from, const hawser::loop_options& on);

}  // namespace demo
