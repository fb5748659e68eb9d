// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/contract.hpp>
#include <hawser/proto/tlv.hpp>
#include <proto/varint.hpp>

#include <cstring>

namespace hawser::inline v0::proto {
namespace {

template <class Integer>
std::optional<Integer> number(byte_view value) noexcept {
  if (value.size() != sizeof(Integer)) return std::nullopt;
  return load_le<Integer>(value.data());
}

// Reads one item; false when it is not complete.
bool read_item(byte_reader& from, tlv_item& out) noexcept {
  out.type = from.varint();
  const std::uint64_t length = from.varint();
  out.value = from.bytes(length);
  return !from.failed();
}

}  // namespace

std::optional<std::uint8_t> tlv_item::u8() const noexcept { return number<std::uint8_t>(value); }
std::optional<std::uint32_t> tlv_item::u32() const noexcept { return number<std::uint32_t>(value); }
std::optional<std::uint64_t> tlv_item::u64() const noexcept { return number<std::uint64_t>(value); }

std::optional<std::uint64_t> tlv_item::varint() const noexcept {
  byte_reader from(value);
  const std::uint64_t read = from.varint();
  if (from.failed() || !from.at_end()) return std::nullopt;
  return read;
}

bool tlv_reader::next(tlv_item& out) noexcept {
  if (malformed_ || at_ == bytes_.size()) return false;
  byte_reader from(bytes_.subspan(at_));
  if (!read_item(from, out)) {
    malformed_ = true;
    return false;
  }
  at_ = bytes_.size() - from.left();
  return true;
}

std::optional<tlv_item> tlv_reader::find(std::uint64_t type) const noexcept {
  tlv_reader all(bytes_);
  tlv_item item;
  while (all.next(item)) {
    if (item.type == type) return item;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> tlv_reader::status() const noexcept {
  const auto item = find(tlv::status);
  return item ? item->u32() : std::nullopt;
}

std::optional<byte_view> tlv_reader::find_header(std::string_view key) const noexcept {
  tlv_reader all(bytes_);
  tlv_item item;
  while (all.next(item)) {
    const auto header = as_header(item);
    if (header && header->key == key) return header->value;
  }
  return std::nullopt;
}

std::optional<header_item> as_header(const tlv_item& item) noexcept {
  if (item.type != tlv::header) return std::nullopt;
  byte_reader from(item.value);
  const std::uint64_t length = from.varint();
  const byte_view key = from.bytes(length);
  if (from.failed()) return std::nullopt;
  return header_item{as_text(key), from.bytes(from.left())};
}

bool tlv_well_formed(byte_view bytes) noexcept {
  byte_reader from(bytes);
  tlv_item item;
  while (!from.at_end()) {
    if (!read_item(from, item)) return false;
  }
  return !from.failed();
}

std::byte* tlv_writer::extend(std::size_t count) {
  const std::size_t old = bytes_.size();
  bytes_.resize(old + count);
  return bytes_.data() + old;
}

void tlv_writer::put_prefix(std::uint64_t type, std::uint64_t length) {
  HAWSER_EXPECTS(type <= varint_max, "a TLV type has at most 56 bits");
  std::byte* const to = extend(varint_size(type) + varint_size(length));
  put_varint(to + put_varint(to, type), length);
}

tlv_writer& tlv_writer::add(std::uint64_t type, byte_view value) {
  put_prefix(type, value.size());
  if (!value.empty()) std::memcpy(extend(value.size()), value.data(), value.size());
  return *this;
}

tlv_writer& tlv_writer::add_u8(std::uint64_t type, std::uint8_t value) {
  put_prefix(type, sizeof value);
  *extend(sizeof value) = static_cast<std::byte>(value);
  return *this;
}

tlv_writer& tlv_writer::add_u32(std::uint64_t type, std::uint32_t value) {
  put_prefix(type, sizeof value);
  store_le(extend(sizeof value), value);
  return *this;
}

tlv_writer& tlv_writer::add_u64(std::uint64_t type, std::uint64_t value) {
  put_prefix(type, sizeof value);
  store_le(extend(sizeof value), value);
  return *this;
}

tlv_writer& tlv_writer::add_varint(std::uint64_t type, std::uint64_t value) {
  HAWSER_EXPECTS(value <= varint_max, "a varint has at most 56 bits");
  put_prefix(type, varint_size(value));
  put_varint(extend(varint_size(value)), value);
  return *this;
}

tlv_writer& tlv_writer::add_header(std::string_view key, byte_view value) {
  put_prefix(tlv::header, varint_size(key.size()) + key.size() + value.size());
  put_varint(extend(varint_size(key.size())), key.size());
  if (!key.empty()) std::memcpy(extend(key.size()), key.data(), key.size());
  if (!value.empty()) std::memcpy(extend(value.size()), value.data(), value.size());
  return *this;
}

}  // namespace hawser::inline v0::proto
