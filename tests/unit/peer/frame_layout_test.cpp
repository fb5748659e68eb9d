// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

// g++ 12 lays out wrongly the frame of a coroutine that has no local variable and awaits inside a condition. Such a handler must be
// refused when it is called, not corrupt memory when it is resumed.

namespace hawser::peer_test {
namespace {

task<> awaits_in_a_condition(request& rq) {
  if (!co_await rq.write("an answer")) co_return;
}

TEST(peer_handlers_on_gcc_12, whose_frame_was_laid_out_wrongly_abort_with_advice_before_they_run) {
#if defined(__clang__) || __GNUC__ != 12
  GTEST_SKIP() << "this compiler is not g++ 12";
#else
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto serve = [] {
    loop on;
    peer server(on, {.name = "server", .listen = "127.0.0.1:0"});
    server.on("broken", awaits_in_a_condition);
    const auto call = [&]() -> task<> {
      const result<chunk> answer = co_await server.call(server.self(), "broken");
      EXPECT_TRUE(answer.has_value());
    };
    finish(on, call());
  };
  EXPECT_DEATH(serve(), "miscompiled this coroutine");
#endif
}

}  // namespace
}  // namespace hawser::peer_test
