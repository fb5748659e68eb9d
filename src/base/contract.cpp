// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/contract.hpp>

#include <cstdio>
#include <cstdlib>

namespace hawser::inline v0 {

void contract_broken(const char* condition, const char* message, const char* file, int line) noexcept {
  std::fprintf(stderr, "hawser: contract broken: %s (%s) at %s:%d\n", message, condition, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace hawser::inline v0
