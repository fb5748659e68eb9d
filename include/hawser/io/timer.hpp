// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/base/contract.hpp>
#include <hawser/base/export.hpp>
#include <hawser/base/intrusive.hpp>
#include <hawser/base/time.hpp>

#include <cstddef>
#include <cstdint>

namespace hawser::inline v0 {

class loop;

namespace io {

class timer;

// What a loop keeps in a timer.
class timer_place {
 protected:
  timer_place() noexcept = default;
  ~timer_place() = default;

 private:
  friend class timer;
  friend class timer_heap;
  loop* loop_ = nullptr;
  instant when_ = never;
  std::uint32_t position_ = 0;    // in the heap, from 1; 0 = not armed
  std::uint32_t order_ = 0;
};

// Something that happens once at an instant. Owned by its user, 32 bytes; destroying it disarms it. Loop thread only.
// Timers that are due fire in the order of their instants, ties in the order of arming; never from inside arm().
class HAWSER_API timer : public timer_place {
 public:
  timer() noexcept = default;
  timer(const timer&) = delete;
  timer& operator=(const timer&) = delete;
  virtual void on_timer() = 0;
  bool armed() const noexcept { return position_ != 0; }
  instant when() const noexcept { return armed() ? when_ : never; }

 protected:
  ~timer();     // not virtual: nobody deletes a timer through this base
};

// Work for later in this turn or the next one. Posting it again while it waits changes nothing; destroying it takes it back.
class job : public list_hook {
 public:
  virtual void run() = 0;

 protected:
  ~job() = default;
};

// Something with bytes to send. Called once at the end of the turn in which it was marked, after all handlers and jobs.
class flushable : public list_hook {
 public:
  virtual void flush() = 0;

 protected:
  ~flushable() = default;
};

}  // namespace io
}  // namespace hawser::inline v0
