// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/mux/outbox.hpp"

#include <algorithm>
#include <utility>

namespace hawser::inline v0::proto::mux {

namespace {
constexpr std::size_t first_segment_bytes = 16 * 1024;
constexpr std::size_t loaded_segment_bytes = 64 * 1024;
}  // namespace

void outbox::open_segment(std::size_t count) {
  close_run();
  const std::size_t wanted = in_flight_ < first_segment_bytes ? first_segment_bytes : loaded_segment_bytes;
  open_ = pool_->allocate(std::max(count, wanted));
}

void outbox::close_run() {
  if (!open_.empty()) ready_.append(open_.take_front(open_.size()));
}

void outbox::append(chunk piece) {
  close_run();
  end_ += piece.size();
  in_flight_ += piece.size();
  ready_.append(std::move(piece));
}

std::size_t outbox::take(chain& out, std::size_t bytes_max) {
  if (ready_.empty() && open_.size() <= bytes_max && !out.full()) [[likely]] {
    const std::size_t all = open_.size();
    if (all != 0) out.append(open_.take_front(all));
    return all;
  }
  close_run();
  std::size_t moved = 0;
  while (!ready_.empty() && moved < bytes_max && !out.full()) {
    chunk piece = ready_[0];
    if (piece.size() > bytes_max - moved) piece.truncate(bytes_max - moved);
    ready_.drop_front(piece.size());
    moved += piece.size();
    out.append(std::move(piece));
  }
  return moved;
}

void outbox::sent(std::size_t count) noexcept {
  HAWSER_EXPECTS(count <= in_flight_ - pending_bytes(), "handle_sent() with more bytes than poll_transmit() gave");
  in_flight_ -= count;
  if (in_flight_ == 0) open_ = chunk();
}

void outbox::clear() noexcept {
  in_flight_ -= pending_bytes();
  ready_.clear();
  open_ = chunk();
}

}  // namespace hawser::inline v0::proto::mux
