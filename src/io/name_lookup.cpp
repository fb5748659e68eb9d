// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/name_lookup.hpp"

#include "io/sockets.hpp"

#include <netdb.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <mutex>
#include <thread>

namespace hawser::inline v0::io {
namespace {

// A thread that found nothing to do for this long ends.
constexpr std::chrono::seconds thread_patience{10};

std::error_code error_from_lookup(int code) noexcept {
  switch (code) {
    case EAI_AGAIN:      // no name server answered
      return make_error_code(errc::resolve_timeout);
    case EAI_MEMORY:
      return make_error_code(errc::out_of_memory_budget);
    default:
      return make_error_code(errc::name_not_found);
  }
}

result<std::vector<endpoint>> look_up_in_system(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &list)) return failure(error_from_lookup(code));
  std::vector<endpoint> addresses;
  for (const addrinfo* one = list; one; one = one->ai_next) {
    sockets::address at;
    if (one->ai_addrlen > sizeof at.storage) continue;
    std::memcpy(&at.storage, one->ai_addr, one->ai_addrlen);
    at.size = one->ai_addrlen;
    endpoint found = sockets::to_endpoint(at);
    if (found.valid()) addresses.push_back(found.with_port(port));
  }
  ::freeaddrinfo(list);
  if (addresses.empty()) return failure(errc::name_not_found);
  return addresses;
}

// The process's helper threads. Never destroyed: a thread may be inside the system's resolver when the process ends.
class lookup_threads {
 public:
  bool ask(std::shared_ptr<name_lookup> question) {
    const std::lock_guard lock(mutex_);
    if (waiting_.size() >= lookups_waiting_max) return false;
    waiting_.push_back(std::move(question));
    if (idle_ >= waiting_.size()) {
      wake_.notify_one();
    } else if (threads_ < lookup_threads_max) {
      start_thread();
    }
    return true;
  }

  void withdraw(const std::shared_ptr<name_lookup>& question) noexcept {
    const std::lock_guard lock(mutex_);
    std::erase(waiting_, question);
  }

  void replace(lookup_function lookup) {
    const std::lock_guard lock(mutex_);
    lookup_ = std::move(lookup);
  }

 private:
  // Without any thread the question would wait for its time-out; with one it waits for its turn.
  void start_thread() {
    try {
      std::thread([this] { work(); }).detach();
      ++threads_;
    } catch (const std::system_error&) {
    }
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (waiting_.empty()) {
        ++idle_;
        const bool asked = wake_.wait_for(lock, thread_patience, [this] { return !waiting_.empty(); });
        --idle_;
        if (!asked) break;
      }
      const std::shared_ptr<name_lookup> question = std::move(waiting_.front());
      waiting_.pop_front();
      const lookup_function lookup = lookup_;
      lock.unlock();
      question->answered(lookup ? lookup(question->host, question->port) : look_up_in_system(question->host, question->port));
      lock.lock();
    }
    --threads_;
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<name_lookup>> waiting_;
  std::size_t threads_ = 0;
  std::size_t idle_ = 0;
  lookup_function lookup_;
};

lookup_threads& threads() {
  static auto* const only = new lookup_threads;
  return *only;
}

}  // namespace

bool ask_system(std::shared_ptr<name_lookup> question) { return threads().ask(std::move(question)); }
void withdraw(const std::shared_ptr<name_lookup>& question) noexcept { threads().withdraw(question); }
void replace_system_lookup(lookup_function lookup) { threads().replace(std::move(lookup)); }

std::vector<endpoint> interleave_families(std::vector<endpoint> addresses) {
  if (addresses.empty()) return addresses;
  std::vector<endpoint> ordered;
  ordered.reserve(addresses.size());
  const auto first = addresses.front().kind();
  auto mine = addresses.begin();
  auto other = addresses.begin();
  const auto take = [&](auto& from, bool same) {
    while (from != addresses.end() && (from->kind() == first) != same) ++from;
    if (from != addresses.end()) ordered.push_back(*from++);
  };
  while (mine != addresses.end() || other != addresses.end()) {
    take(mine, true);
    take(other, false);
  }
  return ordered;
}

}  // namespace hawser::inline v0::io
