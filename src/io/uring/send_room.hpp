// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <new>
#include <vector>

namespace hawser::inline v0::io {

// Scatter lists of the sends that are queued. The kernel copies a list when it takes the entry: then all of them are void.
class send_room {
 public:
  // A message of all chunks of the chain.
  msghdr* describe(const chain& bytes) {
    const std::size_t count = bytes.count();
    std::byte* room = take(sizeof(msghdr) + count * sizeof(iovec));
    msghdr* message = new (room) msghdr{};
    iovec* pieces = reinterpret_cast<iovec*>(room + sizeof(msghdr));
    for (std::size_t i = 0; i < count; ++i) new (pieces + i) iovec{const_cast<std::byte*>(bytes[i].data()), bytes[i].size()};
    message->msg_iov = pieces;
    message->msg_iovlen = count;
    return message;
  }
  void clear() noexcept { page_ = used_ = 0; }

 private:
  static constexpr std::size_t page_bytes = 16 * 1024;
  static_assert(sizeof(msghdr) + chain::slots * sizeof(iovec) <= page_bytes);

  std::byte* take(std::size_t bytes) {
    if (used_ + bytes > page_bytes) {
      ++page_;
      used_ = 0;
    }
    if (page_ == pages_.size()) pages_.push_back(std::make_unique_for_overwrite<std::byte[]>(page_bytes));
    std::byte* room = pages_[page_].get() + used_;
    used_ += bytes;
    return room;
  }
  std::vector<std::unique_ptr<std::byte[]>> pages_;
  std::size_t page_ = 0;
  std::size_t used_ = 0;
};

}  // namespace hawser::inline v0::io
