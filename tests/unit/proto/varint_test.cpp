// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "hex.hpp"

#include <proto/varint.hpp>

#include <gtest/gtest.h>

#include <array>

namespace hawser::proto {
namespace {

using tests::from_hex;
using tests::to_hex;

std::string encoded(std::uint64_t value) {
  std::array<std::byte, varint_bytes_max> bytes{};
  const std::size_t size = put_varint(bytes.data(), value);
  EXPECT_EQ(size, varint_size(value));
  return to_hex(byte_view(bytes).first(size));
}

bool reads(std::string_view hex) {
  const auto bytes = from_hex(hex);
  byte_reader from(bytes);
  from.varint();
  return !from.failed() && from.at_end();
}

TEST(varint, has_one_form_at_each_side_of_each_boundary) {
  EXPECT_EQ(encoded(0), "00");
  EXPECT_EQ(encoded(127), "7f");
  EXPECT_EQ(encoded(128), "80 80");
  EXPECT_EQ(encoded(250), "80 fa");
  EXPECT_EQ(encoded(16'383), "bf ff");
  EXPECT_EQ(encoded(16'384), "c0 00 40 00");
  EXPECT_EQ(encoded((1u << 29) - 1), "df ff ff ff");
  EXPECT_EQ(encoded(1u << 29), "e0 00 00 00 20 00 00 00");
  EXPECT_EQ(encoded(varint_max), "e0 ff ff ff ff ff ff ff");
}

TEST(varint, is_read_back_as_it_was_written) {
  for (unsigned bit = 0; bit < 56; ++bit) {
    for (const std::uint64_t value : {std::uint64_t{1} << bit, (std::uint64_t{1} << bit) - 1, (std::uint64_t{1} << bit) + 1}) {
      std::array<std::byte, varint_bytes_max> bytes{};
      const std::size_t size = put_varint(bytes.data(), value);
      byte_reader from(byte_view(bytes).first(size));
      EXPECT_EQ(from.varint(), value);
      EXPECT_TRUE(from.at_end());
      EXPECT_FALSE(from.failed());
    }
  }
}

TEST(varint, longer_forms_than_needed_are_refused) {
  EXPECT_FALSE(reads("80 00"));
  EXPECT_FALSE(reads("80 7f"));
  EXPECT_FALSE(reads("c0 00 3f ff"));
  EXPECT_FALSE(reads("e0 00 00 00 1f ff ff ff"));
  EXPECT_TRUE(reads("80 80"));
}

TEST(varint, first_bytes_without_a_meaning_are_refused) {
  for (unsigned first = 0xe1; first <= 0xff; ++first) {
    auto bytes = from_hex("00 ff ff ff ff ff ff ff");
    bytes[0] = static_cast<std::byte>(first);
    byte_reader from(bytes);
    from.varint();
    EXPECT_TRUE(from.failed()) << first;
  }
}

TEST(varint, every_truncation_is_refused) {
  for (const char* whole : {"80 80", "c0 00 40 00", "e0 00 00 00 20 00 00 00"}) {
    const auto bytes = from_hex(whole);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      byte_reader from(byte_view(bytes).first(size));
      from.varint();
      EXPECT_TRUE(from.failed()) << whole << " cut to " << size;
    }
  }
}

TEST(byte_reader, after_one_failure_everything_fails) {
  const auto bytes = from_hex("01 02 03");
  byte_reader from(bytes);
  EXPECT_EQ(from.fixed<std::uint32_t>(), 0u);
  EXPECT_TRUE(from.failed());
  EXPECT_EQ(from.fixed<std::uint8_t>(), 0u);
  EXPECT_TRUE(from.bytes(1).empty());
  EXPECT_TRUE(from.failed());
}

TEST(byte_reader, a_length_beyond_the_end_cannot_wrap) {
  const auto bytes = from_hex("01 02 03");
  byte_reader from(bytes);
  EXPECT_TRUE(from.bytes(varint_max).empty());
  EXPECT_TRUE(from.failed());
}

}  // namespace
}  // namespace hawser::proto
