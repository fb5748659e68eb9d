// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/uring/receive_buffers.hpp"

#include <hawser/base/contract.hpp>
#include <hawser/io/engine.hpp>

#include <sys/mman.h>

#include <cerrno>

namespace hawser::inline v0::io {

// Shared memory, so that a fork() does not part the kernel's pages from ours.
std::expected<std::unique_ptr<receive_buffers>, refusal> receive_buffers::make(ring& of, const ring_geometry& geometry,
    const ring_calls& calls) {
  const unsigned count = geometry.receive_buffers;
  void* memory = ::mmap(nullptr, count * sizeof(io_uring_buf), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return std::unexpected(refusal{"mmap", errno});
  std::unique_ptr<receive_buffers> made(new receive_buffers(memory, count));
  io_uring_buf_reg request{};
  request.ring_addr = reinterpret_cast<std::uintptr_t>(memory);
  request.ring_entries = count;
  request.bgid = group;
  if (const int answer = calls.register_buffers(of.raw(), &request, 0); answer < 0) {
    return std::unexpected(refusal{"io_uring_register (provided buffers)", -answer});
  }
  return made;
}

receive_buffers::receive_buffers(void* memory, unsigned count) noexcept : entries_(static_cast<io_uring_buf_ring*>(memory)), count_(count) {
  io_uring_buf_ring_init(entries_);
}

receive_buffers::~receive_buffers() { ::munmap(entries_, count_ * sizeof(io_uring_buf)); }

void receive_buffers::fill() {
  chunks_.resize(count_);
  out_.assign(count_, true);
  for (std::uint16_t which = 0; which < count_; ++which) give_back(which);
}

void receive_buffers::taken(std::uint16_t which) noexcept {
  HAWSER_EXPECTS(which < count_ && !out_[which], "a receive buffer is filled that the kernel did not have");
  out_[which] = true;
  --with_kernel_;
}

void receive_buffers::give_back(std::uint16_t which) {
  HAWSER_EXPECTS(out_[which], "a receive buffer is given back twice");
  if (!chunks_[which].unique()) chunks_[which] = pool_.allocate(receive_buffer_bytes);
  out_[which] = false;
  ++with_kernel_;
  io_uring_buf_ring_add(entries_, chunks_[which].mutable_data(), receive_buffer_bytes, which, static_cast<int>(count_ - 1), added_++);
}

void receive_buffers::publish() noexcept {
  if (added_ == 0) return;
  io_uring_buf_ring_advance(entries_, added_);
  added_ = 0;
}

}  // namespace hawser::inline v0::io
