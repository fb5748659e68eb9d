// SPDX-License-Identifier: Apache-2.0 OR MIT
#include "io/uring/self_test.hpp"

#include "io/sockets.hpp"
#include "io/uring/receive_buffers.hpp"

#include <hawser/io/engine.hpp>

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <mutex>
#include <string_view>

namespace hawser::inline v0::io {
namespace {

constexpr std::string_view question = "does it work?";
constexpr ring_geometry small{.submissions = 8, .completions = 16, .receive_buffers = 2};

// One multishot receive, fed by one send, then cancelled: each step of what the engine does with a socket.
class trial {
 public:
  trial(ring& on, receive_buffers& buffers, int from, int to) : ring_(on), buffers_(buffers), from_(from), to_(to) {}

  std::optional<refusal> run() {
    ask();
    const auto limit = std::chrono::steady_clock::now() + self_test_limit;
    while (!over_ && !refused_) {
      const auto left = limit - std::chrono::steady_clock::now();
      if (left <= left.zero()) return refusal{"self-test: operations on a socket do not complete"};
      const int answer = ring_.try_enter(left);
      if (answer < 0 && answer != -ETIME && answer != -EINTR) return refusal{"io_uring_enter", -answer};
      ring_.take(small.completions, [this](const io_uring_cqe& completion) { complete(completion); });
    }
    return refused_;
  }

 private:
  enum : std::uint64_t {
    receive,
    send,
    cancel
  };

  void ask() {
    io_uring_sqe* entry = ring_.next();
    io_uring_prep_recv_multishot(entry, to_, nullptr, 0, 0);
    entry->flags |= IOSQE_BUFFER_SELECT;
    entry->buf_group = receive_buffers::group;
    entry->user_data = receive;
    entry = ring_.next();
    io_uring_prep_send(entry, from_, question.data(), question.size(), MSG_NOSIGNAL);
    entry->user_data = send;
  }

  void complete(const io_uring_cqe& completion) {
    const bool more = (completion.flags & IORING_CQE_F_MORE) != 0;
    if (completion.user_data == receive && heard_ && !more) {
      over_ = true;
    } else if (completion.user_data == receive) {
      hear(completion);
    } else if (completion.user_data == send && completion.res != static_cast<int>(question.size())) {
      refused_ = refusal{"self-test: a send", completion.res < 0 ? -completion.res : 0};
    }
  }

  void hear(const io_uring_cqe& completion) {
    const auto buffer = static_cast<std::uint16_t>(completion.flags >> IORING_CQE_BUFFER_SHIFT);
    const bool more = (completion.flags & IORING_CQE_F_MORE) != 0;
    const bool whole = completion.res == static_cast<int>(question.size()) && (completion.flags & IORING_CQE_F_BUFFER) != 0;
    if (!whole || !more || std::memcmp(buffers_.at(buffer).data(), question.data(), question.size()) != 0) {
      refused_ = refusal{"self-test: a multishot receive", completion.res < 0 ? -completion.res : 0};
      return;
    }
    heard_ = true;
    io_uring_sqe* entry = ring_.next();
    io_uring_prep_cancel64(entry, receive, 0);
    entry->user_data = cancel;
  }

  ring& ring_;
  receive_buffers& buffers_;
  int from_;
  int to_;
  bool heard_ = false;
  bool over_ = false;
  std::optional<refusal> refused_;
};

bool may_pass(int error) noexcept { return error == ENOMEM || error == EMFILE || error == ENFILE || error == EAGAIN; }

}  // namespace

std::optional<refusal> self_test(const ring_calls& calls) {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return refusal{"socketpair", errno};
  const sockets::descriptor from(ends[0]);
  const sockets::descriptor to(ends[1]);
  auto queues = ring::make(small, calls);
  if (!queues) return queues.error();
  auto buffers = receive_buffers::make(**queues, small, calls);
  if (!buffers) return buffers.error();
  (*buffers)->fill();
  (*buffers)->publish();
  auto outcome = trial(**queues, **buffers, from.get(), to.get()).run();
  queues->reset();                     // before the buffers that it may still name
  return outcome;
}

std::optional<refusal> uring_refused() {
  static std::mutex mutex;
  static pid_t known_in = 0;           // a child may be in a sandbox that its parent is not in
  static std::optional<refusal> answer;
  const std::lock_guard lock(mutex);
  if (known_in != ::getpid()) {
    answer = self_test();
    if (!answer || !may_pass(answer->error)) known_in = ::getpid();
  }
  return answer;
}

}  // namespace hawser::inline v0::io
