// SPDX-License-Identifier: Apache-2.0 OR MIT
// Every line of vectors/wire.txt, in both directions where the line has two.
#include "hex.hpp"

#include <hawser/proto/tlv.hpp>
#include <proto/credit.hpp>
#include <proto/frame.hpp>
#include <proto/hello.hpp>
#include <proto/open_block.hpp>
#include <proto/varint.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace hawser::proto {
namespace {

using tests::from_hex;
using tests::to_hex;

struct vector_case {
  std::string kind, name;
  std::map<std::string, std::string> keys;
  std::vector<std::byte> bytes;

  std::string text(const std::string& key) const {
    const auto at = keys.find(key);
    return at == keys.end() || at->second == "-" ? std::string() : at->second;
  }
  std::uint64_t number(const std::string& key, std::uint64_t absent = 0) const {
    const auto at = keys.find(key);
    return at == keys.end() ? absent : std::strtoull(at->second.c_str(), nullptr, 0);
  }
  std::uint8_t flags() const {
    const std::string names = text("flags");
    unsigned bits = 0;
    if (names.find("more") != std::string::npos) bits |= frame_flag::more;
    if (names.find("fin") != std::string::npos) bits |= frame_flag::fin;
    if (names.find("rel") != std::string::npos) bits |= frame_flag::rel;
    return static_cast<std::uint8_t>(bits);
  }
  channel_id channel() const { return static_cast<channel_id>(number("channel")); }
};

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r");
  return first == std::string::npos ? "" : text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::vector<vector_case> load() {
  std::vector<vector_case> cases;
  std::ifstream file(HAWSER_SOURCE_DIR "/vectors/wire.txt");
  for (std::string line; std::getline(file, line);) {
    if (trimmed(line).empty() || line[0] == '#') continue;
    std::vector<std::string> fields;
    std::stringstream parts(line + ' ');
    for (std::string part; std::getline(parts, part, ';');) fields.push_back(trimmed(part));
    EXPECT_EQ(fields.size(), 4u) << line;
    if (fields.size() != 4) continue;
    vector_case one{fields[0], fields[1], {}, from_hex(fields[3])};
    std::stringstream keys(fields[2]);
    for (std::string pair; keys >> pair;) one.keys[pair.substr(0, pair.find('='))] = pair.substr(pair.find('=') + 1);
    cases.push_back(std::move(one));
  }
  return cases;
}

struct decoded {
  frame_header header{};
  byte_view payload;
};
decoded whole_frame(const vector_case& of) {
  decoded out;
  EXPECT_EQ(decode_header(of.bytes, out.header), decode_status::header);
  EXPECT_EQ(out.header.size + out.header.length, of.bytes.size());
  EXPECT_EQ(check_header(out.header, 16'384, 4'096), errc{});
  out.payload = byte_view(of.bytes).subspan(out.header.size);
  return out;
}
void expect_bytes(const vector_case& of, byte_view written) { EXPECT_EQ(to_hex(written), to_hex(of.bytes)); }

void check_varint(const vector_case& of) {
  byte_reader from(of.bytes);
  EXPECT_EQ(from.varint(), of.number("value"));
  EXPECT_TRUE(!from.failed() && from.at_end());
  std::byte to[8];
  expect_bytes(of, byte_view(to, put_varint(to, of.number("value"))));
}

void check_bad_varint(const vector_case& of) {
  byte_reader from(of.bytes);
  from.varint();
  EXPECT_TRUE(from.failed());
}

void check_preface(const vector_case& of) {
  preface got{};
  ASSERT_EQ(decode_preface(of.bytes, got), decode_status::header);
  EXPECT_EQ(got.version_max, of.number("max"));
  EXPECT_EQ(got.version_min, of.number("min"));
  std::byte to[preface_bytes];
  expect_bytes(of, byte_view(to, put_preface(to, got)));
}

void check_bad_preface(const vector_case& of) {
  preface got{};
  EXPECT_EQ(decode_preface(of.bytes, got), decode_status::error);
}

void check_header_bytes(const vector_case& of) {
  frame_header got{};
  ASSERT_EQ(decode_header(of.bytes, got), decode_status::header);
  EXPECT_EQ(static_cast<unsigned>(got.type), of.number("type"));
  EXPECT_EQ(got.flags, of.flags());
  EXPECT_EQ(got.channel, of.number("channel"));
  EXPECT_EQ(got.length, of.number("length"));
  std::byte to[header_bytes_max];
  expect_bytes(of, byte_view(to, put_header(to, got.type, got.flags, got.channel, got.length)));
}

void check_bad_header(const vector_case& of) {
  frame_header got{};
  EXPECT_EQ(decode_header(of.bytes, got), decode_status::error);
}

void check_bad_frame(const vector_case& of) {
  frame_header got{};
  ASSERT_EQ(decode_header(of.bytes, got), decode_status::header);
  EXPECT_EQ(static_cast<unsigned>(proto::check_header(got, 16'384, 4'096)), of.number("code"));
}

void check_data(const vector_case& of) {
  const decoded frame = whole_frame(of);
  EXPECT_EQ(frame.header.type, frame_type::data);
  EXPECT_EQ(frame.header.flags, of.flags());
  const auto fin = (frame.header.flags & frame_flag::fin) != 0 ? fin_mark::present : fin_mark::absent;
  EXPECT_EQ(cost_of_data(frame.header.length, fin), of.number("cost"));
}

void check_credit(const vector_case& of) {
  const decoded frame = whole_frame(of);
  EXPECT_EQ(load_le<std::uint32_t>(frame.payload.data()), of.number("increment"));
  std::byte to[credit_frame_bytes_max];
  expect_bytes(of, byte_view(to, put_credit(to, of.channel(), static_cast<std::uint32_t>(of.number("increment")))));
}

void check_code(const vector_case& of) {
  const decoded frame = whole_frame(of);
  code_payload said{};
  ASSERT_TRUE(parse_code(frame.payload, said));
  EXPECT_EQ(said.code, of.number("code"));
  EXPECT_EQ(said.reason, of.text("reason"));
  std::byte to[code_frame_bytes_max];
  const bool reset = of.number("type") == 4;
  expect_bytes(of, byte_view(to, reset ? put_reset(to, of.channel(), of.flags(), said.code, said.reason)
                                       : put_stop(to, of.channel(), said.code, said.reason)));
}

void check_release(const vector_case& of) {
  EXPECT_EQ(whole_frame(of).header.type, frame_type::release);
  std::byte to[release_frame_bytes_max];
  expect_bytes(of, byte_view(to, put_release(to, of.channel())));
}

void check_ping(const vector_case& of) {
  const decoded frame = whole_frame(of);
  EXPECT_EQ(load_le<std::uint64_t>(frame.payload.data()), of.number("payload"));
  std::byte to[ping_frame_bytes];
  const auto kind = of.text("kind") == "answer" ? ping_kind::answer : ping_kind::ask;
  expect_bytes(of, byte_view(to, put_ping(to, kind, of.number("payload"))));
}

void check_go_away(const vector_case& of) {
  const decoded frame = whole_frame(of);
  go_away_payload said{};
  ASSERT_TRUE(parse_go_away(frame.payload, said));
  EXPECT_EQ(said.code, of.number("code"));
  EXPECT_EQ(said.drain_ms, of.number("drain_ms"));
  EXPECT_EQ(said.opens_accepted, of.number("opens"));
  EXPECT_EQ(said.reason, of.text("reason"));
  std::byte to[go_away_frame_bytes_max];
  expect_bytes(of, byte_view(to, put_go_away(to, said.code, said.drain_ms, said.opens_accepted, said.reason)));
}

void check_open(const vector_case& of) {
  const decoded frame = whole_frame(of);
  open_block got;
  std::size_t size = 0;
  ASSERT_EQ(parse_open_block(frame.payload, 4'096, 256, got, size), errc{});
  EXPECT_EQ(static_cast<unsigned>(got.kind), of.number("kind"));
  EXPECT_EQ(got.operation, of.text("op"));
  EXPECT_EQ(got.alias, of.number("alias"));
  EXPECT_EQ(got.assign, of.number("assign"));
  EXPECT_EQ(got.deadline_ms.has_value(), of.keys.contains("deadline"));
  EXPECT_EQ(got.deadline_ms.value_or(0), of.number("deadline"));
  EXPECT_EQ(got.urgency, of.number("urgency", urgency_default));
  EXPECT_EQ(to_hex(got.meta), to_hex(from_hex(of.text("meta"))));
  const byte_view first = frame.payload.subspan(size);
  EXPECT_EQ(to_hex(first), to_hex(from_hex(of.text("first"))));
  EXPECT_EQ(cost_of_open(static_cast<std::uint32_t>(first.size())), of.number("cost"));

  std::vector<std::byte> to(header_bytes_max + frame.payload.size());
  std::size_t at = put_header(to.data(), frame_type::open, of.flags(), of.channel(), frame.header.length);
  at += put_open_block(to.data() + at, got);
  to.resize(at);
  to.insert(to.end(), first.begin(), first.end());
  expect_bytes(of, to);
}

void check_bad_open(const vector_case& of) {
  open_block got;
  std::size_t size = 0;
  EXPECT_EQ(static_cast<unsigned>(parse_open_block(of.bytes, 4'096, 256, got, size)), of.number("code"));
}

limits limits_of(const vector_case& of) {
  limits wanted = default_limits();
  wanted.frame_bytes_max = static_cast<std::uint32_t>(of.number("max_frame", wanted.frame_bytes_max));
  wanted.message_bytes_max = static_cast<std::uint32_t>(of.number("max_message", wanted.message_bytes_max));
  wanted.channels_max = static_cast<std::uint32_t>(of.number("max_channels", wanted.channels_max));
  wanted.channel_credit = static_cast<std::uint32_t>(of.number("channel_credit", wanted.channel_credit));
  wanted.connection_credit = static_cast<std::uint32_t>(of.number("conn_credit", wanted.connection_credit));
  wanted.open_block_bytes_max = static_cast<std::uint16_t>(of.number("max_open_block", wanted.open_block_bytes_max));
  wanted.alias_slots = static_cast<std::uint16_t>(of.number("alias_slots", wanted.alias_slots));
  wanted.idle_timeout_ms = static_cast<std::uint32_t>(of.number("idle_timeout", wanted.idle_timeout_ms));
  wanted.pings_in_flight_max = static_cast<std::uint8_t>(of.number("max_pings", wanted.pings_in_flight_max));
  return wanted;
}

void check_hello(const vector_case& of) {
  remote_hello got;
  ASSERT_EQ(parse_hello(of.bytes, got), errc{});
  const limits wanted = limits_of(of);
  EXPECT_EQ(got.announced.frame_bytes_max, wanted.frame_bytes_max);
  EXPECT_EQ(got.announced.message_bytes_max, wanted.message_bytes_max);
  EXPECT_EQ(got.announced.channels_max, wanted.channels_max);
  EXPECT_EQ(got.announced.channel_credit, wanted.channel_credit);
  EXPECT_EQ(got.announced.connection_credit, wanted.connection_credit);
  EXPECT_EQ(got.announced.open_block_bytes_max, wanted.open_block_bytes_max);
  EXPECT_EQ(got.announced.alias_slots, wanted.alias_slots);
  EXPECT_EQ(got.announced.idle_timeout_ms, wanted.idle_timeout_ms);
  EXPECT_EQ(got.announced.pings_in_flight_max, wanted.pings_in_flight_max);
  EXPECT_EQ(got.features, of.number("features"));
  EXPECT_EQ(got.name, of.text("name"));
  EXPECT_EQ(got.software, of.text("software"));
  EXPECT_EQ(got.application, of.text("application"));
  EXPECT_EQ(got.token, of.text("token"));
  EXPECT_EQ(got.metadata, of.text("metadata"));
}

void check_hello_exact(const vector_case& of) {
  check_hello(of);
  identity who;
  who.name = of.text("name");
  who.software = of.text("software");
  who.application = of.text("application");
  who.token = of.text("token");
  who.metadata = of.text("metadata");
  who.features = of.number("features");
  std::vector<std::byte> to(header_bytes_max + hello_bytes_max);
  const std::size_t size = put_hello(to.data(), limits_of(of), who, 0);
  expect_bytes(of, byte_view(to).first(size).subspan(header_size(0, static_cast<std::uint32_t>(of.bytes.size()))));
}

void check_bad_hello(const vector_case& of) {
  remote_hello got;
  EXPECT_EQ(parse_hello(of.bytes, got), of.keys.contains("code") ? static_cast<errc>(of.number("code")) : errc::protocol);
}

void check_tlv(const vector_case& of) {
  EXPECT_TRUE(tlv_well_formed(of.bytes));
  const tlv_reader list(of.bytes);
  EXPECT_EQ(list.status().has_value(), of.keys.contains("status"));
  EXPECT_EQ(list.status().value_or(0), of.number("status"));
  for (const auto& [key, value] : of.keys) {
    if (!key.starts_with("header.")) continue;
    const auto found = list.find_header(key.substr(7));
    ASSERT_TRUE(found) << key;
    EXPECT_EQ(as_text(*found), of.text(key));
  }
}

void check_bad_tlv(const vector_case& of) { EXPECT_FALSE(tlv_well_formed(of.bytes)); }

TEST(vectors, every_line_of_the_golden_bytes_holds) {
  const std::map<std::string, std::function<void(const vector_case&)>> checks = {
      {"varint", check_varint}, {"bad-varint", check_bad_varint}, {"preface", check_preface}, {"bad-preface", check_bad_preface},
      {"header", check_header_bytes}, {"bad-header", check_bad_header}, {"bad-frame", check_bad_frame}, {"data", check_data},
      {"credit", check_credit}, {"code", check_code}, {"release", check_release}, {"ping", check_ping}, {"go_away", check_go_away},
      {"open", check_open}, {"bad-open", check_bad_open}, {"hello", check_hello}, {"hello-exact", check_hello_exact},
      {"bad-hello", check_bad_hello}, {"tlv", check_tlv}, {"bad-tlv", check_bad_tlv},
  };
  std::map<std::string, int> count;
  for (const vector_case& one : load()) {
    SCOPED_TRACE(one.kind + " ; " + one.name);
    const auto check = checks.find(one.kind);
    if (check == checks.end()) {
      ADD_FAILURE() << "unknown kind";
      continue;
    }
    ++count[one.kind];
    check->second(one);
  }
  for (const auto& [kind, check] : checks) EXPECT_GT(count[kind], 0) << kind << " has no case";
}

}  // namespace
}  // namespace hawser::proto
