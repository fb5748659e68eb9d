// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "io/uring/ring.hpp"

#include <hawser/base/buffer.hpp>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <vector>

namespace hawser::inline v0::io {

// The receive buffers of a loop, which the kernel picks by itself (a provided-buffer ring, group 0). Each one is at any time either with
// the kernel or out, with us: taken() and give_back() move it. They are chunks of a pool of their own: the loop's counts what its
// program holds, and this stock is nobody's.
class receive_buffers {
 public:
  static constexpr int group = 0;

  // Registers the group, empty. Errors: what io_uring_register refuses.
  static std::expected<std::unique_ptr<receive_buffers>, refusal> make(ring& of, const ring_geometry& geometry, const ring_calls& calls);
  receive_buffers(const receive_buffers&) = delete;
  receive_buffers& operator=(const receive_buffers&) = delete;
  ~receive_buffers();

  // Gives the kernel all of them. A loop that never receives holds none.
  void fill();
  bool filled() const noexcept { return !chunks_.empty(); }

  // The kernel has filled it.
  void taken(std::uint16_t which) noexcept;
  chunk& at(std::uint16_t which) noexcept { return chunks_[which]; }
  // Back to the kernel, with the next publish(); a fresh one in its place when somebody else holds a slice of it.
  void give_back(std::uint16_t which);
  void publish() noexcept;

  std::size_t with_kernel() const noexcept { return with_kernel_; }

 private:
  static constexpr std::size_t pool_bytes_max = std::size_t{4} << 20;      // what readers gave back, for reuse
  receive_buffers(void* memory, unsigned count) noexcept;
  void add(std::uint16_t which);

  io_uring_buf_ring* entries_;
  unsigned count_;
  int added_ = 0;                      // since the last publish()
  std::size_t with_kernel_ = 0;
  buffer_pool pool_{pool_bytes_max};
  std::vector<chunk> chunks_;
  std::vector<bool> out_;
};

}  // namespace hawser::inline v0::io
