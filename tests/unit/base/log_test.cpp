// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/log.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

namespace hawser {
namespace {

struct listener {
  std::atomic<int> heard{0};
};
listener first, second;
std::atomic<int> torn{0};

void to_first(const log_record&, void* context) {
  if (context != &first) ++torn;
  ++first.heard;
}
void to_second(const log_record&, void* context) {
  if (context != &second) ++torn;
  ++second.heard;
}

TEST(log, a_hook_is_never_called_with_the_context_of_another) {
  set_log_level(log_part::io, log_level::info);
  set_log_hook(&to_first, &first);
  std::atomic<bool> over = false;
  std::thread logs([&] {
    while (!over) HAWSER_LOG(log_level::info, log_part::io, "", 0, "a line");
  });
  constexpr int changes_min = 20'000 / HAWSER_COUNT_SCALE;
  for (int i = 0; i < changes_min || first.heard == 0 || second.heard == 0; ++i) {
    set_log_hook(i % 2 ? &to_first : &to_second, i % 2 ? &first : &second);
  }
  over = true;
  logs.join();
  set_log_hook(nullptr, nullptr);
  set_log_silent(log_part::io);
  EXPECT_EQ(torn, 0);
}

}  // namespace
}  // namespace hawser
