// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <hawser/base/contract.hpp>
#include <proto/frame.hpp>
#include <proto/hello.hpp>
#include <proto/utf8.hpp>
#include <proto/varint.hpp>

#include <algorithm>
#include <cstring>

namespace hawser::inline v0::proto {
namespace {

enum class field : std::uint64_t {
  features = 1, frame_bytes_max, message_bytes_max, channels_max, channel_credit, connection_credit, open_block_bytes_max,
  alias_slots, idle_timeout_ms, pings_in_flight_max, peer_id, metadata, token, software, name, application,
};
constexpr std::uint64_t field_last = static_cast<std::uint64_t>(field::application);
constexpr std::uint64_t grease_first = 0x3f00;

constexpr std::size_t metadata_bytes_max = 4'096;
constexpr std::size_t token_bytes_max = 4'096;
constexpr std::size_t software_bytes_max = 256;
constexpr std::size_t name_bytes_max = 64;
constexpr std::size_t application_bytes_max = 64;

// Counts, or writes as well when there is somewhere to write to: one description of the payload serves both.
class field_writer {
 public:
  explicit field_writer(std::byte* to) noexcept : to_(to) {}
  std::size_t size() const noexcept { return size_; }

  void bytes(std::uint64_t type, byte_view value) noexcept {
    varint(type);
    varint(value.size());
    if (to_ && !value.empty()) std::memcpy(to_ + size_, value.data(), value.size());
    size_ += value.size();
  }
  void bytes(field type, byte_view value) noexcept { bytes(static_cast<std::uint64_t>(type), value); }
  // Left out when it says what silence says.
  void text(field type, std::string_view value) noexcept {
    if (!value.empty()) bytes(type, as_bytes(value));
  }
  template <class Integer>
  void number(field type, Integer value, Integer by_default) noexcept {
    if (value == by_default) return;
    std::byte little[sizeof value];
    store_le(little, value);
    bytes(type, little);
  }

 private:
  void varint(std::uint64_t value) noexcept {
    if (to_) put_varint(to_ + size_, value);
    size_ += varint_size(value);
  }
  std::byte* to_;
  std::size_t size_ = 0;
};

std::size_t describe(std::byte* to, const limits& announced, const identity& who, std::uint64_t grease) noexcept {
  const limits silent = default_limits();
  field_writer out(to);
  out.number(field::features, who.features, std::uint64_t{0});
  out.number(field::frame_bytes_max, announced.frame_bytes_max, silent.frame_bytes_max);
  out.number(field::message_bytes_max, announced.message_bytes_max, silent.message_bytes_max);
  out.number(field::channels_max, announced.channels_max, silent.channels_max);
  out.number(field::channel_credit, announced.channel_credit, silent.channel_credit);
  out.number(field::connection_credit, announced.connection_credit, silent.connection_credit);
  out.number(field::open_block_bytes_max, announced.open_block_bytes_max, silent.open_block_bytes_max);
  out.number(field::alias_slots, announced.alias_slots, silent.alias_slots);
  out.number(field::idle_timeout_ms, announced.idle_timeout_ms, silent.idle_timeout_ms);
  out.number(field::pings_in_flight_max, announced.pings_in_flight_max, silent.pings_in_flight_max);
  if (who.peer_id != std::array<std::byte, 16>{}) out.bytes(field::peer_id, who.peer_id);
  out.text(field::metadata, who.metadata);
  out.text(field::token, who.token);
  out.text(field::software, who.software);
  out.text(field::name, who.name);
  out.text(field::application, who.application);
  if (grease != 0) {
    std::byte noise[8];
    store_le(noise, grease);
    out.bytes(grease_first + (grease >> 8 & 0xff), byte_view(noise).first(grease & 7));
  }
  return out.size();
}

// A number of the field's own width, within the bounds of HELLO.
template <class Integer>
bool read_number(byte_view value, Integer& out) noexcept {
  if (value.size() != sizeof(Integer)) return false;
  out = load_le<Integer>(value.data());
  return true;
}

bool read_text(byte_view value, std::size_t most, std::string_view& out) noexcept {
  out = as_text(value);
  return value.size() <= most;
}

bool read_field(field type, byte_view value, remote_hello& out) noexcept {
  limits& announced = out.announced;
  switch (type) {
    case field::features: return read_number(value, out.features);
    case field::frame_bytes_max: return read_number(value, announced.frame_bytes_max);
    case field::message_bytes_max: return read_number(value, announced.message_bytes_max);
    case field::channels_max: return read_number(value, announced.channels_max);
    case field::channel_credit: return read_number(value, announced.channel_credit);
    case field::connection_credit: return read_number(value, announced.connection_credit);
    case field::open_block_bytes_max: return read_number(value, announced.open_block_bytes_max);
    case field::alias_slots: return read_number(value, announced.alias_slots);
    case field::idle_timeout_ms: return read_number(value, announced.idle_timeout_ms);
    case field::pings_in_flight_max: return read_number(value, announced.pings_in_flight_max);
    case field::peer_id:
      if (value.size() != out.peer_id.size()) return false;
      std::copy(value.begin(), value.end(), out.peer_id.begin());
      return true;
    case field::metadata: return read_text(value, metadata_bytes_max, out.metadata);
    case field::token: return read_text(value, token_bytes_max, out.token);
    case field::software: return read_text(value, software_bytes_max, out.software) && utf8_valid(value);
    case field::name: return !value.empty() && read_text(value, name_bytes_max, out.name) && utf8_valid(value);
    case field::application: return read_text(value, application_bytes_max, out.application);
  }
  return false;
}

constexpr bool within(std::uint64_t value, std::uint64_t least, std::uint64_t most) noexcept { return value >= least && value <= most; }

}  // namespace

limits default_limits() noexcept {
  return {.frame_bytes_max = 16'384,
          .message_bytes_max = 1 << 20,
          .channels_max = 256,
          .channel_credit = 65'536,
          .connection_credit = 1 << 20,
          .open_block_bytes_max = 4'096,
          .alias_slots = 256,
          .idle_timeout_ms = 60'000,
          .pings_in_flight_max = 4};
}

limits floor_limits() noexcept {
  return {.frame_bytes_max = 4'096,
          .message_bytes_max = 4'096,
          .channels_max = 16,
          .channel_credit = 16'384,
          .connection_credit = 65'536,
          .open_block_bytes_max = 256,
          .alias_slots = 0,
          .idle_timeout_ms = 0,
          .pings_in_flight_max = 1};
}

limits ceiling_limits() noexcept {
  return {.frame_bytes_max = 1 << 20,
          .message_bytes_max = 0x7fff'ffff,
          .channels_max = 1 << 20,
          .channel_credit = 0x7fff'ffff,
          .connection_credit = 0x7fff'ffff,
          .open_block_bytes_max = 0xffff,
          .alias_slots = 0xffff,
          .idle_timeout_ms = 0xffff'ffff,
          .pings_in_flight_max = 0xff};
}

errc check_limits(const limits& announced) noexcept {
  const limits low = floor_limits();
  const limits high = ceiling_limits();
  const bool sound =
      within(announced.frame_bytes_max, low.frame_bytes_max, high.frame_bytes_max) &&
      within(announced.message_bytes_max, low.message_bytes_max, high.message_bytes_max) &&
      within(announced.channels_max, low.channels_max, high.channels_max) &&
      within(announced.channel_credit, low.channel_credit, high.channel_credit) &&
      within(announced.connection_credit, low.connection_credit, high.connection_credit) &&
      within(announced.open_block_bytes_max, low.open_block_bytes_max, announced.frame_bytes_max) &&
      within(announced.pings_in_flight_max, low.pings_in_flight_max, high.pings_in_flight_max);
  return sound ? errc{} : errc::protocol;
}

std::size_t hello_payload_size(const limits& announced, const identity& who, std::uint64_t grease) noexcept {
  return describe(nullptr, announced, who, grease);
}

std::size_t put_hello(std::byte* to, const limits& announced, const identity& who, std::uint64_t grease) noexcept {
  const std::size_t size = hello_payload_size(announced, who, grease);
  HAWSER_EXPECTS(size <= hello_bytes_max, "a HELLO has at most 16 KiB");
  const std::size_t at = put_header(to, frame_type::hello, frame_flag::none, 0, static_cast<std::uint32_t>(size));
  return at + describe(to + at, announced, who, grease);
}

errc check_identity(const identity& who) noexcept {
  if (who.name.size() > name_bytes_max || !utf8_valid(as_bytes(who.name))) return errc::name_invalid;
  const bool short_enough = who.metadata.size() <= metadata_bytes_max && who.token.size() <= token_bytes_max &&
                            who.software.size() <= software_bytes_max && utf8_valid(as_bytes(who.software)) &&
                            who.application.size() <= application_bytes_max;
  return short_enough ? errc{} : errc::message_too_big;
}

errc parse_hello(byte_view payload, remote_hello& out) noexcept {
  const std::uint8_t version = out.version;
  out = remote_hello{};
  out.version = version;
  out.announced = default_limits();

  byte_reader from(payload);
  std::uint32_t seen = 0;
  while (!from.at_end()) {
    const std::uint64_t type = from.varint();
    const std::uint64_t length = from.varint();
    const byte_view value = from.bytes(length);
    if (from.failed()) return errc::protocol;
    if (type == 0 || type > field_last) continue;      // grease, or of a later version
    const std::uint32_t bit = 1u << type;
    if ((seen & bit) != 0) return errc::protocol;
    if (!read_field(static_cast<field>(type), value, out)) return static_cast<field>(type) == field::name ? errc::name_invalid : errc::protocol;
    seen |= bit;
  }
  if (from.failed()) return errc::protocol;
  return check_limits(out.announced);
}

}  // namespace hawser::inline v0::proto
