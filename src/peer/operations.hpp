// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include "peer/counted.hpp"

#include <hawser/peer.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace hawser::inline v0::detail {

// How a request or a call ended. `none`: it runs.
enum class outcome : std::uint8_t { none, answered, failed, refused, cancelled, expired, lost };

// The outcome that an error stands for, as whoever asked for the work sees it.
outcome outcome_of(std::error_code reason) noexcept;

struct text_hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return std::hash<std::string_view>()(text); }
};

// A handler as the user gave it. Requests that run keep it: their coroutines may refer to the captures of its closure.
struct handler_record final : counted<handler_record> {
  peer::request_handler call;
  operation_options options;
};

// One name under which something is or was served here; it stays, so that its counts do.
struct operation_entry {
  std::string name;
  operation_statistics counts;
  ref<handler_record> handler;      // null: removed

  void begin() noexcept;
  // began: the turn's clock reading at the time.
  void end(outcome how, instant began, loop& on) noexcept;

 private:
  duration took(instant began, loop& on) noexcept;
  duration quick_{};                // what the last one took that ended in its first turn, and was timed
  std::uint32_t quick_count_ = 0;
};

class operation_registry {
 public:
  void set(std::string name, peer::request_handler handler, operation_options options);
  void remove(std::string_view name);
  void clear_handlers();
  operation_entry* find(std::string_view name) noexcept;
  std::vector<operation_statistics> statistics() const;

 private:
  std::unordered_map<std::string, std::unique_ptr<operation_entry>, text_hash, std::equal_to<>> entries_;
  operation_entry* newest_ = nullptr;      // what was asked for last: mostly it is asked for again
};

}  // namespace hawser::inline v0::detail
