// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "hex.hpp"

#include <proto/frame.hpp>
#include <proto/hello.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hawser::proto {
namespace {

using tests::from_hex;
using tests::to_hex;

std::vector<std::byte> frame_of(const limits& announced, const identity& who, std::uint64_t grease = 0) {
  std::vector<std::byte> bytes(header_bytes_max + hello_bytes_max);
  bytes.resize(put_hello(bytes.data(), announced, who, grease));
  return bytes;
}

byte_view payload_of(byte_view frame) {
  frame_header header{};
  EXPECT_EQ(decode_header(frame, header), decode_status::header);
  EXPECT_EQ(header.type, frame_type::hello);
  EXPECT_EQ(header.size + header.length, frame.size());
  return frame.subspan(header.size);
}

errc parsed(std::string_view hex) {
  remote_hello out;
  return parse_hello(from_hex(hex), out);
}

identity nobody() {
  identity who;
  who.software.clear();
  return who;
}

TEST(hello, silence_means_the_defaults_of_the_table) {
  remote_hello out;
  out.announced.frame_bytes_max = 7;
  ASSERT_EQ(parse_hello({}, out), errc{});
  EXPECT_EQ(out.announced.frame_bytes_max, 16'384u);
  EXPECT_EQ(out.announced.message_bytes_max, 1u << 20);
  EXPECT_EQ(out.announced.channels_max, 256u);
  EXPECT_EQ(out.announced.channel_credit, 65'536u);
  EXPECT_EQ(out.announced.connection_credit, 1u << 20);
  EXPECT_EQ(out.announced.open_block_bytes_max, 4'096u);
  EXPECT_EQ(out.announced.alias_slots, 256u);
  EXPECT_EQ(out.announced.idle_timeout_ms, 60'000u);
  EXPECT_EQ(out.announced.pings_in_flight_max, 4u);
  EXPECT_EQ(out.features, 0u);
  EXPECT_TRUE(out.name.empty());
}

TEST(hello, one_that_says_only_defaults_is_an_empty_frame) {
  EXPECT_EQ(to_hex(frame_of(default_limits(), nobody())), "09 00 00 00");
}

TEST(hello, every_field_survives_the_way_there_and_back) {
  const limits announced{.frame_bytes_max = 65'536, .message_bytes_max = 5 << 20, .channels_max = 4'000, .channel_credit = 1 << 18,
                         .connection_credit = 1 << 22, .open_block_bytes_max = 8'000, .alias_slots = 17, .idle_timeout_ms = 1'234,
                         .pings_in_flight_max = 2};
  identity who;
  for (std::size_t i = 0; i < who.peer_id.size(); ++i) who.peer_id[i] = static_cast<std::byte>(i + 1);
  who.name = "n\xc3\xa4me";
  who.metadata = std::string(4'096, '\0');
  who.token = std::string(4'096, 't');
  who.software = "hawser 0.1";
  who.application = "game";
  who.features = feature::mesh | feature::schema_check;
  ASSERT_EQ(check_identity(who), errc{});
  const auto frame = frame_of(announced, who, 0xdead'beef'0000'0005);
  remote_hello out;
  ASSERT_EQ(parse_hello(payload_of(frame), out), errc{});
  EXPECT_EQ(out.announced.frame_bytes_max, 65'536u);
  EXPECT_EQ(out.announced.message_bytes_max, 5u << 20);
  EXPECT_EQ(out.announced.channels_max, 4'000u);
  EXPECT_EQ(out.announced.channel_credit, 1u << 18);
  EXPECT_EQ(out.announced.connection_credit, 1u << 22);
  EXPECT_EQ(out.announced.open_block_bytes_max, 8'000u);
  EXPECT_EQ(out.announced.alias_slots, 17u);
  EXPECT_EQ(out.announced.idle_timeout_ms, 1'234u);
  EXPECT_EQ(out.announced.pings_in_flight_max, 2u);
  EXPECT_EQ(out.peer_id, who.peer_id);
  EXPECT_EQ(out.name, who.name);
  EXPECT_EQ(out.metadata, who.metadata);
  EXPECT_EQ(out.token, who.token);
  EXPECT_EQ(out.software, who.software);
  EXPECT_EQ(out.application, who.application);
  EXPECT_EQ(out.features, who.features);
}

TEST(hello, unknown_fields_are_passed_over_even_twice) {
  EXPECT_EQ(parsed("20 01 aa  20 00  bf 00 03 01 02 03"), errc{});
  EXPECT_EQ(parsed("00 00"), errc{});
}

TEST(hello, grease_is_a_field_beyond_0x3f00) {
  EXPECT_EQ(to_hex(frame_of(default_limits(), nobody(), 0x1122'3344'5566'0002)), "09 00 50 00 bf 00 02 02 00");
}

TEST(hello, a_field_twice_is_an_error) {
  EXPECT_EQ(parsed("08 02 10 00"), errc{});
  EXPECT_EQ(parsed("08 02 10 00 08 02 10 00"), errc::protocol);
}

TEST(hello, a_number_of_another_width_is_an_error) {
  EXPECT_EQ(parsed("02 02 00 10"), errc::protocol);
  EXPECT_EQ(parsed("08 04 00 10 00 00"), errc::protocol);
  EXPECT_EQ(parsed("0b 0f 010101010101010101010101010101"), errc::protocol);
}

TEST(hello, each_floor_is_the_least_that_is_accepted) {
  EXPECT_EQ(parsed("02 04 00 10 00 00"), errc{});
  EXPECT_EQ(parsed("02 04 ff 0f 00 00"), errc::protocol);
  EXPECT_EQ(parsed("03 04 00 10 00 00"), errc{});
  EXPECT_EQ(parsed("03 04 ff 0f 00 00"), errc::protocol);
  EXPECT_EQ(parsed("04 04 10 00 00 00"), errc{});
  EXPECT_EQ(parsed("04 04 0f 00 00 00"), errc::protocol);
  EXPECT_EQ(parsed("05 04 00 40 00 00"), errc{});
  EXPECT_EQ(parsed("05 04 ff 3f 00 00"), errc::protocol);
  EXPECT_EQ(parsed("06 04 00 00 01 00"), errc{});
  EXPECT_EQ(parsed("06 04 ff ff 00 00"), errc::protocol);
  EXPECT_EQ(parsed("07 02 00 01"), errc{});
  EXPECT_EQ(parsed("07 02 ff 00"), errc::protocol);
  EXPECT_EQ(parsed("08 02 00 00"), errc{});
  EXPECT_EQ(parsed("09 04 00 00 00 00"), errc{});
  EXPECT_EQ(parsed("0a 01 00"), errc::protocol);
}

TEST(hello, each_ceiling_is_the_most_that_is_accepted) {
  EXPECT_EQ(parsed("02 04 00 00 10 00"), errc{});
  EXPECT_EQ(parsed("02 04 01 00 10 00"), errc::protocol);
  EXPECT_EQ(parsed("03 04 ff ff ff 7f"), errc{});
  EXPECT_EQ(parsed("03 04 00 00 00 80"), errc::protocol);
  EXPECT_EQ(parsed("04 04 00 00 10 00"), errc{});
  EXPECT_EQ(parsed("04 04 01 00 10 00"), errc::protocol);
  EXPECT_EQ(parsed("05 04 00 00 00 80"), errc::protocol);
  EXPECT_EQ(parsed("06 04 00 00 00 80"), errc::protocol);
}

TEST(hello, an_open_block_must_fit_in_a_frame) {
  EXPECT_EQ(parsed("07 02 00 40"), errc{});
  EXPECT_EQ(parsed("07 02 01 40"), errc::protocol);
  EXPECT_EQ(parsed("07 02 00 40 02 04 00 10 00 00"), errc::protocol);
}

TEST(hello, a_name_is_utf8_of_1_to_64_bytes) {
  const std::string longest(64, 'a');
  identity who = nobody();
  who.name = longest;
  remote_hello out;
  const auto frame = frame_of(default_limits(), who);
  EXPECT_EQ(parse_hello(payload_of(frame), out), errc{});
  EXPECT_EQ(out.name, longest);
  EXPECT_EQ(parsed("0f 00"), errc::name_invalid);
  EXPECT_EQ(parsed("0f 02 c3 28"), errc::name_invalid);
  EXPECT_EQ(parsed("0f 41" + [] {
              std::string hex;
              for (int i = 0; i < 65; ++i) hex += " 61";
              return hex;
            }()),
            errc::name_invalid);
  who.name += 'a';
  EXPECT_EQ(check_identity(who), errc::name_invalid);
}

TEST(hello, every_cut_is_refused_or_is_a_shorter_list) {
  const auto whole = from_hex("02 04 00 00 01 00 0f 03 61 62 63 bf 00 02 01 02");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    remote_hello out;
    const bool between_fields = size == 0 || size == 6 || size == 11;
    EXPECT_EQ(parse_hello(byte_view(whole).first(size), out), between_fields ? errc{} : errc::protocol) << size;
  }
}

TEST(hello, what_this_side_announces_by_default_is_sound) {
  EXPECT_EQ(check_limits(limits{}), errc{});
  EXPECT_EQ(check_limits(default_limits()), errc{});
  EXPECT_EQ(check_limits(floor_limits()), errc{});
}

}  // namespace
}  // namespace hawser::proto
