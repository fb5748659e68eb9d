// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/buffer.hpp>
#include <hawser/io/engine.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace hawser::inline v0::io {

// Where a socket stands. Commands see accepted to failed; a draining socket belongs to the engine alone.
enum class socket_phase : std::uint8_t { free, accepted, connecting, open, failed, draining };

// The chains of sends that the kernel has not taken as a whole, apart from the slots: few sockets have one, and what was used last is used
// again first, so that it is in the cache. Must outlive what it holds.
class send_store {
 public:
  struct node {
    chain bytes;
    node* next;
    send_store* home;
  };
  send_store() noexcept = default;
  send_store(const send_store&) = delete;
  send_store& operator=(const send_store&) = delete;
  ~send_store() {
    while (free_) delete std::exchange(free_, free_->next);
  }
  node* take(chain&& bytes) {
    if (!free_) return new node{std::move(bytes), nullptr, this};
    node* const one = std::exchange(free_, free_->next);
    --free_count_;
    one->bytes = std::move(bytes);
    return one;
  }
  void give_back(node* one) noexcept {
    one->bytes.clear();
    if (free_count_ == free_max) {
      delete one;
      return;
    }
    one->next = std::exchange(free_, one);
    ++free_count_;
  }

 private:
  static constexpr std::size_t free_max = 1024;      // a turn does no more
  node* free_ = nullptr;
  std::size_t free_count_ = 0;
};

// A place in it, or none.
class pending_send {
 public:
  pending_send() noexcept = default;
  pending_send(pending_send&& other) noexcept : at_(std::exchange(other.at_, nullptr)) {}
  pending_send& operator=(pending_send&& other) noexcept {
    std::swap(at_, other.at_);
    return *this;
  }
  ~pending_send() { reset(); }
  void put(send_store& in, chain&& bytes) {
    reset();
    at_ = in.take(std::move(bytes));
  }
  void reset() noexcept {
    if (at_) at_->home->give_back(std::exchange(at_, nullptr));
  }
  explicit operator bool() const noexcept { return at_ != nullptr; }
  chain& operator*() const noexcept { return at_->bytes; }
  chain* operator->() const noexcept { return &at_->bytes; }

 private:
  send_store::node* at_ = nullptr;
};

// All that an engine knows of one socket: one line of the cache.
struct alignas(64) socket_slot {
  std::uint32_t generation = 1;
  int fd = -1;
  socket_events* events = nullptr;
  pending_send sending;                // what the kernel has not taken yet of the send in flight
  std::size_t send_bytes = 0;          // of the whole send in flight; 0: none
  std::uint32_t next_free = 0;
  int error = 0;                       // errno of a failure that is to be told
  socket_phase phase = socket_phase::free;
  std::uint8_t armed = 0;              // the interests that the epoll set holds
  bool registered : 1 = false;         // the epoll set knows the descriptor
  bool tcp : 1 = false;
  bool paused : 1 = false;
  bool end_seen : 1 = false;           // receiving has answered 0
  bool end_wanted : 1 = false;         // shutdown_sending() was called
  bool end_sent : 1 = false;
  bool queued : 1 = false;             // in the list of what the next turn hands out
  bool connected : 1 = false;          // on_connected() is to be told
  bool sent : 1 = false;               // on_sent() is to be told

  // Of a socket that dials: what is set on it when the first bytes are out. 0: nothing.
  std::uint32_t unsent_bytes_max = 0;
  std::uint32_t unacked_ms_max = 0;

  // Of the uring engine alone.
  bool send_submitted : 1 = false;     // the kernel works on `sending`
  bool receiving : 1 = false;          // a multishot receive, or a question in its place, is armed or on its way
  bool cancelling : 1 = false;         // its cancellation is under way
  bool fed : 1 = false;                // it has brought something
  bool starving : 1 = false;           // stands in line for a receive buffer
  bool end_told : 1 = false;
  bool end_watched : 1 = false;        // stands in the epoll set for what comes after the end
  std::uint8_t asks : 4 = 0;           // so often we still ask whether there is something, and receive it ourselves: its owner gives rooms
  bool asking : 1 = false;             // what is armed is that question
  bool gone : 1 = false;               // shut down; waits for the kernel's last completion
  std::uint8_t in_flight = 0;          // operations that the kernel has not completed; the slot stays until there are none
  std::uint8_t heard = 0;              // receive buffers handed out in turn heard_in
  std::uint16_t heard_in = 0;
  std::uint16_t receive_error = 0;     // errno that ended receiving
  std::uint32_t last_arrival = 0;      // what arrived and waits: a circle, entered at its end; 0: nothing
};
static_assert(sizeof(void*) != 8 || sizeof(socket_slot) == 64, "the engine's share of an idle connection");

// Slots in pages that never move, so that a slot stays where it is while handlers open other sockets. An id names a slot and
// its generation: what a closed socket's id finds is nothing.
class slot_table {
 public:
  socket_slot* at(std::uint32_t index) noexcept {
    return index < size_ ? &pages_[index / page_slots][index % page_slots] : nullptr;
  }
  // The slot of this id, draining ones included; nullptr when it is gone.
  socket_slot* find(socket_id id) noexcept {
    socket_slot* s = at(id.index);
    return s && s->generation == id.generation && s->phase != socket_phase::free ? s : nullptr;
  }
  std::uint32_t size() const noexcept { return size_; }
  std::size_t used() const noexcept { return used_; }

  socket_id take() {
    if (first_free_ == none) add_page();
    const std::uint32_t index = first_free_;
    socket_slot& s = *at(index);
    first_free_ = s.next_free;
    ++used_;
    return {index, s.generation};
  }
  void give_back(std::uint32_t index) noexcept {
    socket_slot& s = *at(index);
    const std::uint32_t generation = s.generation + 1;
    s = socket_slot{};
    s.generation = generation;
    s.next_free = first_free_;
    first_free_ = index;
    --used_;
  }

 private:
  static constexpr std::uint32_t page_slots = 256;
  static constexpr std::uint32_t none = ~std::uint32_t{0};
  void add_page() {
    pages_.push_back(std::make_unique<socket_slot[]>(page_slots));
    const std::uint32_t first = size_;
    size_ += page_slots;
    for (std::uint32_t i = page_slots; i-- > 0;) {
      at(first + i)->next_free = first_free_;
      first_free_ = first + i;
    }
  }
  std::vector<std::unique_ptr<socket_slot[]>> pages_;
  std::uint32_t size_ = 0;
  std::uint32_t first_free_ = none;
  std::size_t used_ = 0;
};

}  // namespace hawser::inline v0::io
