// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/proto/limits.hpp>

#include "unit/peer/wire.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// A client made by hand, without a transport: it knows what the listener said, and so which ids are free and what credit there is. What
// it does with that is for the attack to say.

namespace hawser::abuse {

namespace wire = peer_test::wire;

namespace type {
enum : unsigned {
  data = 1,
  open,
  credit,
  reset,
  stop,
  release,
  ping,
  go_away,
  hello,
  head,
  skip
};
} // namespace type

class stranger {
 public:
  // of_server: what the listener announces.
  explicit stranger(const proto::limits& of_server) : limits_(of_server), connection_(of_server.connection_credit) {
    for (std::uint32_t slot = of_server.channels_max; slot > 0; --slot) free_.push_back(2 * slot + 1);
  }

  // Bytes from the listener.
  void hear(std::string_view bytes) {
    inbox_.append(bytes);
    std::size_t at = 0;
    if (!greeted_) {
      if (inbox_.size() < 8) return;
      greeted_ = true;
      at = 8;
    }
    std::string_view rest = std::string_view(inbox_).substr(at);
    while (const auto one = wire::take_frame(rest)) take(*one);
    inbox_.erase(0, inbox_.size() - rest.size());
  }

  // The lowest id that is free, which is busy from now on.
  std::optional<std::uint32_t> take_id() {
    if (free_.empty()) return std::nullopt;
    const std::uint32_t id = free_.back();
    free_.pop_back();
    channels_[id] = limits_.channel_credit;
    return id;
  }
  std::size_t free_ids() const noexcept { return free_.size(); }

  // A DATA frame, or nothing when the credit does not cover it.
  std::string data(std::uint32_t channel, unsigned flags, std::string_view payload) {
    const auto cost = static_cast<std::int64_t>(payload.size() + 16);
    std::int64_t& left = channels_.try_emplace(channel, limits_.channel_credit).first->second;
    if (left < cost || connection_ < cost) return {};
    left -= cost;
    connection_ -= cost;
    return wire::frame(type::data, flags, channel, payload);
  }

  std::array<std::size_t, 16> heard{};          // frames, by type
  std::size_t answers = 0;                      // to PING
  std::optional<std::uint32_t> farewell;        // the code of its GOAWAY
  std::map<std::uint32_t, std::size_t> resets;  // by code
  std::map<std::uint32_t, std::size_t> data_bytes;   // by channel
  std::vector<std::uint32_t> to_answer;         // channels that were reset and whose RESET (R3) is still owed

 private:
  void take(const wire::parsed_frame& one) {
    ++heard[one.type];
    if (one.type == type::credit) (one.channel == 0 ? connection_ : channels_[one.channel]) += one.code();
    if (one.type == type::data) data_bytes[one.channel] += one.payload.size();
    if (one.type == type::ping && (one.flags & wire::fin) != 0) ++answers;
    if (one.type == type::go_away && !farewell) farewell = one.code();
    if (one.type == type::reset) {
      ++resets[one.code()];
      if ((one.flags & wire::rel) == 0) to_answer.push_back(one.channel);
    }
    if (one.type == type::release || ((one.type == type::data || one.type == type::reset) && (one.flags & wire::rel) != 0)) {
      free_.push_back(one.channel);
      channels_.erase(one.channel);
    }
  }

  proto::limits limits_;
  std::string inbox_;
  bool greeted_ = false;
  std::int64_t connection_;
  std::map<std::uint32_t, std::int64_t> channels_;
  std::vector<std::uint32_t> free_;
};

}  // namespace hawser::abuse
