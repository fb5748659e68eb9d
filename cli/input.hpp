// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/hawser.hpp>

#include <memory>
#include <string>

namespace cli {

// Reads a file or standard input ("-") without ever blocking the loop: a thread of its own reads one block when asked.
class input_file {
 public:
  // Check opened() before the first read().
  input_file(hawser::loop& loop, const std::string& path);
  ~input_file();
  input_file(const input_file&) = delete;

  bool opened() const noexcept { return opened_; }
  // The next bytes; empty: the end, or an error (failed()). The view is valid until the next read().
  hawser::task<hawser::byte_view> read();
  bool failed() const noexcept { return got_ < 0; }

 private:
  struct shared;
  std::shared_ptr<shared> shared_;
  hawser::event arrived_;
  std::ptrdiff_t got_ = 0;
  bool opened_ = false;
};

}  // namespace cli
