// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "abuse/simulated.hpp"

// What an attack does to the neighbours of the attacker: in virtual time nothing at all, each on a link of its own.

namespace hawser::abuse {
namespace {

constexpr duration observed = 200ms;

// When each answer and each message reached the honest clients.
struct arrivals {
  std::vector<duration> calls, messages, streamed;
  friend bool operator==(const arrivals&, const arrivals&) = default;
};

struct outcome {
  arrivals at;
  std::optional<std::error_code> attack_ended;
  bool intruder_is_gone = false;
  std::size_t said = 0;
};

class neighbourhood {
 public:
  neighbourhood() {
    for (const char* name : {"near", "far", "evil"}) net_.link(name, "server", {.lag = 1ms, .bytes_per_second = 50'000'000});
    peer_options options = attacked();
    options.listen = "server:7000";
    options.hooks = &hooks_;
    server_ = std::make_unique<peer>(net_.host("server"), std::move(options));
    serves_.install(*server_);
    near_ = std::make_unique<peer>(net_.host("near"), peer_options{.name = "near"});
    far_ = std::make_unique<peer>(net_.host("far"), peer_options{.name = "far"});
    near_->on_message([this](connection&, byte_view) { out_.at.messages.push_back(net_.now() - begin_); });
    for (peer* one : {near_.get(), far_.get()}) {
      task<result<connection>> dial = one->connect("server:7000");
      dial.start();
      if (!net_.run_until([&] { return dial.done(); }, 1s)) throw std::runtime_error("not connected");
      to_.push_back(dial.take().value());
    }
    begin_ = net_.now();
  }

  outcome run(const attack* by) {
    scope work(net_.host("near"));
    scope far_work(net_.host("far"));
    work.spawn(call());
    far_work.spawn(stream());
    scope at_server(net_.host("server"));
    at_server.spawn(tell());
    std::unique_ptr<simulated_intruder> intruder;
    const endpoint there = net_.address("server", 7000);
    if (by) intruder = std::make_unique<simulated_intruder>(net_.host("evil"), there, small_limits().announced, by->begin());
    net_.run_for(observed);
    if (!hooks_.reasons.empty()) out_.attack_ended = hooks_.reasons.front();
    if (intruder) {
      out_.said = intruder->said;
      out_.intruder_is_gone = intruder->gone();
      intruder->socket().abort();
    }
    for (scope* one : {&work, &far_work, &at_server}) one->cancel();
    net_.run_for(10ms);
    return out_;
  }

 private:
  task<> call() {
    for (;;) {
      const result<chunk> answer = co_await near_->call(to_[0], "echo", as_bytes("how late is it?"));
      HAWSER_CO_ASSERT(answer.has_value());
      out_.at.calls.push_back(net_.now() - begin_);
    }
  }
  task<> stream() {
    result<channel> to = far_->open_stream(to_[1]);
    HAWSER_CO_ASSERT(to.has_value());
    const std::string piece(10'000, 's');
    for (;;) {
      const result<> written = co_await to->write(piece);
      HAWSER_CO_ASSERT(written.has_value());
      out_.at.streamed.push_back(net_.now() - begin_);
    }
  }
  task<> tell() {
    for (;;) {
      HAWSER_CO_ASSERT(server_->send("near", "tick").has_value());
      co_await sleep(net_.host("server"), 1ms);
    }
  }

  testing::network net_{11};
  diary hooks_;
  service serves_;
  std::unique_ptr<peer> server_, near_, far_;
  std::vector<connection> to_;
  instant begin_{};
  outcome out_;
};

class neighbours : public ::testing::TestWithParam<attack> {};

TEST_P(neighbours, of_an_attacker_get_everything_at_the_very_same_instants_as_without_it) {
  static const outcome undisturbed = neighbourhood().run(nullptr);
  ASSERT_GT(undisturbed.at.calls.size(), 50u);
  ASSERT_GT(undisturbed.at.messages.size(), 100u);
  ASSERT_GT(undisturbed.at.streamed.size(), 100u);

  const outcome disturbed = neighbourhood().run(&GetParam());
  EXPECT_GT(disturbed.said, 50u);
  EXPECT_EQ(disturbed.at.calls, undisturbed.at.calls);
  EXPECT_EQ(disturbed.at.messages, undisturbed.at.messages);
  EXPECT_EQ(disturbed.at.streamed, undisturbed.at.streamed);
  if (GetParam().ends_in) {
    ASSERT_TRUE(disturbed.attack_ended.has_value());
    EXPECT_TRUE(is(*disturbed.attack_ended, *GetParam().ends_in));
    EXPECT_TRUE(disturbed.intruder_is_gone);
  } else {
    EXPECT_FALSE(disturbed.attack_ended.has_value()) << disturbed.attack_ended->message();
  }
}

INSTANTIATE_TEST_SUITE_P(each, neighbours, ::testing::ValuesIn(attacks()), [](const auto& one) { return one.param.name; });

// Time stands still while the listener computes, but the bucket's clock does not: what is metered goes no faster than it refills.
class metered : public ::testing::Test {
 protected:
  metered() {
    net_.link("evil", "server", {.lag = 1ms, .bytes_per_second = 50'000'000});
    peer_options options = attacked();
    options.listen = "server:7000";
    server_ = std::make_unique<peer>(net_.host("server"), std::move(options));
    serves_.install(*server_);
    net_.run_for(10ms);      // the look-up of its own name
  }
  simulated_intruder& attack_for(std::string_view name, duration span) {
    const endpoint there = net_.address("server", 7000);
    intruder_ = std::make_unique<simulated_intruder>(net_.host("evil"), there, small_limits().announced, attack_named(name).begin());
    net_.run_for(span);
    return *intruder_;
  }

  testing::network net_{12};
  service serves_;
  std::unique_ptr<peer> server_;
  std::unique_ptr<simulated_intruder> intruder_;
};

TEST_F(metered, pings_are_answered_at_the_rate_of_their_bucket) {
  const simulated_intruder& by = attack_for("pings_as_fast_as_they_are_answered", 20s);
  EXPECT_FALSE(by.gone());
  EXPECT_LE(by.answers, 4'096u + 20'000u + 4u);
  EXPECT_GT(by.answers, 15'000u) << "it is slowed down, not stopped";
}

TEST_F(metered, resets_that_name_nobody_are_read_at_the_rate_of_their_bucket) {
  const simulated_intruder& by = attack_for("resets_with_long_reasons", 20s);
  EXPECT_FALSE(by.gone());
  // 1,036 bytes each; behind the bucket what systems and link hold.
  EXPECT_LE(by.said / 1'036, 4'096u + 20'000u + (10u << 20) / 1'036);
}

TEST_F(metered, channels_that_the_opener_spoils_are_opened_at_the_rate_of_their_bucket) {
  const simulated_intruder& by = attack_for("messages_too_big", 20s);
  EXPECT_FALSE(by.gone());
  EXPECT_LE(serves_.started, 2u * 256u + 20u * 100u + 64u);
  EXPECT_GT(serves_.started, 2'000u);
}

// A normal client that cancels half of what it asks for: a thousand calls a second, for a while.
TEST_F(metered, a_client_that_cancels_half_of_its_calls_is_left_alone) {
  net_.link("honest", "server", {.lag = 200us});
  loop& here = net_.host("honest");
  peer client(here, {.name = "honest"});
  task<result<connection>> dial = client.connect("server:7000");
  dial.start();
  ASSERT_TRUE(net_.run_until([&] { return dial.done(); }, 1s));
  const connection to = dial.take().value();
  std::size_t answered = 0, cancelled = 0;
  duration slowest{};
  const auto work = [&]() -> task<> {
    for (int i = 0; i < 10'000 / HAWSER_COUNT_SCALE; ++i) {
      const instant begin = here.now();
      auto rq = client.start(to, i % 2 == 0 ? "echo" : "hold");
      HAWSER_CO_ASSERT(rq.has_value());
      co_await sleep(here, 300us);
      if (i % 2 == 0) {
        const result<> written = co_await rq->write("x");
        HAWSER_CO_ASSERT(written.has_value());
        rq->finish();
        const auto answer = co_await rq->read_all(10);
        HAWSER_CO_ASSERT(answer.has_value());
        ++answered;
        slowest = std::max<duration>(slowest, here.now() - begin);
      } else {
        rq->cancel();
        ++cancelled;
      }
    }
  };
  task<> all = work();
  all.start();
  ASSERT_TRUE(net_.run_until([&] { return all.done(); }, 1min));
  EXPECT_EQ(answered, cancelled);
  EXPECT_TRUE(to.is_open());
  EXPECT_LT(slowest, duration(1ms)) << "reading was paused";
}

}
}  // namespace hawser::abuse
