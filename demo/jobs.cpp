// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "jobs.hpp"

namespace demo {

hawser::task<> do_all(bench_seat& seat) {
  co_await send_messages(seat);
  co_await interleave_requests(seat);
  co_await fill_sink(seat);
  co_await stream_file(seat);
  co_await show_failures(seat);
}

}  // namespace demo
