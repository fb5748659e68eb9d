// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "proto/frame.hpp"
#include "proto/hello.hpp"
#include "proto/open_block.hpp"
#include "proto/varint.hpp"

#include <hawser/proto/tlv.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

// The small grammars of the wire, by bytes: HELLO, the block of an OPEN, lists of items. What is understood means the same when it is
// written again, what was written is written in the same bytes again, and no part of a block is a block.

namespace {

using namespace hawser;
using namespace hawser::proto;

void demand(bool held) {
  if (!held) std::abort();
}

bool same(byte_view a, byte_view b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

bool same(const limits& a, const limits& b) {
  return a.frame_bytes_max == b.frame_bytes_max && a.message_bytes_max == b.message_bytes_max && a.channels_max == b.channels_max &&
      a.channel_credit == b.channel_credit && a.connection_credit == b.connection_credit && a.alias_slots == b.alias_slots &&
      a.open_block_bytes_max == b.open_block_bytes_max && a.idle_timeout_ms == b.idle_timeout_ms &&
      a.pings_in_flight_max == b.pings_in_flight_max;
}

std::vector<std::byte> written(const remote_hello& said) {
  identity who;
  who.peer_id = said.peer_id;
  who.name = said.name;
  who.metadata = said.metadata;
  who.token = said.token;
  who.software = said.software;
  who.application = said.application;
  who.features = said.features;
  demand(check_identity(who) == errc{});
  std::vector<std::byte> out(header_bytes_max + hello_payload_size(said.announced, who, 0));
  out.resize(put_hello(out.data(), said.announced, who, 0));
  frame_header header{};
  demand(decode_header(out, header) == decode_status::header && header.type == frame_type::hello);
  demand(header.size + header.length == out.size());
  out.erase(out.begin(), out.begin() + static_cast<std::ptrdiff_t>(header.size));
  return out;
}

void check_hello(byte_view input) {
  remote_hello first{};
  if (input.size() > hello_bytes_max || parse_hello(input, first) != errc{}) return;
  demand(check_limits(first.announced) == errc{});
  const std::vector<std::byte> once = written(first);
  demand(once.size() <= input.size());
  remote_hello second{};
  demand(parse_hello(once, second) == errc{});
  demand(same(first.announced, second.announced) && first.features == second.features && first.peer_id == second.peer_id);
  demand(first.name == second.name && first.metadata == second.metadata && first.token == second.token);
  demand(first.software == second.software && first.application == second.application);
  demand(same(once, written(second)));
}

std::vector<std::byte> written(const open_block& block) {
  std::vector<std::byte> out(open_block_size(block));
  demand(put_open_block(out.data(), block) == out.size());
  return out;
}

void check_list(byte_view input) {
  tlv_reader reader(input);
  tlv_writer again;
  tlv_item item;
  std::size_t items = 0;
  while (reader.next(item)) {
    again.add(item.type, item.value);
    if (items++ == 0) {
      const auto found = tlv_reader(input).find(item.type);
      demand(found && found->value.data() == item.value.data());
    }
    demand(item.u8().has_value() == (item.value.size() == 1) && item.u32().has_value() == (item.value.size() == 4));
    demand(item.u64().has_value() == (item.value.size() == 8));
    if (const auto number = item.varint()) {
      std::array<std::byte, varint_bytes_max> shortest;
      demand(put_varint(shortest.data(), *number) == item.value.size() && same(byte_view(shortest).first(item.value.size()), item.value));
    }
    if (const auto header = as_header(item)) {
      demand(header->key.size() + header->value.size() < item.value.size());
      demand(tlv_reader(input).find_header(header->key).has_value());
    }
  }
  demand(reader.malformed() != tlv_well_formed(input));
  // There is one form of each item.
  demand(again.bytes().size() <= input.size() && same(again.bytes(), input.first(again.bytes().size())));
  if (tlv_well_formed(input)) demand(again.bytes().size() == input.size());
}

void check_open_block(byte_view input) {
  constexpr std::uint16_t slots = 300;
  open_block first;
  std::size_t size = 0;
  if (parse_open_block(input, 4'096, slots, first, size) != errc{}) return;
  demand(size <= input.size() && size <= 4'096 && tlv_well_formed(first.meta));
  demand(first.operation.size() <= operation_bytes_max && first.urgency <= urgency_max && first.alias <= slots && first.assign <= slots);
  for (std::size_t part = 0; part < size; ++part) {
    open_block other;
    std::size_t unused = 0;
    demand(parse_open_block(input.first(part), 4'096, slots, other, unused) != errc{});
  }
  const std::vector<std::byte> once = written(first);
  demand(once.size() <= size);      // fields that say what silence says are left out
  open_block second;
  demand(parse_open_block(once, 4'096, slots, second, size) == errc{} && size == once.size());
  demand(first.kind == second.kind && first.urgency == second.urgency && first.alias == second.alias && first.assign == second.assign);
  demand(first.operation == second.operation && first.deadline_ms == second.deadline_ms && same(first.meta, second.meta));
  demand(same(once, written(second)));
  // Beyond what a duration holds it saturates.
  if (const auto ms = first.deadline_ms; ms && *ms < 1'000'000'000) demand(deadline_to_wire(deadline_from_wire(*ms)) == *ms);
  check_list(first.meta);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const byte_view input(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: check_hello(input); break;
    case 1: check_open_block(input); break;
    default: check_list(input); break;
  }
  return 0;
}
