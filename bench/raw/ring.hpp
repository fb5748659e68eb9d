// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <liburing.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

namespace hawser::bench::raw {

// A ring as the measurements of docs/adr/0007 recommend it, with one group of provided buffers. For one thread.
class ring {
 public:
  // All of them powers of two.
  struct geometry {
    unsigned submissions, completions, buffers, buffer_bytes;
  };
  static std::expected<std::unique_ptr<ring>, std::string> make(const geometry& of);
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;
  ~ring();

  // Queues a multishot receive, or a send of what must stay until its completion.
  void receive(int descriptor, std::uint64_t mark);
  void send(int descriptor, const void* from, std::size_t bytes, std::uint64_t mark);

  // Submits what is queued, runs what is ready and brings the completions; asleep until the first one if it may sleep. 0, or an errno.
  int enter(bool may_sleep);
  // Hands each completion to `hand(mark, result, flags)`.
  template <class Hand>
  void take(Hand&& hand) {
    unsigned head = 0, count = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      ++count;
      hand(completion->user_data, completion->res, completion->flags);
    }
    io_uring_cq_advance(&ring_, count);
  }
  bool has_completions() const noexcept { return io_uring_cq_ready(&ring_) != 0; }

  const std::byte* buffer(unsigned flags) const noexcept { return room_.get() + std::size_t{flags >> IORING_CQE_BUFFER_SHIFT} * geometry_.buffer_bytes; }
  // The buffer of a completion with these flags; the kernel has it again with the next enter().
  void give_back(unsigned flags) noexcept { give(static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT)); }

  std::uint64_t system_calls() const noexcept { return system_calls_; }

 private:
  explicit ring(const geometry& of);
  io_uring_sqe* next();
  void give(std::uint16_t which) noexcept;
  void publish() noexcept;

  geometry geometry_;
  io_uring ring_{};
  io_uring_buf_ring* buffers_ = nullptr;
  std::unique_ptr<std::byte[]> room_;
  int given_ = 0;                          // since the kernel was told
  std::uint64_t system_calls_ = 0;
};

}  // namespace hawser::bench::raw
