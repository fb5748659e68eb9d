// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

// A doubly linked list whose hooks live in its elements: linking allocates nothing, and an element that is destroyed leaves
// the list by itself. This is how waiters of any kind (timers, jobs, suspended coroutines) hang on what they wait for.

namespace hawser::inline v0 {

class list_hook {
 public:
  list_hook() noexcept = default;
  list_hook(const list_hook&) = delete;
  list_hook& operator=(const list_hook&) = delete;
  ~list_hook() { unlink(); }

  bool linked() const noexcept { return next_ != nullptr; }
  void unlink() noexcept {
    if (!next_) return;
    previous_->next_ = next_;
    next_->previous_ = previous_;
    previous_ = next_ = nullptr;
  }

 private:
  template <class>
  friend class intrusive_list;
  list_hook* previous_ = nullptr;
  list_hook* next_ = nullptr;
};

// T derives (publicly) from list_hook. First in, first out. Not copyable; elements that are still linked when the list dies are
// unlinked, not destroyed.
template <class T>
class intrusive_list {
 public:
  intrusive_list() noexcept { head_.previous_ = head_.next_ = &head_; }
  ~intrusive_list() {
    while (pop_front()) {
    }
    head_.previous_ = head_.next_ = nullptr;
  }
  intrusive_list(const intrusive_list&) = delete;
  intrusive_list& operator=(const intrusive_list&) = delete;

  bool empty() const noexcept { return head_.next_ == &head_; }
  T* front() noexcept { return empty() ? nullptr : static_cast<T*>(head_.next_); }
  void push_back(T& item) noexcept { insert_before(head_, item); }
  void push_front(T& item) noexcept { insert_before(*head_.next_, item); }
  T* pop_front() noexcept {
    if (empty()) return nullptr;
    T* item = static_cast<T*>(head_.next_);
    item->unlink();
    return item;
  }
  // Moves all of `other` to the end of this list, in order.
  void splice_back(intrusive_list& other) noexcept {
    if (other.empty()) return;
    list_hook* first = other.head_.next_;
    list_hook* last = other.head_.previous_;
    other.head_.previous_ = other.head_.next_ = &other.head_;
    first->previous_ = head_.previous_;
    head_.previous_->next_ = first;
    last->next_ = &head_;
    head_.previous_ = last;
  }

 private:
  static void insert_before(list_hook& at, list_hook& item) noexcept {
    if (&at == &item) return;
    item.unlink();
    item.previous_ = at.previous_;
    item.next_ = &at;
    at.previous_->next_ = &item;
    at.previous_ = &item;
  }
  list_hook head_;
};

}  // namespace hawser::inline v0
