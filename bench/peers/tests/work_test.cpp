// SPDX-License-Identifier: Apache-2.0 OR MIT
// The books notice what a faulty contestant would do.
#include "peers/framing.hpp"
#include "peers/many.hpp"

#include <gtest/gtest.h>

namespace hawser::bench::peers {
namespace {

job job_of(work what, std::size_t in_flight = 1, std::size_t connections = 1) {
  job made;
  made.what = what;
  made.in_flight = in_flight;
  made.connections = connections;
  return made;
}

std::vector<std::byte> bytes_with(std::size_t size, std::uint8_t first) {
  std::vector<std::byte> made(size);
  for (std::size_t i = 0; i < size; ++i) made[i] = static_cast<std::byte>(first + i);
  return made;
}

TEST(framing, cuts_messages_wherever_the_bytes_are_cut) {
  const std::vector<std::size_t> sizes = {64, 8, 300, 64, 1, 1000, 64};
  outbox out;
  for (std::size_t i = 0; i < sizes.size(); ++i) out.append(bytes_with(sizes[i], static_cast<std::uint8_t>(i)));
  const bytes all = out.unsent();
  for (std::size_t piece = 1; piece <= all.size(); ++piece) {
    inbox in(1000, 1100);
    std::size_t at = 0, got = 0;
    while (at < all.size()) {
      const auto room = in.space();
      ASSERT_GT(room.size(), 0u);
      const std::size_t n = std::min({piece, room.size(), all.size() - at});
      std::memcpy(room.data(), all.data() + at, n);
      in.filled(n);
      at += n;
      for (bytes message = in.next(); message.data() != nullptr; message = in.next(), ++got) {
        const auto wanted = bytes_with(sizes.at(got), static_cast<std::uint8_t>(got));
        ASSERT_TRUE(std::equal(message.begin(), message.end(), wanted.begin(), wanted.end())) << got << " in pieces of " << piece;
      }
    }
    ASSERT_EQ(got, sizes.size());
    ASSERT_TRUE(in.is_empty());
  }
}

TEST(framing, refuses_a_length_beyond_any_message) {
  inbox in(64, 1024);
  const std::uint32_t length = 65;
  std::memcpy(in.space().data(), &length, sizeof length);
  in.filled(sizeof length);
  EXPECT_THROW(in.next(), std::runtime_error);
}

TEST(open_frames, are_what_follows_on_any_position_also_across_their_end) {
  open_frames frames;
  std::vector<std::byte> all;              // everything that was ever appended, as frames
  constexpr std::size_t frame_bytes = length_bytes + publication_bytes;
  for (std::size_t i = 0; i < 3 * publications_open / 2; ++i) {
    const auto publication = bytes_with(publication_bytes, static_cast<std::uint8_t>(i));
    frames.append(publication);
    const std::uint32_t length = publication_bytes;
    const bytes head = std::as_bytes(std::span(&length, 1));
    all.insert(all.end(), head.begin(), head.end());
    all.insert(all.end(), publication.begin(), publication.end());
  }
  ASSERT_EQ(frames.end_bytes(), all.size());
  for (std::size_t sent = all.size() - publications_open * frame_bytes; sent <= all.size(); ++sent) {
    const auto [first, second] = frames.after(sent);
    ASSERT_EQ(sent + first.size() + second.size(), all.size());
    ASSERT_TRUE(std::equal(first.begin(), first.end(), all.begin() + static_cast<std::ptrdiff_t>(sent))) << sent;
    ASSERT_TRUE(std::equal(second.begin(), second.end(), all.end() - std::ssize(second))) << sent;
  }
}

TEST(greeters, number_their_messages_and_notice_the_answer_of_another) {
  const job of = job_of(work::idle, 1, 2);
  ledger books(of);
  greeter greets(books);
  const payload first = greets.next();
  greets.take(bytes_of(first));
  const payload second = greets.next();
  EXPECT_THROW(greets.take(bytes_of(first)), std::runtime_error);
  greets.take(bytes_of(second));
  EXPECT_EQ(books.count, 2u);
  EXPECT_EQ(books.sum, sum_of(first) + sum_of(second));
  EXPECT_THROW(expect_end(bytes_of(second)), std::runtime_error);
  expect_end(word_of(end_word));
}

TEST(askers, match_answers_in_any_order_and_notice_wrong_ones) {
  const job of = job_of(work::requests, 3);
  ledger books(of);
  asker asks(of, books);
  const payload first = *asks.next(), second = *asks.next(), third = *asks.next();
  EXPECT_FALSE(asks.next());
  EXPECT_TRUE(asks.take(bytes_of(third)));
  EXPECT_TRUE(asks.take(bytes_of(first)));
  EXPECT_THROW(asks.take(bytes_of(first)), std::runtime_error) << "answered twice";
  payload altered = second;
  altered.filler[5] ^= 1;
  EXPECT_THROW(asks.take(bytes_of(altered)), std::runtime_error);
  EXPECT_THROW(asks.take(bytes_of(second).subspan(1)), std::runtime_error);
  EXPECT_TRUE(asks.take(bytes_of(second)));
  EXPECT_EQ(books.count, 3u);
  EXPECT_EQ(books.sum, sum_of(first) + sum_of(second) + sum_of(third));
}

TEST(askers, send_all_pieces_of_a_request_before_the_next) {
  const job of = job_of(work::streamed, 2);
  ledger books(of);
  asker asks(of, books, pieces_of_a_stream);
  std::vector<payload> sent;
  while (const auto next = asks.next()) sent.push_back(*next);
  ASSERT_EQ(sent.size(), 2 * pieces_of_a_stream);
  for (std::size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(asks.take(bytes_of(sent[i])).has_value(), i % pieces_of_a_stream == pieces_of_a_stream - 1) << i;
  }
}

TEST(receivers, notice_a_lost_message_of_a_stream) {
  job of = job_of(work::stream);
  ledger sent(of), got(of);
  pourer pours(64, sent);
  receiver takes(of, got);
  takes.take(pours.next());
  EXPECT_EQ(got.sum, sent.sum);
  pours.next();
  EXPECT_THROW(takes.take(pours.next()), std::runtime_error);
}

TEST(receivers, sum_every_word) {
  const auto some = bytes_with(64 * 5 + 24, 3);
  std::uint64_t expected = 0;
  for (std::size_t at = 0; at < some.size(); at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, some.data() + at, 8);
    expected += word;
  }
  EXPECT_EQ(sum_of(some), expected);
}

TEST(turn_takers, wait_for_a_connection_that_has_not_answered) {
  const job of = job_of(work::echoes, 4, 4);
  ledger books(of);
  turns takes(of, books);
  takes.tick();
  std::vector<turns::turn> sent;
  while (const auto next = takes.next()) sent.push_back(*next);
  ASSERT_EQ(sent.size(), 4u);
  takes.take(1, bytes_of(sent[1].message));
  EXPECT_FALSE(takes.next()) << "it is the turn of 0, which has a message under way";
  EXPECT_THROW(takes.take(2, bytes_of(sent[3].message)), std::runtime_error) << "the answer of another connection";
  takes.take(0, bytes_of(sent[0].message));
  ASSERT_EQ(takes.next()->connection, 0u);
  ASSERT_EQ(takes.next()->connection, 1u);
}

TEST(publishers, wait_for_all_subscribers_and_these_notice_a_loss) {
  const job of = job_of(work::fanout, 1, 2);
  ledger sent(of), got(of);
  publisher publishes(of, sent);
  subscribers hears(of, got);
  std::vector<std::vector<std::byte>> all;
  for (bytes next = publishes.next(); !next.empty(); next = publishes.next()) all.emplace_back(next.begin(), next.end());
  ASSERT_EQ(all.size(), publications_open);
  for (const auto& each : all) hears.take(0, each);
  EXPECT_FALSE(hears.confirmation());
  hears.take(1, all[0]);
  EXPECT_EQ(hears.confirmation(), 1u);
  EXPECT_THROW(hears.take(1, all[2]), std::runtime_error);
  for (std::size_t i = 1; i < all.size(); ++i) hears.take(1, all[i]);
  const std::uint64_t confirmed = hears.confirmation().value();
  EXPECT_EQ(confirmed, publications_open);
  publishes.take(std::as_bytes(std::span(&confirmed, 1)));
  EXPECT_FALSE(publishes.next().empty());
  const std::uint64_t too_many = confirmed + 2;
  EXPECT_THROW(publishes.take(std::as_bytes(std::span(&too_many, 1))), std::runtime_error);
  EXPECT_EQ(got.count, 2 * publications_open);
}

TEST(meters, count_between_warm_up_and_end_only) {
  job of;
  of.warm_up_ns = 100;
  of.measured_ns = 1000;
  meter counts(of);
  counts.at(10'000, 0);
  counts.at(10'050, 7);
  EXPECT_FALSE(counts.is_measuring());
  counts.at(10'120, 10);
  counts.at(10'620, 30);
  counts.at(11'100, 50);
  EXPECT_TRUE(counts.is_over(11'100));
  counts.at(11'200, 90);
  EXPECT_EQ(counts.count(), 40u);
  EXPECT_EQ(counts.ns(), 980);
}

}
}  // namespace hawser::bench::peers
