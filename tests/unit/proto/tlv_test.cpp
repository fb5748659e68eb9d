// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "hex.hpp"

#include <hawser/proto/tlv.hpp>

#include <gtest/gtest.h>

namespace hawser::proto {
namespace {

using tests::from_hex;
using tests::to_hex;

TEST(tlv, numbers_and_headers_have_their_golden_bytes) {
  tlv_writer out;
  out.add_status(404).add_varint(tlv::codec, 300).add_u8(tlv::ttl, 8).add_header("a", "bc");
  EXPECT_EQ(to_hex(out.bytes()), "01 04 94 01 00 00 02 02 81 2c 12 01 08 80 80 04 01 61 62 63");
}

TEST(tlv, what_was_written_is_found_again) {
  tlv_writer out;
  out.add_u64(tlv::schema, 0x0123456789abcdef).add_header("content-type", "text/plain").add_header("x", std::string_view()).add_status(200);
  const tlv_reader list(out.bytes());
  EXPECT_EQ(list.status(), 200u);
  EXPECT_EQ(list.find(tlv::schema)->u64(), 0x0123456789abcdefu);
  EXPECT_EQ(as_text(*list.find_header("content-type")), "text/plain");
  EXPECT_TRUE(list.find_header("x")->empty());
  EXPECT_FALSE(list.find_header("y"));
  EXPECT_FALSE(list.find(tlv::ttl));
}

TEST(tlv, items_come_in_their_order_and_then_the_end) {
  tlv_writer out;
  out.add_u8(1, 7).add(2, {}).add_u32(1, 9);
  tlv_reader list(out.bytes());
  tlv_item item;
  ASSERT_TRUE(list.next(item));
  EXPECT_EQ(item.u8(), 7);
  EXPECT_FALSE(item.u32());
  ASSERT_TRUE(list.next(item));
  EXPECT_EQ(item.type, 2u);
  EXPECT_TRUE(item.value.empty());
  ASSERT_TRUE(list.next(item));
  EXPECT_EQ(item.u32(), 9u);
  EXPECT_FALSE(list.next(item));
  EXPECT_FALSE(list.malformed());
}

TEST(tlv, an_empty_list_is_well_formed) {
  EXPECT_TRUE(tlv_well_formed({}));
  tlv_reader list({});
  tlv_item item;
  EXPECT_FALSE(list.next(item));
  EXPECT_FALSE(list.malformed());
}

TEST(tlv, every_cut_inside_an_item_is_malformed) {
  tlv_writer out;
  out.add_header("key", "value");
  for (std::size_t size = 1; size < out.bytes().size(); ++size) {
    const byte_view cut = out.bytes().first(size);
    EXPECT_FALSE(tlv_well_formed(cut)) << size;
    tlv_reader list(cut);
    tlv_item item;
    EXPECT_FALSE(list.next(item));
    EXPECT_TRUE(list.malformed());
    EXPECT_FALSE(list.next(item));
  }
}

TEST(tlv, a_header_whose_key_is_longer_than_the_item_is_no_header) {
  const auto bytes = from_hex("80 80 02 05 61");
  EXPECT_TRUE(tlv_well_formed(bytes));
  EXPECT_FALSE(tlv_reader(bytes).find_header("a"));
}

TEST(tlv, a_number_of_another_width_is_no_number) {
  const auto bytes = from_hex("01 03 01 00 00");
  EXPECT_FALSE(tlv_reader(bytes).status());
}

TEST(tlv, a_varint_with_bytes_behind_it_is_no_number) {
  const auto bytes = from_hex("02 02 05 06");
  EXPECT_FALSE(tlv_reader(bytes).find(tlv::codec)->varint());
}

}  // namespace
}  // namespace hawser::proto
