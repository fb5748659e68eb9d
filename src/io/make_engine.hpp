// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/engine.hpp>
#include <hawser/io/loop.hpp>

#include <memory>

namespace hawser::io {

// The engine that the choice, the environment (HAWSER_ENGINE) and the machine agree on; says in the log what it took and why.
// Errors: too_many_descriptors, or what else the system answers.
result<std::unique_ptr<engine>> make_engine(engine_choice choice);

}  // namespace hawser::io
