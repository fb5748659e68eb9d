// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <proto/channel_table.hpp>

#include <bit>
#include <cstring>
#include <new>
#include <utility>

namespace hawser::inline v0::proto {
namespace {

constexpr std::uint32_t page_count_min = 64;      // one word of bits: 1,024 channels

}  // namespace

// ---- channel_range

channel_range::~channel_range() {
  for (std::uint32_t i = 0; i < page_count_; ++i) delete pages_[i];
  ::operator delete(pages_);
}

// To at least number + 1 pages.
void channel_range::widen(std::uint32_t number) {
  std::uint32_t count = page_count_ == 0 ? page_count_min : page_count_;
  while (count <= number) count *= 2;

  const std::uint32_t words = words_for(count), groups = words_for(words);
  void* const block = ::operator new(count * sizeof(page*) + (words + groups) * sizeof(std::uint64_t));
  page** const pages = new (block) page*[count]();
  std::uint64_t* const open = new (pages + count) std::uint64_t[words + groups];
  std::memset(open, 0xff, words * sizeof *open);
  std::memset(open + words, 0, groups * sizeof *open);
  if (page_count_ != 0) {
    std::memcpy(pages, pages_, page_count_ * sizeof *pages);
    std::memcpy(open, open_pages(), words_for(page_count_) * sizeof *open);
  }
  for (std::uint32_t i = 0; i < words; ++i) {
    if (open[i] != 0) open[words + i / word_bits] |= std::uint64_t{1} << (i % word_bits);
  }
  ::operator delete(pages_);
  pages_ = pages;
  page_count_ = count;
}

// Where the first group of words has none, or there is nothing yet.
std::uint32_t channel_range::lowest_free_beyond(std::uint32_t limit) const noexcept {
  const std::uint32_t groups = words_for(words_for(page_count_));
  std::uint32_t slot = page_count_ * page_slots;      // beyond everything that was ever used
  for (std::uint32_t group = 0; group < groups; ++group) {
    const std::uint64_t with_room = open_words()[group];
    if (with_room == 0) continue;
    slot = lowest_free_in(group, with_room);
    break;
  }
  return slot < limit ? slot : none;
}

void channel_range::make_page(std::uint32_t number) {
  if (number >= page_count_) widen(number);
  if (pages_[number] == nullptr) pages_[number] = new page;
}

void channel_range::trim() noexcept {
  for (std::uint32_t i = 0; i < page_count_; ++i) {
    if (pages_[i] == nullptr || pages_[i]->busy != 0) continue;
    delete pages_[i];
    pages_[i] = nullptr;
  }
  if (busy_count_ != 0 || page_count_ == 0) return;
  ::operator delete(std::exchange(pages_, nullptr));
  page_count_ = 0;
}

std::uint32_t channel_range::next_busy(std::uint32_t from) const noexcept {
  for (std::uint32_t number = from / page_slots; number < page_count_; ++number) {
    const std::uint32_t first = number == from / page_slots ? from % page_slots : 0;
    if (pages_[number] == nullptr) continue;
    const std::uint32_t rest = pages_[number]->busy >> first;
    if (rest != 0) return number * page_slots + first + static_cast<std::uint32_t>(std::countr_zero(rest));
  }
  return none;
}

std::size_t channel_range::memory_bytes() const noexcept {
  std::size_t bytes = page_count_ * sizeof(page*);
  if (page_count_ != 0) bytes += (words_for(page_count_) + words_for(words_for(page_count_))) * sizeof(std::uint64_t);
  for (std::uint32_t i = 0; i < page_count_; ++i) bytes += pages_[i] ? sizeof(page) : 0;
  return bytes;
}

// ---- channel_table

channel_table::channel_table(role side, std::uint32_t peer_channels_max, std::uint32_t own_channels_max) noexcept
    : own_max_(own_channels_max), peers_max_(peer_channels_max), own_parity_(side == role::client ? 1 : 0) {
  plain_.id = message_channel;
  plain_.kind = channel_kind::message;
  plain_.state = channel_state::plain_open;
}

void channel_table::trim() noexcept {
  own_.trim();
  peers_.trim();
}

}  // namespace hawser::inline v0::proto
