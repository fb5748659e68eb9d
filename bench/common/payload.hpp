// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

// What is sent: whoever takes part sends it and sums it up.
namespace hawser::bench {

// The first word of a payload counts from 0, the second is a time stamp (now_ns) or 0, the others are filler.
struct payload {
  std::uint64_t sequence = 0;
  std::int64_t stamp_ns = 0;
  std::uint64_t filler[6] = {1, 2, 3, 4, 5, 6};
};
inline constexpr std::size_t payload_bytes = 64;
static_assert(sizeof(payload) == payload_bytes);

// How every longer message begins.
struct payload_head {
  std::uint64_t sequence = 0;
  std::int64_t stamp_ns = 0;
};

// What a receiver adds up over all payloads.
inline std::uint64_t sum_of(const void* bytes) noexcept {
  std::uint64_t words[payload_bytes / 8];
  std::memcpy(words, bytes, sizeof words);
  std::uint64_t sum = 0;
  for (const std::uint64_t word : words) sum += word;
  return sum;
}

// The same for any number of bytes; a last word that is not whole is filled up with zeros. Four sums at once, because one would wait for
// itself.
inline std::uint64_t sum_of(std::span<const std::byte> bytes) noexcept {
  std::uint64_t sums[4] = {}, words[4];
  const std::byte* at = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= sizeof words; at += sizeof words, left -= sizeof words) {
    std::memcpy(words, at, sizeof words);
    for (int i = 0; i < 4; ++i) sums[i] += words[i];
  }
  for (; left > 0; at += 8) {
    const std::size_t step = left < 8 ? left : 8;
    words[0] = 0;
    std::memcpy(words, at, step);
    sums[0] += words[0];
    left -= step;
  }
  return sums[0] + sums[1] + sums[2] + sums[3];
}

// Sums what comes in pieces as sum_of() sums the whole.
class running_sum {
 public:
  void add(std::span<const std::byte> bytes) noexcept {
    if (have_ != 0) {
      const std::size_t step = std::min(sizeof word_ - have_, bytes.size());
      std::memcpy(word_ + have_, bytes.data(), step);
      have_ += step;
      bytes = bytes.subspan(step);
      if (have_ < sizeof word_) return;
      sum_ += sum_of(std::span<const std::byte>(word_));
    }
    const std::size_t whole = bytes.size() / sizeof word_ * sizeof word_;
    sum_ += sum_of(bytes.first(whole));
    have_ = bytes.size() - whole;
    if (have_ != 0) std::memcpy(word_, bytes.data() + whole, have_);
  }
  std::uint64_t take() noexcept {
    const std::uint64_t sum = sum_ + sum_of(std::span<const std::byte>(word_, have_));
    sum_ = have_ = 0;
    return sum;
  }

 private:
  std::uint64_t sum_ = 0;
  std::byte word_[8];
  std::size_t have_ = 0;
};

// Numbers of messages that come in several lines, each in its own order: the line stands in the upper bits.
inline constexpr unsigned line_shift = 40;
inline constexpr std::uint64_t sequence_in(std::size_t line, std::uint64_t number) noexcept { return std::uint64_t{line} << line_shift | number; }

class arrival_order {
 public:
  explicit arrival_order(std::size_t lines) : next_(lines) {}
  // False: this one was not the next of its line.
  bool follows(std::uint64_t sequence) noexcept {
    const std::uint64_t line = sequence >> line_shift;
    return line < next_.size() && next_[line]++ == (sequence & ((std::uint64_t{1} << line_shift) - 1));
  }

 private:
  std::vector<std::uint64_t> next_;
};

// Messages of one size, one after the other, each with its number and perhaps a time; their sums are known without adding up.
class message_source {
 public:
  explicit message_source(std::size_t size, std::size_t line = 0) : bytes_(size), line_(line) {
    const payload first;
    for (std::size_t i = 0; i < size; ++i) bytes_[i] = static_cast<std::byte>(i * 7);
    if (size == sizeof first) std::memcpy(bytes_.data(), &first, sizeof first);
    std::memset(bytes_.data(), 0, sizeof(payload_head));
    base_ = sum_of(std::span<const std::byte>(bytes_));
  }
  // The next message, until the one after it. Its size is at least that of a payload_head.
  std::span<const std::byte> next(std::int64_t stamp_ns) noexcept { return numbered(sequence_in(line_, count_), stamp_ns); }
  std::span<const std::byte> numbered(std::uint64_t sequence, std::int64_t stamp_ns) noexcept {
    const payload_head head{sequence, stamp_ns};
    std::memcpy(bytes_.data(), &head, sizeof head);
    sum_ = base_ + head.sequence + static_cast<std::uint64_t>(stamp_ns);
    ++count_;
    return bytes_;
  }
  std::uint64_t sum() const noexcept { return sum_; }          // of the last one
  std::uint64_t count() const noexcept { return count_; }
  std::size_t size() const noexcept { return bytes_.size(); }

 private:
  std::vector<std::byte> bytes_;
  std::size_t line_;
  std::uint64_t base_ = 0, sum_ = 0, count_ = 0;
};

}  // namespace hawser::bench
