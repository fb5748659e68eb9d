// SPDX-License-Identifier: Apache-2.0 OR MIT
// Programs that take part from outside, here scripts that say what they are told to.
#include "common/program.hpp"
#include "run/plan.hpp"
#include "run/report.hpp"
#include "run/side_program.hpp"
#include "sound.hpp"

#include <filesystem>
#include <fstream>

#include <sys/stat.h>
#include <unistd.h>

namespace hawser::bench {
namespace {

class side_program : public testing::Test {
 protected:
  side_program() : directory_(std::filesystem::temp_directory_path() / ("hawser-bench-" + std::to_string(::getpid()))) { std::filesystem::create_directories(directory_); }
  ~side_program() override { std::filesystem::remove_all(directory_); }

  // A shell script; its own words are $1 (side), $2 (workload) ...
  std::string script(const std::string& name, const std::string& text) {
    const std::string path = directory_ / name;
    std::ofstream(path) << "#!/bin/sh\n"
                        << text;
    ::chmod(path.c_str(), 0700);
    return path;
  }
  // One that does as it should, but for what `change` puts between.
  std::string honest(const std::string& name, const std::string& change = "") {
    return script(name,
        "if [ $1 = --workloads ]; then echo pingpong block spin; echo stream block; exit; fi\n"
        "sample() { echo '{\"count\":'$1',\"sum\":7,\"measured_count\":500,\"measured_ns\":1000000,\"p50_ns\":2000,\"p99_ns\":3000,\"cpu\":0.5,\"congestion\":\"cubic\",\"version\":\"library 1.2\"}'; }\n" +
            change +
            "if [ $1 = server ]; then echo port 4711; cat >/dev/null; sample 9; fi\n"
            "if [ $1 = client ]; then case \"$*\" in *'--port 4711'*) sample 9;; *) exit 1;; esac; fi\n");
  }
  std::string failure_of(const std::string& path) {
    const auto made = contestant_in(path);
    if (!made) return made.error();
    const outcome ran = made->run(short_job(workload::pingpong, engine_kind::none, wait_mode::block));
    return ran ? "" : ran.error();
  }

  std::filesystem::path directory_;
};

TEST_F(side_program, says_what_it_can_and_its_sample_is_taken) {
  const auto made = contestant_in(honest("library"));
  ASSERT_TRUE(made) << made.error();
  EXPECT_EQ(made->title(), "library");
  EXPECT_TRUE(made->can(short_job(workload::pingpong, engine_kind::none, wait_mode::spin)));
  EXPECT_TRUE(made->can(short_job(workload::stream, engine_kind::none, wait_mode::block)));
  EXPECT_FALSE(made->can(short_job(workload::stream, engine_kind::none, wait_mode::spin)));
  EXPECT_FALSE(made->can(short_job(workload::idle, engine_kind::none, wait_mode::block)));
  const outcome ran = made->run(short_job(workload::pingpong, engine_kind::none, wait_mode::block));
  ASSERT_TRUE(ran) << ran.error();
  EXPECT_EQ(ran->per_second, 500'000);
  EXPECT_EQ(ran->p50_ns, 2000);
  EXPECT_EQ(ran->p99_ns, 3000);
  EXPECT_EQ(ran->congestion, "cubic");
  EXPECT_EQ(ran->version, "library 1.2");
}

TEST_F(side_program, that_does_not_keep_to_the_contract_fails_with_the_reason) {
  EXPECT_EQ(failure_of(honest("miscounts", "if [ $1 = server ]; then echo port 4711; cat >/dev/null; sample 8; exit; fi\n")),
      "books: the client has 9 and sum 7, the server 8 and 7");
  EXPECT_EQ(failure_of(honest("mute", "if [ $1 = server ]; then exit; fi\n")), "server: it did not come to listen");
  EXPECT_EQ(failure_of(honest("dies", "if [ $1 = client ]; then exit 1; fi\n")), "client: it ended or hangs, and did not tell what it counted");
  EXPECT_EQ(failure_of(honest("raves", "if [ $1 = client ]; then echo hello; exit; fi\n")), "client: this is no sample: hello");
  EXPECT_EQ(failure_of(honest("stumbles", "if [ $1 = client ]; then sample 9; exit 3; fi\n")), "client: it ended with code 3");
  EXPECT_EQ(failure_of(script("dreams", "echo teleport block\n")), (directory_ / "dreams").string() + ": it speaks of \"teleport\", which is no workload");
  EXPECT_EQ(failure_of(script("sleeps", "exit 0\n")), (directory_ / "sleeps").string() + ": it does not say what it can do");
}

TEST_F(side_program, s_of_a_directory_are_found_by_name_and_a_broken_one_is_named) {
  honest("beta");
  honest("alpha");
  script("broken", "exit 1\n");
  std::ofstream(directory_ / "notes.txt") << "none\n";
  std::vector<std::string> complaints;
  const auto found = contestants_in_directory(directory_, complaints);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].peer, "alpha");
  EXPECT_EQ(found[1].peer, "beta");
  ASSERT_EQ(complaints.size(), 1u);
  EXPECT_NE(complaints[0].find("broken"), std::string::npos);
}

TEST(program, that_is_destroyed_is_gone) {
  pid_t process = 0;
  {
    program sleeper({"/bin/sh", "-c", "echo $$; exec sleep 1000"}, -1);
    const auto first = sleeper.line(10'000);
    ASSERT_TRUE(first);
    process = std::stoi(*first);
    EXPECT_EQ(::kill(process, 0), 0);
  }
  EXPECT_EQ(::kill(process, 0), -1);
}

TEST(plan, of_a_selection_is_that_work_with_those_values) {
  const auto jobs = plan_of({.workloads = {"stream", "echoes"}, .waits = {"spin"}, .sizes = {100, 200}, .in_flight = {}, .connections = {7}, .round_trips_ms = {}});
  ASSERT_EQ(jobs.size(), 3u);
  EXPECT_EQ(jobs[0].size, 100u);
  EXPECT_EQ(jobs[1].size, 200u);
  EXPECT_EQ(jobs[1].connections, 1u);
  EXPECT_EQ(jobs[2].connections, 7u);
  for (const job& one : jobs) EXPECT_EQ(one.wait, wait_mode::spin);
}

TEST(plan, holds_every_workload_but_the_matrix_and_the_quick_one_holds_less) {
  const auto all = plan_of({.workloads = {}, .waits = {}, .sizes = {}, .in_flight = {}, .connections = {}, .round_trips_ms = {}});
  selection quick;
  quick.quick = true;
  std::vector<bool> there(workloads.size());
  for (const job& one : all) there[static_cast<std::size_t>(one.what)] = true;
  for (std::size_t i = 0; i < there.size(); ++i) EXPECT_EQ(there[i], workloads[i].name != "paced") << workloads[i].name;
  EXPECT_EQ(plan_of({.workloads = {"paced"}, .waits = {}, .sizes = {}, .in_flight = {}, .connections = {1, 16}, .round_trips_ms = {}}).size(), 128u) << "only by its name";
  EXPECT_LT(plan_of(quick).size(), all.size() / 2);
  quick.workloads = {"channels", "stream"};
  std::vector<std::string> titles;
  for (const job& one : plan_of(quick)) titles.push_back(title_of(one));
  EXPECT_EQ(titles.size(), 8u) << "what is named is done: channels as ever, stream in short";
}

TEST(plan, of_far_connections_lasts_some_round_trips_and_sleeps) {
  const auto jobs = plan_of({.workloads = {"connect"}, .waits = {}, .sizes = {}, .in_flight = {}, .connections = {}, .round_trips_ms = {}, .measured = std::chrono::milliseconds(500)});
  std::vector<std::string> titles;
  for (const job& one : jobs) titles.push_back(title_of(one) + ": " + std::to_string(one.measured.count()));
  EXPECT_EQ(titles, (std::vector<std::string>{"connect, block: 500", "connect, round trip 1 ms, block: 500", "connect, round trip 20 ms, block: 500", "connect, round trip 100 ms, block: 1200", "connect, spin: 500"}));
}

TEST(plan, has_somebody_to_compare_a_way_of_waiting_and_tasks_to) {
  const auto all = line_up({engine_kind::epoll}, {}, true);
  const auto who_can = [&](workload what, wait_mode wait) {
    std::vector<std::string> titles;
    for (const contestant& one : all) {
      if (one.can(short_job(what, one.engine, wait))) titles.push_back(one.title());
    }
    return titles;
  };
  using titles = std::vector<std::string>;
  EXPECT_EQ(who_can(workload::pingpong, wait_mode::adaptive), (titles{"hawser epoll", "hawser busy epoll"}));
  EXPECT_EQ(who_can(workload::stream, wait_mode::block), (titles{"raw", "raw epoll", "hawser epoll", "hawser task epoll"}));
  EXPECT_EQ(who_can(workload::handover, wait_mode::block), (titles{"raw epoll", "hawser epoll"}));
  EXPECT_EQ(who_can(workload::handover, wait_mode::spin), titles{}) << "nobody sleeps";
  EXPECT_EQ(who_can(workload::connect, wait_mode::spin), (titles{"raw", "hawser epoll", "hawser after epoll"}));
  EXPECT_EQ(who_can(workload::open, wait_mode::spin), (titles{"raw", "raw epoll", "hawser epoll", "hawser one epoll"}));
}

TEST(plan, compares_hawser_to_its_own_engine_first_and_then_to_everybody) {
  std::vector<contestant> others(1);
  others[0].peer = "asio";
  const auto all = line_up({engine_kind::epoll, engine_kind::uring}, others, true);
  using titles = std::vector<std::string>;
  const auto find = [&](const std::string& title) { return *std::find_if(all.begin(), all.end(), [&](const contestant& one) { return one.title() == title; }); };
  EXPECT_EQ(opponents_of(find("hawser uring"), all), (titles{"hawser one uring", "hawser busy uring", "raw uring", "raw epoll", "raw", "hawser epoll", "asio"}));
  EXPECT_EQ(opponents_of(find("hawser epoll"), all), (titles{"hawser one epoll", "hawser busy epoll", "raw epoll", "raw", "asio"}));
  EXPECT_EQ(opponents_of(find("raw uring"), all), (titles{"raw epoll", "raw"}));
  EXPECT_EQ(opponents_of(find("hawser task uring"), all), (titles{"hawser uring", "raw uring", "raw epoll", "raw", "hawser task epoll"}));
  EXPECT_EQ(opponents_of(find("asio"), all), (titles{"raw epoll", "raw"}));
  EXPECT_EQ(opponents_of(find("raw"), all), titles{});
}

}
}  // namespace hawser::bench
