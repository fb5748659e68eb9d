// SPDX-License-Identifier: Apache-2.0 OR MIT
#pragma once

#include <hawser/async/task.hpp>
#include <hawser/async/wait.hpp>

#include <array>
#include <coroutine>
#include <cstddef>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace hawser::inline v0 {

namespace detail {

// What a task<void> gives where a value is needed.
template <class T>
using value_or_unit = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T>
value_or_unit<T> take_value(task<T>& from) {
  if constexpr (std::is_void_v<T>) return from.take(), std::monostate{};
  else return from.take();
}

// Told by each branch of a when_all/when_any that it ended.
struct gathering : waiter {
  explicit gathering(loop& on) noexcept : loop_(&on) {}
  void ended(std::size_t index) noexcept {
    if (missing_ == 0) return;
    if (first_ == none) first_ = index;
    if (--missing_ == 0 && waiting()) resume_later(*loop_);
  }
  static constexpr std::size_t none = ~std::size_t{0};
  loop* loop_;
  std::size_t missing_ = 0;
  std::size_t first_ = none;

 protected:
  ~gathering() = default;
};

inline epilogue tell_end(gathering& to, std::size_t index) {
  to.ended(index);
  co_return;
}

// Starts all branches; awaiting it suspends until `wanted` of them have ended. Resumes as a job, where no branch runs.
class gather_await final : public gathering {
 public:
  gather_await(loop& on, std::size_t wanted) noexcept : gathering(on) { missing_ = wanted; }
  template <class T>
  void start(task<T>& branch, const epilogue& end, std::size_t index) {
    branch.start();
    if (branch.done()) {
      ended(index);
    } else {
      branch.then(end.coroutine());
    }
  }
  bool await_ready() const noexcept { return missing_ == 0; }
  void await_suspend(std::coroutine_handle<> outer) noexcept { suspend(outer); }
  std::size_t await_resume() const noexcept { return first_; }
};

}  // namespace detail

// Runs the tasks beside each other and returns what they return, as a tuple (std::monostate for void), when all have ended; throws
// the first exception, in the order of the arguments, once all have ended. Dropping it drops them all. One pooled frame each.
template <class... T>
task<std::tuple<detail::value_or_unit<T>...>> when_all(loop& on, task<T>... branches) {
  std::tuple<task<T>&...> all(branches...);
  detail::gather_await gather(on, sizeof...(T));
  auto ends = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<detail::epilogue, sizeof...(T)>{detail::tell_end(gather, I)...};
  }(std::index_sequence_for<T...>{});
  [&]<std::size_t... I>(std::index_sequence<I...>) { (gather.start(std::get<I>(all), ends[I], I), ...); }(std::index_sequence_for<T...>{});
  co_await gather;
  co_return std::tuple<detail::value_or_unit<T>...>{detail::take_value(branches)...};
}

// Runs the tasks beside each other until the first has ended, destroys the others and returns its value at its place (index()), or
// throws what it threw.
template <class... T>
task<std::variant<detail::value_or_unit<T>...>> when_any(loop& on, task<T>... branches) {
  using answer = std::variant<detail::value_or_unit<T>...>;
  std::tuple<task<T>&...> all(branches...);
  detail::gather_await gather(on, 1);
  auto ends = [&]<std::size_t... I>(std::index_sequence<I...>) {
    return std::array<detail::epilogue, sizeof...(T)>{detail::tell_end(gather, I)...};
  }(std::index_sequence_for<T...>{});
  [&]<std::size_t... I>(std::index_sequence<I...>) { (gather.start(std::get<I>(all), ends[I], I), ...); }(std::index_sequence_for<T...>{});
  const std::size_t first = co_await gather;
  std::optional<answer> value;
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    ((I == first ? static_cast<void>(value.emplace(std::in_place_index<I>, detail::take_value(std::get<I>(all)))) : static_cast<void>(std::get<I>(all).reset())), ...);
  }(std::index_sequence_for<T...>{});
  co_return std::move(*value);
}

}  // namespace hawser::inline v0
