// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "unit/proto/frames.hpp"

#include <gtest/gtest.h>

#include <limits>
#include <ostream>
#include <string>
#include <vector>

// Every length and every number of the wire at its edges: 0, 1, the limit and its neighbours, and the largest that can be written.

namespace hawser::proto::testing {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

constexpr std::uint32_t frame_max = 16 * 1024;
constexpr std::uint32_t block_max = 4'096;
constexpr std::uint16_t slots = 8;

settings roomy() {
  settings with;
  with.announced.frame_bytes_max = frame_max;
  with.announced.open_block_bytes_max = block_max;
  with.announced.alias_slots = slots;
  return with;
}

// A varint in its shortest form, up to 56 bits.
std::string pv(std::uint64_t value) {
  const unsigned size = value < 0x80 ? 1 : value < 0x4000 ? 2
      : value < 1u << 29                                  ? 4
                                                          : 8;
  std::string out(size, '\0');
  for (unsigned i = size; i-- > 0; value >>= 8) out[i] = static_cast<char>(value);
  constexpr unsigned char marks[] = {0, 0x00, 0x80, 0, 0xc0, 0, 0, 0, 0xe0};
  out[0] = static_cast<char>(static_cast<unsigned char>(out[0]) | marks[size]);
  return out;
}
constexpr std::uint64_t pv_max = (std::uint64_t{1} << 56) - 1;

std::string number(std::uint64_t value, std::size_t width) {
  std::string out;
  for (std::size_t i = 0; i < width; ++i) out.push_back(i < 8 ? static_cast<char>(value >> (8 * i)) : '\0');
  return out;
}
std::string item(std::uint64_t type, std::string_view value) { return pv(type) + pv(value.size()) + std::string(value); }

// The header of a frame that need not be here.
std::string header_of(frame_type type, std::uint8_t flags, channel_id id, std::uint32_t length) {
  std::byte at[header_bytes_max];
  const std::size_t size = put_header(at, type, flags, id, length);
  return std::string(reinterpret_cast<const char*>(at), size);
}

// What a server makes of it: errc{} when it lives on.
errc verdict_on_hello(std::string_view fields) {
  side s(role::server, roomy(), {}, instant{} + 1h);
  s.accepts = true;
  s.give(greeting(fields));
  const std::uint32_t code = s.last_closed();
  return code == UINT32_MAX ? errc{} : static_cast<errc>(code);
}
errc verdict(std::string_view bytes) {
  side s(role::server, roomy(), {}, instant{} + 1h);
  s.accepts = true;
  s.give(greeting());
  s.take();
  s.give(bytes);
  const std::uint32_t code = s.last_closed();
  return code == UINT32_MAX ? errc{} : static_cast<errc>(code);
}

constexpr errc fine{};

struct bounds {
  unsigned type;
  std::size_t width;
  std::uint64_t least, most;
};

TEST(hostile_lengths, of_numbers_in_hello_are_sound_between_their_bounds_and_a_protocol_error_beyond) {
  const bounds fields[] = {
      {1, 8, 0, UINT64_MAX},
      {2, 4, 4'096, 1'048'576},
      {3, 4, 4'096, 0x7fff'ffff},
      {4, 4, 16, 1 << 20},
      {5, 4, 16'384, 0x7fff'ffff},
      {6, 4, 65'536, 0x7fff'ffff},
      {7, 2, 256, 16'384},
      {8, 2, 0, 0xffff},
      {9, 4, 0, 0xffff'ffff},
      {10, 1, 1, 0xff},
  };
  for (const bounds& f : fields) {
    const std::uint64_t all = f.width == 8 ? UINT64_MAX : (std::uint64_t{1} << (8 * f.width)) - 1;
    const std::uint64_t below = f.least - (f.least > 0), beyond = f.most + (f.most < all);
    for (const std::uint64_t value : {std::uint64_t{0}, std::uint64_t{1}, below, f.least, f.most - 1, f.most, beyond, all}) {
      const errc expected = value >= f.least && value <= f.most ? fine : errc::protocol;
      EXPECT_EQ(verdict_on_hello(item(f.type, number(value, f.width))), expected) << "field " << f.type << " = " << value;
    }
    for (const std::size_t width : {std::size_t{0}, f.width - 1, f.width + 1, std::size_t{100}})
      EXPECT_EQ(verdict_on_hello(item(f.type, number(f.least, width))), errc::protocol) << f.type << " in " << width << " bytes";
    const std::string once = item(f.type, number(f.least, f.width));
    EXPECT_EQ(verdict_on_hello(once + once), errc::protocol) << "twice " << f.type;
  }
}

TEST(hostile_lengths, of_texts_in_hello_are_sound_up_to_their_limit) {
  struct text {
    unsigned type;
    std::size_t least, most;
    errc beyond;
  };
  const text texts[] = {
      {12, 0, 4'096, errc::protocol}, {13, 0, 4'096, errc::protocol}, {14, 0, 256, errc::protocol}, {15, 1, 64, errc::name_invalid}};
  for (const text& t : texts) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, t.most - 1, t.most, t.most + 1, std::size_t{8'000}}) {
      const bool sound = size >= t.least && size <= t.most;
      EXPECT_EQ(verdict_on_hello(item(t.type, std::string(size, 'x'))), sound ? fine : t.beyond) << "field " << t.type << " of " << size;
    }
  }
  for (const std::size_t size : {0u, 15u, 16u, 17u})
    EXPECT_EQ(verdict_on_hello(item(11, std::string(size, 'x'))), size == 16 ? fine : errc::protocol);
  for (const std::size_t size : {1u, 64u}) EXPECT_EQ(verdict_on_hello(item(16, std::string(size, 'x'))), errc::application_tag);
  EXPECT_EQ(verdict_on_hello(item(16, std::string(65, 'x'))), errc::protocol);
}

TEST(hostile_lengths, of_items_in_hello_may_not_reach_beyond_it) {
  for (const std::uint64_t type : {std::uint64_t{0}, std::uint64_t{17}, std::uint64_t{0x3f00}, pv_max}) {
    EXPECT_EQ(verdict_on_hello(pv(type) + pv(0)), fine);
    EXPECT_EQ(verdict_on_hello(pv(type) + pv(3) + "abc"), fine);
    EXPECT_EQ(verdict_on_hello(pv(type) + pv(4) + "abc"), errc::protocol);
    EXPECT_EQ(verdict_on_hello(pv(type) + pv(pv_max) + "abc"), errc::protocol);
    EXPECT_EQ(verdict_on_hello(pv(type)), errc::protocol);
  }
  // As much as it may hold, and one byte more.
  const std::string filled = item(0x3f00, std::string(16'384 - 4, 'g'));
  ASSERT_EQ(filled.size(), 16'384u);
  EXPECT_EQ(verdict_on_hello(filled), fine);
  EXPECT_EQ(verdict_on_hello(item(0x3f00, std::string(16'384 - 3, 'g'))), errc::frame_size);
  // Too long a form of a number that fits.
  EXPECT_EQ(verdict_on_hello("\x80\x7f"s + pv(0)), errc::protocol);
}

TEST(hostile_lengths, of_payloads_are_sound_within_their_type) {
  struct range {
    frame_type type;
    channel_id id;
    std::uint32_t least, most;
    errc below, beyond;
  };
  const std::string stream = frame_of(frame_type::open, 0, 3, "\0"s);
  const range ranges[] = {
      {frame_type::data, 1, 0, frame_max, fine, errc::frame_size},
      {frame_type::data, 3, 0, frame_max, fine, errc::frame_size},
      {frame_type::open, 5, 1, frame_max, errc::protocol, errc::frame_size},
      {frame_type::credit, 3, 4, 4, errc::protocol, errc::protocol},
      {frame_type::reset, 3, 4, 4 + 1'024, errc::protocol, errc::frame_size},
      {frame_type::stop, 3, 4, 4 + 1'024, errc::protocol, errc::frame_size},
      {frame_type::ping, 0, 8, 8, errc::protocol, errc::protocol},
      {frame_type::go_away, 0, 16, 16 + 256, errc::protocol, errc::frame_size},
      {frame_type::head, 3, 0, block_max, fine, errc::frame_size},
      {frame_type::skip_first, 0, 0, frame_max, fine, errc::frame_size},
      {frame_type::skip_last, 77, 0, frame_max, fine, errc::frame_size},
  };
  for (const range& r : ranges) {
    // One number 1 that stands for an increment, a code, a drain time; a HEAD is one item that fills it.
    const auto payload = [&](std::uint32_t size) {
      std::string out(size, '\0');
      if (r.type == frame_type::head && size > 0) out = item(9, std::string(size - (size < 130 ? 2 : 3), 'h'));
      if (r.type == frame_type::credit && size > 0) out[0] = 1;
      if (r.type == frame_type::go_away && size > 9) out[6] = 1;
      return out;
    };
    const std::uint32_t below = r.least - (r.least > 0), last_but_one = r.most - (r.most > r.least);
    for (const std::uint32_t size : {0u, 1u, below, r.least, r.least + 1, last_but_one, r.most, r.most + 1}) {
      if (r.type == frame_type::head && size == 1) continue;      // no list is one byte long
      const errc expected = size < r.least ? r.below : size > r.most ? r.beyond
                                                                     : fine;
      EXPECT_EQ(verdict(stream + frame_of(r.type, 0, r.id, payload(size))), expected) << static_cast<int>(r.type) << " of " << size;
    }
    EXPECT_EQ(verdict(stream + header_of(r.type, 0, r.id, (1u << 28) - 1)), r.beyond) << static_cast<int>(r.type);
  }
  EXPECT_EQ(verdict(frame_of(frame_type::release, 0, 5, "x")), errc::protocol);
  EXPECT_EQ(verdict(header_of(frame_type::release, 0, 5, (1u << 28) - 1)), errc::protocol);
}

TEST(hostile_lengths, in_open_blocks_are_sound_up_to_their_limit) {
  const auto open = [](const std::string& block) { return verdict(frame_of(frame_type::open, 0, 3, block)); };
  const auto literal = [&](std::uint64_t declared, std::size_t given, std::uint64_t assign = 0) {
    return open("\x12"s + pv(2 * declared + 1) + std::string(given, 'o') + pv(assign));
  };
  for (const std::size_t size : {1u, 2u, 254u, 255u}) EXPECT_EQ(literal(size, size), fine) << size;
  for (const std::size_t size : {0u, 256u, 4'000u}) EXPECT_EQ(literal(size, size), errc::protocol) << size;
  EXPECT_EQ(literal(200, 100), errc::protocol) << "it reaches beyond the frame";
  EXPECT_EQ(literal(pv_max / 2, 10), errc::protocol);
  for (const std::uint64_t assign : {0, 1, slots - 1, int{slots}}) EXPECT_EQ(literal(4, 4, assign), fine) << assign;
  constexpr std::uint64_t beyond = slots + 1;
  for (const std::uint64_t assign : {beyond, std::uint64_t{0xffff}, std::uint64_t{0x10001}, pv_max})
    EXPECT_EQ(literal(4, 4, assign), errc::protocol) << assign;
  for (const std::uint64_t alias : {std::uint64_t{0}, std::uint64_t{1}, beyond - 1, beyond, std::uint64_t{0x10001}, pv_max / 2})
    EXPECT_EQ(open("\x12"s + pv(2 * alias)), errc::protocol) << "nobody assigned " << alias;
  for (const std::uint64_t deadline : {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{1} << 40, pv_max})
    EXPECT_EQ(open("\x22"s + pv(deadline)), fine) << deadline;
  for (const unsigned urgency : {0u, 1u, 7u}) EXPECT_EQ(open("\x42"s + static_cast<char>(urgency)), fine);
  for (const unsigned urgency : {8u, 255u}) EXPECT_EQ(open("\x42"s + static_cast<char>(urgency)), errc::protocol);
  EXPECT_EQ(open("\x42"s), errc::protocol) << "without its byte";
  EXPECT_EQ(open("\xf2"s), errc::protocol) << "without everything";
}

TEST(hostile_lengths, of_meta_lists_are_sound_up_to_the_longest_block) {
  const auto open = [](const std::string& meta, std::uint64_t declared) {
    return verdict(frame_of(frame_type::open, 0, 3, "\x82"s + pv(declared) + meta));
  };
  EXPECT_EQ(open("", 0), fine);
  EXPECT_EQ(open(item(9, ""), 2), fine);
  EXPECT_EQ(open(item(9, "value"), 7), fine);
  EXPECT_EQ(open(item(9, "value"), 8), errc::protocol) << "longer than the frame";
  EXPECT_EQ(open(item(9, "value"), pv_max), errc::protocol);
  EXPECT_EQ(open(item(9, "value"), 6), errc::protocol) << "it cuts the item";
  EXPECT_EQ(open(pv(9) + pv(pv_max) + "value", 14), errc::protocol);
  EXPECT_EQ(open(pv(pv_max) + pv(0), 9), fine);
  EXPECT_EQ(open("\x80\x09"s + pv(0), 3), errc::protocol) << "too long a form";
  EXPECT_EQ(open(item(0x80, pv(5) + "key"), 7), fine) << "a header without a name is for the application to overlook";
  // The block as a whole: one byte for its bits, two for the length of the list.
  const auto list = [](std::size_t size) { return pv(9) + pv(size - 3) + std::string(size - 3, 'm'); };
  EXPECT_EQ(open(list(block_max - 3), block_max - 3), fine);
  EXPECT_EQ(open(list(block_max - 2), block_max - 2), errc::frame_size);
}

TEST(hostile_lengths, of_items_in_head_are_held_to_the_same_rules_as_those_in_open) {
  const auto head = [](std::string_view list) {
    return verdict(frame_of(frame_type::open, 0, 3, "\x02"s) + frame_of(frame_type::head, 0, 3, list));
  };
  EXPECT_EQ(head(""), fine);
  EXPECT_EQ(head(item(9, "")), fine);
  EXPECT_EQ(head(item(9, "value") + item(pv_max, "")), fine);
  EXPECT_EQ(head("x"), errc::protocol);
  EXPECT_EQ(head(pv(9) + pv(6) + "value"), errc::protocol);
  EXPECT_EQ(head(pv(9) + pv(pv_max) + "value"), errc::protocol);
  EXPECT_EQ(head("\x80\x09"s + pv(0)), errc::protocol);
}

TEST(hostile_lengths, of_credit_are_sound_up_to_what_may_be_outstanding) {
  const auto grant = [](channel_id id, std::uint64_t by) {
    return verdict(frame_of(frame_type::open, 0, 3, "\0"s) + frame_of(frame_type::credit, 0, id, number(by, 4)));
  };
  struct ledger {
    channel_id id;
    std::uint64_t there;
  };
  for (const ledger& l : {ledger{0, 1 << 20}, ledger{1, 65'536}, ledger{3, 65'536}}) {
    EXPECT_EQ(grant(l.id, 0), errc::protocol);
    EXPECT_EQ(grant(l.id, 1), fine);
    EXPECT_EQ(grant(l.id, 0x7fff'ffff - l.there), fine);
    EXPECT_EQ(grant(l.id, 0x7fff'ffff - l.there + 1), errc::flow_control);
    EXPECT_EQ(grant(l.id, 0xffff'ffff), errc::flow_control);
  }
}

TEST(hostile_lengths, of_codes_that_the_wire_does_not_define_arrive_as_internal) {
  for (const frame_type type : {frame_type::reset, frame_type::stop}) {
    for (const std::uint32_t code : {0u, 1u, 6u, 15u, 16u, 17u, 28u, 29u, 100u, 0xffffu, 0x10000u, 0xffff'ffffu}) {
      side s(role::server, roomy(), {}, instant{} + 1h);
      s.accepts = true;
      s.give(greeting() + frame_of(frame_type::open, 0, 3, "\x02"s) + frame_of(type, 0, 3, number(code, 4)));
      const auto told = s.last(type == frame_type::reset ? event_kind::reset : event_kind::stopped);
      ASSERT_TRUE(told.has_value()) << code;
      const bool defined = (code > 0 && code <= 28 && code != 16) || code >= 0x10000;
      EXPECT_EQ(told->code, defined ? code : static_cast<std::uint32_t>(errc::internal)) << code;
    }
  }
}

}
}  // namespace hawser::proto::testing
