// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"

// A reader that stands still: it costs its sender a bounded amount of memory, and nobody else any time.

namespace hawser::peer_test {
namespace {

// What a sender may hold for one connection: the watermarks of proto::settings and what the transport was given.
constexpr std::size_t sender_memory_max = (std::size_t{4} << 20) + (std::size_t{1} << 20);

class peer_slow_reader : public ::testing::Test {
 protected:
  template <class Done>
  bool until(Done done, duration limit = patience) { return drive_both(here_, there_, std::move(done), limit); }
  template <class T>
  T run(task<T> work) {
    work.start();
    if (!until([&] { return work.done(); })) throw std::runtime_error("the task did not end in time");
    return work.take();
  }

  loop here_, there_;
  peer server{here_, {.name = "server", .listen = "127.0.0.1:0"}};
  peer slow{there_, {.name = "slow"}};
};

TEST_F(peer_slow_reader, of_240_megabytes_bounds_the_senders_memory_and_loses_nothing_once_it_reads) {
  const std::uint64_t total = scaled(std::size_t{240} << 20);
  std::uint64_t got = 0;
  bool whole = false;
  hawser::event may_read(there_);
  slow.on_stream([&](channel& opened) -> task<> {
    co_await may_read.wait();
    for (;;) {
      const auto piece = co_await opened.read();
      HAWSER_CO_ASSERT(succeeded(piece));
      if (piece->empty()) break;
      HAWSER_CO_ASSERT(follows_pattern(*piece, got));
      got += piece->size();
    }
    whole = true;
  });
  ASSERT_TRUE(succeeded(run(slow.connect(server.local_endpoint()))));
  auto stream = server.open_stream("slow");
  ASSERT_TRUE(succeeded(stream));

  // As fast as it is taken, with the reader's loop turning but its handler not reading.
  std::uint64_t written = 0, blocked = 0;
  std::size_t most = 0;
  const auto piece_at = [&](std::uint64_t at) {
    return pattern(at, std::min<std::uint64_t>(65'536, total - at));
  };
  for (int idle = 0; idle < 100;) {
    const std::string piece = piece_at(written);
    const auto taken = stream->try_write(as_bytes(piece));
    if (taken) {
      written += *taken;
      idle = 0;
      ASSERT_LT(written, total) << "a stalled reader took everything";
    } else {
      ASSERT_TRUE(failed_with(taken, errc::would_block));
      ++blocked;
      ++idle;
      here_.run_once(200us);
      there_.poll();
    }
    most = std::max(most, here_.buffers().bytes_in_use());
  }
  EXPECT_GT(blocked, 0u);
  EXPECT_LT(most, sender_memory_max);

  may_read.set();
  const auto rest = [&]() -> task<> {
    while (written < total) {
      const std::string piece = piece_at(written);
      HAWSER_CO_ASSERT(succeeded(co_await stream->write(piece)));
      written += piece.size();
      most = std::max(most, here_.buffers().bytes_in_use());
    }
    stream->finish();
  };
  run(rest());
  ASSERT_TRUE(until([&] { return whole; }));
  EXPECT_EQ(got, total);
  EXPECT_LT(most, sender_memory_max);
}

TEST_F(peer_slow_reader, of_messages_tells_would_block_and_gets_every_message_when_it_goes_on) {
  std::size_t received = 0;
  bool in_order = true;
  slow.on_message([&](connection&, byte_view message) {
    in_order = in_order && message.size() == 10'000 && load_le<std::uint64_t>(message.data()) == received;
    ++received;
  });
  ASSERT_TRUE(succeeded(run(slow.connect(server.local_endpoint()))));
  std::string message(10'000, 'm');
  std::size_t taken = 0, most = 0;
  // The other loop does not turn at all: a stopped process.
  for (int idle = 0; idle < 100;) {
    store_le(reinterpret_cast<std::byte*>(message.data()), std::uint64_t{taken});
    const auto sent = server.send("slow", message);
    if (sent) {
      ++taken;
      idle = 0;
      ASSERT_LT(taken, 100'000u);
    } else {
      ASSERT_TRUE(failed_with(sent, errc::would_block));
      ++idle;
      here_.run_once(200us);
    }
    most = std::max(most, here_.buffers().bytes_in_use());
  }
  EXPECT_LT(most, sender_memory_max);
  ASSERT_TRUE(until([&] { return received == taken; })) << received << " of " << taken;
  EXPECT_TRUE(in_order);
  const auto room = [&]() -> task<result<>> { co_return co_await server.writable(*server.find("slow")); };
  EXPECT_TRUE(succeeded(run(room())));
}

TEST_F(peer_slow_reader, never_delays_another_client) {
  peer quick(here_, {.name = "quick"});
  server.on("echo", echo);
  ASSERT_TRUE(succeeded(run(slow.connect(server.local_endpoint()))));
  const auto with = run(quick.connect(server.local_endpoint()));
  ASSERT_TRUE(succeeded(with));
  const std::string message(60'000, 'm');
  for (int idle = 0; idle < 20;) {
    if (server.send("slow", message)) {
      idle = 0;
    } else {
      ++idle;
      here_.run_once(200us);
    }
  }
  // From here on the slow one's loop never turns; the server goes on trying.
  const auto talk = [&]() -> task<int> {
    int answers = 0;
    for (int i = 0; i < 200; ++i) {
      EXPECT_FALSE(server.send("slow", message).has_value());
      const result<chunk> answer = co_await quick.call(*with, "echo", as_bytes("me too"));
      if (answer && as_text(*answer) == "me too") ++answers;
    }
    co_return answers;
  };
  const auto turns = here_.turns();
  EXPECT_EQ(finish(here_, talk()), 200);
  EXPECT_LT(here_.turns() - turns, 200u * 40) << "each answer took many turns";
}

TEST_F(peer_slow_reader, of_answers_stops_the_handlers_that_write_them_and_no_others) {
  std::size_t handlers_done = 0;
  server.on("flood", [&](request& rq) -> task<> {
    const std::string piece(65'536, 'f');
    for (int i = 0; i < 100; ++i) {
      if (!co_await rq.write(piece)) co_return;
    }
    ++handlers_done;
  });
  server.on("echo", echo);
  peer quick(here_, {.name = "quick"});
  const auto with = run(quick.connect(server.local_endpoint()));
  ASSERT_TRUE(succeeded(with));
  const auto dialled = run(slow.connect(server.local_endpoint()));
  ASSERT_TRUE(succeeded(dialled));
  std::vector<outgoing_request> unread;
  for (int i = 0; i < 50; ++i) {
    auto rq = slow.start(*dialled, "flood");
    ASSERT_TRUE(succeeded(rq));
    rq->finish();
    unread.push_back(std::move(*rq));
  }
  for (int i = 0; i < 200; ++i) here_.run_once(200us), there_.poll();
  EXPECT_EQ(handlers_done, 0u);
  // 50 answers of 6.5 MB each wait to be written: nothing of the kind may be in memory.
  EXPECT_LT(here_.buffers().bytes_in_use(), 12u << 20);
  EXPECT_LT(there_.buffers().bytes_in_use(), 12u << 20);
  const auto talk = [&]() -> task<bool> {
    const result<chunk> answer = co_await quick.call(*with, "echo", as_bytes("x"));
    co_return answer.has_value();
  };
  EXPECT_TRUE(run(talk()));
  unread.clear();
}

}  // namespace
}  // namespace hawser::peer_test
