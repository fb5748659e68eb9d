// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

// Ownership inside one loop's thread: plain counts, no atomics.

namespace hawser::inline v0::detail {

template <class T>
class counted {
 public:
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;
  void retain() noexcept { ++references_; }
  void release() noexcept {
    if (--references_ == 0) delete static_cast<T*>(this);
  }
  std::uint32_t references() const noexcept { return references_; }

 protected:
  counted() noexcept = default;
  ~counted() = default;

 private:
  std::uint32_t references_ = 0;
};

template <class T>
class ref {
 public:
  ref() noexcept = default;
  ref(std::nullptr_t) noexcept {}
  explicit ref(T* to) noexcept : to_(to) {
    if (to_) to_->retain();
  }
  ref(const ref& other) noexcept : ref(other.to_) {}
  ref(ref&& other) noexcept : to_(std::exchange(other.to_, nullptr)) {}
  ref& operator=(ref other) noexcept {
    std::swap(to_, other.to_);
    return *this;
  }
  ~ref() {
    if (to_) to_->release();
  }
  T* get() const noexcept { return to_; }
  T* operator->() const noexcept { return to_; }
  T& operator*() const noexcept { return *to_; }
  explicit operator bool() const noexcept { return to_ != nullptr; }

 private:
  T* to_ = nullptr;
};

}  // namespace hawser::inline v0::detail
