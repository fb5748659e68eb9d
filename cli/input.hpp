// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/hawser.hpp>

#include <cerrno>
#include <memory>
#include <string>
#include <system_error>

namespace cli {

// Of the last call on a file that failed. (hawser::error_from_errno is for sockets: there ENOENT is an address.)
inline std::error_code file_error() noexcept { return {errno, std::system_category()}; }

// Reads a file or standard input ("-") without ever blocking the loop: a thread of its own reads one block when asked.
class input_file {
 public:
  // Opens it; error() says whether that went well.
  input_file(hawser::loop& loop, const std::string& path);
  ~input_file();
  input_file(const input_file&) = delete;

  // Why it could not be opened, or not be read to its end; no error: neither has happened.
  std::error_code error() const noexcept { return error_; }
  // The next bytes; empty: the end, or error(). The view is valid until the next read(). Not for a file that could not be opened.
  hawser::task<hawser::byte_view> read();

 private:
  struct shared;
  std::shared_ptr<shared> shared_;
  hawser::event arrived_;
  std::size_t got_ = 0;
  std::error_code error_;
};

}  // namespace cli
