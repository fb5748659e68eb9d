// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/io/engine.hpp>
#include <hawser/io/loop.hpp>

#include <expected>
#include <memory>
#include <string>

namespace hawser::inline v0::io {

// An engine, or what prevented it, for a person to read.
using made_engine = std::expected<std::unique_ptr<engine>, std::string>;

// The engine that the choice, the environment (HAWSER_ENGINE) and the machine agree on; says in the log what it took and why.
made_engine make_engine(engine_choice choice);

}  // namespace hawser::inline v0::io
