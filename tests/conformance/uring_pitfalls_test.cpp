// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "conformance/kernel_world.hpp"
#include "conformance/suite.hpp"
#include "io/uring/uring_engine.hpp"
#include "support/heap.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

// What io_uring does to those who do not expect it, each with the test that would see it.

namespace hawser::conformance {
namespace {

constexpr io::socket_options tiny_buffers{.send_buffer_bytes = 4096, .receive_buffer_bytes = 4096, .exact_buffers = true};

std::size_t open_descriptors() {
  namespace fs = std::filesystem;
  return static_cast<std::size_t>(std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

class uring_pitfalls : public testing::Test {
 protected:
  void SetUp() override {
    if (!uring_refusal().empty()) GTEST_SKIP() << "io_uring refused: " << uring_refusal();
  }
  static std::unique_ptr<io::uring_engine> make_engine(const io::ring_geometry& geometry = {}) {
    auto made = io::make_uring_engine(geometry);
    EXPECT_TRUE(made) << made.error().text();
    return std::move(*made);
  }
  // Both loops of the test, with rings of this geometry.
  void begin(const io::ring_geometry& geometry = {}) {
    auto near = make_engine(geometry);
    auto far = make_engine(geometry);
    client_engine_ = near.get();
    server_engine_ = far.get();
    world_ = std::make_unique<kernel_world>(std::move(far), std::move(near));
    door_ = std::make_unique<harbour>(server());
    ASSERT_TRUE(door_->listen("127.0.0.1:0", {}, accepted_));
  }
  void end() {
    door_.reset();
    world_.reset();
  }
  loop& server() { return world_->server(); }
  loop& client() { return world_->client(); }
  harbour& door() { return *door_; }
  bool drive(const std::function<bool()>& done, duration limit = patience) { return world_->drive(done, limit); }
  void idle(duration span) {
    drive([] { return false; }, span);
  }
  bool connect(side& near, const io::socket_options& options = {}) {
    const std::size_t before = door().sides.size();
    return near.connect(door().where(), options) && drive([&] { return near.connected && door().sides.size() > before; });
  }
  side& last() { return *door().sides.back(); }
  // A socket of nobody's loop that the door has taken in.
  io::sockets::descriptor connect_raw() {
    const auto to = io::sockets::to_address(door().where());
    io::sockets::descriptor raw(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const std::size_t before = door().sides.size();
    EXPECT_EQ(::connect(raw.get(), to->raw(), to->size), 0);
    EXPECT_TRUE(drive([&] { return door().sides.size() > before; }));
    return raw;
  }

  io::socket_options accepted_;
  io::uring_engine* client_engine_ = nullptr;
  io::uring_engine* server_engine_ = nullptr;

 private:
  std::unique_ptr<kernel_world> world_;
  std::unique_ptr<harbour> door_;
};

TEST_F(uring_pitfalls, big_and_small_sends_leave_in_the_order_in_which_they_were_given) {
  accepted_ = tiny_buffers;
  begin();
  side near(client());
  ASSERT_TRUE(connect(near, tiny_buffers));
  std::string expected;
  std::uint32_t number = 0;
  const auto next = [&] {
    if (++number > 40) return;
    const std::string block = pattern(number % 2 ? 200'001 : 7, number);
    expected += block;
    near.send(block);
  };
  near.when_sent = next;
  next();
  ASSERT_TRUE(drive([&] { return number > 40 && last().got.size() >= expected.size(); }));
  EXPECT_TRUE(last().got == expected);
}

TEST_F(uring_pitfalls, more_input_than_the_receive_buffers_hold_is_only_late) {
  begin({.receive_buffers = 2});
  constexpr std::size_t count = 40;
  std::deque<side> guests;
  std::vector<std::string> texts;
  for (std::uint32_t i = 0; i < count; ++i) {
    texts.push_back(pattern(700'000 / HAWSER_COUNT_SCALE, i + 1));
    ASSERT_TRUE(connect(guests.emplace_back(client())));
  }
  for (std::size_t i = 0; i < count; ++i) guests[i].send(texts[i]);
  ASSERT_TRUE(drive([&] {
    return std::ranges::all_of(door().sides, [&](const auto& met) { return met->got.size() >= texts[0].size(); });
  }));
  for (std::size_t i = 0; i < count; ++i) EXPECT_TRUE(door().sides[i]->got == texts[i]) << i;
}

TEST_F(uring_pitfalls, nobody_starves_beside_one_that_always_has_more) {
  begin({.receive_buffers = 2});
  side flood(client());
  ASSERT_TRUE(connect(flood));
  last().keep = false;
  const std::string block = pattern(1 << 20);
  constexpr std::size_t count = 12;
  constexpr std::size_t rounds = 50;
  std::deque<side> talkers;
  std::deque<echo> echoes;
  std::size_t complete = 0;
  for (std::size_t i = 0; i < count; ++i) {
    side& one = talkers.emplace_back(client());
    ASSERT_TRUE(connect(one));
    echoes.emplace_back(last());
    one.when_bytes = [&, i](byte_view) {
      side& me = talkers[i];
      if (me.got.size() == rounds * 5) ++complete;
      else if (me.got.size() % 5 == 0 && !me.sending) me.send("round");
    };
    one.when_sent = [&, i] {
      side& me = talkers[i];
      if (me.got.size() == 5 * me.sends && me.sends < rounds) me.send("round");
    };
  }
  flood.when_sent = [&] {
    if (complete < count) flood.send(block);
  };
  flood.send(block);
  for (side& one : talkers) one.send("round");
  ASSERT_TRUE(drive([&] { return complete == count; }));
  EXPECT_GT(flood.sends, 0u);
}

TEST_F(uring_pitfalls, paused_sockets_keep_no_receive_buffer_from_the_others) {
  begin({.receive_buffers = 2});
  constexpr std::size_t count = 16;
  std::deque<side> guests;
  for (std::size_t i = 0; i < count; ++i) {
    ASSERT_TRUE(connect(guests.emplace_back(client())));
    last().pause();
    guests[i].send(pattern(i % 2 ? 100 : 100'000, static_cast<std::uint32_t>(i)));
  }
  side free(client());
  ASSERT_TRUE(connect(free));
  side& heard = last();
  idle(20ms);
  free.send("not held up");
  ASSERT_TRUE(drive([&] { return heard.got == "not held up"; }));
  for (auto& met : door().sides) {
    if (met->paused) met->resume();
  }
  ASSERT_TRUE(drive([&] {
    for (std::size_t i = 0; i < count; ++i) {
      if (door().sides[i]->got.size() < (i % 2 ? 100u : 100'000u)) return false;
    }
    return true;
  }));
  for (std::size_t i = 0; i < count; ++i) {
    EXPECT_TRUE(door().sides[i]->got == pattern(i % 2 ? 100 : 100'000, static_cast<std::uint32_t>(i)));
  }
}

TEST_F(uring_pitfalls, a_socket_that_pauses_and_resumes_all_the_time_loses_nothing_and_holds_little) {
  begin({.receive_buffers = 16});
  side near(client());
  ASSERT_TRUE(connect(near));
  side& far = last();
  const std::string text = pattern(8 << 20);
  std::size_t most = 0;
  far.when_bytes = [&](byte_view) {
    far.pause();
    far.resume();
    far.pause();
    most = std::max(most, server().buffers().bytes_in_use());
  };
  near.send(text);
  ASSERT_TRUE(drive([&] {
    if (far.paused) far.resume();
    return far.got.size() >= text.size();
  }));
  EXPECT_TRUE(far.got == text);
  // The ring's 1 MiB, as much again taken out of it, and what the test itself sends stays on the other loop.
  EXPECT_LE(most, std::size_t{3} << 20);
}

TEST_F(uring_pitfalls, a_completion_queue_that_is_far_too_small_loses_nothing) {
  begin({.submissions = 2, .completions = 4});
  constexpr std::size_t count = 100;
  std::deque<side> guests;
  std::deque<echo> echoes;
  door().when_made = [&](side& met) { echoes.emplace_back(met); };
  for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(guests.emplace_back(client()).connect(door().where()));
  ASSERT_TRUE(drive([&] { return door().sides.size() == count && std::ranges::all_of(guests, &side::connected); }));
  // Many completions at once: everybody speaks before either loop turns.
  for (std::size_t i = 0; i < count; ++i) guests[i].send(pattern(30'000, static_cast<std::uint32_t>(i)));
  ASSERT_TRUE(drive([&] { return std::ranges::all_of(guests, [](const side& g) { return g.got.size() >= 30'000; }); }));
  for (std::size_t i = 0; i < count; ++i) EXPECT_TRUE(guests[i].got == pattern(30'000, static_cast<std::uint32_t>(i))) << i;
}

TEST_F(uring_pitfalls, close_with_a_receive_armed_sends_fin_at_once_and_frees_the_descriptor) {
  begin();
  const std::size_t before = open_descriptors();
  {
    const auto raw = connect_raw();
    idle(5ms);
    last().close();
    char byte = 0;
    EXPECT_EQ(::recv(raw.get(), &byte, 1, 0), 0);      // without another turn
    ASSERT_TRUE(drive([&] { return open_descriptors() == before + 1; }));
  }
  EXPECT_EQ(server().engine().open_sockets(), 0u);
}

// What was sent at once and not told yet is in nobody's hands but the kernel's: the second that a closed socket has for it begins here.
TEST_F(uring_pitfalls, close_right_behind_a_large_send_keeps_the_socket_for_a_second_and_no_longer) {
  accepted_ = tiny_buffers;
  begin();
  side near(client());
  ASSERT_TRUE(connect(near, {.send_buffer_bytes = 256 * 1024, .exact_buffers = true}));
  last().pause();
  near.send(pattern(64 * 1024));
  near.close();
  EXPECT_TRUE(drive([&] { return client().engine().open_sockets() == 0; }, 4s));
}

TEST_F(uring_pitfalls, abort_with_a_receive_armed_and_a_send_in_flight_sends_rst_at_once) {
  accepted_ = tiny_buffers;
  begin();
  const std::size_t before = open_descriptors();
  {
    const auto raw = connect_raw();
    last().send(pattern(4 << 20));
    idle(5ms);
    last().abort();
    char bytes[4096];
    ssize_t answer = 0;
    while ((answer = ::recv(raw.get(), bytes, sizeof bytes, 0)) > 0) {
    }
    EXPECT_EQ(answer, -1);
    EXPECT_EQ(errno, ECONNRESET);
    ASSERT_TRUE(drive([&] { return open_descriptors() == before + 1; }));
  }
  EXPECT_EQ(server().engine().open_sockets(), 0u);
}

TEST_F(uring_pitfalls, what_was_queued_for_an_aborted_socket_reaches_nobody_elses) {
  begin();
  std::deque<side> guests;
  // The send is queued, not submitted, when its socket goes; the next connect may get the same slot and descriptor number.
  for (int i = 0; i < 50; ++i) {
    side& doomed = guests.emplace_back(client());
    ASSERT_TRUE(connect(doomed));
    doomed.send("for nobody");
    doomed.abort();
    side& next = guests.emplace_back(client());
    ASSERT_TRUE(connect(next));
    next.send("mine");
    side& met = last();
    ASSERT_TRUE(drive([&] { return met.got.size() >= 4; }));
    ASSERT_EQ(met.got, "mine");
    next.close();
  }
  ASSERT_TRUE(drive([&] { return client().engine().open_sockets() == 0; }));
}

TEST_F(uring_pitfalls, a_half_sent_send_that_is_cut_off_leaves_the_next_user_of_its_slot_alone) {
  accepted_ = tiny_buffers;
  begin();
  for (int i = 0; i < 10; ++i) {
    side doomed(client());
    ASSERT_TRUE(connect(doomed, tiny_buffers));
    last().pause();
    doomed.send(pattern(2 << 20, static_cast<std::uint32_t>(i)));
    idle(2ms);
    EXPECT_EQ(doomed.sends, 0u);
    doomed.abort();
    side next(client());
    ASSERT_TRUE(connect(next));
    next.send("whole");
    ASSERT_TRUE(drive([&] { return last().got == "whole" && next.sends == 1; }));
    EXPECT_EQ(next.log, "connected sent ");
  }
}

TEST_F(uring_pitfalls, a_reset_that_meets_operations_in_flight_is_told_once) {
  accepted_ = tiny_buffers;
  begin();
  for (int i = 0; i < 20; ++i) {
    side near(client());
    ASSERT_TRUE(connect(near, tiny_buffers));
    last().pause();
    near.send(pattern(1 << 20));
    idle(1ms);
    last().abort();
    ASSERT_TRUE(drive([&] { return near.failed.has_value(); }));
    EXPECT_EQ(*near.failed, errc::connection_reset);
    EXPECT_EQ(near.log, "connected failed ");
    near.close();
  }
  ASSERT_TRUE(drive([&] { return client().engine().open_sockets() + server().engine().open_sockets() == 0; }));
}

TEST_F(uring_pitfalls, a_reset_right_behind_the_connect_waits_for_what_arrived_even_without_a_receive_buffer) {
  begin({.receive_buffers = 2});
  // Everybody speaks at once to a loop of two buffers: whoever connects now comes last in the line for them.
  constexpr std::size_t count = 64;
  std::deque<side> guests;
  for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(connect(guests.emplace_back(client())));
  const io::sockets::descriptor raw(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto any = io::sockets::to_address("127.0.0.1:0");
  ASSERT_EQ(::bind(raw.get(), any->raw(), any->size), 0);
  ASSERT_EQ(::listen(raw.get(), 1), 0);
  idle(5ms);
  for (auto& met : door().sides) met->send("noise");
  server().poll();

  side near(client());
  ASSERT_TRUE(near.connect(io::sockets::local_of(raw.get())));
  const io::sockets::descriptor met(::accept(raw.get(), nullptr, nullptr));
  while (!near.connected) client().poll();
  ASSERT_EQ(::send(met.get(), "last words", 10, MSG_NOSIGNAL), 10);
  io::sockets::reset_now(met.get());
  ASSERT_TRUE(drive([&] { return near.failed.has_value(); }));
  EXPECT_EQ(near.log, "connected bytes failed ");
  EXPECT_EQ(near.got, "last words");
}

TEST_F(uring_pitfalls, more_commands_than_the_ring_holds_all_leave_in_order) {
  begin({.submissions = 4, .completions = 64});
  constexpr std::size_t count = 300;
  std::deque<side> guests;
  for (std::size_t i = 0; i < count; ++i) ASSERT_TRUE(guests.emplace_back(client()).connect(door().where()));
  ASSERT_TRUE(drive([&] { return door().sides.size() == count && std::ranges::all_of(guests, &side::connected); }));
  const auto text_of = [](std::size_t i) { return "guest " + std::to_string(i); };
  for (std::size_t i = 0; i < count; ++i) guests[i].send(text_of(i));
  ASSERT_TRUE(drive([&] { return std::ranges::all_of(guests, [](const side& g) { return g.sends == 1; }); }));
  ASSERT_TRUE(drive([&] { return std::ranges::all_of(door().sides, [](const auto& s) { return !s->got.empty(); }); }));
  std::vector<std::string> got, expected;
  for (std::size_t i = 0; i < count; ++i) {
    got.push_back(door().sides[i]->got);
    expected.push_back(text_of(i));
  }
  std::ranges::sort(got);
  std::ranges::sort(expected);
  EXPECT_EQ(got, expected);
}

TEST_F(uring_pitfalls, an_engine_may_be_made_and_commanded_in_one_thread_and_turned_in_another) {
  auto elsewhere = std::unique_ptr<io::engine>();
  std::thread([&] { elsewhere = make_engine(); }).join();
  loop on(std::move(elsewhere));
  harbour listening(on);
  ASSERT_TRUE(listening.listen("127.0.0.1:0"));
  side near(on);
  ASSERT_TRUE(near.connect(listening.where()));
  near.send("from here");
  const instant limit = after(on.engine().now(), patience);
  while ((listening.sides.empty() || listening.sides[0]->got != "from here") && on.engine().now() < limit) on.run_once(10ms);
  ASSERT_EQ(listening.sides.size(), 1u);
  EXPECT_EQ(listening.sides[0]->got, "from here");
}

TEST_F(uring_pitfalls, a_loop_may_be_destroyed_where_it_did_not_run_and_its_peers_learn_of_it) {
  const std::size_t before = open_descriptors();
  {
    auto on = std::make_unique<loop>(make_engine());
    harbour listening(*on);
    ASSERT_TRUE(listening.listen("127.0.0.1:0"));
    const auto to = io::sockets::to_address(listening.where());
    const io::sockets::descriptor raw(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::connect(raw.get(), to->raw(), to->size), 0);
    std::thread([&] {
      const instant limit = after(on->engine().now(), patience);
      while (listening.sides.empty() && on->engine().now() < limit) on->run_once(10ms);
      while (on->run_once(1ms)) {
      }
    }).join();
    ASSERT_EQ(listening.sides.size(), 1u);
    listening.sides[0]->closed = true;
    listening.id = {};
    on.reset();
    char byte = 0;
    EXPECT_EQ(::recv(raw.get(), &byte, 1, 0), 0);
  }
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(uring_pitfalls, a_loop_that_a_second_thread_turns_ends_the_program_and_says_why) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_DEATH(
      {
        loop on(make_engine());
        on.poll();
        std::thread([&] { on.poll(); }).join();
      },
      "belongs to the thread that turned it first");
}

TEST_F(uring_pitfalls, a_child_that_destroys_its_copy_of_the_loop_does_not_disturb_the_parents) {
  begin();
  side near(client());
  ASSERT_TRUE(connect(near));
  side& far = last();
  far.send("before");
  ASSERT_TRUE(drive([&] { return near.got == "before"; }));
  const pid_t child = ::fork();
  if (child == 0) {
    near.closed = far.closed = true;      // their destructors give no commands
    door().id = {};
    end();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  near.send("after the child");
  far.send(" and back");
  ASSERT_TRUE(drive([&] { return far.got == "after the child" && near.got == "before and back"; }));
  side another(client());
  EXPECT_TRUE(connect(another));
}

TEST_F(uring_pitfalls, a_daemon_may_turn_after_its_fork_what_was_made_before_it) {
  auto made = make_engine();
  const pid_t child = ::fork();
  if (child == 0) {
    bool arrived = false;
    {
      loop on(std::move(made));
      harbour listening(on);
      side near(on);
      if (listening.listen("127.0.0.1:0") && near.connect(listening.where())) near.send("from the daemon");
      const instant limit = after(on.engine().now(), patience);
      while (!arrived && on.engine().now() < limit) {
        on.run_once(10ms);
        arrived = !listening.sides.empty() && listening.sides[0]->got == "from the daemon";
      }
    }
    ::_exit(arrived ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  made.reset();
}

TEST_F(uring_pitfalls, an_engine_that_goes_with_everything_in_flight_leaves_no_descriptor) {
  const std::size_t before = open_descriptors();
  accepted_ = tiny_buffers;
  begin();
  {
    std::deque<side> guests;
    for (int i = 0; i < 20; ++i) {
      side& one = guests.emplace_back(client());
      ASSERT_TRUE(connect(one, tiny_buffers));
      last().pause();
      one.send(pattern(1 << 20));
      last().send(pattern(1 << 20));
    }
    idle(5ms);
    for (side& one : guests) one.closed = true;
    for (auto& met : door().sides) met->closed = true;
  }
  end();
  EXPECT_EQ(open_descriptors(), before);
}

TEST_F(uring_pitfalls, steady_state_needs_few_system_calls_a_message_and_no_memory) {
  begin();
  constexpr std::size_t count = 64;
  constexpr std::size_t rounds = 200;
  std::deque<side> guests;
  std::deque<echo> echoes;
  std::size_t messages = 0;
  for (std::size_t i = 0; i < count; ++i) {
    side& one = guests.emplace_back(client());
    ASSERT_TRUE(connect(one));
    echoes.emplace_back(last());
    one.keep = false;
    one.log.reserve(1 << 16);
    last().log.reserve(1 << 16);
    one.when_bytes = [&, i](byte_view) {
      ++messages;
      if (!guests[i].sending) guests[i].send("question");
    };
    one.when_sent = [&, i] {
      if (guests[i].received_bytes == 8 * guests[i].sends) guests[i].send("question");
    };
  }
  for (side& one : guests) one.send("question");
  ASSERT_TRUE(drive([&] { return messages >= count * 20; }));
  const std::uint64_t buffers = client().buffers().heap_allocations() + server().buffers().heap_allocations();
  const std::uint64_t calls = client_engine_->system_calls() + server_engine_->system_calls();
  const std::uint64_t news = test::heap_allocations;
  const std::size_t from = messages;
  ASSERT_TRUE(drive([&] { return messages >= from + count * rounds; }));
  const auto done = static_cast<double>(messages - from);
  EXPECT_EQ(client().buffers().heap_allocations() + server().buffers().heap_allocations(), buffers);
  EXPECT_EQ(test::heap_allocations, news);
  // Two sends and two receives make one round trip.
  EXPECT_LT(static_cast<double>(client_engine_->system_calls() + server_engine_->system_calls() - calls), 0.25 * done);
}

}
}  // namespace hawser::conformance
