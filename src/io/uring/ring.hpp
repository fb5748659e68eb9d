// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/time.hpp>

#include <liburing.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <string>

namespace hawser::inline v0::io {

// Why there is no ring: the step that failed, and its errno (0: the step says it all).
struct refusal {
  std::string step;
  int error = 0;
  // With what helps against it.
  std::string text() const;
};

// Sizes of a ring. Powers of two.
struct ring_geometry {
  unsigned submissions = 1024;       // more wait in user space
  unsigned completions = 4096;       // more wait in the kernel
  unsigned receive_buffers = 64;     // of receive_buffer_bytes each. Fewer: sockets that speak at once wait for each other; more: bulk
                                     // walks through cold memory
};

// Debian's liburing 2.3 declares io_uring_enable_rings() and does not export it.
int enable_ring(io_uring* ring) noexcept;

// The system calls that make a ring. Tests replace them.
struct ring_calls {
  int (*set_up)(unsigned entries, io_uring* ring, io_uring_params* params) = &io_uring_queue_init_params;
  int (*register_buffers)(io_uring* ring, io_uring_buf_reg* buffers, unsigned flags) = &io_uring_register_buf_ring;
  int (*enable)(io_uring* ring) = &enable_ring;
  int (*submit_and_wait)(io_uring* ring, io_uring_cqe** first, unsigned count, __kernel_timespec* limit,
      sigset_t* mask) = &io_uring_submit_and_wait_timeout;
};

// The two queues of io_uring, for one issuing thread: the one that enters first, whichever made the ring. Completions run in
// enter() alone (IORING_SETUP_DEFER_TASKRUN), so the kernel touches no memory of ours at any other time.
class ring {
 public:
  static std::expected<std::unique_ptr<ring>, refusal> make(const ring_geometry& geometry, const ring_calls& calls);
  ring(const ring&) = delete;
  ring& operator=(const ring&) = delete;
  ~ring();

  int descriptor() const noexcept { return ring_.ring_fd; }
  io_uring* raw() noexcept { return &ring_; }

  // An entry to be filled in; what it names must stay valid until unsubmitted() is 0.
  io_uring_sqe* next();
  std::size_t unsubmitted() const noexcept { return io_uring_sq_ready(&ring_) + waiting_.size(); }
  // Submits, runs what the kernel has ready, and waits up to `span` for the first completion (zero: does not wait; duration::max():
  // as long as it takes). One system call unless more is queued than the ring holds.
  void enter(duration span);
  // As enter(); what the kernel refuses is answered (a negative errno) instead of ending the program.
  int try_enter(duration span);
  // Submits only.
  void submit();

  std::size_t completions() const noexcept { return io_uring_cq_ready(&ring_); }
  // Hands up to `most` completions to `hand`, which must not enter.
  template <class Hand>
  void take(std::size_t most, Hand&& hand) {
    unsigned head = 0;
    unsigned count = 0;
    io_uring_cqe* completion = nullptr;
    io_uring_for_each_cqe(&ring_, head, completion) {
      if (count == most) break;
      ++count;
      hand(*completion);
    }
    io_uring_cq_advance(&ring_, count);
  }

  std::uint64_t enters() const noexcept { return enters_; }
  // Whether the calling thread may enter: it did so before, or nobody did.
  bool enterable() const noexcept;
  // Whether this is a child of the process that made the ring. The queues are shared memory: it must not touch them.
  bool inherited() const noexcept;

 private:
  explicit ring(const ring_calls& calls) noexcept;
  int bind();
  void refill();
  int push_waiting();

  io_uring ring_{};
  ring_calls calls_;
  std::deque<io_uring_sqe> waiting_;     // what did not fit into the submission queue, in order
  std::uint64_t enters_ = 0;
  pid_t process_;
  pid_t issuer_ = 0;                     // thread id; 0: nobody has entered yet
};

}  // namespace hawser::inline v0::io
