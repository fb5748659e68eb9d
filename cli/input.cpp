// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "input.hpp"

#include <array>
#include <atomic>
#include <semaphore>
#include <thread>

#include <fcntl.h>
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
  if (descriptor < 0) return;
  opened_ = true;
  shared_->owner = this;
  std::thread([with = shared_, remote = loop.remote(), descriptor] {
    for (;;) {
      with->wanted.acquire();
      if (with->abandoned) break;
      const ssize_t got = ::read(descriptor, with->block.data(), with->block.size());
      const auto sent = remote.post([with, got] {
        if (!with->owner) return;
        with->owner->got_ = got;
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
  if (got_ <= 0) co_return hawser::byte_view{};
  co_return hawser::byte_view(shared_->block.data(), static_cast<std::size_t>(got_));
}

}  // namespace cli
