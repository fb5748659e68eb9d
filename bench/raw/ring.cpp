// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/ring.hpp"

#include <cerrno>
#include <system_error>

#include <sys/mman.h>
#include <sys/socket.h>

namespace hawser::bench::raw {

namespace {

std::unexpected<std::string> refused(const char* call, int error) {
  return std::unexpected(std::string(call) + ": " + std::generic_category().message(error));
}

}  // namespace

ring::ring(const geometry& of) : geometry_(of), room_(new std::byte[std::size_t{of.buffers} * of.buffer_bytes]) { ring_.ring_fd = -1; }

std::expected<std::unique_ptr<ring>, std::string> ring::make(const geometry& of) {
  std::unique_ptr<ring> made(new ring(of));
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
  params.cq_entries = of.completions;
  if (const int answer = io_uring_queue_init_params(of.submissions, &made->ring_, &params); answer < 0) {
    made->ring_.ring_fd = -1;
    return refused("io_uring_setup", -answer);
  }
  (void)io_uring_register_ring_fd(&made->ring_);      // a little faster where it is possible
  const std::size_t bytes = of.buffers * sizeof(io_uring_buf);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return refused("mmap", errno);
  made->buffers_ = static_cast<io_uring_buf_ring*>(memory);
  io_uring_buf_reg request{};
  request.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
  request.ring_entries = of.buffers;
  if (const int answer = io_uring_register_buf_ring(&made->ring_, &request, 0); answer < 0) return refused("io_uring_register", -answer);
  io_uring_buf_ring_init(made->buffers_);
  for (unsigned which = 0; which < of.buffers; ++which) made->give(static_cast<std::uint16_t>(which));
  return made;
}

ring::~ring() {
  if (ring_.ring_fd >= 0) io_uring_queue_exit(&ring_);
  if (buffers_) ::munmap(buffers_, geometry_.buffers * sizeof(io_uring_buf));
}

void ring::give(std::uint16_t which) noexcept {
  io_uring_buf_ring_add(buffers_, room_.get() + std::size_t{which} * geometry_.buffer_bytes, geometry_.buffer_bytes, which,
      static_cast<int>(geometry_.buffers - 1), given_++);
}

void ring::publish() noexcept {
  if (given_ != 0) io_uring_buf_ring_advance(buffers_, given_);
  given_ = 0;
}

io_uring_sqe* ring::next() {
  io_uring_sqe* entry = io_uring_get_sqe(&ring_);
  while (!entry) {                         // the queue is full: the kernel takes it
    publish();
    ++system_calls_;
    io_uring_submit(&ring_);
    entry = io_uring_get_sqe(&ring_);
  }
  return entry;
}

void ring::receive(int descriptor, std::uint64_t mark) {
  io_uring_sqe* entry = next();
  io_uring_prep_recv_multishot(entry, descriptor, nullptr, 0, 0);
  entry->flags |= IOSQE_BUFFER_SELECT;
  entry->buf_group = 0;
  entry->user_data = mark;
}

void ring::send(int descriptor, const void* from, std::size_t bytes, std::uint64_t mark) {
  io_uring_sqe* entry = next();
  io_uring_prep_send(entry, descriptor, from, bytes, MSG_NOSIGNAL);
  entry->user_data = mark;
}

int ring::enter(bool may_sleep) {
  publish();
  ++system_calls_;
  const int answer = may_sleep ? io_uring_submit_and_wait(&ring_, 1) : io_uring_submit_and_get_events(&ring_);
  return answer >= 0 || answer == -EINTR || answer == -EBUSY || answer == -EAGAIN ? 0 : -answer;
}

}  // namespace hawser::bench::raw
