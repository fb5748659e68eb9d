// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peers/work.hpp"

// The same for workloads of many connections.
namespace hawser::bench::peers {

// The first message of each connection, which is sent back.
class greeter {
 public:
  explicit greeter(ledger& books) : books_(books) { books_.begin(); }

  const payload& next() noexcept {
    hello_.sequence = books_.count++;
    books_.sum += sum_of(hello_);
    return hello_;
  }
  void take(bytes answer) const {
    if (answer.size() != sizeof hello_ || std::memcmp(answer.data(), &hello_, sizeof hello_) != 0) fail("an answer is not what was sent");
  }

 private:
  ledger& books_;
  payload hello_;
};

// One message at a time on each connection, on `in_flight` of them at once, all in turn.
class turns {
 public:
  turns(const job& of, ledger& books) : books_(books), sent_(of.connections), in_flight_max_(of.in_flight) {}

  // The first time when all are connected.
  void tick() noexcept {
    books_.begin();
    now_ = now_ns();
    books_.measured.at(now_, answered_);
  }
  bool is_over() const noexcept { return books_.measured.is_over(now_); }
  bool is_done() const noexcept { return is_over() && under_way_ == 0; }

  struct turn {
    std::size_t connection;
    payload message;
  };
  // Whose turn it is: nobody's while enough are under way, or the next one still is, or the time is over.
  std::optional<turn> next() {
    if (under_way_ == in_flight_max_ || is_over() || sent_[at_].stamp_ns != 0) return std::nullopt;
    turn made{at_, {}};
    made.message.sequence = books_.count;
    made.message.stamp_ns = now_;
    sent_[at_] = {books_.count, now_};
    books_.sum += sum_of(made.message);
    ++books_.count;
    ++under_way_;
    if (++at_ == sent_.size()) at_ = 0;
    return made;
  }
  void take(std::size_t connection, bytes answer) {
    payload expected;
    expected.sequence = sent_[connection].sequence;
    expected.stamp_ns = sent_[connection].stamp_ns;
    if (expected.stamp_ns == 0 || answer.size() != sizeof expected || std::memcmp(answer.data(), &expected, sizeof expected) != 0) {
      fail("an answer is not what was sent");
    }
    sent_[connection].stamp_ns = 0;
    if (books_.measured.is_measuring()) books_.latency.record(now_ - expected.stamp_ns);
    ++answered_;
    --under_way_;
  }

 private:
  ledger& books_;
  std::vector<payload_head> sent_;         // with a time: under way
  std::size_t in_flight_max_, under_way_ = 0, at_ = 0;
  std::uint64_t answered_ = 0;
  std::int64_t now_ = 0;
};

// What the publisher sends to everybody, in a window of publications_open.
class publisher {
 public:
  publisher(const job& of, ledger& books) : books_(books), many_(of.connections) {
    for (std::size_t i = 0; i < sizeof message_; ++i) message_[i] = static_cast<std::byte>(i);
    std::memset(message_, 0, sizeof(payload_head));
    base_ = sum_of(bytes(message_));
  }

  // Empty: the window is full, or the time is over.
  bytes next() noexcept {
    books_.begin();
    if (published_ - confirmed_ == publications_open) return {};
    const payload_head now{published_, now_ns()};
    books_.measured.at(now.stamp_ns, books_.count);
    if (books_.measured.is_over(now.stamp_ns)) {
      is_over_ = true;
      return {};
    }
    std::memcpy(message_, &now, sizeof now);
    ++published_;
    books_.count += many_;
    books_.sum += many_ * (base_ + now.sequence + static_cast<std::uint64_t>(now.stamp_ns));
    return message_;
  }
  // From a control message of the subscribers.
  void take(bytes confirmation) {
    std::uint64_t all = 0;
    if (confirmation.size() != sizeof all) fail("a confirmation of another size");
    std::memcpy(&all, confirmation.data(), sizeof all);
    if (all < confirmed_ || all > published_) fail("more was confirmed than published");
    confirmed_ = all;
  }
  // Everything was confirmed and no more will come: time for the control message that ends it.
  bool is_done() const noexcept { return is_over_ && confirmed_ == published_; }

 private:
  ledger& books_;
  std::uint64_t many_, base_ = 0, published_ = 0, confirmed_ = 0;
  bool is_over_ = false;
  std::byte message_[publication_bytes];
};

// All subscribers, in one process.
class subscribers {
 public:
  subscribers(const job& of, ledger& books) : books_(books), next_(of.connections) { books_.begin(); }

  void tick() noexcept { books_.measured.at(now_ns(), books_.count); }
  void take(std::size_t subscriber, bytes message) {
    if (message.size() == control_bytes) {
      ++ended_;
      return;
    }
    if (message.size() != publication_bytes) fail("a publication of another size");
    const payload_head got = head_of(message);
    if (got.sequence != next_[subscriber] || ended_ != 0) fail("a publication was lost");
    ++next_[subscriber];
    ++books_.count;
    books_.sum += sum_of(message);
    if (++seen_[got.sequence % publications_open] < next_.size()) return;
    seen_[got.sequence % publications_open] = 0;
    ++seen_by_all_;
    if (books_.measured.is_measuring()) books_.latency.record(now_ns() - got.stamp_ns);
  }
  // Something new to confirm: how many publications all have.
  std::optional<std::uint64_t> confirmation() noexcept {
    if (seen_by_all_ == confirmed_) return std::nullopt;
    return confirmed_ = seen_by_all_;
  }
  bool is_done() const noexcept { return ended_ == next_.size(); }

 private:
  ledger& books_;
  std::vector<std::uint64_t> next_;        // publication of each subscriber
  std::uint64_t seen_[publications_open] = {};
  std::uint64_t seen_by_all_ = 0, confirmed_ = 0;
  std::size_t ended_ = 0;
};

}  // namespace hawser::bench::peers
