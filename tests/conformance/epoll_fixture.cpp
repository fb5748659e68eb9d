// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "conformance/kernel_world.hpp"

namespace hawser::conformance {
namespace {

const registration registered({
    .name = "epoll",
    .make = [](const loop_options& options) -> std::unique_ptr<world> {
      loop_options on_epoll = options;
      on_epoll.engine = engine_choice::epoll;
      return std::make_unique<kernel_world>(on_epoll);
    },
    .threads = true,
    .descriptors = true,
    .kernel_buffers = true,
    .silence = true,
});

}  // namespace
}  // namespace hawser::conformance
