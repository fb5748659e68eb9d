// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "hex.hpp"

#include <hawser/proto/tlv.hpp>
#include <proto/open_block.hpp>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace hawser::proto {
namespace {

using namespace std::chrono_literals;
using tests::from_hex;
using tests::to_hex;

std::vector<std::byte> encoded(const open_block& block) {
  std::vector<std::byte> bytes(8'192);
  bytes.resize(put_open_block(bytes.data(), block));
  EXPECT_EQ(bytes.size(), open_block_size(block));
  return bytes;
}

struct parsed {
  open_block block;
  std::size_t size = 0;
  errc code{};
};
parsed parse(byte_view bytes, std::uint32_t most = 4'096, std::uint16_t slots = 256) {
  parsed out;
  out.code = parse_open_block(bytes, most, slots, out.block, out.size);
  return out;
}
errc code_of(std::string_view hex) { return parse(from_hex(hex)).code; }

TEST(open_block, every_combination_of_fields_survives_the_way_there_and_back) {
  tlv_writer meta;
  meta.add_header("k", "v");
  for (unsigned with = 0; with < 32; ++with) {
    open_block block;
    block.kind = channel_kind::request;
    if (with & 1) block.operation = "service/op";
    if (with & 2) block.deadline_ms = 90'000;
    if (with & 4) block.urgency = 7;
    if (with & 8) block.meta = meta.bytes();
    if (with & 16) {
      if (with & 1) block.assign = 256;
      else block.alias = 200;
    }
    auto bytes = encoded(block);
    const std::size_t size = bytes.size();
    bytes.push_back(std::byte{0x68});            // first data behind the block
    const parsed got = parse(bytes);
    ASSERT_EQ(got.code, errc{}) << with;
    EXPECT_EQ(got.size, size);
    EXPECT_EQ(got.block.kind, block.kind);
    EXPECT_EQ(got.block.operation, block.operation);
    EXPECT_EQ(got.block.alias, block.alias);
    EXPECT_EQ(got.block.assign, block.assign);
    EXPECT_EQ(got.block.deadline_ms, block.deadline_ms);
    EXPECT_EQ(got.block.urgency, block.urgency);
    EXPECT_EQ(to_hex(got.block.meta), to_hex(block.meta));
    for (std::size_t cut = 0; cut < size; ++cut) EXPECT_EQ(parse(byte_view(bytes).first(cut)).code, errc::protocol) << with << ' ' << cut;
  }
}

TEST(open_block, the_plain_form_is_the_same_two_bytes) {
  for (std::uint16_t alias = 1; alias < 300; ++alias) {
    open_block block;
    block.kind = channel_kind::request;
    block.alias = alias;
    const std::vector<std::byte> bytes = encoded(block);
    ASSERT_EQ(plain_block::fits(block), alias < plain_block::alias_end);
    EXPECT_EQ(plain_block::alias_in(bytes), alias < plain_block::alias_end ? alias : 0);
    if (!plain_block::fits(block)) continue;
    std::byte plain[plain_block::size];
    plain_block::put(plain, block.kind, block.alias);
    EXPECT_EQ(to_hex(byte_view(plain)), to_hex(bytes));
  }
}

TEST(open_block, what_is_more_than_an_alias_is_not_plain) {
  // Every first byte with every second: plain is what the whole parser says is an alias and nothing else.
  for (unsigned first = 0; first < 256; ++first) {
    for (unsigned second = 0; second < 256; ++second) {
      const std::byte bytes[] = {static_cast<std::byte>(first), static_cast<std::byte>(second), std::byte{0x01}, std::byte{0x01}};
      const parsed got = parse(bytes);
      const bool plain = got.code == errc{} && got.size == 2 && got.block.alias != 0;
      ASSERT_EQ(plain_block::alias_in(bytes), plain ? got.block.alias : 0) << first << ' ' << second;
    }
  }
  EXPECT_EQ(plain_block::alias_in({}), 0);
  EXPECT_EQ(plain_block::alias_in(from_hex("11")), 0);
}

TEST(open_block, aliases_are_1_to_the_announced_slots) {
  EXPECT_EQ(code_of("12 00"), errc::protocol);
  EXPECT_EQ(code_of("12 82 00"), errc{});            // 256
  EXPECT_EQ(code_of("12 82 02"), errc::protocol);    // 257
  EXPECT_EQ(code_of("12 03 61 81 00"), errc{});      // assigns 256
  EXPECT_EQ(code_of("12 03 61 81 01"), errc::protocol);
  EXPECT_EQ(parse(from_hex("12 02"), 256, 0).code, errc::protocol);
  EXPECT_EQ(parse(from_hex("12 03 61 00"), 256, 0).code, errc{});
}

TEST(open_block, an_operation_is_utf8_of_1_to_255_bytes) {
  EXPECT_EQ(code_of("12 01 00"), errc::protocol);
  EXPECT_EQ(code_of("12 05 c3 28 00"), errc::protocol);
  open_block block;
  const std::string longest(255, 'x');
  block.operation = longest;
  EXPECT_EQ(parse(encoded(block)).code, errc{});
  std::vector<std::byte> longer = from_hex("12 82 01");           // 256 << 1 | 1
  longer.resize(longer.size() + 257);
  EXPECT_EQ(parse(longer).code, errc::protocol);
}

TEST(open_block, an_urgency_above_7_is_an_error) {
  EXPECT_EQ(code_of("40 07"), errc{});
  EXPECT_EQ(code_of("40 08"), errc::protocol);
}

TEST(open_block, meta_must_be_a_list) {
  EXPECT_EQ(code_of("80 00"), errc{});
  EXPECT_EQ(code_of("80 03 12 01 08"), errc{});
  EXPECT_EQ(code_of("80 02 12 01 08"), errc::protocol);
}

TEST(open_block, one_longer_than_announced_is_a_frame_size_error_and_data_do_not_count) {
  open_block block;
  const std::string operation(252, 'x');
  block.operation = operation;
  auto bytes = encoded(block);
  ASSERT_EQ(bytes.size(), 256u);
  bytes.resize(1'000);
  EXPECT_EQ(parse(bytes, 256).code, errc{});
  EXPECT_EQ(parse(bytes, 255).code, errc::frame_size);
}

TEST(open_block, reserved_kinds_parse_so_that_only_the_channel_is_refused) {
  const parsed got = parse(from_hex("05"));
  EXPECT_EQ(got.code, errc{});
  EXPECT_FALSE(kind_known(got.block.kind));
  for (const unsigned kind : {0, 1, 2, 3, 6, 7, 12, 15}) EXPECT_TRUE(kind_known(static_cast<channel_kind>(kind)));
  for (const unsigned kind : {4, 5, 8, 11}) EXPECT_FALSE(kind_known(static_cast<channel_kind>(kind)));
}

TEST(open_block, deadlines_round_up_and_saturate) {
  EXPECT_EQ(deadline_to_wire(-1s), 0u);
  EXPECT_EQ(deadline_to_wire(0ns), 0u);
  EXPECT_EQ(deadline_to_wire(1ns), 1u);
  EXPECT_EQ(deadline_to_wire(250ms), 250u);
  EXPECT_EQ(deadline_from_wire(250), 250ms);
  EXPECT_EQ(deadline_from_wire((std::uint64_t{1} << 56) - 1), duration::max());
  EXPECT_GT(deadline_to_wire(duration::max()), 0u);
}

}  // namespace
}  // namespace hawser::proto
