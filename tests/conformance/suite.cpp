// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "conformance/suite.hpp"

#include <sys/resource.h>

namespace hawser::conformance {

std::vector<engine_under_test>& engines() {
  static std::vector<engine_under_test> all;
  return all;
}

namespace {

// Each engine over each of its transports. gtest asks after main() has begun, when every fixture has registered.
std::vector<case_of> cases() {
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
    descriptors.rlim_cur = descriptors.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &descriptors);
  }
  std::vector<case_of> all;
  for (const engine_under_test& engine : engines()) {
    for (const transport over : engine.transports) all.push_back({engine, over});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(engines, engine_rules, testing::ValuesIn(cases()), [](const auto& which) {
  return which.param.engine.name + (which.param.over == transport::tcp ? "_tcp" : "_unix");
});

}  // namespace
}  // namespace hawser::conformance
