// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "fixture.hpp"
#include "wire.hpp"

#include <memory>

// Limits that hold in every order of events.

namespace hawser::peer_test {
namespace {

class peer_limits : public ::testing::Test {
 protected:
  loop loop_;
};

TEST_F(peer_limits, of_connections_hold_for_dials_that_are_under_way_together) {
  peer server(loop_, listening("server"));
  peer dialer(loop_, peer_options{.connections_max = 2});
  std::vector<task<result<connection>>> dials;
  for (int i = 0; i < 6; ++i) dials.push_back(dialer.connect(server.local_endpoint()));
  for (auto& one : dials) one.start();
  ASSERT_TRUE(drive(loop_, [&] { return std::all_of(dials.begin(), dials.end(), [](const auto& one) { return one.done(); }); }));
  std::size_t good = 0;
  for (auto& one : dials) {
    const result<connection> with = one.take();
    if (with) ++good;
    else EXPECT_TRUE(failed_with(with, errc::too_many_connections));
  }
  EXPECT_EQ(good, 2u);
  EXPECT_EQ(dialer.connections().size(), 2u);
  EXPECT_TRUE(drive(loop_, [&] { return server.connections().size() == 2; }));
}

TEST_F(peer_limits, of_handshakes_count_the_refused_until_their_sockets_are_gone) {
  peer_options options = listening("server");
  options.listener_names = peer_options::names::required;
  options.handshakes_max = 1;
  peer server(loop_, std::move(options));
  raw_socket nameless(server.local_endpoint());
  nameless.send(wire::preface() + wire::hello(wire::peer_id()));
  std::optional<std::uint32_t> code;
  ASSERT_TRUE(drive(loop_, [&] { return (code = nameless.farewell()).has_value(); }));
  EXPECT_EQ(*code, static_cast<std::uint32_t>(errc::name_absent));
  peer honest(loop_, named("honest"));
  EXPECT_FALSE(finish(loop_, honest.connect(server.local_endpoint())).has_value()) << "the stranger still holds a socket";
  nameless.close();
  settle(loop_, 5ms);
  EXPECT_TRUE(succeeded(finish(loop_, honest.connect(server.local_endpoint()))));
}

TEST_F(peer_limits, of_handshakes_are_free_again_after_every_ending) {
  diary hooks;
  peer_options options = listening("server");
  options.handshakes_max = 1;
  options.hooks = &hooks;
  peer server(loop_, std::move(options));
  const auto can_connect = [&] {
    peer dialer(loop_, named("dialer"));
    return drive(loop_, [&] { return finish(loop_, dialer.connect(server.local_endpoint())).has_value(); }, 5s);
  };
  EXPECT_TRUE(can_connect());
  {
    raw_socket silent(server.local_endpoint());
    ASSERT_TRUE(drive(loop_, [&] { return hooks.count("accept_socket") == 2; }));
    silent.abort();
  }
  EXPECT_TRUE(can_connect());
  {
    raw_socket half(server.local_endpoint());
    half.send(wire::preface());
    half.finish_sending();
    ASSERT_TRUE(drive(loop_, [&] { return half.ended(); }));
  }
  EXPECT_TRUE(can_connect());
  hooks.verdict = failure(errc::veto);
  {
    peer vetoed(loop_, named("vetoed"));
    EXPECT_FALSE(finish(loop_, vetoed.connect(server.local_endpoint())).has_value());
  }
  hooks.verdict = {};
  EXPECT_TRUE(can_connect());
  EXPECT_TRUE(drive(loop_, [&] { return failed_with(finish(loop_, server.connect(server.local_endpoint())), errc::self_connect); }, 5s));
  EXPECT_TRUE(can_connect());
}

// A peer that answers with frames of its own making.
class peer_answered_by_hand : public peer_limits {
 protected:
  peer_answered_by_hand() : caller(loop_, listening("caller")), by_hand(caller.local_endpoint()) {
    by_hand.send(wire::named("by hand"));
    if (!drive(loop_, [&] { return caller.find("by hand").has_value(); })) throw std::runtime_error("not let in");
  }
  static std::string head(std::string_view key, std::string_view value) {
    return wire::frame(10, 0, 2, wire::tlv(0x80, wire::pv(static_cast<std::uint32_t>(key.size())) + std::string(key) + std::string(value)));
  }

  peer caller;
  raw_socket by_hand;
};

TEST_F(peer_answered_by_hand, takes_what_stands_before_the_first_byte_for_headers_and_drops_trailers) {
  for (const bool before : {true, false}) {
    auto rq = caller.start("by hand", "op");
    ASSERT_TRUE(succeeded(rq));
    rq->finish();
    ASSERT_TRUE(drive(loop_, [&] {
      const auto one = by_hand.next_frame();
      return one && one->type == 2 && one->channel == 2;
    }));
    if (before) by_hand.send(head("place", "front"));
    by_hand.send(wire::frame(1, 0, 2, "body"));
    by_hand.send(head("place", "back"));
    by_hand.send(wire::frame(1, wire::fin | wire::rel, 2, ""));
    const auto all = [&]() -> task<result<std::string>> {
      const result<chunk> body = co_await rq->read_all(100);
      if (!body) co_return failure(body.error());
      co_return std::string(as_text(*body));
    };
    const result<std::string> body = finish(loop_, all());
    ASSERT_TRUE(succeeded(body));
    EXPECT_EQ(*body, "body");
    EXPECT_EQ(rq->answer_header("place"), before ? "front" : "");
  }
}

TEST_F(peer_answered_by_hand, with_a_reset_of_code_0_fails_as_internal) {
  auto rq = caller.start("by hand", "op");
  ASSERT_TRUE(succeeded(rq));
  ASSERT_TRUE(drive(loop_, [&] {
    const auto one = by_hand.next_frame();
    return one && one->type == 2;
  }));
  by_hand.send(wire::frame(4, 0, 2, wire::u32(0)));
  EXPECT_TRUE(failed_with(finish(loop_, [&]() -> task<result<chunk>> { co_return co_await rq->read(); }(), 2s), errc::internal));
}

}  // namespace

class peer_prepared_writers : public pair_of_peers {};

TEST_F(peer_prepared_writers, that_wait_when_the_body_is_finished_and_the_request_started_lose_nothing_and_end) {
  server.on("echo", echo);
  const std::size_t kept = proto::settings().channel_send_bytes_max;
  for (const std::size_t size : {kept + 1, kept + 100, 2 * kept, 10 * kept}) {
    outgoing_request rq = client.prepare(there(), "echo");
    const std::string body = pattern(0, size);
    const auto write = [&]() -> task<result<>> { co_return co_await rq.write(as_bytes(body)); };
    task<result<>> writing = write();
    writing.start();
    EXPECT_FALSE(writing.done());
    rq.finish();
    ASSERT_TRUE(succeeded(rq.start()));
    const auto read = [&]() -> task<result<std::size_t>> {
      const result<chunk> answer = co_await rq.read_all(size + 1);
      if (!answer) co_return failure(answer.error());
      co_return follows_pattern(*answer, 0) ? answer->size() : 0;
    };
    const result<std::size_t> got = run(read(), 10s);
    ASSERT_TRUE(succeeded(got));
    EXPECT_EQ(*got, size);
    EXPECT_TRUE(writing.done());
  }
}

}  // namespace hawser::peer_test
