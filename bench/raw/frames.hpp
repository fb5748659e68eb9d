// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "raw/raw.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

namespace hawser::bench::raw {

inline constexpr std::size_t header_bytes = 4;
inline constexpr std::size_t frame_bytes = header_bytes + payload_bytes;     // of all but stream
using bytes_view = std::span<const std::byte>;

// Cuts what arrives into payloads of one size, where it lies; only a frame that is cut in two is put together.
class frame_reader {
 public:
  explicit frame_reader(std::size_t size = payload_bytes) : frame_bytes_(header_bytes + size), cut_(new std::byte[frame_bytes_]) {}

  // Before: next() has answered nullptr.
  void feed(bytes_view bytes) noexcept { rest_ = bytes; }

  // The next payload, until the next call; nullptr: more bytes are needed, or is_broken().
  const std::byte* next() noexcept {
    if (have_ != 0) return completed();
    if (rest_.size() < frame_bytes_) {
      keep(rest_.size());
      return nullptr;
    }
    const std::byte* frame = rest_.data();
    rest_ = rest_.subspan(frame_bytes_);
    return payload_of(frame);
  }
  bool is_broken() const noexcept { return is_broken_; }

 private:
  const std::byte* payload_of(const std::byte* frame) noexcept {
    std::uint32_t length;
    std::memcpy(&length, frame, sizeof length);
    if (length == frame_bytes_ - header_bytes) return frame + header_bytes;
    is_broken_ = true;
    return nullptr;
  }
  void keep(std::size_t bytes) noexcept {
    if (bytes != 0) std::memcpy(cut_.get() + have_, rest_.data(), bytes);
    have_ += bytes;
    rest_ = rest_.subspan(bytes);
  }
  const std::byte* completed() noexcept {
    keep(std::min(frame_bytes_ - have_, rest_.size()));
    if (have_ < frame_bytes_) return nullptr;
    have_ = 0;
    return payload_of(cut_.get());
  }

  std::size_t frame_bytes_;
  bytes_view rest_;
  std::unique_ptr<std::byte[]> cut_;
  std::size_t have_ = 0;                   // of cut_
  bool is_broken_ = false;
};

inline void write_frame(std::byte* to, const void* payload, std::size_t size = payload_bytes) noexcept {
  const auto length = static_cast<std::uint32_t>(size);
  std::memcpy(to, &length, sizeof length);
  std::memcpy(to + header_bytes, payload, size);
}

// Frames that wait to be sent together: as many as 64 KiB hold, at least one.
class frame_writer {
 public:
  explicit frame_writer(std::size_t size = payload_bytes)
      : size_(size), room_(std::max(buffer_bytes, header_bytes + size)), buffer_(new std::byte[room_]) {}

  bool has_space(std::size_t frames = 1) const noexcept { return end_ + frames * (header_bytes + size_) <= room_; }
  void append(const void* payload) noexcept {
    write_frame(buffer_.get() + end_, payload, size_);
    end_ += header_bytes + size_;
  }
  const std::byte* data() const noexcept { return buffer_.get() + begin_; }
  std::size_t bytes() const noexcept { return end_ - begin_; }
  void taken(std::size_t bytes) noexcept {
    begin_ += bytes;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void clear() noexcept { begin_ = end_ = 0; }

 private:
  std::size_t size_, room_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace hawser::bench::raw
