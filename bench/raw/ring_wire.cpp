// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "raw/ring.hpp"
#include "raw/wire.hpp"

#include <cerrno>
#include <deque>
#include <optional>
#include <utility>

#include <sys/socket.h>
#include <unistd.h>

namespace hawser::bench::raw {
namespace {

class ring_wire final : public wire {
 public:
  ring_wire(int descriptor, bool sleeps, std::unique_ptr<ring> on) : descriptor_(descriptor), sleeps_(sleeps), ring_(std::move(on)) { ring_->receive(descriptor_, receiving); }
  ~ring_wire() override {
    ring_.reset();
    ::close(descriptor_);
  }

  bytes_view receive() override {
    release();
    while (arrived_.empty() && !ended()) turn();
    return next();
  }

  bool send(const void* from, std::size_t bytes) override {
    if (!flush()) return false;
    begin_send(from, bytes);
    return true;
  }

  bool flush() override {
    while (unsent_bytes_ != 0 && failure().empty()) turn();
    return failure().empty();
  }

  bytes_view exchange(frame_writer& out) override {
    release();
    out.taken(std::exchange(taken_bytes_, 0));
    if (unsent_bytes_ == 0 && out.bytes() != 0) begin_send(out.data(), out.bytes());
    while (arrived_.empty() && !ended()) {
      turn();
      if (taken_bytes_ == 0) continue;
      out.taken(std::exchange(taken_bytes_, 0));
      if (unsent_bytes_ == 0 && arrived_.empty()) return {};         // there is room again
    }
    return next();
  }

  void finish() override {
    flush();
    ::shutdown(descriptor_, SHUT_WR);
  }
  std::uint64_t system_calls() const noexcept override { return ring_->system_calls(); }

 private:
  enum mark : std::uint64_t {
    receiving,
    sending
  };
  struct arrival {
    std::size_t bytes;
    unsigned flags;
  };

  void begin_send(const void* from, std::size_t bytes) {
    unsent_ = static_cast<const std::byte*>(from);
    unsent_bytes_ = bytes;
    taken_bytes_ = 0;
    ring_->send(descriptor_, unsent_, unsent_bytes_, sending);
  }

  void turn() {
    if (const int error = ring_->enter(sleeps_)) {
      failed("io_uring_enter", error);
      return;
    }
    ring_->take([this](std::uint64_t what, int result, unsigned flags) { what == sending ? sent(result) : received(result, flags); });
  }

  void sent(int result) {
    if (result < 0) {
      unsent_bytes_ = 0;
      failed("send", -result);
      return;
    }
    unsent_ += result;
    taken_bytes_ += static_cast<std::size_t>(result);
    unsent_bytes_ -= static_cast<std::size_t>(result);
    if (unsent_bytes_ != 0) ring_->send(descriptor_, unsent_, unsent_bytes_, sending);
  }

  void received(int result, unsigned flags) {
    if (result > 0) arrived_.push_back({static_cast<std::size_t>(result), flags});
    if (result == 0) ended_ = true;
    if (result < 0 && result != -ENOBUFS) failed("recv", -result);
    // Out of buffers: all of them are here, and go back before the next turn that waits.
    if ((flags & IORING_CQE_F_MORE) == 0 && !ended()) has_stopped_ = true;
  }

  void release() {
    if (held_) ring_->give_back(*held_);
    held_.reset();
    if (has_stopped_ && arrived_.empty()) {
      has_stopped_ = false;
      ring_->receive(descriptor_, receiving);
    }
  }

  bytes_view next() {
    if (arrived_.empty()) return {};
    const arrival first = arrived_.front();
    arrived_.pop_front();
    held_ = first.flags;
    return {ring_->buffer(first.flags), first.bytes};
  }

  int descriptor_;
  bool sleeps_;
  std::unique_ptr<ring> ring_;
  std::deque<arrival> arrived_;
  std::optional<unsigned> held_;           // the flags of the completion whose buffer was handed out
  bool has_stopped_ = false;               // the receive, and is to be armed again
  const std::byte* unsent_ = nullptr;      // of the send under way
  std::size_t unsent_bytes_ = 0;
  std::size_t taken_bytes_ = 0;            // of it, and exchange() has not told its caller
};

}  // namespace

std::expected<std::unique_ptr<wire>, std::string> make_ring_wire(int descriptor, const job& of, std::size_t receive_bytes) {
  const unsigned buffers = receive_bytes > buffer_bytes ? 8 : 16;
  auto on = ring::make({.submissions = 64, .completions = 256, .buffers = buffers, .buffer_bytes = static_cast<unsigned>(receive_bytes)});
  if (!on) {
    ::close(descriptor);
    return std::unexpected(on.error());
  }
  return std::make_unique<ring_wire>(descriptor, of.wait == wait_mode::block, std::move(*on));
}

}  // namespace hawser::bench::raw
