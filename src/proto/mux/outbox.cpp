// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/outbox.hpp"

#include <algorithm>
#include <new>
#include <utility>

namespace hawser::inline v0::proto::mux {

namespace {
constexpr std::size_t small_segment_bytes = 1024;
constexpr std::size_t first_segment_bytes = 16 * 1024;
constexpr std::size_t loaded_segment_bytes = 64 * 1024;
}  // namespace

// Who said little the last time gets a small one: thousands that say little at once then stay in the cache.
void outbox::open_segment(std::size_t count) {
  close_run();
  std::size_t wanted = in_flight_ < first_segment_bytes ? first_segment_bytes : loaded_segment_bytes;
  if (in_flight_ == 0) {
    if (end_ - began_ <= small_segment_bytes) wanted = small_segment_bytes;
    began_ = end_;
  }
  open_ = pool_->allocate(std::max(count, wanted));
}

void outbox::close_run() {
  if (!open_.empty()) need_ready().append(open_.take_front(open_.size()));
}

chain& outbox::need_ready() {
  if (!full_) {
    chunk room = pool_->allocate(sizeof(run));
    full_ = new (room.mutable_data()) run(*pool_);
    full_->self = std::move(room);
  }
  return full_->ready;
}

void outbox::drop_full() noexcept {
  if (!full_) return;
  const chunk room = std::move(full_->self);
  full_->~run();
  full_ = nullptr;
}

void outbox::append(chunk piece) {
  if (piece.empty()) return;
  close_run();
  end_ += piece.size();
  in_flight_ += piece.size();
  need_ready().append(std::move(piece));
}

std::size_t outbox::take(chain& out, std::size_t bytes_max) {
  if (!full_ && open_.size() <= bytes_max && !out.full()) [[likely]] {
    const std::size_t all = open_.size();
    if (all != 0) out.append(open_.take_front(all));
    return all;
  }
  close_run();
  if (!full_) return 0;
  chain& ready = full_->ready;
  std::size_t moved = 0;
  while (!ready.empty() && moved < bytes_max && !out.full()) {
    chunk piece = ready[0];
    if (piece.size() > bytes_max - moved) piece.truncate(bytes_max - moved);
    ready.drop_front(piece.size());
    moved += piece.size();
    out.append(std::move(piece));
  }
  if (ready.empty()) drop_full();
  return moved;
}

std::optional<std::size_t> outbox::look(std::span<byte_view> pieces) const noexcept {
  const std::size_t ready = full_ ? full_->ready.count() : 0;
  if (ready + (open_.empty() ? 0 : 1) > pieces.size()) return std::nullopt;
  for (std::size_t i = 0; i < ready; ++i) pieces[i] = full_->ready[i];
  if (open_.empty()) return ready;
  pieces[ready] = open_;
  return ready + 1;
}

void outbox::took(std::size_t count) noexcept {
  in_flight_ -= count;
  if (full_) {
    const std::size_t of_ready = std::min(count, full_->ready.bytes());
    full_->ready.drop_front(of_ready);
    count -= of_ready;
    if (full_->ready.empty()) drop_full();
  }
  open_.drop_front(count);
  if (in_flight_ == 0) open_ = chunk();
}

void outbox::sent(std::size_t count) noexcept {
  HAWSER_EXPECTS(count <= in_flight_ - pending_bytes(), "handle_sent() with more bytes than poll_transmit() gave");
  in_flight_ -= count;
  if (in_flight_ == 0) open_ = chunk();
}

void outbox::clear() noexcept {
  in_flight_ -= pending_bytes();
  drop_full();
  open_ = chunk();
}

}  // namespace hawser::inline v0::proto::mux
