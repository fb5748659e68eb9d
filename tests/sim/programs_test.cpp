// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/async/sleep.hpp>
#include <hawser/async/task.hpp>
#include <hawser/io/resolver.hpp>
#include <hawser/testing/network.hpp>

#include "sim/wires.hpp"
#include "support/seeded.hpp"

#include <gtest/gtest.h>

// Programs written for real loops, run on simulated ones.

namespace hawser {
namespace {

using namespace std::chrono_literals;
using testing::network;
using wires::caller;
using wires::server;

task<int> count_seconds(loop& on, int seconds) {
  for (int i = 0; i < seconds; ++i) co_await sleep(on, 1s);
  co_return seconds;
}

TEST(programs, a_task_on_one_host_runs_to_its_end_in_virtual_time) {
  network net;
  loop& a = net.host("a");
  const instant start = net.now();
  EXPECT_EQ(a.run(count_seconds(a, 3600)), 3600);
  EXPECT_EQ(net.now() - start, 1h);
  EXPECT_EQ(net.run("a", count_seconds(a, 5)), 5);
}

task<bool> converse(loop& on, const endpoint where, std::string text) {
  caller mine(on, where);
  mine.say(text);
  for (int i = 0; i < 1000 && mine.heard.size() < text.size(); ++i) co_await sleep(on, 1ms);
  const bool right = mine.heard == text;
  mine.close();
  co_return right;
}

TEST(programs, each_host_runs_its_own_program_while_another_one_drives) {
  network net;
  loop& a = net.host("a");
  loop& b = net.host("b");
  net.link("a", "b", {.lag = 3ms, .jitter = 1ms, .partial_delivery = true});
  server here(a, net.address("a", 7000));
  server there(b, net.address("b", 7000));
  here.echoes = there.echoes = true;
  EXPECT_TRUE(a.run(converse(a, net.address("b", 7000), "from a to b")));
  EXPECT_TRUE(b.run(converse(b, net.address("a", 7000), "from b to a")));
}

TEST(programs, names_are_looked_up_in_the_network_and_slow_resolvers_time_out) {
  network net;
  loop& a = net.host("a");
  net.host("b");
  net.silence_name("slow.example");
  std::vector<std::string> answers;
  const auto ask = [&](const char* name) {
    return io::resolve(a, name, 5s, [&answers, name](result<std::vector<endpoint>> found) {
      answers.push_back(std::string(name) + " " + (found ? found->at(0).text() : found.error().message()));
    });
  };
  const instant start = net.now();
  const auto known = ask("b:7000");
  const auto unknown = ask("c:7000");
  const auto slow = ask("slow.example:7000");
  EXPECT_TRUE(answers.empty());
  net.run_for(1s);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[0], "b:7000 10.0.0.2:7000");
  EXPECT_EQ(answers[1], "c:7000 " + make_error_code(errc::name_not_found).message());
  ASSERT_TRUE(net.run_until([&] { return answers.size() == 3; }, 10s));
  EXPECT_EQ(net.now() - start, 5s);
  EXPECT_EQ(answers[2], "slow.example:7000 " + make_error_code(errc::resolve_timeout).message());
}

TEST(programs, work_posted_from_one_host_to_another_runs_there) {
  network net;
  loop& a = net.host("a");
  loop& b = net.host("b");
  wires::alarm on_a(a);
  instant ran{};
  on_a.then = [&, way = b.remote()] { EXPECT_TRUE(way.post([&] { ran = b.now(); })); };
  on_a.arm(a.now() + 7ms);
  net.run_for(1s);
  EXPECT_EQ(ran, on_a.fired_at);
}

// Faults in the middle of a conversation, all from the seed: whatever happens, no byte is lost, doubled or out of order, and
// each seed does the same twice.
std::uint64_t storm(std::uint64_t seed) {
  network net(seed);
  loop& a = net.host("a");
  loop& b = net.host("b");
  net.link("a", "b", {.lag = 5ms, .jitter = 10ms, .bytes_per_second = 2'000'000, .partial_delivery = true});
  server echo(b, net.address("b", 7000));
  echo.echoes = true;
  caller one(a, net.address("b", 7000));
  std::string text;
  for (int i = 0; i < 300'000; ++i) text += static_cast<char>('a' + (i % 1009) * (i % 997) % 26);
  for (std::size_t i = 0; i < 300; ++i) one.say(text.substr(i * 1000, 1000));
  for (std::uint64_t i = 0; i < 5; ++i) {
    const auto from = std::chrono::milliseconds(20 + 400 * i + (seed * 37 + i * 11) % 100);
    const auto length = std::chrono::milliseconds(10 + (seed * 13 + i * 7) % 200);
    net.at(from, [&net, i] { i % 2 ? net.cut("a", "b") : net.freeze(i % 4 ? "a" : "b"); });
    net.at(from + length, [&net] {
      net.heal("a", "b");
      net.thaw("a");
      net.thaw("b");
    });
  }
  EXPECT_TRUE(net.run_until([&] { return one.heard.size() >= text.size() || one.failure; }, 60s));
  EXPECT_EQ(one.failure, std::error_code());
  EXPECT_TRUE(one.heard == text);
  return net.trace_hash();
}

TEST(programs, faults_neither_lose_nor_double_nor_reorder_bytes) {
  seeded::for_each_seed(seeded::share::programs, [](std::uint64_t seed) { EXPECT_EQ(storm(seed), storm(seed)); });
}

}  // namespace
}  // namespace hawser
