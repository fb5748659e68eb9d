// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "abuse/sockets.hpp"

#include <tuple>

// Every attack over real sockets: it ends in its code or is absorbed, and costs bounded memory, of which nothing is left.

namespace hawser::abuse {
namespace {

class every_attack : public ::testing::TestWithParam<std::tuple<engine_choice, attack>> {
 protected:
  every_attack() : at_(std::get<0>(GetParam())) {}
  const attack& what() const { return std::get<1>(GetParam()); }
  attacked_server at_;
};

// How much a legal nuisance says before it is believed to be absorbed.
const std::size_t enough_bytes = scaled(1'000'000);

TEST_P(every_attack, ends_in_its_code_or_is_absorbed_and_its_memory_is_bounded_and_comes_back) {
  memory_watch watch(at_.on);
  auto stranger = at_.intrude();
  const script next = what().begin();
  const auto limit = after(at_.on.now(), 20s);
  while (!stranger->gone() && at_.on.now() < limit) {
    if (!what().ends_in && (stranger->said >= enough_bytes || at_.on.now() > limit - 19s)) break;
    stranger->turn(next);
    at_.turn();
    watch.look();
    ASSERT_LE(at_.serves.running, at_.limits().announced.channels_max + 1);
  }
  if (what().ends_in) {
    ASSERT_TRUE(at_.until([&] { return stranger->turn(), at_.hooks.count("disconnected stranger") == 1; }));
    EXPECT_TRUE(is(at_.hooks.reasons.at(0), *what().ends_in));
    ASSERT_TRUE(at_.until([&] { return stranger->turn(), stranger->farewell.has_value(); })) << "it was not told why";
    EXPECT_EQ(*stranger->farewell, static_cast<std::uint32_t>(*what().ends_in));
  } else {
    EXPECT_EQ(at_.hooks.count("disconnected stranger"), 0u);
    EXPECT_FALSE(stranger->farewell.has_value()) << *stranger->farewell;
  }
  at_.expect_others_untouched();

  const std::size_t channels = at_.limits().announced.channels_max * channel_bytes_max;
  // The service takes everything at once: nothing adds up but what a read and the answers to it need.
  EXPECT_LE(watch.peak(), connection_bytes_max(at_.limits()) + channels + 2 * segment_bytes + 4 * at_.limits().announced.message_bytes_max);
  RecordProperty("peak_bytes", std::to_string(watch.peak()));
  RecordProperty("said_bytes", std::to_string(stranger->said));

  stranger->socket().close();
  ASSERT_TRUE(at_.until([&] { return at_.hooks.count("disconnected stranger") == 1 && at_.serves.running == 0; }));
  ASSERT_TRUE(at_.until([&] { return at_.on.engine().open_sockets() <= 2; }));
  EXPECT_LE(at_.on.buffers().bytes_in_use(), at_.idle_bytes);
  // What stays is what the tables of the peer and the frame pool keep for the next.
  EXPECT_LE(watch.grown(), channels);
}

INSTANTIATE_TEST_SUITE_P(each, every_attack, ::testing::Combine(::testing::ValuesIn(engines()), ::testing::ValuesIn(attacks())),
    [](const auto& one) { return name_of(std::get<0>(one.param)) + "_" + std::get<1>(one.param).name; });

}
}  // namespace hawser::abuse
