// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "abuse/attacks.hpp"

#include <memory>
#include <stdexcept>
#include <utility>

namespace hawser::abuse {

std::string many(std::string_view one, std::size_t count) {
  std::string out;
  out.reserve(one.size() * count);
  for (std::size_t i = 0; i < count; ++i) out += one;
  return out;
}

std::string open_operation(std::uint32_t channel, std::string_view operation, unsigned flags, std::string_view first) {
  std::string block(1, static_cast<char>(kind_request | 0x10));
  block += wire::pv(static_cast<std::uint32_t>(2 * operation.size() + 1));
  block.append(operation).append(wire::pv(0)).append(first);
  return wire::frame(type::open, flags, channel, block);
}

namespace {

constexpr std::uint32_t stale = 5;      // an id of the client's range, which nobody opened
constexpr std::size_t said_at_once = 16 * 1024;

const std::string& cancelled() {
  static const std::string code = wire::u32(static_cast<std::uint32_t>(errc::cancelled));
  return code;
}
std::string reset(std::uint32_t channel) { return wire::frame(type::reset, 0, channel, cancelled()); }
std::string stop(std::uint32_t channel) { return wire::frame(type::stop, 0, channel, cancelled()); }

// The same again and again.
std::function<script()> repeating(std::string one) {
  const std::string block = many(one, 1 + said_at_once / one.size());
  return [block] { return [block](stranger&) { return block; }; };
}

// Each of these channels, as soon as an id is free. What the listener resets while it was not finished is answered, as R3 asks.
std::function<script()> opening(std::function<std::string(std::uint32_t)> one, bool finished = true) {
  return [=] {
    return [=](stranger& by) {
      std::string out;
      for (const std::uint32_t channel : std::exchange(by.to_answer, {}))
        if (!finished) out += reset(channel);
      while (out.size() < 4 * said_at_once) {
        const auto channel = by.take_id();
        if (!channel) break;
        out += one(*channel);
      }
      return out;
    };
  };
}

// As many small frames on one channel as its credit allows.
std::function<script()> trickling(std::string opening, std::uint32_t channel, unsigned flags, std::string payload) {
  return [=] {
    const auto begun = std::make_shared<bool>(false);
    return [=](stranger& by) {
      std::string out;
      if (!std::exchange(*begun, true)) {
        if (channel != 1) static_cast<void>(by.take_id());
        out = opening;
      }
      while (out.size() < said_at_once) {
        const std::string frame = by.data(channel, flags, payload);
        if (frame.empty()) break;
        out += frame;
      }
      return out;
    };
  };
}

// As many questions as may be unanswered.
script pinging(std::size_t at_once) {
  const auto asked = std::make_shared<std::size_t>(0);
  return [=](stranger& by) {
    std::string out;
    for (; *asked < by.answers + at_once; ++*asked) out += wire::frame(type::ping, 0, 0, "are you?");
    return out;
  };
}

script saying_once(std::string all) {
  const auto said = std::make_shared<bool>(false);
  return [=](stranger&) { return std::exchange(*said, true) ? std::string() : all; };
}

std::vector<attack> make_attacks() {
  const auto parts = [](std::uint32_t id) { return many(wire::frame(type::data, wire::more, id, std::string(5'000, 'm')), 2); };
  std::vector<attack> all;
  const auto add = [&](std::string name, std::function<script()> begin, std::optional<errc> ends_in) {
    all.push_back({std::move(name), std::move(begin), ends_in});
  };
  const auto once = [](std::string bytes) { return [bytes] { return saying_once(bytes); }; };

  // Work that is begun to be thrown away.
  add("open_and_reset", opening([](std::uint32_t id) { return open_operation(id, "hold") + reset(id); }), errc::calm);
  add("open_and_stop", opening([](std::uint32_t id) {
    return open_operation(id, "echo") + stop(id) + wire::frame(type::data, wire::fin, id, "");
  }),
      errc::calm);
  add("open_with_no_time_left", opening([](std::uint32_t id) {
    std::string block = {static_cast<char>(kind_request | 0x30), '\x09'};
    return wire::frame(type::open, wire::fin, id, block + "hold" + wire::pv(0) + wire::pv(0));
  }),
      std::nullopt);
  // Resets that the listener is made to send.
  add("unknown_kinds", opening([](std::uint32_t id) { return open_kind(id, 9, wire::fin); }), errc::calm);
  add("kinds_that_nobody_serves", opening([](std::uint32_t id) { return open_kind(id, 3, wire::fin); }), std::nullopt);
  add("unknown_operations", opening([](std::uint32_t id) { return open_operation(id, "absent", wire::fin); }), std::nullopt);
  add("messages_too_big", opening([=](std::uint32_t id) {
    return open_kind(id, kind_messages) + parts(id);
  },
                              false),
      std::nullopt);
  add("data_behind_the_end", once(open_operation(3, "echo", wire::fin) + wire::frame(type::data, 0, 3, "more")), errc::protocol);
  add("stops_of_one_channel", [=] {
    const auto begun = std::make_shared<bool>(false);
    const std::string stops = many(stop(3), 1'000);
    return [=](stranger&) { return std::exchange(*begun, true) ? stops : open_operation(3, "hold"); }; }, errc::calm);
  // Control frames.
  add("pings_without_waiting", repeating(wire::frame(type::ping, 0, 0, "are you?")), errc::protocol);
  add("pings_as_fast_as_they_are_answered", [] { return pinging(4); }, std::nullopt);
  add("pongs_that_nobody_asked_for", repeating(wire::frame(type::ping, wire::fin, 0, "not you!")), errc::protocol);
  add("credit_of_one_byte", repeating(wire::frame(type::credit, 0, 0, wire::u32(1))), errc::calm);
  add("credit_for_channel_1", repeating(wire::frame(type::credit, 0, 1, wire::u32(1))), errc::calm);
  add("credit_for_free_ids", repeating(wire::frame(type::credit, 0, stale, wire::u32(1))), errc::calm);
  add("stops_of_free_ids", repeating(stop(stale)), errc::calm);
  add("resets_of_free_ids", repeating(reset(stale)), errc::calm);
  add("resets_with_long_reasons", repeating(wire::frame(type::reset, 0, stale, cancelled() + std::string(1'024, 'r'))), std::nullopt);
  add("releases_that_are_not_due", repeating(wire::frame(type::release, 0, stale, "")), errc::protocol);
  add("skipped_frames", repeating(wire::frame(type::skip, 0, 0, "")), errc::calm);
  const std::string farewell = wire::u32(0) + wire::u32(1 << 30) + std::string(8, '\0');
  add("farewells_without_end", repeating(wire::frame(type::go_away, 0, 0, farewell)), errc::calm);
  // Small frames, within what credit allows.
  add("messages_of_no_bytes", trickling("", 1, 0, ""), std::nullopt);
  add("messages_of_one_byte", trickling("", 1, 0, "x"), std::nullopt);
  add("a_stream_of_single_bytes", trickling(open_kind(3, kind_stream), 3, 0, "x"), std::nullopt);
  add("a_stream_of_empty_frames", trickling(open_kind(3, kind_stream), 3, 0, ""), std::nullopt);
  add("a_message_that_never_ends", trickling(open_kind(3, kind_messages), 3, wire::more, ""), std::nullopt);
  // Beyond what was granted.
  add("bytes_beyond_all_credit", repeating(wire::frame(type::data, 0, 1, std::string(1'000, 'x'))), errc::flow_control);
  add("a_plain_message_too_big", once(parts(1)), errc::message_too_big);
  return all;
}

}  // namespace

const std::vector<attack>& attacks() {
  static const std::vector<attack> all = make_attacks();
  return all;
}

const attack& attack_named(std::string_view name) {
  for (const attack& one : attacks())
    if (one.name == name) return one;
  throw std::out_of_range(std::string(name));
}

}  // namespace hawser::abuse
