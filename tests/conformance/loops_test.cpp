// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "conformance/suite.hpp"

#include <poll.h>

#include <atomic>
#include <future>
#include <thread>

namespace hawser::conformance {
namespace {

// Runs a loop on a thread of its own from construction to destruction.
class running {
 public:
  explicit running(loop& which) : loop_(&which), way_in_(which.remote()), thread_([this] { loop_->run(); }) {}
  ~running() {
    EXPECT_TRUE(way_in_.post([which = loop_] { which->stop(); }));
    thread_.join();
  }

 private:
  loop* loop_;
  remote way_in_;
  std::thread thread_;
};

// A server that echoes on its own thread, while the client's loop is driven by `drive_client` until all rounds are done.
class exchange_of_rounds {
 public:
  static constexpr std::size_t rounds = 200;

  exchange_of_rounds(world& of, transport over) : client_(of.client()), door_(of.server()), guest_(of.client()) {
    door_.when_made = [this](side& met) { echoes_.emplace_back(met); };
    EXPECT_TRUE(door_.listen(of.vacant(over)));
    guest_.when_connected = [this] { guest_.send("round"); };
    guest_.when_bytes = [this](byte_view) {
      if (guest_.got.size() % 5 != 0 || guest_.sending) return;
      next();
    };
    guest_.when_sent = [this] {
      if (guest_.got.size() == 5 * (done_ + 1)) next();
    };
    EXPECT_TRUE(guest_.connect(door_.where()));
  }
  bool done() const { return done_ >= rounds; }

 private:
  void next() {
    if (++done_ < rounds) {
      guest_.send("round");
    } else {
      client_.stop();
    }
  }
  loop& client_;
  harbour door_;
  side guest_;
  std::deque<echo> echoes_;
  std::size_t done_ = 0;
};

TEST_P(engine_rules, every_wait_policy_completes_the_same_exchange_between_two_threads) {
  HAWSER_NEEDS(threads);
  for (const wait_policy policy : {wait_policy::block, wait_policy::spin_then_block, wait_policy::busy}) {
    loop_options options;
    options.wait = policy;
    const auto of = engine().make(options);
    exchange_of_rounds rounds(*of, over());
    const running server_thread(of->server());
    of->client().run();
    EXPECT_TRUE(rounds.done()) << "policy " << static_cast<int>(policy);
  }
}

TEST_P(engine_rules, a_foreign_poll_loop_drives_ours_by_descriptor_and_next_timeout) {
  HAWSER_NEEDS(descriptors);
  exchange_of_rounds rounds(world_of(), over());
  const running server_thread(server());
  struct ticking final : io::timer {
    explicit ticking(loop& on) : of(&on) {}
    void on_timer() override {
      ++ticks;
      of->arm(*this, after(of->now(), 1ms));
    }
    loop* of;
    int ticks = 0;
  } ticker(client());
  client().arm(ticker, client().now());
  while (!rounds.done() || ticker.ticks < 10) {
    const duration wait = client().next_timeout();
    const auto ms = std::chrono::ceil<std::chrono::milliseconds>(std::min<duration>(wait, patience)).count();
    pollfd watched{client().descriptor(), POLLIN, 0};
    const int ready = ::poll(&watched, 1, static_cast<int>(ms));
    ASSERT_GE(ready, 0);
    ASSERT_TRUE(ready > 0 || wait < patience) << "nothing happened for too long";
    client().run_once(duration::zero());
  }
}

TEST_P(engine_rules, poll_alone_drives_an_exchange_as_a_frame_loop_does) {
  HAWSER_NEEDS(threads);
  exchange_of_rounds rounds(world_of(), over());
  const running server_thread(server());
  const auto end = std::chrono::steady_clock::now() + patience;
  while (!rounds.done() && std::chrono::steady_clock::now() < end) client().poll();
  EXPECT_TRUE(rounds.done());
}

TEST_P(engine_rules, a_post_makes_the_descriptor_of_a_resting_loop_readable) {
  HAWSER_NEEDS(descriptors);
  loop& resting = client();
  while (resting.poll()) {
  }
  pollfd watched{resting.descriptor(), POLLIN, 0};
  ASSERT_EQ(::poll(&watched, 1, 0), 0);
  bool ran = false;
  std::thread([way_in = resting.remote(), &ran] { EXPECT_TRUE(way_in.post([&ran] { ran = true; })); }).join();
  EXPECT_EQ(::poll(&watched, 1, 0), 1);
  EXPECT_TRUE(resting.poll());
  EXPECT_TRUE(ran);
}

TEST_P(engine_rules, run_once_waits_for_its_timeout_and_no_longer_than_the_first_work) {
  HAWSER_NEEDS(descriptors);
  loop& one = client();
  while (one.poll()) {
  }
  const instant begin = one.engine().now();
  EXPECT_FALSE(one.run_once(20ms));
  EXPECT_GE(one.engine().now() - begin, duration(20ms));
  struct waking final : io::timer {
    void on_timer() override { ++fired; }
    int fired = 0;
  } soon;
  one.arm(soon, after(one.now(), 5ms));
  EXPECT_TRUE(one.run_once(patience));
  EXPECT_EQ(soon.fired, 1);
}

TEST_P(engine_rules, work_posted_by_threads_keeps_each_threads_order) {
  HAWSER_NEEDS(threads);
  options_.wait = wait_policy::block;
  constexpr int producers = 4;
  constexpr int posts = 20'000 / HAWSER_COUNT_SCALE;
  loop& target = client();
  std::vector<int> next(producers, 0);
  int out_of_order = 0;
  int done = 0;
  std::vector<std::thread> threads;
  for (int p = 0; p < producers; ++p) {
    threads.emplace_back([&, p, way_in = target.remote()] {
      for (int i = 0; i < posts; ++i) {
        const auto work = [&, p, i] {
          if (next[static_cast<std::size_t>(p)]++ != i) ++out_of_order;
          if (++done == producers * posts) target.stop();
        };
        while (!way_in.post(work)) std::this_thread::yield();
      }
    });
  }
  target.run();
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(out_of_order, 0);
  EXPECT_EQ(done, producers * posts);
}

TEST_P(engine_rules, a_full_queue_answers_would_block_and_tells_when_there_is_room) {
  HAWSER_NEEDS(threads);
  options_.remote_bytes_max = 64 * 1024;
  loop& target = client();
  const remote way_in = target.remote();
  std::size_t taken = 0;
  std::size_t ran = 0;
  result<> answer;
  while ((answer = way_in.post([&] { ++ran; }, 1000))) ++taken;
  EXPECT_EQ(answer.error(), errc::would_block);
  EXPECT_GT(taken, 50u);
  EXPECT_LE(taken, 65u);
  int told = 0;
  ASSERT_TRUE(way_in.on_writable([&] {
    ++told;
    EXPECT_TRUE(way_in.post([&] { ++ran; }, 1000));
  }));
  ASSERT_TRUE(drive([&] { return ran == taken + 1; }));
  EXPECT_EQ(told, 1);
}

TEST_P(engine_rules, a_sleeping_loop_wakes_for_posts_and_for_writable) {
  HAWSER_NEEDS(threads);
  options_.wait = wait_policy::block;
  loop& sleeper = server();
  const remote way_in = sleeper.remote();
  const running thread(sleeper);
  for (int i = 0; i < 200; ++i) {
    std::promise<void> ran;
    auto heard = ran.get_future();
    const auto work = [&ran] { ran.set_value(); };
    ASSERT_TRUE(i % 2 ? way_in.on_writable(work) : way_in.post(work));
    ASSERT_EQ(heard.wait_for(patience), std::future_status::ready);
  }
}

TEST_P(engine_rules, posts_to_a_loop_that_is_gone_answer_loop_stopped) {
  bool destroyed_unrun = false;
  struct witness {
    explicit witness(bool& flag) : destroyed(&flag) {}
    witness(witness&& other) noexcept : destroyed(std::exchange(other.destroyed, nullptr)) {}
    ~witness() { if (destroyed) *destroyed = true; }
    bool* destroyed;
  };
  remote way_in;
  {
    const auto of = engine().make(options_);
    way_in = of->client().remote();
    ASSERT_TRUE(way_in.post([w = witness(destroyed_unrun)] { ADD_FAILURE() << "ran in a dying loop"; }));
  }
  EXPECT_TRUE(destroyed_unrun);
  const auto posted = way_in.post([] {});
  ASSERT_FALSE(posted);
  EXPECT_EQ(posted.error(), errc::loop_stopped);
  const auto told = way_in.on_writable([] {});
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error(), errc::loop_stopped);
}

TEST_P(engine_rules, sends_asked_for_by_other_threads_arrive_in_each_threads_order) {
  HAWSER_NEEDS(threads);
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  constexpr std::uint32_t count = 2'000 / HAWSER_COUNT_SCALE;
  std::string queued;
  two.near->when_sent = [&] {
    if (queued.empty()) return;
    const std::string block = std::exchange(queued, {});
    two.near->send(block);
  };
  std::vector<std::thread> threads;
  for (char who = 'a'; who < 'd'; ++who) {
    threads.emplace_back([&, who, way_in = client().remote()] {
      for (std::uint32_t i = 0; i < count; ++i) {
        const auto say = [&, who, i] {
          char text[16];
          std::snprintf(text, sizeof text, "%c%07u", who, i);
          queued += text;
          if (!two.near->sending) two.near->when_sent();
        };
        while (!way_in.post(say, 8)) std::this_thread::yield();
      }
    });
  }
  EXPECT_TRUE(drive([&] { return two.far->got.size() == std::size_t{8} * 3 * count; }));
  for (std::thread& t : threads) t.join();
  std::uint32_t next[3] = {0, 0, 0};
  for (std::size_t at = 0; at < two.far->got.size(); at += 8) {
    const auto who = static_cast<std::size_t>(two.far->got[at] - 'a');
    ASSERT_LT(who, 3u);
    ASSERT_EQ(std::stoul(two.far->got.substr(at + 1, 7)), next[who]++);
  }
}

TEST_P(engine_rules, timers_fire_in_the_order_of_their_instants_and_never_early) {
  struct ringing final : io::timer {
    void on_timer() override {
      EXPECT_GE(of->now(), due);
      order->push_back(number);
    }
    loop* of = nullptr;
    std::vector<int>* order = nullptr;
    instant due{};
    int number = 0;
  };
  std::vector<int> order;
  ringing timers[5];
  const int delay_ms[5] = {7, 3, 5, 3, 1};
  const instant begin = client().now();
  for (int i = 0; i < 5; ++i) {
    timers[i].of = &client();
    timers[i].order = &order;
    timers[i].number = i;
    timers[i].due = after(begin, std::chrono::milliseconds(delay_ms[i]));
    client().arm(timers[i], timers[i].due);
  }
  client().disarm(timers[2]);
  ASSERT_TRUE(drive([&] { return order.size() == 4; }));
  EXPECT_EQ(order, (std::vector<int>{4, 1, 3, 0}));
}

TEST_P(engine_rules, the_clock_of_a_handler_is_the_time_of_its_event) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  instant heard{};
  two.far->when_bytes = [&](byte_view) { heard = server().now(); };
  idle(20ms);
  const instant before = server().engine().now();
  two.near->send("tick");
  ASSERT_TRUE(drive([&] { return heard != instant{}; }));
  EXPECT_GE(heard, before);
}

TEST_P(engine_rules, what_a_handler_marks_is_flushed_in_the_same_turn) {
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  struct reply final : io::flushable {
    void flush() override { flushed_in = of->turns(); }
    loop* of = nullptr;
    std::uint64_t flushed_in = 0;
  } answer;
  struct thought final : io::job {
    void run() override { of->flush_later(*then); }
    loop* of = nullptr;
    io::flushable* then = nullptr;
  } job;
  answer.of = job.of = &server();
  job.then = &answer;
  std::uint64_t heard_in = 0;
  two.far->when_bytes = [&](byte_view) {
    heard_in = server().turns();
    server().post(job);
  };
  two.near->send("question");
  ASSERT_TRUE(drive([&] { return heard_in != 0; }));
  EXPECT_EQ(answer.flushed_in, heard_in);
}

// After what is still on its way has arrived, it waits for 50 ms without work, and does not turn for nothing meanwhile.
bool comes_to_rest(loop& on) {
  for (int tries = 0; tries < 20; ++tries) {
    const std::uint64_t turns = on.turns();
    if (!on.run_once(50ms)) return on.turns() - turns < 50;      // one that spins takes thousands
  }
  return false;
}

TEST_P(engine_rules, a_hang_up_on_a_paused_socket_does_not_spin_the_loop) {
  HAWSER_NEEDS(descriptors);
  options_.wait = wait_policy::block;
  for (const bool reset : {false, true}) {
    pair two = connect_pair();
    ASSERT_TRUE(two.far);
    two.far->pause();
    two.near->send("unread");
    ASSERT_TRUE(drive([&] { return two.near->sends == 1; }));
    if (reset) {
      two.near->abort();
    } else {
      two.far->end();
      two.near->close();
    }
    EXPECT_TRUE(comes_to_rest(server()));
    two.far->resume();
    ASSERT_TRUE(drive([&] { return two.far->ended || two.far->failed; }));
    EXPECT_EQ(two.far->got, "unread");
  }
}

TEST_P(engine_rules, a_half_closed_connection_does_not_spin_the_loop) {
  HAWSER_NEEDS(descriptors);
  options_.wait = wait_policy::block;
  pair two = connect_pair();
  ASSERT_TRUE(two.far);
  two.near->end();
  ASSERT_TRUE(drive([&] { return two.far->ended; }));
  for (int step = 0; step < 2; ++step) {
    EXPECT_TRUE(comes_to_rest(server()));
    if (step == 0) two.far->end();
  }
}

}  // namespace
}  // namespace hawser::conformance
