// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peers/work.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

// Messages on a stream of bytes, as one writes it by hand: a little-endian length of 4 bytes before each.
namespace hawser::bench::peers {

inline constexpr std::size_t length_bytes = 4;
inline constexpr std::size_t buffer_bytes = std::size_t{64} << 10;
// From this size on a message is written from where it lies, not copied into the outbox.
inline constexpr std::size_t copied_below_bytes = 16 << 10;
// The inbox of a connection that carries a message now and then, and of one that is published to: what may be sent ahead to it.
inline constexpr std::size_t small_inbox_bytes = 1 << 10, subscriber_inbox_bytes = 16 << 10;

inline std::size_t message_bytes_max(const job& of) noexcept {
  if (of.what == work::stream) return of.size;
  return of.what == work::beside ? block_bytes : publication_bytes;
}
inline std::size_t served_inbox_bytes(const job& of) noexcept {
  const bool many = of.what == work::echoes || of.what == work::idle || of.what == work::connect || of.what == work::fanout;
  return many ? small_inbox_bytes : buffer_bytes;
}

// Cuts what arrives into messages. What is cut off at the end moves to the front.
class inbox {
 public:
  explicit inbox(std::size_t message_bytes_max, std::size_t capacity_bytes = buffer_bytes)
      : message_bytes_max_(message_bytes_max), capacity_(std::max(capacity_bytes, message_bytes_max + 2 * length_bytes)),
        buffer_(new std::byte[capacity_]) {}

  // Where the next bytes go. Of a message longer than the rest of the buffer only what is missing, and the next length: then
  // nothing of it has to be moved again.
  std::span<std::byte> space() noexcept {
    const std::size_t missing = wanted_ > end_ - begin_ ? wanted_ - (end_ - begin_) : 0;
    const std::size_t room = missing > capacity_ / 4 ? missing + length_bytes : capacity_ - end_;
    return {buffer_.get() + end_, std::min(room, capacity_ - end_)};
  }
  void filled(std::size_t n) noexcept { end_ += n; }

  // The next message, valid until space() is written to; nothing (data() is null) when more bytes are needed.
  bytes next() {
    std::uint32_t length = 0;
    wanted_ = length_bytes;
    if (end_ - begin_ >= length_bytes) {
      std::memcpy(&length, buffer_.get() + begin_, sizeof length);
      if (length > message_bytes_max_) fail("a frame is longer than any message");
      wanted_ = length_bytes + length;
    }
    if (end_ - begin_ < wanted_) {
      std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
      return {};
    }
    const bytes message(buffer_.get() + begin_ + length_bytes, length);
    begin_ += wanted_;
    return message;
  }
  // All that are there; space() may be written to once it has returned.
  template <class Take>
  void each(Take&& take) {
    for (bytes message = next(); message.data() != nullptr; message = next()) take(message);
  }
  bool is_empty() const noexcept { return begin_ == end_; }

 private:
  std::size_t message_bytes_max_, capacity_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0, wanted_ = length_bytes;
};

// Messages that are sent together.
class outbox {
 public:
  // Takes memory when something is appended. capacity_bytes is what has_room goes by.
  explicit outbox(std::size_t capacity_bytes = buffer_bytes) : room_(capacity_bytes) {}

  bool has_room(std::size_t message_bytes) const noexcept { return end_ + length_bytes + message_bytes <= room_; }
  void append(bytes message) {
    if (end_ + length_bytes + message.size() > capacity_) grow(message.size());
    const auto length = static_cast<std::uint32_t>(message.size());
    std::memcpy(buffer_.get() + end_, &length, sizeof length);
    std::memcpy(buffer_.get() + end_ + length_bytes, message.data(), message.size());
    end_ += length_bytes + message.size();
  }
  bytes unsent() const noexcept { return {buffer_.get() + begin_, end_ - begin_}; }
  bool is_empty() const noexcept { return begin_ == end_; }
  void sent(std::size_t n) noexcept {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }

 private:
  void grow(std::size_t message_bytes) {
    capacity_ = std::max({2 * capacity_, end_ + length_bytes + message_bytes, room_});
    std::unique_ptr<std::byte[]> larger(new std::byte[capacity_]);
    if (end_ > 0) std::memcpy(larger.get(), buffer_.get(), end_);
    buffer_ = std::move(larger);
  }

  std::size_t room_, capacity_ = 0;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

// Publications that are open lie side by side, as frames, once for all subscribers: each has a position in them.
class open_frames {
 public:
  void append(bytes publication) noexcept {
    std::byte* at = frames_.data() + end_bytes_ % frames_.size();
    const auto length = static_cast<std::uint32_t>(publication_bytes);
    std::memcpy(at, &length, sizeof length);
    std::memcpy(at + length_bytes, publication.data(), publication_bytes);
    end_bytes_ += length_bytes + publication_bytes;
  }
  std::uint64_t end_bytes() const noexcept { return end_bytes_; }     // of all publications so far
  // What follows on so many bytes: two pieces, the second mostly empty. They stay while anybody has not confirmed them.
  std::array<bytes, 2> after(std::uint64_t sent_bytes) const noexcept {
    const std::size_t begin = sent_bytes % frames_.size(), left = end_bytes_ - sent_bytes, first = std::min(left, frames_.size() - begin);
    return {bytes(frames_.data() + begin, first), bytes(frames_.data(), left - first)};
  }

 private:
  std::vector<std::byte> frames_ = std::vector<std::byte>(publications_open * (length_bytes + publication_bytes));
  std::uint64_t end_bytes_ = 0;
};

}  // namespace hawser::bench::peers
