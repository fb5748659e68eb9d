// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/bytes.hpp>
#include <hawser/base/contract.hpp>
#include <proto/alias_table.hpp>

#include <bit>
#include <cstring>
#include <string>
#include <vector>

namespace hawser::inline v0::proto {
namespace {

// The two halves of a 128-bit product: each input bit reaches each output bit.
std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
  __extension__ using wide = unsigned __int128;
  const wide product = static_cast<wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint64_t load_up_to_8(const char* from, std::size_t count) noexcept {
  std::uint64_t value = 0;
  std::memcpy(&value, from, count);
  return value;
}

constexpr std::uint64_t odd_a = 0x9e37'79b9'7f4a'7c15;
constexpr std::uint64_t odd_b = 0xd1b5'4a32'd192'ed03;

}  // namespace

std::uint64_t keyed_hash(std::string_view text, std::uint64_t seed) noexcept {
  // Both multiplicands depend on the seed, so that no block of zeroes can cancel what went before.
  const std::uint64_t key = fold(seed ^ odd_a, odd_b) | 1;
  std::uint64_t state = seed ^ text.size() * odd_b;
  while (text.size() > 8) {
    state = fold(state ^ load_up_to_8(text.data(), 8) ^ odd_a, key ^ std::rotl(state, 29));
    text.remove_prefix(8);
  }
  state = fold(state ^ load_up_to_8(text.data(), text.size()) ^ odd_a, key);
  return fold(state ^ odd_b, key ^ odd_a);
}

// ---- sender

void alias_sender::table::place(std::uint16_t alias) noexcept {
  const std::size_t mask = places.size() - 1;
  std::size_t at = names[alias - 1u].hash & mask;
  while (places[at] != 0) at = (at + 1) & mask;
  places[at] = alias;
}

std::uint16_t alias_sender::table::find(std::string_view operation, std::uint32_t hash) const noexcept {
  const std::size_t mask = places.size() - 1;
  for (std::size_t at = hash & mask; places[at] != 0; at = (at + 1) & mask) {
    const name& candidate = names[places[at] - 1u];
    if (candidate.hash == hash && text_of(candidate) == operation) return places[at];
  }
  return 0;
}

std::uint16_t alias_sender::table::add(std::string_view operation, std::uint32_t hash) {
  names.push_back({static_cast<std::uint32_t>(text.size()), hash, static_cast<std::uint8_t>(operation.size())});
  text.append(operation);
  const auto alias = static_cast<std::uint16_t>(names.size());
  if (names.size() * 2 <= places.size()) {
    place(alias);
  } else {
    places.assign(places.size() * 2, 0);
    for (std::uint32_t i = 1; i <= alias; ++i) place(static_cast<std::uint16_t>(i));
  }
  return alias;
}

alias_sender::alias_sender() noexcept = default;
alias_sender::~alias_sender() = default;

alias_sender::choice alias_sender::choose(std::string_view operation, std::uint16_t slots, std::uint64_t seed) {
  HAWSER_EXPECTS(!operation.empty() && operation.size() <= 255, "an operation has 1-255 bytes");
  if (slots == 0) return {0, 0};
  if (const std::uint16_t alias = newest(operation); alias != 0) return {alias, 0};
  const auto hash = static_cast<std::uint32_t>(keyed_hash(operation, seed));
  if (!table_) {
    table_ = std::make_unique<table>();
    table_->places.assign(16, 0);
  }
  if (const std::uint16_t alias = table_->find(operation, hash); alias != 0) {
    table_->newest = alias;
    return {alias, 0};
  }
  if (table_->names.size() >= slots) return {0, 0};
  return {0, table_->add(operation, hash)};
}

std::size_t alias_sender::count() const noexcept { return table_ ? table_->names.size() : 0; }

std::size_t alias_sender::memory_bytes() const noexcept {
  if (!table_) return 0;
  return sizeof(table) + table_->names.capacity() * sizeof(table::name) + table_->places.capacity() * sizeof(std::uint16_t) +
         table_->text.capacity();
}

// ---- receiver

struct alias_receiver::table {
  std::vector<std::string> names;        // alias - 1; empty: not assigned
};

alias_receiver::alias_receiver() noexcept = default;
alias_receiver::~alias_receiver() = default;

void alias_receiver::assign(std::uint16_t alias, std::string_view operation, std::uint16_t slots) {
  HAWSER_EXPECTS(alias >= 1 && alias <= slots, "an alias beyond the announced slots");
  if (!table_) table_ = std::make_unique<table>();
  if (table_->names.size() < alias) table_->names.resize(alias);
  table_->names[alias - 1u].assign(operation);
}

std::string_view alias_receiver::find(std::uint64_t alias) const noexcept {
  if (!table_ || alias == 0 || alias > table_->names.size()) return {};
  return table_->names[alias - 1];
}

std::size_t alias_receiver::memory_bytes() const noexcept {
  if (!table_) return 0;
  std::size_t bytes = sizeof(table) + table_->names.capacity() * sizeof(std::string);
  for (const std::string& name : table_->names) bytes += name.capacity() > std::string().capacity() ? name.capacity() + 1 : 0;
  return bytes;
}

}  // namespace hawser::inline v0::proto
