// SPDX-License-Identifier: Apache-2.0 OR MIT
#include <proto/frame.hpp>
#include <proto/utf8.hpp>

#include <algorithm>
#include <cstring>

namespace hawser::inline v0::proto {
namespace {

constexpr std::array<std::uint8_t, 4> magic = {0xd7, 0x48, 0x57, 0x53};
constexpr std::size_t code_bytes = 4;
constexpr std::size_t go_away_bytes = 16;
constexpr std::uint32_t ping_bytes = 8;

std::string_view cut_reason(std::string_view reason, std::size_t most) noexcept {
  if (reason.size() <= most) return reason;
  while (most > 0 && (static_cast<std::uint8_t>(reason[most]) & 0xc0) == 0x80) --most;
  return reason.substr(0, most);
}

std::size_t put_text(std::byte* to, std::string_view text) noexcept {
  if (!text.empty()) std::memcpy(to, text.data(), text.size());
  return text.size();
}

std::size_t put_code(std::byte* to, frame_type type, std::uint8_t flags, channel_id channel, std::uint32_t code,
                     std::string_view reason) noexcept {
  const std::string_view text = cut_reason(reason, reason_bytes_max);
  std::size_t at = put_header(to, type, flags, channel, static_cast<std::uint32_t>(code_bytes + text.size()));
  store_le(to + at, code);
  at += code_bytes;
  return at + put_text(to + at, text);
}

// Where a type may appear.
enum class place : std::uint8_t { connection, any_channel, opened_channel, anywhere };
errc check_place(place allowed, channel_id channel) noexcept {
  switch (allowed) {
    case place::connection: return channel == 0 ? errc{} : errc::protocol;
    case place::any_channel: return channel != 0 ? errc{} : errc::protocol;
    case place::opened_channel: return channel > message_channel ? errc{} : errc::protocol;
    case place::anywhere: return errc{};
  }
  return errc::protocol;
}

errc between(std::uint32_t length, std::size_t least, std::size_t most) noexcept {
  return length < least ? errc::protocol : length > most ? errc::frame_size : errc{};
}
errc exactly(std::uint32_t length, std::uint32_t wanted) noexcept { return length == wanted ? errc{} : errc::protocol; }

}  // namespace

errc check_control_header(const frame_header& header, std::uint32_t frame_bytes_max, std::uint32_t open_block_bytes_max) noexcept {
  errc size{};
  place where = place::opened_channel;
  switch (header.type) {
    case frame_type::data:
      where = place::any_channel;
      size = between(header.length, 0, frame_bytes_max);
      break;
    case frame_type::open: size = between(header.length, 1, frame_bytes_max); break;
    case frame_type::credit:
      where = place::anywhere;
      size = exactly(header.length, 4);
      break;
    case frame_type::reset:
    case frame_type::stop: size = between(header.length, code_bytes, code_bytes + reason_bytes_max); break;
    case frame_type::release: size = exactly(header.length, 0); break;
    case frame_type::ping:
      where = place::connection;
      size = exactly(header.length, ping_bytes);
      break;
    case frame_type::go_away:
      where = place::connection;
      size = between(header.length, go_away_bytes, go_away_bytes + go_away_reason_bytes_max);
      break;
    case frame_type::hello:
      where = place::connection;
      size = between(header.length, 0, hello_bytes_max);
      break;
    case frame_type::head: size = between(header.length, 0, open_block_bytes_max); break;
    case frame_type::skip_first:
    case frame_type::skip_last:
      where = place::anywhere;
      size = between(header.length, 0, frame_bytes_max);
      break;
  }
  if (size != errc{}) return size;
  return check_place(where, header.channel);
}

std::size_t put_reset(std::byte* to, channel_id channel, std::uint8_t flags, std::uint32_t code, std::string_view reason) noexcept {
  return put_code(to, frame_type::reset, flags, channel, code, reason);
}

std::size_t put_stop(std::byte* to, channel_id channel, std::uint32_t code, std::string_view reason) noexcept {
  return put_code(to, frame_type::stop, frame_flag::none, channel, code, reason);
}

std::size_t put_go_away(std::byte* to, std::uint32_t code, std::uint32_t drain_ms, std::uint64_t opens_accepted,
                        std::string_view reason) noexcept {
  const std::string_view text = cut_reason(reason, go_away_reason_bytes_max);
  std::size_t at = put_header(to, frame_type::go_away, frame_flag::none, 0, static_cast<std::uint32_t>(go_away_bytes + text.size()));
  store_le(to + at, code);
  store_le(to + at + 4, drain_ms);
  store_le(to + at + 8, opens_accepted);
  at += go_away_bytes;
  return at + put_text(to + at, text);
}

bool parse_code(byte_view payload, code_payload& out) noexcept {
  if (payload.size() < code_bytes || !utf8_valid(payload.subspan(code_bytes))) return false;
  out = {load_le<std::uint32_t>(payload.data()), as_text(payload.subspan(code_bytes))};
  return true;
}

bool parse_go_away(byte_view payload, go_away_payload& out) noexcept {
  if (payload.size() < go_away_bytes || !utf8_valid(payload.subspan(go_away_bytes))) return false;
  out.code = load_le<std::uint32_t>(payload.data());
  out.drain_ms = load_le<std::uint32_t>(payload.data() + 4);
  out.opens_accepted = load_le<std::uint64_t>(payload.data() + 8);
  out.reason = as_text(payload.subspan(go_away_bytes));
  return true;
}

std::size_t put_preface(std::byte* to, preface versions) noexcept {
  for (std::size_t i = 0; i < magic.size(); ++i) to[i] = static_cast<std::byte>(magic[i]);
  to[4] = static_cast<std::byte>(versions.version_max);
  to[5] = static_cast<std::byte>(versions.version_min);
  to[6] = to[7] = std::byte{0};
  return preface_bytes;
}

decode_status decode_preface(byte_view bytes, preface& out) noexcept {
  for (std::size_t i = 0; i < std::min(bytes.size(), magic.size()); ++i) {
    if (static_cast<std::uint8_t>(bytes[i]) != magic[i]) return decode_status::error;
  }
  if (bytes.size() < preface_bytes) return decode_status::need_more;
  out = {static_cast<std::uint8_t>(bytes[4]), static_cast<std::uint8_t>(bytes[5])};
  return decode_status::header;
}

std::uint8_t common_version(preface ours, preface theirs) noexcept {
  const std::uint8_t version = std::min(ours.version_max, theirs.version_max);
  return version < ours.version_min || version < theirs.version_min ? 0 : version;
}

}  // namespace hawser::inline v0::proto
