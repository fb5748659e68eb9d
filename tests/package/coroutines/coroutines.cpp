// SPDX-License-Identifier: Apache-2.0 OR MIT
// The thread-local variables of tasks are defined in headers, and libhawser.so and the program must see the same ones.
#include <hawser/hawser.hpp>

#include <iostream>

namespace {

// Deeper than the bound below which awaits nest: the rest is started by the library, from a variable that the program has set.
hawser::task<int> depth(int levels) {
  if (levels == 0) co_return 0;
  const int below = co_await depth(levels - 1);
  co_return below + 1;
}

// Cancels its own scope while it runs: the library marks it, and resuming, inlined here, ends it at its next suspension.
hawser::task<> cancel_own_scope(hawser::loop& loop, hawser::scope& own, bool& went_on) {
  co_await hawser::sleep(loop, std::chrono::milliseconds(1));
  own.cancel();
  co_await hawser::sleep(loop, std::chrono::milliseconds(1));
  went_on = true;
}

hawser::task<int> everything(hawser::loop& loop) {
  const int reached = co_await depth(1'000);
  bool went_on = false;
  hawser::scope inner(loop);
  inner.spawn(cancel_own_scope(loop, inner, went_on));
  co_await hawser::sleep(loop, std::chrono::milliseconds(20));
  const bool same_category = hawser::error_from_wire(14) == hawser::errc::deadline;
  std::cout << "depth " << reached << ", " << inner.count() << " tasks left" << (went_on ? ", one went on" : "") << '\n';
  co_return reached == 1'000 && inner.count() == 0 && !went_on && same_category ? 0 : 1;
}

}  // namespace

int main() {
  hawser::loop loop;
  return loop.run(everything(loop));
}
