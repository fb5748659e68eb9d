// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/hawser.hpp>

namespace demo {

// Serves the jobs (service.hpp) on 127.0.0.1, tells its port through `port_to` (a descriptor) and runs until it is killed or its
// parent is gone (end of `alive_from`).
int serve(int port_to, int alive_from, const hawser::loop_options& on);

}  // namespace demo
