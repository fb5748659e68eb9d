// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "common/payload.hpp"
#include "common/process.hpp"
#include "peers/side.hpp"

#include <algorithm>
#include <optional>
#include <vector>

// The workloads without any I/O: what is sent next, and whether what came is right. A contestant moves the messages.
namespace hawser::bench::peers {

inline constexpr std::size_t block_bytes = std::size_t{64} << 10;     // of beside
// The queues of the kernel are where a ping waits beside bulk. Those who reach their sockets keep them short: TCP_NOTSENT_LOWAT of the
// one that sends bulk, SO_RCVBUF of the other. Half of it halves the ping and costs bulk a third.
inline constexpr int not_sent_bytes_beside = 16 << 10, received_bytes_beside = 128 << 10;
inline constexpr std::size_t pieces_of_a_stream = 64;                 // of streamed, each way
inline constexpr std::size_t publication_bytes = 128, publications_open = 64;       // open: not yet confirmed by all

// A message of this size is not part of the work and not counted. In one-way work it follows the last message, and is answered when
// all before it was taken; in fanout the publisher ends with it, and subscribers confirm with it; in idle it means: measure now.
inline constexpr std::size_t control_bytes = 8;

using bench::sum_of;
inline std::uint64_t sum_of(const payload& of) noexcept { return bench::sum_of(&of); }
inline bytes bytes_of(const payload& from) noexcept { return std::as_bytes(std::span(&from, 1)); }

inline bytes word_of(const std::uint64_t& from) noexcept { return std::as_bytes(std::span(&from, 1)); }
// Ends what goes one way, or what is published.
inline constexpr std::uint64_t end_word = 0;
inline void expect_end(bytes answer) {
  if (answer.size() != control_bytes) fail("the end was answered with something else");
}

inline payload_head head_of(bytes message) noexcept {
  payload_head got;
  std::memcpy(&got, message.data(), sizeof got);
  return got;
}

// -- servers

// Books what a server receives, and says what it answers with: nothing, or the same message.
class receiver {
 public:
  receiver(const job& of, ledger& books) : job_(of), books_(books) {
    echoes_ = of.what != work::stream && of.what != work::beside;
    clock_every_ = of.what == work::stream && of.size >= block_bytes ? 1 : 64;
    if (of.what == work::idle) before_ = memory_now();
  }

  // True: send the message back.
  bool take(bytes message) {
    if (message.size() == control_bytes) return control();
    if (!books_.measured.has_begun()) tick();
    books_.sum += message.size() == payload_bytes ? sum_of(message.data()) : sum_of(message);
    ++books_.count;
    if (--clock_in_ == 0) tick();
    if (echoes_) return true;
    if (job_.what == work::beside) return beside(message);
    const payload_head got = head_of(message);
    if (got.sequence + 1 != books_.count || message.size() != job_.size) fail("the stream's messages are not in order");
    if (got.stamp_ns != 0 && books_.measured.is_measuring()) books_.latency.record(now_ns() - got.stamp_ns);
    return false;
  }

 private:
  void tick() noexcept {
    clock_in_ = clock_every_;
    books_.begin();
    const std::int64_t now = now_ns();
    books_.measured.at(now, books_.count);
    books_.bulk.at(now, blocks_ * block_bytes);
  }

  bool beside(bytes message) {
    if (message.size() == payload_bytes) return true;
    if (message.size() != block_bytes || head_of(message).sequence != blocks_) fail("the blocks are not in order");
    ++blocks_;
    return false;
  }

  bool control() {
    if (job_.what == work::idle) {
      const memory now = memory_now();
      const auto many = static_cast<std::int64_t>(job_.connections);
      books_.resident_bytes = (now.resident_bytes - before_.resident_bytes) / many;
      books_.allocated_bytes = (now.allocated_bytes - before_.allocated_bytes) / many;
      books_.notes = "resident_bytes: anonymous pages; allocated_bytes: malloc; both divided by connections";
    }
    tick();
    books_.finish();
    return true;
  }

  const job& job_;
  ledger& books_;
  bool echoes_;
  unsigned clock_every_, clock_in_ = 1;
  std::uint64_t blocks_ = 0;
  memory before_;
};

// -- clients

// Callers that each have at most one request under way, of `pieces` messages there and as many back. Answers of different callers may
// come in any order.
class asker {
 public:
  asker(const job& of, ledger& books, std::size_t pieces = 1) : books_(books), pieces_(pieces), callers_(of.in_flight) {
    for (std::size_t i = callers_.size(); i-- > 0;) idle_.push_back(static_cast<std::uint32_t>(i));
    books_.begin();
    tick();
  }

  // Takes the time, by which requests are stamped and answers are measured. Once for what arrived together.
  void tick() noexcept {
    now_ = now_ns();
    books_.measured.at(now_, requests_);
  }
  bool is_over() const noexcept { return books_.measured.is_over(now_); }
  bool is_done() const noexcept { return is_over() && idle_.size() == callers_.size(); }

  // A caller that begins a request now: none is idle, or the time is over.
  std::optional<std::uint32_t> begin() {
    if (idle_.empty() || is_over()) return std::nullopt;
    const std::uint32_t caller = idle_.back();
    idle_.pop_back();
    callers_[caller].stamp_ns = now_;
    return caller;
  }
  payload piece(std::uint32_t caller) noexcept {
    payload made;
    made.sequence = std::uint64_t{caller} << 32 | callers_[caller].asked++;
    made.stamp_ns = callers_[caller].stamp_ns;
    ++books_.count;
    books_.sum += sum_of(made);
    return made;
  }
  // Begin and piece for those that have one line of messages: all pieces of a request, then the next request.
  std::optional<payload> next() {
    if (left_ == 0) {
      const auto began = begin();
      if (!began) return std::nullopt;
      current_ = *began;
      left_ = pieces_;
    }
    --left_;
    return piece(current_);
  }

  // For who has one under way and waits for it.
  payload only() {
    const auto made = next();
    if (!made) fail("a request is under way already");
    return *made;
  }

  // Compares with what was sent. The caller whose request has now been answered altogether, if one has.
  std::optional<std::uint32_t> take(bytes answer) {
    payload got;
    if (answer.size() != sizeof got) fail("an answer of another size");
    std::memcpy(&got, answer.data(), sizeof got);
    const std::uint64_t caller = got.sequence >> 32;
    if (caller >= callers_.size()) fail("an answer to nobody");
    state& of = callers_[caller];
    const payload filler;
    if (static_cast<std::uint32_t>(got.sequence) != of.answered || of.answered == of.asked || got.stamp_ns != of.stamp_ns ||
        std::memcmp(got.filler, filler.filler, sizeof got.filler) != 0) fail("an answer is not what was sent");
    if (++of.answered % pieces_ != 0) return std::nullopt;
    ++requests_;
    if (books_.measured.is_measuring()) books_.latency.record(now_ - of.stamp_ns);
    idle_.push_back(static_cast<std::uint32_t>(caller));
    return static_cast<std::uint32_t>(caller);
  }

 private:
  struct state {
    std::uint32_t asked = 0, answered = 0;
    std::int64_t stamp_ns = 0;
  };

  ledger& books_;
  std::size_t pieces_;
  std::vector<state> callers_;
  std::vector<std::uint32_t> idle_;
  std::int64_t now_ = 0;
  std::uint64_t requests_ = 0;
  std::uint32_t current_ = 0;
  std::size_t left_ = 0;                   // pieces of the current request
};

// Messages one way, until the time is over. One in each 64 KiB carries the time.
class pourer {
 public:
  pourer(std::size_t size, ledger& books) : books_(books), message_(size), stamp_every_(std::max<std::size_t>(block_bytes / size, 1)) {
    for (std::size_t i = 0; i < size; ++i) message_[i] = static_cast<std::byte>(i * 7);
    std::memset(message_.data(), 0, sizeof(payload_head));
    base_ = sum_of(bytes(message_));
    books_.begin();
  }

  // The next message, valid until the next call; empty when the time is over.
  bytes next() noexcept {
    payload_head now;
    if (--stamp_in_ == 0) {
      stamp_in_ = stamp_every_;
      now.stamp_ns = now_ns();
      books_.bulk.at(now.stamp_ns, count_ * message_.size());
      if (books_.bulk.is_over(now.stamp_ns)) {
        stamp_in_ = 1;
        return {};
      }
    }
    now.sequence = count_++;
    std::memcpy(message_.data(), &now, sizeof now);
    books_.sum += base_ + now.sequence + static_cast<std::uint64_t>(now.stamp_ns);
    ++books_.count;
    return message_;
  }
  std::size_t size() const noexcept { return message_.size(); }

 private:
  ledger& books_;
  std::vector<std::byte> message_;
  std::size_t stamp_every_, stamp_in_ = 1;
  std::uint64_t base_ = 0, count_ = 0;
};

}  // namespace hawser::bench::peers
