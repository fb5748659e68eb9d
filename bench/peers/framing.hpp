// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peers/side.hpp"

#include <algorithm>
#include <memory>
#include <utility>

// Messages on a stream of bytes, as one writes it by hand: a little-endian length of 4 bytes before each.
namespace hawser::bench::peers {

inline constexpr std::size_t length_bytes = 4;
inline constexpr std::size_t buffer_bytes = std::size_t{64} << 10;

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

}  // namespace hawser::bench::peers
