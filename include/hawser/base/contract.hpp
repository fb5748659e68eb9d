// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/export.hpp>

namespace hawser::inline v0 {

// Prints "hawser: contract broken: <message> (<condition>) at <file>:<line>" to standard error and aborts.
[[noreturn]] HAWSER_API void contract_broken(const char* condition, const char* message, const char* file, int line) noexcept;

}  // namespace hawser::inline v0

// A programmer's error, in the caller's code or in ours: checked in release builds too. What a peer or the network can cause
// is never checked with this; it is a value of std::error_code.
#define HAWSER_EXPECTS(condition, message) \
  (__builtin_expect(!!(condition), 1) ? static_cast<void>(0) : ::hawser::contract_broken(#condition, message, __FILE__, __LINE__))
