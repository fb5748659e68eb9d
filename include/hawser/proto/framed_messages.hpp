// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>
#include <hawser/base/bytes.hpp>
#include <hawser/base/error.hpp>
#include <hawser/base/export.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hawser::inline v0::proto {

class connection;

// Messages for the default channel that are the same for many connections: framed once, in one block that all who send them share.
// Append, then give it to connection::send() of each; after that more can be appended, or clear() begins anew. On one loop's thread.
class HAWSER_API framed_messages {
 public:
  static constexpr std::size_t bytes_max = 64 * 1024;      // framed: 4 bytes beside each message, 8 from 4 KiB on

  // The pool of the loop: loop::buffers(). It must outlive this.
  explicit framed_messages(buffer_pool& pool) noexcept : pool_(&pool) {}

  // Copies a message behind the others. Errors: would_block (no room beside what is here), message_too_big (not even alone).
  result<> append(byte_view message);
  void clear() noexcept;

  std::span<const byte_view> messages() const noexcept { return messages_; }       // in order; valid until append() or clear()
  std::size_t count() const noexcept { return messages_.size(); }
  std::size_t bytes() const noexcept { return frames_.size(); }                    // framed

 private:
  friend class connection;

  buffer_pool* pool_;
  chunk frames_;
  std::vector<byte_view> messages_;                        // in frames_
  std::uint32_t cost_ = 0;                                 // of all frames (spec/wire.md, section 5)
  std::uint32_t largest_ = 0;                              // bytes of a message
};

}  // namespace hawser::inline v0::proto

namespace hawser::inline v0 {
using proto::framed_messages;
}  // namespace hawser::inline v0
