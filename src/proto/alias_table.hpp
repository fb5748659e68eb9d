// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// Aliases of operation names, one table per direction (spec/wire.md, section 4). Both own nothing until the first alias.

namespace hawser::inline v0::proto {

// The opener's side: which names the peer knows by number. Names get aliases in the order of their first use until the slots
// are used up; later names travel as literals each time (nothing is ever evicted, so no pattern of calls can thrash the table).
class alias_sender {
 public:
  alias_sender() noexcept;
  ~alias_sender();
  alias_sender(const alias_sender&) = delete;
  alias_sender& operator=(const alias_sender&) = delete;

  struct choice {
    std::uint16_t alias;      // send this instead of the name; 0: send the name
    std::uint16_t assign;     // with the name: assign it this alias; 0: none
  };
  // Decides how `operation` (1-255 bytes) travels in an OPEN that is framed now. The table assumes that the OPEN goes out, and
  // before any later one: call it when the frame is written, not when the call is queued.
  // slots: how many the peer announced; 0 (nothing is assigned) until its HELLO is here. seed: keys the hash, so that names chosen by
  // others cannot be made to collide; always the same.
  choice choose(std::string_view operation, std::uint16_t slots, std::uint64_t seed);
  // The alias of `operation` when it is what choose() was asked for last, and the peer knows it; else 0. Changes nothing.
  std::uint16_t newest(std::string_view operation) const noexcept {
    return table_ && table_->newest != 0 && table_->newest_text() == operation ? table_->newest : std::uint16_t{0};
  }

  std::size_t count() const noexcept;
  std::size_t memory_bytes() const noexcept;

 private:
  // Open addressing over the aliases, names one after the other.
  struct table {
    struct name {
      std::uint32_t begin;
      std::uint32_t hash;
      std::uint8_t size;
    };
    std::vector<name> names;               // alias - 1
    std::vector<std::uint16_t> places;     // alias or 0; a power of two, at most half full
    std::string text;
    std::uint16_t newest = 0;              // what was asked for last

    std::string_view text_of(const name& of) const noexcept { return {text.data() + of.begin, of.size}; }
    std::string_view newest_text() const noexcept { return text_of(names[newest - 1u]); }
    void place(std::uint16_t alias) noexcept;
    std::uint16_t find(std::string_view operation, std::uint32_t hash) const noexcept;
    std::uint16_t add(std::string_view operation, std::uint32_t hash);
  };
  std::unique_ptr<table> table_;
};

// The acceptor's side: alias to name. Memory is at most about 320 bytes per slot.
class alias_receiver {
 public:
  alias_receiver() noexcept;
  ~alias_receiver();
  alias_receiver(const alias_receiver&) = delete;
  alias_receiver& operator=(const alias_receiver&) = delete;

  // Remembers, or replaces. alias is 1 .. slots (parse_open_block has checked it).
  void assign(std::uint16_t alias, std::string_view operation, std::uint16_t slots);
  // Empty when nothing is assigned (errc::protocol). Valid until the next assign().
  std::string_view find(std::uint64_t alias) const noexcept;
  std::size_t memory_bytes() const noexcept;

 private:
  struct table;
  std::unique_ptr<table> table_;
};

// The hash of alias_sender: not for untrusted long input, but keyed.
std::uint64_t keyed_hash(std::string_view text, std::uint64_t seed) noexcept;

}  // namespace hawser::inline v0::proto
