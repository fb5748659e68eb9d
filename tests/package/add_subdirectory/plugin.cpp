// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/io/loop.hpp>

extern "C" __attribute__((visibility("default"))) int plugin() {
  hawser::loop loop;
  return loop.poll() ? 1 : 0;
}
