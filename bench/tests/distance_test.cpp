// SPDX-License-Identifier: Apache-2.0 OR MIT
// A network that takes its time, and what is measured in it.
#include "common/distance.hpp"
#include "own/own.hpp"
#include "raw/raw.hpp"
#include "run/contest.hpp"
#include "sound.hpp"

#include <cstring>

#include <sys/stat.h>
#include <unistd.h>

namespace hawser::bench {
namespace {

constexpr std::size_t round_trip_ms = 80;  // so long that a busy machine adds little

ino_t network_now() {
  struct stat of{};
  return ::stat("/proc/self/ns/net", &of) == 0 ? of.st_ino : 0;
}

job far_job(workload what) {
  job of = short_job(what, engine_kind::none, wait_mode::block);
  of.round_trip_ms = round_trip_ms;
  of.measured = std::chrono::milliseconds(10 * round_trip_ms);
  return of;
}

// Round trips that one of them took: at the median.
double round_trips_of(const std::function<outcome(const job&)>& run, const job& of) {
  return static_cast<double>(counted(run, of).p50_ns) / 1e6 / static_cast<double>(round_trip_ms);
}

class distance_of : public testing::Test {
 protected:
  void SetUp() override {
    const auto tried = distance::make(std::chrono::milliseconds(1));
    if (!tried) GTEST_SKIP() << tried.error();
  }
};

TEST_F(distance_of, some_milliseconds_is_what_connecting_and_speaking_take_and_it_ends_with_the_object) {
  const ino_t before = network_now();
  {
    const auto far = distance::make(std::chrono::milliseconds(round_trip_ms));
    ASSERT_TRUE(far) << far.error();
    EXPECT_NE(network_now(), before);
    EXPECT_NEAR(round_trips_of(raw::run, far_job(workload::connect)), 2, 0.5) << "one for TCP, one for the message";
    EXPECT_NEAR(round_trips_of(raw::run, far_job(workload::open)), 1, 0.5);
  }
  EXPECT_EQ(network_now(), before);
  EXPECT_LT(round_trips_of(raw::run, far_job(workload::connect)), 1);
}

TEST_F(distance_of, a_connection_costs_hawser_what_it_costs_raw_sockets_and_a_channel_nothing) {
  const auto far = distance::make(std::chrono::milliseconds(round_trip_ms));
  ASSERT_TRUE(far) << far.error();
  job of = far_job(workload::connect);
  of.engine = engine_kind::epoll;
  EXPECT_NEAR(round_trips_of(own::run, of), 2, 0.5) << "the first message leaves with the introduction";
  EXPECT_NEAR(round_trips_of(own::run_sending_after, of), 3, 0.5) << "the verdict is waited for";
  of.what = workload::open;
  EXPECT_NEAR(round_trips_of(own::run, of), 1, 0.5);
  EXPECT_NEAR(round_trips_of(own::run_on_one_channel, of), 1, 0.5) << "a message, to which it is compared";
}

TEST_F(distance_of, a_contest_is_where_its_rounds_are_held) {
  const ino_t before = network_now();
  ino_t during = 0;
  const std::vector<contestant> one{{.peer = "raw", .engine = engine_kind::none, .run = [&](const job& of) {
                                       during = network_now();
                                       return raw::run(of);
                                     }}};
  const result_of_contest results = hold(far_job(workload::connect), one, 1, [](const contestant&) { return std::vector<std::string>(); });
  EXPECT_EQ(results.left_out, "");
  ASSERT_EQ(results.standings.size(), 1u);
  EXPECT_GT(results.standings[0].samples[0].p50_ns, 2 * std::int64_t{round_trip_ms} * 1'000'000);
  EXPECT_NE(during, before);
  EXPECT_EQ(network_now(), before);
}

// As a user who may not make networks.
TEST(distance, that_cannot_be_made_leaves_the_work_out_and_says_why) {
  struct told {
    bool is_left_out;
    char why[128];
  };
  auto unprivileged = child::start([](reporter& to_parent) {
    if (::geteuid() == 0 && ::setuid(65'534) != 0) return 1;
    const std::vector<contestant> one{{.peer = "raw", .engine = engine_kind::none, .run = raw::run}};
    const result_of_contest results = hold(far_job(workload::connect), one, 1, [](const contestant&) { return std::vector<std::string>(); });
    told result{results.standings.empty() && results.failures.empty(), {}};
    std::strncpy(result.why, results.left_out.c_str(), sizeof result.why - 1);
    return to_parent.write(result) ? 0 : 1;
  });
  ASSERT_TRUE(unprivileged);
  told result{};
  ASSERT_TRUE(unprivileged->read(result));
  EXPECT_TRUE(result.is_left_out);
  EXPECT_STREQ(result.why, "a network with round trips of 80 ms cannot be made here: a network of its own: Operation not permitted");
}

}
}  // namespace hawser::bench
