// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <utility>

#include <unistd.h>

namespace hawser::bench::raw {

class descriptor {
 public:
  explicit descriptor(int number = -1) noexcept : number_(number) {}
  descriptor(descriptor&& other) noexcept : number_(other.release()) {}
  descriptor& operator=(descriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  int get() const noexcept { return number_; }
  int release() noexcept { return std::exchange(number_, -1); }

 private:
  int number_;
};

// All are blocking, on 127.0.0.1, with TCP_NODELAY and cubic, else reno. The error: what failed, for a person to read.
using made_descriptor = std::expected<descriptor, std::string>;
made_descriptor open_listener();
std::uint16_t port_of(const descriptor& listener);
made_descriptor accept_from(const descriptor& listener);
made_descriptor connect_to(std::uint16_t port);
// Ends a connection at once, whatever a ring still does with it, and leaves no port behind that has to wait.
void reset(int socket);

}  // namespace hawser::bench::raw
