// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>

namespace hawser::inline v0::io {

// As much at once as makes the system call that it takes nothing beside the copy: it is sent alone, and who receives so much may know where
// it belongs.
inline constexpr std::size_t much_bytes = 32 * 1024;

// Hands the kernel up to chain::slots pieces of a chain, or of a span of views, as much as it takes without waiting. As send(2): how many
// bytes that was, or -1 and errno.
template <class Pieces>
ssize_t send_pieces(int fd, const Pieces& pieces, std::size_t count, int flags = 0) noexcept {
  flags |= MSG_NOSIGNAL | MSG_DONTWAIT;
  if (count == 1) return ::send(fd, pieces[0].data(), pieces[0].size(), flags);
  iovec list[chain::slots];
  for (std::size_t i = 0; i < count; ++i) list[i] = {const_cast<std::byte*>(pieces[i].data()), pieces[i].size()};
  msghdr message{};
  message.msg_iov = list;
  message.msg_iovlen = count;
  return ::sendmsg(fd, &message, flags);
}

}  // namespace hawser::inline v0::io
