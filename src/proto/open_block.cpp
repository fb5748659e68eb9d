// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/contract.hpp>
#include <hawser/proto/tlv.hpp>
#include <proto/open_block.hpp>
#include <proto/utf8.hpp>
#include <proto/varint.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>

namespace hawser::inline v0::proto {
namespace {

enum field_bit : std::uint8_t { has_operation = 0x10, has_deadline = 0x20, has_priority = 0x40, has_meta = 0x80 };

std::uint8_t first_byte(const open_block& block) noexcept {
  unsigned bits = static_cast<unsigned>(block.kind) & 0x0f;
  if (block.alias != 0 || !block.operation.empty()) bits |= has_operation;
  if (block.deadline_ms) bits |= has_deadline;
  if (block.urgency != urgency_default) bits |= has_priority;
  if (!block.meta.empty()) bits |= has_meta;
  return static_cast<std::uint8_t>(bits);
}

// Even: an alias; odd: the length of a literal.
std::uint64_t operation_word(const open_block& block) noexcept {
  return block.alias != 0 ? std::uint64_t{block.alias} << 1 : std::uint64_t{block.operation.size()} << 1 | 1;
}

bool read_operation(byte_reader& from, std::uint16_t alias_slots, open_block& out) noexcept {
  const std::uint64_t word = from.varint();
  if ((word & 1) == 0) {
    const std::uint64_t alias = word >> 1;
    if (alias == 0 || alias > alias_slots) return false;
    out.alias = static_cast<std::uint16_t>(alias);
    return true;
  }
  const std::uint64_t length = word >> 1;
  if (length == 0 || length > operation_bytes_max) return false;
  const byte_view name = from.bytes(length);
  const std::uint64_t assign = from.varint();
  if (from.failed() || assign > alias_slots || !utf8_valid(name)) return false;
  out.operation = as_text(name);
  out.assign = static_cast<std::uint16_t>(assign);
  return true;
}

bool read_fields(byte_reader& from, std::uint8_t bits, std::uint16_t alias_slots, open_block& out) noexcept {
  if ((bits & has_operation) != 0 && !read_operation(from, alias_slots, out)) return false;
  if ((bits & has_deadline) != 0) out.deadline_ms = from.varint();
  if ((bits & has_priority) != 0) {
    out.urgency = from.fixed<std::uint8_t>();
    if (out.urgency > urgency_max) return false;
  }
  if ((bits & has_meta) != 0) {
    const std::uint64_t length = from.varint();
    out.meta = from.bytes(length);
    if (!from.failed() && !tlv_well_formed(out.meta)) return false;
  }
  return !from.failed();
}

}  // namespace

std::uint64_t deadline_to_wire(duration deadline) noexcept {
  if (deadline <= duration::zero()) return 0;
  return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(deadline).count());
}

duration deadline_from_wire(std::uint64_t ms) noexcept {
  constexpr auto most = static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(duration::max()).count());
  return ms > most ? duration::max() : duration(std::chrono::milliseconds(ms));
}

std::size_t open_block_size(const open_block& block) noexcept {
  std::size_t size = 1;
  if (block.alias != 0 || !block.operation.empty()) {
    size += varint_size(operation_word(block));
    if (block.alias == 0) size += block.operation.size() + varint_size(block.assign);
  }
  if (block.deadline_ms) size += varint_size(*block.deadline_ms);
  if (block.urgency != urgency_default) size += 1;
  if (!block.meta.empty()) size += varint_size(block.meta.size()) + block.meta.size();
  return size;
}

std::size_t put_open_block(std::byte* to, const open_block& block) noexcept {
  const std::uint8_t bits = first_byte(block);
  std::byte* at = to;
  *at++ = static_cast<std::byte>(bits);
  if ((bits & has_operation) != 0) {
    HAWSER_EXPECTS(block.operation.size() <= operation_bytes_max, "an operation has at most 255 bytes");
    at += put_varint(at, operation_word(block));
    if (block.alias == 0) {
      std::memcpy(at, block.operation.data(), block.operation.size());
      at += block.operation.size();
      at += put_varint(at, block.assign);
    }
  }
  if ((bits & has_deadline) != 0) at += put_varint(at, std::min(*block.deadline_ms, varint_max));
  if ((bits & has_priority) != 0) *at++ = static_cast<std::byte>(block.urgency);
  if ((bits & has_meta) != 0) {
    at += put_varint(at, block.meta.size());
    std::memcpy(at, block.meta.data(), block.meta.size());
    at += block.meta.size();
  }
  return static_cast<std::size_t>(at - to);
}

errc parse_open_block(byte_view payload, std::uint32_t block_bytes_max, std::uint16_t alias_slots, open_block& out,
                      std::size_t& size) noexcept {
  out = open_block{};
  byte_reader from(payload);
  const auto bits = from.fixed<std::uint8_t>();
  out.kind = static_cast<channel_kind>(bits & 0x0f);
  if (from.failed() || !read_fields(from, bits, alias_slots, out)) return errc::protocol;
  size = payload.size() - from.left();
  return size > block_bytes_max ? errc::frame_size : errc{};
}

}  // namespace hawser::inline v0::proto
