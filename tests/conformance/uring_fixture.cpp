// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "conformance/kernel_world.hpp"

namespace hawser::conformance {
namespace {

const registration registered({
    .name = "uring",
    .make = [](const loop_options& options) -> std::unique_ptr<world> {
      loop_options on_uring = options;
      on_uring.engine = engine_choice::uring;
      return std::make_unique<kernel_world>(on_uring);
    },
    .threads = true,
    .descriptors = true,
    .kernel_buffers = true,
    .silence = true,
    .refusal = uring_refusal,
});

}
}  // namespace hawser::conformance
