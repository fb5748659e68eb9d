// SPDX-License-Identifier: Apache-2.0 OR MIT
// The baselines count and verify what they claim to. No figure is judged here: the machine may be busy.
#include "raw/wire.hpp"

#include <gtest/gtest.h>

#include <string>

#include <sys/socket.h>
#include <unistd.h>

namespace hawser::bench::raw {

class raw_run : public testing::TestWithParam<wait_mode> {
 protected:
  raw_run() {
    with.wait = GetParam();
    with.warm_up = std::chrono::milliseconds(20);
    with.measured = std::chrono::milliseconds(150);
  }
  // On a machine with other work a spinning side may lose its core for the whole of a short run: then it is run again.
  template <class Run>
  sample counted(Run run) {
    for (int attempt = 0; attempt < 20; ++attempt) {
      const auto made = run();
      EXPECT_TRUE(made) << made.error().message();
      if (!made || (made->count > 0 && made->max_ns > 0)) return made.value_or(sample());
    }
    ADD_FAILURE() << "nothing was counted";
    return {};
  }

  options with;
};

static void expect_sound(const sample& s, std::size_t unit_bytes) {
  EXPECT_GT(s.count, 0u);
  EXPECT_GT(s.p50_ns, 0);
  EXPECT_LE(s.p50_ns, s.p99_ns);
  EXPECT_LE(s.p99_ns, s.max_ns);
  EXPECT_NEAR(s.bytes_per_second, s.per_second * static_cast<double>(unit_bytes), 1 + s.bytes_per_second * 1e-6);
  const std::string congestion = s.congestion;
  EXPECT_TRUE(congestion == "cubic" || congestion == "reno") << congestion;
}

TEST_P(raw_run, pingpong_books_balance) {
  expect_sound(counted([&] { return run_pingpong(with); }), payload_bytes);
}
TEST_P(raw_run, stream_books_balance) {
  expect_sound(counted([&] { return run_stream(with); }), payload_bytes);
}
TEST_P(raw_run, requests_books_balance) {
  expect_sound(counted([&] { return run_requests(with, 1); }), payload_bytes);
  expect_sound(counted([&] { return run_requests(with, 64); }), payload_bytes);
}
TEST_P(raw_run, more_requests_under_way_than_the_kernel_buffers_do_not_lock_up) {
  expect_sound(counted([&] { return run_requests(with, 65536); }), payload_bytes);
}
TEST_P(raw_run, bulk_books_balance_for_blocks_smaller_and_larger_than_a_read) {
  for (std::size_t bytes : {std::size_t{64}, buffer_bytes, std::size_t{1} << 20}) {
    expect_sound(counted([&] { return run_bulk(with, bytes); }), bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(wait, raw_run, testing::Values(wait_mode::block, wait_mode::spin, wait_mode::epoll_spin),
    [](const auto& instance) { return instance.param == wait_mode::epoll_spin ? std::string("epoll_spin") : std::string(to_text(instance.param)); });

TEST(raw_frames, a_frame_cut_at_every_byte_is_parsed_once) {
  frame_writer out;
  payload sent;
  for (int i = 0; i < 3; ++i) {
    out.append(&sent);
    ++sent.sequence;
  }
  for (std::size_t cut = 1; cut < out.bytes(); ++cut) {
    frame_reader in;
    std::uint64_t seen = 0;
    const auto feed = [&](const std::byte* from, std::size_t bytes) {
      std::memcpy(in.space(), from, bytes);
      in.filled(bytes);
      while (const std::byte* bytes_of_payload = in.next()) {
        payload got;
        std::memcpy(&got, bytes_of_payload, sizeof got);
        EXPECT_EQ(got.sequence, seen++);
      }
    };
    feed(out.data(), cut);
    feed(out.data() + cut, out.bytes() - cut);
    ASSERT_EQ(seen, 3u) << "cut at " << cut;
  }
}

TEST(raw_frames, a_wrong_length_is_noticed) {
  frame_reader in;
  std::memset(in.space(), 0xff, frame_bytes);
  in.filled(frame_bytes);
  EXPECT_EQ(in.next(), nullptr);
  EXPECT_TRUE(in.is_broken());
}

TEST(raw_books, a_server_that_miscounts_is_an_error) {
  options with;
  with.warm_up = std::chrono::milliseconds(1);
  with.measured = std::chrono::milliseconds(10);
  const auto swallow_one = [](wire& from, server_report& report) {
    std::byte buffer[1024];
    while (from.read_some(buffer, sizeof buffer) > 0) {}
    report.frames = 2;
    return std::error_code();
  };
  const auto send_one = [](wire& to, client_result& result) {
    frame_writer out;
    const payload sent;
    out.append(&sent);
    to.write_all(out.data(), out.bytes());
    result.frames_sent = 1;
  };
  const auto made = run_both(with, measured_by::client, payload_bytes, swallow_one, send_one);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error(), std::errc::bad_message);
}

TEST(raw_books, a_server_that_dies_is_an_error) {
  const auto die = [](wire&, server_report&) -> std::error_code { ::_exit(3); };
  const auto wait_for_end = [](wire& to, client_result& result) {
    std::byte one;
    to.read_some(&one, 1);
    result.error = to.error();
  };
  EXPECT_FALSE(run_both(options(), measured_by::client, payload_bytes, die, wait_for_end));
}

TEST(raw_books, nonsense_is_refused) {
  EXPECT_EQ(run_requests({}, 0).error(), std::errc::invalid_argument);
  EXPECT_EQ(run_requests({}, 65537).error(), std::errc::invalid_argument);
  EXPECT_EQ(run_bulk({}, 8).error(), std::errc::invalid_argument);
  EXPECT_FALSE(wait_mode_from("hope"));
  EXPECT_EQ(*wait_mode_from("epoll-spin"), wait_mode::epoll_spin);
}

}  // namespace hawser::bench::raw
