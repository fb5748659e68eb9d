// SPDX-License-Identifier: Apache-2.0 OR MIT
// The baselines count and verify what they claim to.
#include "raw/frames.hpp"
#include "sound.hpp"

#include <tuple>
#include <vector>

namespace hawser::bench::raw {

class raw_run : public testing::TestWithParam<std::tuple<engine_kind, wait_mode>> {
 protected:
  void SetUp() override {
    const std::string refused = refusal(engine());
    if (!refused.empty()) GTEST_SKIP() << "io_uring refused: " << refused;
  }
  engine_kind engine() const { return std::get<0>(GetParam()); }
  job of(workload what) const { return short_job(what, engine(), std::get<1>(GetParam())); }

  sample expect_sound_run(const job& work) {
    const sample made = counted(run, work);
    expect_sound(made, work);
    EXPECT_GT(made.max_ns, 0);
    return made;
  }
};

TEST_P(raw_run, pingpong_books_balance) {
  const job work = of(workload::pingpong);
  const sample made = expect_sound_run(work);
  if (work.wait == wait_mode::spin) return;
  // One send; and one wait that is over when the kernel has taken it (uring), or one before the receive (epoll).
  const double calls = engine() == engine_kind::epoll ? 3 : 2;
  EXPECT_NEAR(made.client_calls, calls, 0.2);
  EXPECT_NEAR(made.server_calls, calls, 0.2);
}
TEST_P(raw_run, stream_books_balance_for_small_and_large_messages) {
  for (const std::size_t bytes : {64, 1000, 65'536, 1 << 20}) {
    job work = of(workload::stream);
    work.size = bytes;
    const sample made = expect_sound_run(work);
    if (bytes == 64 && work.wait == wait_mode::block) {
      EXPECT_LT(made.client_calls, 0.01) << "frames leave together";
    }
  }
}
TEST_P(raw_run, requests_books_balance) {
  for (const workload what : {workload::requests, workload::streamed}) {
    for (const std::size_t in_flight : {1, 64, 1024}) {
      job work = of(what);
      work.in_flight = in_flight;
      expect_sound_run(work);
    }
  }
}
TEST_P(raw_run, more_requests_under_way_than_the_kernel_buffers_do_not_lock_up) {
  job work = of(workload::requests);
  work.in_flight = 65'536;
  expect_sound_run(work);
}
TEST_P(raw_run, bulk_books_balance_for_blocks_smaller_and_larger_than_a_receive) {
  for (const std::size_t bytes : {std::size_t{64}, buffer_bytes, std::size_t{1} << 20}) {
    job work = of(workload::bulk);
    work.size = bytes;
    expect_sound_run(work);
  }
}
TEST_P(raw_run, echoes_books_balance) {
  job work = of(workload::echoes);
  work.connections = 600;                  // more than there are receive buffers
  if (engine() == engine_kind::none) {
    EXPECT_EQ(run(work).error(), "this engine has no baseline for it");
    return;
  }
  const sample made = expect_sound_run(work);
  if (work.wait == wait_mode::spin) return;
  if (engine() == engine_kind::epoll) {
    EXPECT_GE(made.client_calls, 2) << "a receive and a send, and a share of a wait";
    EXPECT_LT(made.client_calls, 2.5);
  } else {
    EXPECT_LT(made.client_calls, 0.5) << "one enter does it for many";
  }
}

TEST_P(raw_run, every_other_workload_that_it_has_balances) {
  for (const workload what : {workload::alone, workload::beside, workload::fanout, workload::idle, workload::connect, workload::open, workload::handover, workload::quiet, workload::threads, workload::paced}) {
    job work = of(what);
    if (what == workload::threads) work.threads = 3;
    if (what == workload::paced) work.connections = 5, work.burst = 3, work.size = 128;
    if (what == workload::fanout || what == workload::idle) work.connections = 50;
    if (!can(work)) continue;
    const sample made = counted(run, work);
    if (what == workload::idle) {
      EXPECT_LT(made.allocated_bytes, 256);
      continue;
    }
    expect_sound(made, work);
    if (what == workload::quiet) {
      EXPECT_LT(made.quiet_cpu, 0.2) << "they sleep";
    } else if (what != workload::alone) {
      EXPECT_GT(made.max_ns, 0);
    }
  }
}

TEST(raw_can, means_that_every_workload_has_a_baseline) {
  for (std::size_t i = 0; i < workloads.size(); ++i) {
    job work;
    work.what = static_cast<workload>(i);
    bool any = false;
    for (const engine_kind engine : {engine_kind::none, engine_kind::epoll, engine_kind::uring}) {
      work.engine = engine;
      any = any || can(work);
    }
    EXPECT_TRUE(any) << workloads[i].name;
  }
}

INSTANTIATE_TEST_SUITE_P(on, raw_run,
    testing::Combine(testing::Values(engine_kind::none, engine_kind::epoll, engine_kind::uring), testing::Values(wait_mode::block, wait_mode::spin)),
    [](const auto& instance) { return std::string(to_text(std::get<0>(instance.param))) + "_" + std::string(to_text(std::get<1>(instance.param))); });

TEST(raw_frames, a_frame_cut_at_every_byte_is_parsed_once) {
  frame_writer out;
  payload sent;
  for (int i = 0; i < 3; ++i) {
    out.append(&sent);
    ++sent.sequence;
  }
  const bytes_view all(out.data(), out.bytes());
  for (std::size_t first = 1; first < all.size(); ++first) {
    for (std::size_t second = first; second < all.size(); ++second) {
      frame_reader in;
      std::uint64_t seen = 0;
      for (const bytes_view piece : {all.first(first), all.subspan(first, second - first), all.subspan(second)}) {
        in.feed(piece);
        while (const std::byte* bytes = in.next()) {
          payload got;
          std::memcpy(&got, bytes, sizeof got);
          EXPECT_EQ(got.sequence, seen++);
        }
      }
      ASSERT_EQ(seen, 3u) << "cut at " << first << " and " << second;
    }
  }
}

TEST(raw_frames, a_wrong_length_is_noticed) {
  const std::vector<std::byte> wrong(frame_bytes, std::byte{0xff});
  frame_reader in;
  in.feed(wrong);
  EXPECT_EQ(in.next(), nullptr);
  EXPECT_TRUE(in.is_broken());
}

TEST(raw_run_of, nonsense_is_refused) {
  const auto complaint = [](auto change) {
    job of;
    change(of);
    const outcome made = run(of);
    return made ? "" : made.error();
  };
  EXPECT_EQ(complaint([](job& of) { of.what = workload::requests, of.in_flight = 0; }), "in_flight is 1-65536");
  EXPECT_EQ(complaint([](job& of) { of.what = workload::requests, of.in_flight = 65'537; }), "in_flight is 1-65536");
  const char* sizes = "messages have 64 bytes, where they may have another size 16 bytes to 64 MiB";
  EXPECT_EQ(complaint([](job& of) { of.what = workload::bulk, of.size = 8; }), sizes);
  EXPECT_EQ(complaint([](job& of) { of.what = workload::stream, of.size = 65 << 20; }), sizes);
  EXPECT_EQ(complaint([](job& of) { of.size = 65; }), sizes);
  EXPECT_EQ(complaint([](job& of) { of.connections = 2; }), "this engine has no baseline for it");
  EXPECT_EQ(complaint([](job& of) { of.measured = {}; }), "there is no time to measure in");
}

}  // namespace hawser::bench::raw
