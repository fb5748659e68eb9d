// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "raw/raw.hpp"

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace hawser::bench {

// The first word of a payload counts from 0, the second is a time stamp (now_ns) or 0, the others are filler.
struct payload {
  std::uint64_t sequence = 0;
  std::int64_t stamp_ns = 0;
  std::uint64_t filler[6] = {1, 2, 3, 4, 5, 6};
};
inline constexpr std::size_t payload_bytes = 64;
static_assert(sizeof(payload) == payload_bytes);

// What a receiver adds up over all payloads.
inline std::uint64_t sum_of(const void* bytes) noexcept {
  std::uint64_t words[payload_bytes / 8];
  std::memcpy(words, bytes, sizeof words);
  std::uint64_t sum = 0;
  for (const std::uint64_t word : words) sum += word;
  return sum;
}

namespace raw {

inline constexpr std::size_t header_bytes = 4;
inline constexpr std::size_t frame_bytes = header_bytes + payload_bytes;
using bytes_view = std::span<const std::byte>;

// Cuts what arrives into payloads, where it lies; only a frame that is cut in two is put together.
class frame_reader {
 public:
  // Before: next() has answered nullptr.
  void feed(bytes_view bytes) noexcept { rest_ = bytes; }

  // The next payload, until the next call; nullptr: more bytes are needed, or is_broken().
  const std::byte* next() noexcept {
    if (have_ != 0) return completed();
    if (rest_.size() < frame_bytes) {
      keep(rest_.size());
      return nullptr;
    }
    const std::byte* frame = rest_.data();
    rest_ = rest_.subspan(frame_bytes);
    return payload_of(frame);
  }
  bool is_broken() const noexcept { return is_broken_; }

 private:
  const std::byte* payload_of(const std::byte* frame) noexcept {
    std::uint32_t length;
    std::memcpy(&length, frame, sizeof length);
    if (length == payload_bytes) return frame + header_bytes;
    is_broken_ = true;
    return nullptr;
  }
  void keep(std::size_t bytes) noexcept {
    if (bytes != 0) std::memcpy(cut_ + have_, rest_.data(), bytes);
    have_ += bytes;
    rest_ = rest_.subspan(bytes);
  }
  const std::byte* completed() noexcept {
    keep(std::min(frame_bytes - have_, rest_.size()));
    if (have_ < frame_bytes) return nullptr;
    have_ = 0;
    return payload_of(cut_);
  }

  bytes_view rest_;
  std::byte cut_[frame_bytes];
  std::size_t have_ = 0;                   // of cut_
  bool is_broken_ = false;
};

inline void write_frame(std::byte* to, const void* payload) noexcept {
  const std::uint32_t length = payload_bytes;
  std::memcpy(to, &length, sizeof length);
  std::memcpy(to + header_bytes, payload, payload_bytes);
}

// Frames that wait to be sent together.
class frame_writer {
 public:
  frame_writer() : buffer_(new std::byte[buffer_bytes]) {}

  bool has_space() const noexcept { return end_ + frame_bytes <= buffer_bytes; }
  void append(const void* payload) noexcept {
    write_frame(buffer_.get() + end_, payload);
    end_ += frame_bytes;
  }
  const std::byte* data() const noexcept { return buffer_.get() + begin_; }
  std::size_t bytes() const noexcept { return end_ - begin_; }
  void taken(std::size_t bytes) noexcept {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void clear() noexcept { begin_ = end_ = 0; }

 private:
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace raw
}  // namespace hawser::bench
