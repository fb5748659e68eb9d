// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "conformance/suite.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace hawser::conformance {
namespace {

// Lowers the process's soft limit so that exactly `spare` more descriptors can be opened; puts it back at the end.
class few_descriptors {
 public:
  explicit few_descriptors(std::size_t spare) {
    EXPECT_EQ(::getrlimit(RLIMIT_NOFILE, &before_), 0);
    rlimit less = before_;
    less.rlim_cur = 4096;
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &less), 0);
    for (int fd; (fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0;) fillers_.push_back(fd);
    give_back(spare);
  }
  ~few_descriptors() {
    give_back(fillers_.size());
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &before_), 0);
  }
  void give_back(std::size_t count) {
    for (; count > 0 && !fillers_.empty(); --count) {
      ::close(fillers_.back());
      fillers_.pop_back();
    }
  }

 private:
  rlimit before_{};
  std::vector<int> fillers_;
};

TEST_P(engine_rules, accepting_recovers_when_descriptors_are_there_again) {
  HAWSER_NEEDS(descriptors);
  harbour door(server());
  ASSERT_TRUE(door.listen(world_of().vacant(over())));
  pair before = connect_pair();
  ASSERT_TRUE(before.far);
  std::deque<side> guests;
  {
    few_descriptors scarce(3);
    for (int i = 0; i < 3; ++i) ASSERT_TRUE(guests.emplace_back(client()).connect(door.where()));
    ASSERT_TRUE(drive([&] { return !door.errors.empty(); }));
    EXPECT_EQ(door.errors.front(), errc::too_many_descriptors);
    EXPECT_EQ(door.accepts, 0u);
    // Others are not disturbed, and the stumble is told once, not in every turn.
    before.near->send("undisturbed");
    ASSERT_TRUE(drive([&] { return before.far->got == "undisturbed"; }));
    idle(250ms);
    EXPECT_EQ(door.errors.size(), 1u);
    scarce.give_back(3);
    ASSERT_TRUE(drive([&] { return door.accepts == 3; }));
  }
  EXPECT_TRUE(drive([&] { return std::ranges::all_of(guests, &side::connected); }));
}

TEST_P(engine_rules, connect_and_listen_without_descriptors_fail_at_once) {
  HAWSER_NEEDS(descriptors);
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  const endpoint vacant = world_of().vacant(over());
  side guest(client());
  harbour door(server());
  const few_descriptors none(0);
  EXPECT_FALSE(guest.connect(two.listener->where()));
  EXPECT_EQ(guest.refused_at_once, errc::too_many_descriptors);
  const auto answer = door.listen(vacant);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error(), errc::too_many_descriptors);
}

TEST_P(engine_rules, a_thousand_connections_each_get_their_own_bytes_back) {
  constexpr std::size_t count = std::max(1'000 / HAWSER_COUNT_SCALE, 50);
  constexpr std::size_t rounds = 5;
  harbour door(server());
  std::deque<echo> echoes;
  door.when_made = [&](side& met) { echoes.emplace_back(met); };
  ASSERT_TRUE(door.listen(world_of().vacant(over())));
  std::deque<side> guests;
  std::size_t connected = 0;
  std::size_t complete = 0;
  const auto question = [](std::size_t who, std::size_t round) {
    char text[32];
    std::snprintf(text, sizeof text, "guest %06zu round %02zu\n", who, round);
    return std::string(text);
  };
  const std::size_t bytes = question(0, 0).size();
  for (std::size_t i = 0; i < count; ++i) {
    side& guest = guests.emplace_back(client());
    // A round ends when both the answer and the end of the send have been told, in whichever order.
    const auto go_on = [&, i] {
      side& me = guests[i];
      if (me.sending || me.got.size() < bytes * me.sends) return;
      if (me.sends == rounds) {
        ++complete;
      } else {
        me.send(question(i, me.sends));
      }
    };
    guest.when_connected = [&, go_on] { ++connected; go_on(); };
    guest.when_bytes = [go_on](byte_view) { go_on(); };
    guest.when_sent = [go_on] { go_on(); };
    ASSERT_TRUE(guest.connect(door.where()));
  }
  ASSERT_TRUE(drive([&] { return complete == count; }));
  EXPECT_EQ(connected, count);
  EXPECT_EQ(door.accepts, count);
  for (std::size_t i = 0; i < count; ++i) {
    std::string expected;
    for (std::size_t round = 0; round < rounds; ++round) expected += question(i, round);
    ASSERT_EQ(guests[i].got, expected);
  }
  for (side& guest : guests) guest.close();
  ASSERT_TRUE(drive([&] { return std::ranges::all_of(door.sides, [](const auto& s) { return s->ended; }); }));
  for (auto& met : door.sides) met->close();
  EXPECT_TRUE(drive([&] { return client().engine().open_sockets() + server().engine().open_sockets() == 0; }));
}

TEST_P(engine_rules, connections_that_come_and_go_leave_nothing_open) {
  constexpr std::size_t count = 2'000 / HAWSER_COUNT_SCALE;
  harbour door(server());
  std::size_t ended = 0;
  door.when_made = [&](side& met) {
    met.when_end = [&met, &ended] {
      ++ended;
      met.close();
    };
  };
  ASSERT_TRUE(door.listen(world_of().vacant(over())));
  for (std::size_t i = 0; i < count; ++i) {
    side guest(client());
    ASSERT_TRUE(guest.connect(door.where()));
    ASSERT_TRUE(drive([&] { return guest.connected; }));
    if (i % 3 == 0) guest.send("hello and good bye");
    guest.close();
    if (i % 100 == 99) {
      ASSERT_TRUE(drive([&] { return ended == i + 1; }));
    }
  }
  EXPECT_TRUE(drive([&] { return client().engine().open_sockets() + server().engine().open_sockets() == 0; }));
}

}  // namespace
}  // namespace hawser::conformance
