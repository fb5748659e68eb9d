// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "input.hpp"

#include <array>
#include <atomic>
#include <cerrno>
#include <semaphore>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace cli {

// Outlives the file for as long as its thread still sits in read(2).
struct input_file::shared {
  std::binary_semaphore wanted{0};
  std::atomic<bool> abandoned = false;
  std::array<std::byte, 64 * 1024> block;
  input_file* owner = nullptr;         // loop thread only; nullptr once the file is gone
};

input_file::input_file(hawser::loop& loop, const std::string& path) : shared_(std::make_shared<shared>()), arrived_(loop) {
  const int descriptor = path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat about{};
  if (descriptor < 0 || ::fstat(descriptor, &about) != 0) error_ = file_error();
  else if (S_ISDIR(about.st_mode)) error_ = std::make_error_code(std::errc::is_a_directory);
  if (error_) {
    if (descriptor >= 0) ::close(descriptor);
    return;
  }
  shared_->owner = this;
  std::thread([with = shared_, remote = loop.remote(), descriptor] {
    for (;;) {
      with->wanted.acquire();
      if (with->abandoned) break;
      const ssize_t got = ::read(descriptor, with->block.data(), with->block.size());
      const std::error_code error = got < 0 ? file_error() : std::error_code();
      const auto sent = remote.post([with, got, error] {
        if (!with->owner) return;
        with->owner->got_ = got < 0 ? 0 : static_cast<std::size_t>(got);
        with->owner->error_ = error;
        with->owner->arrived_.set();
      });
      if (!sent) break;
    }
    ::close(descriptor);
  }).detach();
}

input_file::~input_file() {
  shared_->owner = nullptr;
  shared_->abandoned = true;
  shared_->wanted.release();
}

hawser::task<hawser::byte_view> input_file::read() {
  arrived_.reset();
  shared_->wanted.release();
  co_await arrived_.wait();
  co_return hawser::byte_view(shared_->block.data(), got_);
}

}  // namespace cli
