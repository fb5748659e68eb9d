// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "hex.hpp"

#include <proto/frame.hpp>
#include <proto/utf8.hpp>

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace hawser::proto {
namespace {

using tests::from_hex;
using tests::to_hex;

std::vector<std::byte> header_bytes(frame_type type, std::uint8_t flags, channel_id channel, std::uint32_t length) {
  std::vector<std::byte> bytes(header_bytes_max);
  bytes.resize(put_header(bytes.data(), type, flags, channel, length));
  EXPECT_EQ(bytes.size(), header_size(channel, length));
  return bytes;
}

frame_header header_of(frame_type type, channel_id channel, std::uint32_t length) {
  return {channel, length, type, frame_flag::none, static_cast<std::uint8_t>(header_size(channel, length))};
}

TEST(frame, header_survives_the_way_there_and_back_at_each_boundary) {
  const std::uint32_t numbers[] = {0, 1, 2, 4'094, 4'095, 4'096, 4'097, 65'535, 65'536, (1u << 24) + 5, wide_field_max - 1, wide_field_max};
  for (const std::uint32_t channel : numbers) {
    for (const std::uint32_t length : numbers) {
      const auto bytes = header_bytes(frame_type::data, frame_flag::more, channel, length);
      frame_header got{};
      ASSERT_EQ(decode_header(bytes, got), decode_status::header) << channel << ' ' << length;
      EXPECT_EQ(got.channel, channel);
      EXPECT_EQ(got.length, length);
      EXPECT_EQ(got.type, frame_type::data);
      EXPECT_EQ(got.flags, frame_flag::more);
      EXPECT_EQ(got.size, bytes.size());
      EXPECT_EQ(bytes.size(), channel <= 4'095 && length <= 4'095 ? 4u : 8u);
    }
  }
}

TEST(frame, every_incomplete_header_asks_for_more) {
  const auto bytes = header_bytes(frame_type::data, frame_flag::none, 5'000, 20'000);
  frame_header got{};
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_EQ(decode_header(byte_view(bytes).first(size), got), decode_status::need_more) << size;
  }
}

TEST(frame, a_word_of_zero_is_an_error) {
  frame_header got{};
  EXPECT_EQ(decode_header(from_hex("00 00 00 00"), got), decode_status::error);
}

TEST(frame, the_long_form_is_an_error_where_the_short_one_would_do) {
  frame_header got{};
  EXPECT_EQ(decode_header(from_hex("81 05 00 00 00 00 00 00"), got), decode_status::error);
}

// The whole table of section 2: 16 types times 8 combinations of MORE, FIN and REL.
TEST(frame, exactly_the_defined_types_and_flags_are_legal) {
  const auto legal = [](unsigned type, unsigned flags) {
    const bool more = (flags & frame_flag::more) != 0, fin = (flags & frame_flag::fin) != 0, rel = (flags & frame_flag::rel) != 0;
    switch (type) {
      case 1: return !(more && fin) && (!rel || fin);
      case 2: return !(more && fin) && !rel;
      case 4: return !more && !fin;
      case 7: return !more && !rel;
      case 3: case 5: case 6: case 8: case 9: case 10: return flags == 0;
      case 11: case 12: return true;
      default: return false;
    }
  };
  for (unsigned type = 0; type < 16; ++type) {
    for (unsigned flags = 0; flags < 0x80; flags += 0x10) {
      const std::array<std::byte, 4> bytes = {static_cast<std::byte>(type | flags), std::byte{1}, std::byte{0}, std::byte{0}};
      frame_header got{};
      EXPECT_EQ(decode_header(bytes, got), legal(type, flags) ? decode_status::header : decode_status::error) << type << ' ' << flags;
    }
  }
}

TEST(frame, each_type_is_held_to_its_channels) {
  const auto check = [](frame_type type, channel_id channel, std::uint32_t length) {
    return check_header(header_of(type, channel, length), 16'384, 4'096);
  };
  EXPECT_EQ(check(frame_type::data, 0, 1), errc::protocol);
  EXPECT_EQ(check(frame_type::data, 1, 0), errc{});
  for (const frame_type type : {frame_type::open, frame_type::reset, frame_type::stop, frame_type::head}) {
    EXPECT_EQ(check(type, 0, 4), errc::protocol);
    EXPECT_EQ(check(type, 1, 4), errc::protocol);
    EXPECT_EQ(check(type, 2, 4), errc{});
  }
  EXPECT_EQ(check(frame_type::release, 1, 0), errc::protocol);
  EXPECT_EQ(check(frame_type::release, 2, 0), errc{});
  EXPECT_EQ(check(frame_type::credit, 0, 4), errc{});
  EXPECT_EQ(check(frame_type::credit, 1, 4), errc{});
  EXPECT_EQ(check(frame_type::ping, 0, 8), errc{});
  EXPECT_EQ(check(frame_type::ping, 1, 8), errc::protocol);
  EXPECT_EQ(check(frame_type::go_away, 1, 16), errc::protocol);
  EXPECT_EQ(check(frame_type::hello, 1, 16), errc::protocol);
  EXPECT_EQ(check(frame_type::skip_first, 77, 16), errc{});
}

TEST(frame, each_type_is_held_to_its_lengths) {
  const auto check = [](frame_type type, std::uint32_t length) {
    const bool connection = type == frame_type::ping || type == frame_type::go_away || type == frame_type::hello;
    return check_header(header_of(type, connection ? 0 : 2, length), 16'384, 4'096);
  };
  EXPECT_EQ(check(frame_type::data, 16'384), errc{});
  EXPECT_EQ(check(frame_type::data, 16'385), errc::frame_size);
  EXPECT_EQ(check(frame_type::open, 0), errc::protocol);
  EXPECT_EQ(check(frame_type::open, 16'385), errc::frame_size);
  EXPECT_EQ(check(frame_type::credit, 3), errc::protocol);
  EXPECT_EQ(check(frame_type::credit, 5), errc::protocol);
  EXPECT_EQ(check(frame_type::reset, 3), errc::protocol);
  EXPECT_EQ(check(frame_type::reset, 4 + 1'024), errc{});
  EXPECT_EQ(check(frame_type::stop, 4 + 1'025), errc::frame_size);
  EXPECT_EQ(check(frame_type::release, 1), errc::protocol);
  EXPECT_EQ(check(frame_type::ping, 7), errc::protocol);
  EXPECT_EQ(check(frame_type::go_away, 15), errc::protocol);
  EXPECT_EQ(check(frame_type::go_away, 16 + 256), errc{});
  EXPECT_EQ(check(frame_type::go_away, 16 + 257), errc::frame_size);
  EXPECT_EQ(check(frame_type::hello, 16'384), errc{});
  EXPECT_EQ(check(frame_type::hello, 16'385), errc::frame_size);
  EXPECT_EQ(check(frame_type::head, 4'096), errc{});
  EXPECT_EQ(check(frame_type::head, 4'097), errc::frame_size);
  EXPECT_EQ(check(frame_type::skip_last, 16'385), errc::frame_size);
}

TEST(frame, a_hello_is_measured_against_its_own_limit_not_the_frame_limit) {
  EXPECT_EQ(check_header(header_of(frame_type::hello, 0, 16'000), 4'096, 256), errc{});
}

TEST(frame, control_payloads_are_read_as_written) {
  std::array<std::byte, code_frame_bytes_max> bytes;
  std::size_t size = put_reset(bytes.data(), 9, frame_flag::rel, 0x10007, "enough");
  frame_header header{};
  ASSERT_EQ(decode_header(byte_view(bytes).first(size), header), decode_status::header);
  EXPECT_EQ(header.flags, frame_flag::rel);
  EXPECT_EQ(header.size + header.length, size);
  code_payload code{};
  ASSERT_TRUE(parse_code(byte_view(bytes).subspan(header.size, header.length), code));
  EXPECT_EQ(code.code, 0x10007u);
  EXPECT_EQ(code.reason, "enough");

  size = put_go_away(bytes.data(), 8, 10'000, 1'000, "calm down");
  ASSERT_EQ(decode_header(byte_view(bytes).first(size), header), decode_status::header);
  go_away_payload end{};
  ASSERT_TRUE(parse_go_away(byte_view(bytes).subspan(header.size, header.length), end));
  EXPECT_EQ(end.code, 8u);
  EXPECT_EQ(end.drain_ms, 10'000u);
  EXPECT_EQ(end.opens_accepted, 1'000u);
  EXPECT_EQ(end.reason, "calm down");
}

TEST(frame, a_long_reason_is_cut_between_characters) {
  std::string reason(1'023, 'a');
  reason += "\xc3\xa4\xc3\xb6";                   // byte 1,024 would split the first of the two
  std::array<std::byte, code_frame_bytes_max> bytes;
  const std::size_t size = put_stop(bytes.data(), 9, 7, reason);
  EXPECT_EQ(size, 4u + 4u + 1'023u);
  code_payload code{};
  ASSERT_TRUE(parse_code(byte_view(bytes).subspan(4, size - 4), code));
  EXPECT_EQ(code.reason, std::string(1'023, 'a'));
}

TEST(frame, a_reason_that_is_not_utf8_is_refused) {
  code_payload code{};
  go_away_payload end{};
  EXPECT_FALSE(parse_code(from_hex("06 00 00 00 ff"), code));
  EXPECT_FALSE(parse_go_away(from_hex("00000000 00000000 0000000000000000 c0 80"), end));
}

TEST(preface, is_refused_at_the_first_byte_that_differs) {
  const auto whole = from_hex("d7 48 57 53 01 01 00 00");
  preface got{};
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_EQ(decode_preface(byte_view(whole).first(size), got), decode_status::need_more);
  }
  EXPECT_EQ(decode_preface(whole, got), decode_status::header);
  EXPECT_EQ(got.version_max, 1);
  EXPECT_EQ(got.version_min, 1);
  EXPECT_EQ(decode_preface(as_bytes("G"), got), decode_status::error);
  EXPECT_EQ(decode_preface(from_hex("16 03"), got), decode_status::error);
  EXPECT_EQ(decode_preface(from_hex("d7 48 58"), got), decode_status::error);
}

TEST(preface, the_version_is_the_newest_that_both_speak) {
  EXPECT_EQ(common_version({1, 1}, {1, 1}), 1);
  EXPECT_EQ(common_version({3, 1}, {2, 2}), 2);
  EXPECT_EQ(common_version({1, 1}, {9, 1}), 1);
  EXPECT_EQ(common_version({1, 1}, {3, 2}), 0);
  EXPECT_EQ(common_version({4, 3}, {2, 1}), 0);
}

TEST(utf8, long_forms_surrogates_and_cut_characters_are_refused) {
  for (const char* good : {"", "61", "c3 a4", "e2 82 ac", "ed 9f bf", "ee 80 80", "f0 9f 98 80", "f4 8f bf bf"}) {
    EXPECT_TRUE(utf8_valid(from_hex(good))) << good;
  }
  for (const char* bad : {"80", "c0 80", "c1 bf", "c3", "c3 28", "e0 9f bf", "ed a0 80", "e2 82", "f0 8f bf bf", "f4 90 80 80", "f5 80 80 80", "ff"}) {
    EXPECT_FALSE(utf8_valid(from_hex(bad))) << bad;
  }
}

}  // namespace
}  // namespace hawser::proto
