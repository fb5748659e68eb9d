// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "own/own.hpp"

#include "own/sides.hpp"

namespace hawser::bench::own {

loop_options loop_for(const job& of) {
  loop_options options;
  options.engine = of.engine == engine_kind::epoll ? engine_choice::epoll : of.engine == engine_kind::uring ? engine_choice::uring
                                                                                                            : engine_choice::automatic;
  options.wait = of.wait == wait_mode::block ? wait_policy::block : of.wait == wait_mode::spin ? wait_policy::busy
                                                                                               : wait_policy::spin_then_block;
  return options;
}

peer_options peer_for(const job& of) {
  peer_options options;
  std::uint32_t& channels_max = options.wire.announced.channels_max;
  if (of.in_flight > channels_max) channels_max = 2'047;
  if (of.channels > channels_max) channels_max = static_cast<std::uint32_t>(of.channels) + 1;
  return options;
}

outcome run(const job& of) { return match(of, serve, drive); }

outcome run_on_one_channel(const job& of) {
  job alone = of;
  if (of.what == workload::open) alone.what = workload::pingpong;
  alone.channels = 1;
  return run(alone);
}

outcome run_sending_after(const job& of) {
  job twice = of;
  twice.ahead = false;
  return run(twice);
}

outcome run_busy(const job& of) {
  job awake = of;
  awake.wait = wait_mode::spin;
  return run(awake);
}

outcome run_in_tasks(const job& of) {
  job read = of;
  read.what = workload::channels;
  return run_on_one_channel(read);
}

}  // namespace hawser::bench::own
